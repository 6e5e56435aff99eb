/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/engine_config.h"

#include <math.h>
#include <string.h>

#include "base/config.h"

/* A temperature of a quarter keeps a list near its ranking: odds are then the fourth
   power of what the scores say. */
static const struct explore_options explore_default = {
    .share = 0, .temperature = 0.25, .kappa = 0, .epsilon = 0.02};

void engine_config_default(struct engine_config *c)
{
    memset(c, 0, sizeof *c); /* the bytes between the fields too: it can be compared */
    rewards_default(&c->rewards);
    c->explore = explore_default;
    for (int m = 0; m < PENCHANT_BALANCES; m++)
        c->target[m] = NAN;
}

static int unknown(const char *section, const char *name, struct penchant_error *err)
{
    return error_field(err, PENCHANT_EINVALID, 0, name, "[%.32s] has no \"%.64s\"",
                       section, name);
}

static int take_number(const char *name, const char *value, double *out,
                       struct penchant_error *err)
{
    return config_number(value, out) ? PENCHANT_OK
                                     : error_field(err, PENCHANT_EINVALID, 0, name,
                                                   "%.64s must be a number", name);
}

static int take_reward(struct engine_config *c, const char *name, const char *value,
                       struct penchant_error *err)
{
    return rewards_set(&c->rewards, name, value, err);
}

static int take_examination(struct engine_config *c, const char *name, const char *value,
                            struct penchant_error *err)
{
    double decay;
    if (strcmp(name, "decay"))
        return unknown("examination", name, err);
    const int status = take_number(name, value, &decay, err);
    if (status == PENCHANT_OK && !(decay >= 0 && decay <= 10))
        return error_field(err, PENCHANT_EINVALID, 0, name,
                           "decay must be between 0 and 10");
    if (status == PENCHANT_OK)
        c->rewards.examination_decay = decay;
    return status;
}

static int take_explore(struct engine_config *c, const char *name, const char *value,
                        struct penchant_error *err)
{
    struct explore_options o = c->explore;
    double *field = !strcmp(name, "share")         ? &o.share
                    : !strcmp(name, "temperature") ? &o.temperature
                    : !strcmp(name, "kappa")       ? &o.kappa
                    : !strcmp(name, "epsilon")     ? &o.epsilon
                                                   : NULL;
    if (!field)
        return unknown("explore", name, err);
    int status = take_number(name, value, field, err);
    if (status == PENCHANT_OK)
        status = explore_check(&o, err);
    if (status == PENCHANT_OK)
        c->explore = o;
    return status;
}

static int take_target(struct engine_config *c, const char *name, const char *value,
                       struct penchant_error *err)
{
    const enum penchant_balance m = balance_find(name);
    double target;
    if (m == PENCHANT_BALANCES)
        return unknown("balance", name, err);
    int status = take_number(name, value, &target, err);
    if (status == PENCHANT_OK)
        status = balance_check(m, target, err);
    if (status == PENCHANT_OK)
        c->target[m] = target;
    return status;
}

static int take_learning(struct engine_config *c, const char *name, const char *value,
                         struct penchant_error *err)
{
    if (strcmp(name, "adapt"))
        return unknown("learning", name, err);
    if (strcmp(value, "on") && strcmp(value, "off"))
        return error_field(err, PENCHANT_EINVALID, 0, name, "adapt must be on or off");
    c->adapt = !strcmp(value, "on");
    return PENCHANT_OK;
}

static const struct {
    const char *name;
    int (*take)(struct engine_config *c, const char *name, const char *value,
                struct penchant_error *err);
} sections[] = {
    {"rewards", take_reward},    {"examination", take_examination},
    {"explore", take_explore},   {"balance", take_target},
    {"learning", take_learning},
};

static int take_row(void *cookie, const char *section, const char *name,
                    const char *value, struct penchant_error *err)
{
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++)
        if (!strcmp(section, sections[i].name))
            return sections[i].take(cookie, name, value, err);
    return error_field(err, PENCHANT_EINVALID, 0, section, "there is no section [%.64s]",
                       section);
}

int engine_config_read(struct engine_config *c, const char *path,
                       struct penchant_error *err)
{
    return config_read(path, take_row, c, err);
}

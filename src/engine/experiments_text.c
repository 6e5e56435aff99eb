/* SPDX-License-Identifier: Apache-2.0 */
/* An experiment as JSON in the store, and what it must say. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/experiments.h"
#include "policy/explore.h"

/* ---- checking ---- */

static bool is_name(const char *s)
{
    const size_t n = s ? strlen(s) : 0;
    return n >= 1 && n <= PENCHANT_EXPERIMENT_NAME &&
           strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_.-") == n;
}

static int check_arm(const struct penchant_experiment *e, size_t i,
                     struct penchant_error *err)
{
    const struct penchant_arm *arm = &e->arm[i];
    uint32_t mask;
    if (!is_name(arm->name))
        return error_field(err, PENCHANT_EINVALID, i, "name",
                           "an arm's name has 1 to %d characters [a-z0-9_.-]",
                           PENCHANT_EXPERIMENT_NAME);
    for (size_t j = 0; j < i; j++)
        if (strcmp(e->arm[j].name, arm->name) == 0)
            return error_field(err, PENCHANT_EINVALID, i, "name",
                               "two arms are called %s", arm->name);
    if (!(arm->share > 0 && arm->share <= 1))
        return error_field(err, PENCHANT_EINVALID, i, "share",
                           "share must be above 0 and at most 1");
    if (arm->sources && strlen(arm->sources) > 255)
        return error_field(err, PENCHANT_EINVALID, i, "sources", "sources is too long");
    int status = arm->sources ? evidence_parse(arm->sources, &mask, err) : PENCHANT_OK;
    /* A dial that is left open takes any value that is allowed. */
    const struct explore_options o = {.share = isnan(arm->explore) ? 0 : arm->explore,
                                      .temperature =
                                          isnan(arm->temperature) ? 1 : arm->temperature,
                                      .kappa = isnan(arm->kappa) ? 0 : arm->kappa,
                                      .epsilon = isnan(arm->epsilon) ? 0 : arm->epsilon};
    return status ? status : explore_check(&o, err);
}

int experiment_check(const struct penchant_experiment *e, struct penchant_error *err)
{
    double sum = 0;
    if (!is_name(e->name))
        return error_field(err, PENCHANT_EINVALID, 0, "name",
                           "an experiment's name has 1 to %d characters [a-z0-9_.-]",
                           PENCHANT_EXPERIMENT_NAME);
    if (e->n_arms < 2 || e->n_arms > PENCHANT_MAX_ARMS)
        return error_field(err, PENCHANT_EINVALID, 0, "arms",
                           "an experiment has 2 to %d arms", PENCHANT_MAX_ARMS);
    for (size_t i = 0; i < e->n_arms; i++) {
        const int status = check_arm(e, i, err);
        if (status)
            return status;
        sum += e->arm[i].share;
    }
    if (sum > 1 + 1e-9)
        return error_field(err, PENCHANT_EINVALID, 0, "arms",
                           "the shares of the arms add up to %g, more than 1", sum);
    return PENCHANT_OK;
}

/* ---- copying ---- */

static size_t text_size(const char *s)
{
    return s ? strlen(s) + 1 : 0;
}

static const char *put_text(char **at, const char *s)
{
    const size_t n = text_size(s);
    if (!s)
        return NULL;
    char *put = memcpy(*at, s, n);
    *at += n;
    return put;
}

struct penchant_experiment *experiment_copy(const struct penchant_experiment *e)
{
    size_t size = sizeof(*e) + text_size(e->name);
    for (size_t i = 0; i < e->n_arms; i++)
        size += text_size(e->arm[i].name) + text_size(e->arm[i].sources);
    struct penchant_experiment *copy = malloc(size);
    if (!copy)
        return NULL;
    char *at = (char *)(copy + 1);
    *copy = *e;
    copy->name = put_text(&at, e->name);
    for (size_t i = 0; i < e->n_arms; i++) {
        copy->arm[i].name = put_text(&at, e->arm[i].name);
        copy->arm[i].sources = put_text(&at, e->arm[i].sources);
    }
    return copy;
}

/* ---- the store's text ---- */

/* The dials of an arm by name. */
struct dial {
    const char *name;
    double *value;
};

enum { DIALS = 4 };

static void dials_of(struct penchant_arm *arm, struct dial dial[DIALS])
{
    dial[0] = (struct dial){"explore", &arm->explore};
    dial[1] = (struct dial){"temperature", &arm->temperature};
    dial[2] = (struct dial){"kappa", &arm->kappa};
    dial[3] = (struct dial){"epsilon", &arm->epsilon};
}

static json_t *arm_json(const struct penchant_arm *arm)
{
    json_t *json = json_pack("{s:s, s:f, s:b}", "name", arm->name, "share", arm->share,
                             "shop", (int)arm->shop);
    if (json && arm->sources)
        json_object_set_new(json, "sources", json_string(arm->sources));
    struct penchant_arm copy = *arm;
    struct dial dial[DIALS];
    dials_of(&copy, dial);
    for (int i = 0; json && i < DIALS; i++)
        if (!isnan(*dial[i].value))
            json_object_set_new(json, dial[i].name, json_real(*dial[i].value));
    return json;
}

int experiment_write(const struct penchant_experiment *e, char **out,
                     struct penchant_error *err)
{
    json_t *arms = json_array();
    json_t *json = json_pack("{s:s, s:b, s:I, s:I, s:o}", "name", e->name, "running",
                             (int)e->running, "started_us", (json_int_t)e->started_us,
                             "stopped_us", (json_int_t)e->stopped_us, "arms", arms);
    for (size_t i = 0; json && i < e->n_arms; i++)
        json_array_append_new(arms, arm_json(&e->arm[i]));
    const bool whole = json && json_array_size(arms) == e->n_arms;
    *out = whole ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(json);
    return *out ? PENCHANT_OK : error_memory(err);
}

static void read_arm(const json_t *json, struct penchant_arm *arm)
{
    penchant_arm_default(arm);
    arm->name = json_string_value(json_object_get(json, "name"));
    arm->share = json_number_value(json_object_get(json, "share"));
    arm->shop = json_is_true(json_object_get(json, "shop"));
    arm->sources = json_string_value(json_object_get(json, "sources"));
    struct dial dial[DIALS];
    dials_of(arm, dial);
    for (int i = 0; i < DIALS; i++)
        if (json_is_number(json_object_get(json, dial[i].name)))
            *dial[i].value = json_number_value(json_object_get(json, dial[i].name));
}

int experiment_read(const char *text, struct penchant_experiment **out,
                    struct penchant_error *err)
{
    json_error_t why;
    struct penchant_experiment e = {0};
    *out = NULL;
    json_t *json = json_loads(text, 0, &why);
    const json_t *arms = json_object_get(json, "arms");
    e.name = json_string_value(json_object_get(json, "name"));
    e.running = json_is_true(json_object_get(json, "running"));
    e.started_us = json_integer_value(json_object_get(json, "started_us"));
    e.stopped_us = json_integer_value(json_object_get(json, "stopped_us"));
    e.n_arms = json_array_size(arms);
    for (size_t i = 0; i < e.n_arms && i < PENCHANT_MAX_ARMS; i++)
        read_arm(json_array_get(arms, i), &e.arm[i]);
    int status = experiment_check(&e, NULL);
    if (status)
        status = error_set(err, PENCHANT_ECORRUPT, "a stored experiment cannot be read");
    else if (!(*out = experiment_copy(&e)))
        status = error_memory(err);
    json_decref(json);
    return status;
}

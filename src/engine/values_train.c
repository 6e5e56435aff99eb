/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/values_train.h"

#include <stdio.h>
#include <string.h>

_Static_assert((int)PENCHANT_VALUES == (int)CRITIC_OBJECTIVES &&
                   (int)PENCHANT_VALUE_PURCHASE == (int)CRITIC_PURCHASE &&
                   (int)PENCHANT_VALUE_ENGAGEMENT == (int)CRITIC_ENGAGEMENT &&
                   (int)PENCHANT_VALUE_STAYING == (int)CRITIC_STAYING,
               "values are told as they are computed");

int values_wanted(bool *out, const char *option, const struct lessons *l,
                  struct penchant_error *err)
{
    if (!option || !strcmp(option, "auto"))
        *out = value_log_speaks(&l->history);
    else if (!strcmp(option, "on") || !strcmp(option, "off"))
        *out = option[1] == 'n';
    else
        return error_field(err, PENCHANT_EINVALID, 0, "values",
                           "values is \"%s\", not auto, on or off", option);
    return PENCHANT_OK;
}

static int train_on(struct critic **out, const struct critic_data *d, struct pool *pool,
                    const struct penchant_train_options *o, uint64_t seed,
                    struct penchant_error *err)
{
    struct critic_train_options t = critic_train_defaults(d->n_train);
    t.seed = seed;
    t.seconds = o->minutes > 0 ? o->minutes * 60 * VALUES_SHARE : 0;
    t.progress = o->progress;
    t.cookie = o->cookie;
    return critic_train(out, d, &t, pool, err);
}

int values_train(struct critic **out, bool *stopped, const struct lessons *l,
                 const struct model *m, const struct penchant_train_options *o,
                 uint64_t seed, struct penchant_error *err)
{
    struct value_rewards earned;
    struct critic_data d = {0};
    struct pool *pool = pool_new(o->threads ? o->threads : 2);
    *out = NULL;
    *stopped = false;
    int rc = pool ? value_rewards_make(&earned, &l->values, &l->history, &l->catalog)
                  : PENCHANT_ENOMEM;
    if (rc) {
        pool_free(pool);
        return error_memory(err);
    }
    const struct critic_log log = {.history = &l->history,
                                   .reward = earned.reward,
                                   .ends = earned.ends,
                                   .aside = earned.aside,
                                   .n_asides = earned.n_asides};
    rc = critic_data_make(&d, m, &log, pool, err);
    if (!rc)
        rc = train_on(out, &d, pool, o, seed, err);
    *stopped = rc == PENCHANT_EINTERRUPTED;
    critic_data_release(&d);
    value_rewards_release(&earned);
    pool_free(pool);
    return *stopped ? PENCHANT_OK : rc;
}

void values_quality(const struct critic *c, struct penchant_value_quality *out)
{
    for (int o = 0; o < CRITIC_OBJECTIVES; o++) {
        struct penchant_value_quality *q = &out[o];
        *q = (struct penchant_value_quality){
            .reason = critic_reason(c ? c->head[o].why : CRITIC_UNTRAINED),
            .discount = (double)(c ? c->head[o].gamma : critic_discounts[o])};
        snprintf(q->name, sizeof q->name, "%s", critic_names[o]);
        if (q->reason)
            continue;
        const struct critic_figures *f = &c->head[o].figures;
        q->n = (uint64_t)f->n;
        q->users = (uint64_t)f->users;
        q->mean_return = (double)f->mean_return;
        q->mean_value = (double)f->mean_value;
        q->td_error = (double)f->td_error;
        q->rmse = (double)f->rmse;
        q->mean_rmse = (double)f->mean_rmse;
        q->rate_rmse = (double)f->rate_rmse;
        q->gain = (double)f->gain;
        q->error = (double)f->gain_error;
        q->spearman = (double)f->spearman;
        q->rate_spearman = (double)f->rate_spearman;
        q->item_spearman = (double)f->action_spearman;
    }
}

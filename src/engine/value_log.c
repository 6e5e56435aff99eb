/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/value_log.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void value_log_init(struct value_log *v, const struct rewards *rewards)
{
    *v = (struct value_log){.n_paid = 0};
    if (rewards)
        v->rewards = *rewards;
    else
        rewards_default(&v->rewards);
    memset(v->rule, -1, sizeof v->rule);
}

void value_log_release(struct value_log *v)
{
    free(v->paid);
    free(v->dislike);
    *v = (struct value_log){.n_paid = 0};
}

void value_log_type(struct value_log *v, uint32_t type, const char *name)
{
    if (type < EVENT_MAX_TYPES)
        v->rule[type] = (int8_t)rewards_find(&v->rewards, name);
}

/* ---- while the log is read ---- */

static int add_price(struct value_log *v, uint32_t item, double price)
{
    if (item >= v->n_paid) {
        const uint32_t n = item < UINT32_MAX / 2 ? 2 * item + 64 : UINT32_MAX;
        struct value_paid *grown = realloc(v->paid, n * sizeof *grown);
        if (!grown)
            return PENCHANT_ENOMEM;
        memset(grown + v->n_paid, 0, (n - v->n_paid) * sizeof *grown);
        v->paid = grown;
        v->n_paid = n;
    }
    v->paid[item].sum += price;
    v->paid[item].n++;
    reward_prices_add(&v->prices, price);
    return PENCHANT_OK;
}

static int add_dislike(struct value_log *v, const struct event *e)
{
    if (v->n_dislikes == VALUE_LOG_DISLIKES)
        return PENCHANT_OK;
    if (v->n_dislikes == v->cap_dislikes) {
        const size_t cap = v->cap_dislikes ? 2 * v->cap_dislikes : 256;
        struct value_dislike *grown = realloc(v->dislike, cap * sizeof *grown);
        if (!grown)
            return PENCHANT_ENOMEM;
        v->dislike = grown;
        v->cap_dislikes = cap;
    }
    v->dislike[v->n_dislikes++] =
        (struct value_dislike){.user = e->user, .item = e->item, .ts_us = e->ts_us};
    return PENCHANT_OK;
}

int value_log_observe(struct value_log *v, const struct event *e)
{
    if (e->item == NAMES_NONE)
        return PENCHANT_OK;
    if (e->type == EVENT_PURCHASE && e->value > 0 && isfinite(e->value))
        return add_price(v, e->item, e->value);
    return event_dislikes(e->type, e->value) ? add_dislike(v, e) : PENCHANT_OK;
}

/* ---- rewards ---- */

static double price_of(const struct value_log *v, const struct catalog *c, uint32_t item)
{
    if (item < v->n_paid && v->paid[item].n)
        return v->paid[item].sum / (double)v->paid[item].n;
    return item < c->ids.n ? c->item[item].price : NAN;
}

/* Median of what was paid; where nobody tells, of the prices of what was bought. */
static double median_of(const struct value_log *v, const struct history *h,
                        const struct catalog *c)
{
    struct reward_prices prices = v->prices;
    for (uint64_t e = 0; !v->prices.n && e < h->n; e++)
        if (h->type[e] == EVENT_PURCHASE)
            reward_prices_add(&prices, price_of(v, c, h->item[e]));
    return reward_prices_median(&prices);
}

static int objective_of(enum reward_group group)
{
    return group == REWARD_PURCHASE     ? CRITIC_PURCHASE
           : group == REWARD_ENGAGEMENT ? CRITIC_ENGAGEMENT
                                        : CRITIC_STAYING;
}

/* reward (CRITIC_OBJECTIVES) += what an event of this type on this item earns. */
static void earn(const struct value_log *v, const struct catalog *c, double median,
                 uint32_t type, uint32_t item, float *reward)
{
    const int rule = v->rule[type];
    if (rule < 0)
        return;
    const struct reward_rule *r = &v->rewards.rule[rule];
    reward[objective_of(r->group)] += (float)reward_of(r, price_of(v, c, item), median);
}

/* Whether the visit is over after event e of a user whose events end at `end`. */
static bool leaves(const struct history *h, uint64_t e, uint64_t end)
{
    return e + 1 == end ||
           (h->has_clock && h->ts_us[e + 1] - h->ts_us[e] > EVENT_SESSION_GAP_US);
}

/* The number of a user's events that were not after a time. */
static uint64_t before(const struct history *h, uint32_t user, int64_t ts_us)
{
    uint64_t low = h->start[user], high = h->start[user + 1];
    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;
        if (h->ts_us[middle] <= ts_us)
            low = middle + 1;
        else
            high = middle;
    }
    return low - h->start[user];
}

static int by_after(const void *a, const void *b)
{
    const struct critic_aside *x = a, *y = b;
    if (x->after != y->after)
        return x->after < y->after ? -1 : 1;
    return (x->item > y->item) - (x->item < y->item);
}

static void make_asides(struct value_rewards *out, const struct value_log *v,
                        const struct history *h, const struct catalog *c, double median)
{
    for (size_t i = 0; i < v->n_dislikes; i++) {
        const struct value_dislike *x = &v->dislike[i];
        const uint64_t n = x->user < h->n_users ? before(h, x->user, x->ts_us) : 0;
        if (!n || x->item >= h->n_items)
            continue; /* of a shopper of whom nothing was known yet */
        struct critic_aside *a = &out->aside[out->n_asides++];
        *a = (struct critic_aside){.after = h->start[x->user] + n - 1, .item = x->item};
        earn(v, c, median, EVENT_DISLIKE, x->item, a->reward);
    }
    qsort(out->aside, out->n_asides, sizeof *out->aside, by_after);
}

int value_rewards_make(struct value_rewards *out, const struct value_log *v,
                       const struct history *h, const struct catalog *c)
{
    const double median = median_of(v, h, c);
    *out = (struct value_rewards){
        .reward = calloc(h->n * CRITIC_OBJECTIVES + 1, sizeof *out->reward),
        .ends = calloc(h->n + 1, sizeof *out->ends),
        .aside = malloc((v->n_dislikes + 1) * sizeof *out->aside)};
    if (!out->reward || !out->ends || !out->aside) {
        value_rewards_release(out);
        return PENCHANT_ENOMEM;
    }
    for (uint32_t u = 0; u < h->n_users; u++) {
        const uint64_t end = h->start[u + 1];
        for (uint64_t e = h->start[u]; e < end; e++) {
            float *reward = out->reward + e * CRITIC_OBJECTIVES;
            earn(v, c, median, h->type[e], h->item[e], reward);
            reward[CRITIC_STAYING] += 1;
            if (e + 1 == end)
                out->ends[e] = (1U << CRITIC_OBJECTIVES) - 1;
            else if (leaves(h, e, end))
                out->ends[e] = 1U << CRITIC_STAYING;
        }
    }
    make_asides(out, v, h, c, median);
    return PENCHANT_OK;
}

void value_rewards_release(struct value_rewards *r)
{
    free(r->reward);
    free(r->ends);
    free(r->aside);
    *r = (struct value_rewards){0};
}

bool value_log_speaks(const struct history *h)
{
    bool several = false, bought = false;
    for (uint64_t e = 0; e < h->n && !(several || bought); e++) {
        several = h->type[e] != h->type[0];
        bought = h->type[e] == EVENT_PURCHASE;
    }
    return several || bought;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/segment_census.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "behaviour/event.h"

#define DAY_US 86400e6

/* ---- one user ---- */

static double fade(const struct census *c, bool has_clock, const struct user_state *u,
                   uint32_t i)
{
    if (!has_clock)
        return exp2(-(double)(u->n_recent - 1 - i) / SEGMENTS_HALF_LIFE);
    const double days = (double)(c->now_us - u->recent_us[i]) / DAY_US;
    return exp2(-fmax(days, 0) / EVIDENCE_HALF_LIFE_DAYS);
}

/* The shard is locked. */
static void add_wanted(const struct census *c, const struct penchant *p,
                       const struct user_state *u, double *of, struct census_sum *sum)
{
    uint32_t i = u->n_recent > SEGMENTS_WINDOW ? u->n_recent - SEGMENTS_WINDOW : 0;
    for (; i < u->n_recent; i++) {
        const double w =
            (double)event_type_weight(u->recent_type[i]) * fade(c, p->has_clock, u, i);
        if (u->recent[i] < c->n_items) {
            of[u->recent[i]] += w;
            sum->weight += w;
            sum->events++;
        }
    }
}

void census_add_wanted(const struct census *c, struct penchant *p, uint32_t user,
                       double *of, struct census_sum *sum)
{
    const struct user_state *u = user_states_lock(p->states, user);
    if (!u)
        return;
    add_wanted(c, p, u, of, sum);
    user_states_unlock(p->states, user);
}

/* Purchases whose price was not told count with the catalogue's. */
static struct rfm rfm_of(const struct census *c, const struct penchant *p,
                         const struct user_state *u, double *bought)
{
    struct rfm r = {.value = {[RFM_RECENCY] = (double)(c->now_us - u->last_us) / DAY_US,
                              [RFM_AGE] = (double)(c->now_us - u->first_us) / DAY_US}};
    *bought = 0;
    for (uint32_t i = 0; i < u->n_purchased; i++) {
        const struct user_purchase *of = &u->purchased[i];
        const double price = p->catalog.item[of->item].price;
        *bought += of->count;
        r.value[RFM_MONETARY] += of->spent > 0  ? (double)of->spent
                                 : isnan(price) ? 0
                                                : price * of->count;
    }
    r.value[RFM_FREQUENCY] = (double)u->wanted;
    return r;
}

/* ---- everybody ---- */

void census_breathe(struct penchant *p, uint32_t i)
{
    if (i % 1024 != 1023)
        return;
    pthread_rwlock_unlock(&p->lock);
    pthread_rwlock_rdlock(&p->lock);
}

struct line {
    uint32_t user;
    uint8_t segment;
    double bought;
    struct rfm rfm;
};

/* Every user who is in a segment, by number; the others' wishes count all the same. */
static uint32_t read_users(struct census *c, struct penchant *p, uint32_t n_users,
                           struct line *line)
{
    uint32_t n = 0;
    for (uint32_t u = 0; u < n_users; u++) {
        census_breathe(p, u);
        const struct user_state *state = user_states_lock(p->states, u);
        if (!state)
            continue;
        line[n].user = u;
        line[n].segment = engine_segment_of(p, u);
        line[n].rfm = rfm_of(c, p, state, &line[n].bought);
        add_wanted(c, p, state, c->wanted, &c->total);
        const bool wanted = state->n_recent > 0;
        user_states_unlock(p->states, u);
        if (line[n].segment < c->n_segments) {
            c->purchases = c->purchases || line[n].bought > 0;
            n++;
        } else {
            c->outside += wanted;
        }
    }
    return n;
}

static int order(struct census *c, const struct line *line, uint32_t n)
{
    uint32_t next[SEGMENTS_MAX] = {0};
    c->n = n;
    c->user = malloc((n + (size_t)1) * sizeof *c->user);
    c->rfm = malloc((n + (size_t)1) * sizeof *c->rfm);
    if (!c->user || !c->rfm)
        return PENCHANT_ENOMEM;
    for (uint32_t i = 0; i < n; i++)
        c->begin[line[i].segment + 1]++;
    for (uint32_t s = 0; s < c->n_segments; s++) {
        c->begin[s + 1] += c->begin[s];
        next[s] = c->begin[s];
    }
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t at = next[line[i].segment]++;
        c->user[at] = line[i].user;
        c->rfm[at] = line[i].rfm;
        if (c->purchases)
            c->rfm[at].value[RFM_FREQUENCY] = line[i].bought;
    }
    return rfm_scale_init(&c->scale, c->rfm, n);
}

/* What the segments say of themselves. */
static int copy_segments(struct census *c, struct penchant *p, struct penchant_error *err)
{
    int rc = PENCHANT_OK;
    pthread_rwlock_rdlock(&p->segments_lock);
    const struct shop_segments *s = p->segments;
    if (!s) {
        rc = error_set(err, PENCHANT_ENOMODEL,
                       "there are no segments: no model has been trained");
    } else {
        c->n_segments = s->live.n;
        c->changes = s->live.changes;
        c->n_choices = s->n_choices;
        c->prior = s->prior;
        c->choices = malloc((s->n_choices + (size_t)1) * 4 * sizeof *c->choices);
        if (c->choices)
            memcpy(c->choices, s->choices, (size_t)s->n_choices * 4 * sizeof *c->choices);
        else
            rc = error_memory(err);
    }
    pthread_rwlock_unlock(&p->segments_lock);
    return rc;
}

int census_take(struct census *c, struct penchant *p, struct penchant_error *err)
{
    *c = (struct census){.n_items = p->catalog.ids.n, .now_us = engine_now(p)};
    int rc = copy_segments(c, p, err);
    if (rc)
        return rc;
    const uint32_t n_users = p->users.n;
    struct line *line = malloc((n_users + (size_t)1) * sizeof *line);
    c->wanted = calloc(c->n_items + (size_t)1, sizeof *c->wanted);
    rc = line && c->wanted ? order(c, line, read_users(c, p, n_users, line))
                           : PENCHANT_ENOMEM;
    free(line);
    if (rc) {
        census_release(c);
        return error_memory(err);
    }
    return PENCHANT_OK;
}

void census_release(struct census *c)
{
    free(c->user);
    free(c->rfm);
    free(c->wanted);
    free(c->choices);
    *c = (struct census){0};
}

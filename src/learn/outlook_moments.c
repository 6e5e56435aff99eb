/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/outlook_moments.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "behaviour/event.h"

#define SECOND_US 1e6
#define LONGEST_S 7200.0 /* after an event */

/* ---- time ---- */

static int by_time(const void *pa, const void *pb)
{
    const int64_t a = *(const int64_t *)pa, b = *(const int64_t *)pb;
    return (a > b) - (a < b);
}

int outlook_divide(const struct history *h, struct outlook_times *t)
{
    static const double share[OUTLOOK_PARTS + 1] = {0.005, 0.5, 0.75, 0.995};
    enum { MOST = 1 << 20 }; /* of a long log every so many-th event will do */
    const uint64_t every = h->n / MOST + 1;
    int64_t *ts_us = malloc((h->n / every + 1) * sizeof(*ts_us));
    size_t n = 0;
    *t = (struct outlook_times){{0}};
    if (!ts_us)
        return PENCHANT_ENOMEM;
    for (uint64_t i = 0; i < h->n; i += every)
        ts_us[n++] = h->ts_us[i];
    qsort(ts_us, n, sizeof(*ts_us), by_time);
    for (int p = 0; n && p <= OUTLOOK_PARTS; p++)
        t->at[p] = ts_us[(size_t)(share[p] * (double)(n - 1))];
    free(ts_us);
    return PENCHANT_OK;
}

int64_t outlook_horizon_us(bool week)
{
    return week ? OUTLOOK_WEEK_US : EVENT_SESSION_GAP_US;
}

/* How many of a user's events lie at or before a time. */
static uint64_t events_until(const struct history *h, uint32_t user, int64_t ts_us)
{
    uint64_t low = h->start[user], high = h->start[user + 1];
    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;
        if (h->ts_us[middle] > ts_us)
            high = middle;
        else
            low = middle + 1;
    }
    return low - h->start[user];
}

/* ---- what came ---- */

static int kind(uint8_t type)
{
    return type == EVENT_VIEW       ? 0
           : type == EVENT_CART     ? 1
           : type == EVENT_PURCHASE ? 2
                                    : 3;
}

static void look_ahead(const struct outlook_question *q, struct outlook_moment *m)
{
    const struct history *h = q->history;
    const int64_t until = m->now_us + outlook_horizon_us(q->week);
    uint64_t i = h->start[m->user] + events_until(h, m->user, m->now_us);
    const uint64_t end = h->start[m->user + 1];
    memset(m->came, 0, sizeof(m->came));
    if (i == end || h->ts_us[i] > until) {
        m->came[q->week ? OUTLOOK_WEEK_NOTHING : OUTLOOK_NEXT_LEAVE] = true;
    } else if (!q->week) {
        m->came[OUTLOOK_NEXT_VIEW + kind(h->type[i])] = true;
    }
    for (; q->week && i < end && h->ts_us[i] <= until; i++)
        if (kind(h->type[i]) < 3)
            m->came[OUTLOOK_WEEK_VIEW + kind(h->type[i])] = true;
}

/* ---- drawing ---- */

/* The user whose event it is. */
static uint32_t user_of(const struct history *h, uint64_t event)
{
    uint32_t low = 0, high = h->n_users;
    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        if (h->start[middle] <= event)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static void draw_after_event(const struct history *h, struct rng *rng,
                             struct outlook_moment *m)
{
    const uint64_t event = (uint64_t)(rng_double(rng) * (double)h->n);
    m->user = user_of(h, event);
    const double later = exp(rng_double(rng) * log(LONGEST_S)) * SECOND_US;
    m->now_us = h->ts_us[event] + (int64_t)later;
}

static void draw_any_time(const struct history *h, int64_t from_us, int64_t to_us,
                          struct rng *rng, struct outlook_moment *m)
{
    m->user = rng_below(rng, h->n_users);
    m->now_us = from_us + (int64_t)(rng_double(rng) * (double)(to_us - from_us));
}

size_t outlook_draw(const struct outlook_question *q, int64_t from_us, int64_t to_us,
                    size_t n, struct rng *rng, struct outlook_moment *out)
{
    const struct history *h = q->history;
    const int64_t last = to_us - outlook_horizon_us(q->week);
    size_t got = 0;
    if (last <= from_us || !h->n)
        return 0;
    for (size_t tries = 0; got < n && tries < 40 * n; tries++) {
        struct outlook_moment *m = &out[got];
        if (got % 2)
            draw_any_time(h, from_us, last, rng, m);
        else
            draw_after_event(h, rng, m);
        if (m->now_us < from_us || m->now_us > last ||
            !events_until(h, m->user, m->now_us))
            continue;
        look_ahead(q, m);
        got++;
    }
    return got;
}

size_t outlook_newcomers(const struct outlook_question *q, const struct outlook_times *t,
                         size_t n, struct outlook_moment *out)
{
    const struct history *h = q->history;
    const int64_t last = t->at[OUTLOOK_PARTS] - outlook_horizon_us(q->week);
    const uint32_t every = (uint32_t)(h->n_users / (n + 1)) + 1;
    size_t got = 0;
    for (uint32_t u = 0; u < h->n_users && got < n; u += every) {
        struct outlook_moment *m = &out[got];
        if (h->start[u] == h->start[u + 1])
            continue;
        *m = (struct outlook_moment){.user = u, .now_us = h->ts_us[h->start[u]]};
        if (m->now_us < t->at[0] || m->now_us > last)
            continue;
        look_ahead(q, m);
        got++;
    }
    return got;
}

struct outlook_state outlook_known(const struct outlook_question *q,
                                   const struct outlook_moment *m)
{
    const struct history *h = q->history;
    const uint64_t start = h->start[m->user];
    const uint64_t total = events_until(h, m->user, m->now_us);
    const uint64_t n = total < OUTLOOK_EVENTS ? total : OUTLOOK_EVENTS;
    const uint64_t from = start + total - n;
    return (struct outlook_state){.item = h->item + from,
                                  .type = h->type + from,
                                  .ts_us = h->ts_us + from,
                                  .n = (uint32_t)n,
                                  .total = total,
                                  .first_us = h->ts_us[start],
                                  .now_us = m->now_us,
                                  .catalog = q->catalog};
}

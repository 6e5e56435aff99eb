/* SPDX-License-Identifier: Apache-2.0 */
/* Random logs for the counting sources, and what must hold of every source. */
#ifndef TESTS_EVIDENCE_FIXTURE_H
#define TESTS_EVIDENCE_FIXTURE_H

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/names.h"
#include "base/rng.h"
#include "behaviour/event.h"
#include "evidence/sources.h"

enum { FIXTURE_RECENT = 256 };

#define FIXTURE_MINUTE INT64_C(60000000)
#define FIXTURE_DAY    (24 * 60 * FIXTURE_MINUTE)

/* Events in the order of the log; each user's own stand in time order. */
struct fixture_log {
    uint32_t *user, *item; /* (n) */
    uint8_t *type;
    int64_t *ts_us;
    uint32_t n, users, items;
    bool clock;
};

static inline void fixture_log_init(struct fixture_log *l, uint32_t n, uint32_t users,
                                    uint32_t items, bool clock)
{
    *l = (struct fixture_log){.users = users, .items = items, .clock = clock};
    l->user = calloc(n, sizeof *l->user);
    l->item = calloc(n, sizeof *l->item);
    l->type = calloc(n, sizeof *l->type);
    l->ts_us = calloc(n, sizeof *l->ts_us);
    assert_true(l->user && l->item && l->type && l->ts_us);
}

static inline void fixture_log_release(struct fixture_log *l)
{
    free(l->user);
    free(l->item);
    free(l->type);
    free(l->ts_us);
}

static inline void fixture_log_add(struct fixture_log *l, uint32_t user, uint32_t item,
                                   uint32_t type, int64_t ts_us)
{
    l->user[l->n] = user;
    l->item[l->n] = item;
    l->type[l->n] = (uint8_t)type;
    l->ts_us[l->n++] = ts_us;
}

/*
 * Shoppers who come by turns: each prefers ten neighbouring items, comes back to what it
 * had now and then, and looks more often than it buys. With a clock every event is about
 * twenty minutes after the one before, so that sessions overlap and end.
 */
static inline void fixture_wander(struct fixture_log *l, uint32_t n, uint32_t users,
                                  uint32_t items, bool clock, uint64_t seed)
{
    struct rng r;
    rng_init(&r, seed, 7);
    fixture_log_init(l, n, users, items, clock);
    int64_t now = clock ? INT64_C(1600000000000000) : 0;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t user = rng_below(&r, users);
        uint32_t item = (user * 10 + rng_below(&r, 10)) % items;
        if (rng_below(&r, 4) == 0)
            item = rng_below(&r, 1 + rng_below(&r, items));
        const uint32_t back = i - rng_below(&r, 1 + (i < 40 * users ? i : 40 * users));
        if (rng_below(&r, 3) == 0 && back < i && l->user[back] == user)
            item = l->item[back];
        now += clock ? (int64_t)rng_below(&r, 6) * FIXTURE_MINUTE : 1;
        fixture_log_add(l, user, item, rng_below(&r, 4) ? EVENT_VIEW : EVENT_PURCHASE,
                        now);
    }
}

/* What a user had before event `at`; borrowed from the caller's arrays. */
struct fixture_past {
    uint32_t item[FIXTURE_RECENT];
    int64_t us[FIXTURE_RECENT];
    uint8_t type[FIXTURE_RECENT];
    uint32_t n;
};

static inline void fixture_past_of(struct fixture_past *p, const struct fixture_log *l,
                                   uint32_t user, uint32_t at)
{
    uint32_t n = 0, place[FIXTURE_RECENT];
    for (uint32_t i = at; i-- > 0 && n < FIXTURE_RECENT;)
        if (l->user[i] == user)
            place[n++] = i;
    p->n = n;
    for (uint32_t i = 0; i < n; i++) {
        p->item[i] = l->item[place[n - 1 - i]];
        p->us[i] = l->ts_us[place[n - 1 - i]];
        p->type[i] = l->type[place[n - 1 - i]];
    }
}

static inline struct evidence_event
fixture_event(const struct fixture_log *l, uint32_t at, const struct fixture_past *p)
{
    return (struct evidence_event){.user = l->user[at],
                                   .item = l->item[at],
                                   .type = l->type[at],
                                   .ts_us = l->ts_us[at],
                                   .recent = p->item,
                                   .recent_us = p->us,
                                   .recent_type = p->type,
                                   .n_recent = p->n};
}

static inline void fixture_observe(const struct evidence_source *s, void *state,
                                   const struct fixture_log *l, uint32_t from,
                                   uint32_t to)
{
    struct fixture_past p;
    for (uint32_t i = from; i < to; i++) {
        fixture_past_of(&p, l, l->user[i], i);
        const struct evidence_event e = fixture_event(l, i, &p);
        assert_int_equal(s->observe(state, &e), 0);
    }
}

static inline struct evidence_query fixture_query(const struct fixture_log *l,
                                                  uint32_t user, int64_t now_us,
                                                  const struct fixture_past *p)
{
    return (struct evidence_query){.user = user,
                                   .recent = p->item,
                                   .recent_us = p->us,
                                   .recent_type = p->type,
                                   .n_recent = p->n,
                                   .now_us = now_us,
                                   .n_items = l->items};
}

/* Scores of all items into out[l->items]. */
static inline void fixture_scores(const struct evidence_source *s, void *state,
                                  const struct evidence_query *q, float *out)
{
    uint32_t *all = malloc(q->n_items * sizeof *all);
    assert_non_null(all);
    for (uint32_t i = 0; i < q->n_items; i++)
        all[i] = i;
    s->score(state, q, all, q->n_items, out);
    for (uint32_t i = 0; i < q->n_items; i++)
        assert_true(isfinite(out[i]));
    free(all);
}

/* Twice the same log: the same scores, bit for bit. */
static inline void fixture_replays(const struct evidence_source *s, bool clock)
{
    enum { EVENTS = 4000, ITEMS = 300 };
    struct evidence_options o = {.has_clock = clock, .half_life_days = 3};
    void *a = s->create(&o), *b = s->create(&o);
    struct fixture_log l;
    struct fixture_past p;
    float x[ITEMS], y[ITEMS];
    fixture_wander(&l, EVENTS, 60, ITEMS, clock, 5);
    fixture_observe(s, a, &l, 0, EVENTS);
    fixture_observe(s, b, &l, 0, EVENTS);
    for (uint32_t u = 0; u <= l.users; u++) {
        fixture_past_of(&p, &l, u, EVENTS);
        const struct evidence_query q = fixture_query(&l, u, l.ts_us[EVENTS - 1] + 1, &p);
        fixture_scores(s, a, &q, x);
        fixture_scores(s, b, &q, y);
        assert_memory_equal(x, y, sizeof x);
    }
    fixture_log_release(&l);
    s->destroy(a);
    s->destroy(b);
}

/* Candidates are distinct, allowed, at most k and best first; of all that the source
   would ever name none with a higher score than the last of k is missing. */
static inline void fixture_candidates_are_best(const struct evidence_source *s,
                                               void *state, struct evidence_query *q,
                                               uint64_t seed)
{
    struct rng r;
    rng_init(&r, seed, 3);
    float *score = malloc(q->n_items * sizeof *score);
    uint64_t *skip = calloc(q->n_items / 64 + 1, sizeof *skip);
    uint32_t *item = malloc(q->n_items * sizeof *item);
    uint32_t *full = malloc(q->n_items * sizeof *full);
    assert_true(score && skip && item && full);
    for (uint32_t i = 0; i < q->n_items; i += 1 + rng_below(&r, 4))
        skip[i / 64] |= 1ULL << (i % 64);
    for (int skipping = 0; skipping < 2; skipping++) {
        q->skip = skipping ? skip : NULL;
        fixture_scores(s, state, q, score);
        const size_t n_full = s->candidates(state, q, q->n_items, full);
        for (uint32_t k = 1; k <= q->n_items; k *= 3) {
            const size_t n = s->candidates(state, q, k, item);
            assert_int_equal(n, k < n_full ? k : n_full);
            for (size_t i = 0; i < n; i++) {
                assert_true(item[i] < q->n_items && !evidence_skips(q, item[i]));
                assert_true(i == 0 || score[item[i - 1]] >= score[item[i]]);
                for (size_t j = 0; j < i; j++)
                    assert_int_not_equal(item[i], item[j]);
            }
            uint32_t better = 0;
            for (size_t i = 0; n && i < n_full; i++)
                better += score[full[i]] > score[item[n - 1]];
            assert_true(better < k);
        }
    }
    q->skip = NULL;
    free(score);
    free(skip);
    free(item);
    free(full);
}

/* ---- on several threads ---- */

struct fixture_race {
    const struct evidence_source *source;
    void *state;
    const struct fixture_log *log;
    atomic_bool done;
    atomic_int bad; /* scores that were not finite */
};

static inline void *fixture_ask(void *arg)
{
    struct fixture_race *x = arg;
    uint32_t item[20];
    float score[20];
    for (uint32_t turn = 0; !x->done || turn < 50; turn++) {
        struct fixture_past p;
        fixture_past_of(&p, x->log, turn % x->log->users, x->log->n / 2);
        const struct evidence_query q =
            fixture_query(x->log, turn % x->log->users, x->log->ts_us[x->log->n - 1], &p);
        const size_t n = x->source->candidates(x->state, &q, 20, item);
        x->source->score(x->state, &q, item, n, score);
        for (size_t i = 0; i < n; i++)
            x->bad += !isfinite(score[i]);
    }
    return NULL;
}

/* One thread observes while two ask; afterwards it is as if nobody had asked. */
static inline void fixture_threads(const struct evidence_source *s)
{
    enum { EVENTS = 6000, ITEMS = 200 };
    struct evidence_options o = {.has_clock = true, .half_life_days = 3};
    struct fixture_log l;
    struct fixture_past p;
    float x[ITEMS], y[ITEMS];
    fixture_wander(&l, EVENTS, 50, ITEMS, true, 8);
    struct fixture_race race = {.source = s, .state = s->create(&o), .log = &l};
    pthread_t thread[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, fixture_ask, &race), 0);
    fixture_observe(s, race.state, &l, 0, EVENTS);
    race.done = true;
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(race.bad, 0);
    void *alone = s->create(&o);
    fixture_observe(s, alone, &l, 0, EVENTS);
    for (uint32_t u = 0; u < l.users; u++) {
        fixture_past_of(&p, &l, u, EVENTS);
        const struct evidence_query q = fixture_query(&l, u, l.ts_us[EVENTS - 1], &p);
        fixture_scores(s, race.state, &q, x);
        fixture_scores(s, alone, &q, y);
        assert_memory_equal(x, y, sizeof x);
    }
    s->destroy(race.state);
    s->destroy(alone);
    fixture_log_release(&l);
}

#endif

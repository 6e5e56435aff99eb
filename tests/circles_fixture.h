/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log that is quickly learned: users walk round circles of ten items from wherever they
 * begin, and the last event of each is held out.
 */
#ifndef TESTS_CIRCLES_FIXTURE_H
#define TESTS_CIRCLES_FIXTURE_H

#include "model_fixture.h"

#include "behaviour/event.h"
#include "learn/train.h"

enum { CIRCLE = 10, CIRCLES_WALK = 7 };

struct circles {
    struct history h;
    uint64_t *train_end; /* (h.n_users) */
    struct train_data data;
};

static inline void circles_init(struct circles *c, uint32_t users, uint32_t items,
                                uint64_t seed)
{
    struct history_builder b;
    struct rng rng;
    history_builder_init(&b);
    rng_init(&rng, seed, 1);
    for (uint32_t u = 0; u < users; u++) {
        const uint32_t first = rng_below(&rng, items);
        for (uint32_t i = 0; i < CIRCLES_WALK; i++)
            assert_int_equal(
                history_builder_add(&b, u, first / CIRCLE * CIRCLE + (first + i) % CIRCLE,
                                    EVENT_VIEW, i + 1),
                0);
    }
    assert_int_equal(history_builder_finish(&b, users, items, &c->h, NULL), 0);
    history_builder_release(&b);
    c->train_end = malloc(users * sizeof(*c->train_end));
    assert_non_null(c->train_end);
    for (uint32_t u = 0; u < users; u++)
        c->train_end[u] = c->h.start[u + 1] - 1;
    c->data = (struct train_data){
        .history = &c->h, .train_end = c->train_end, .exclude_seen = true};
}

static inline void circles_release(struct circles *c)
{
    history_release(&c->h);
    free(c->train_end);
}

#endif

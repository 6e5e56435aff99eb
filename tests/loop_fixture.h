/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An actor in a world, step by step, for tests: what it earned and was shown of the world.
 * The first `logged` episodes are shown at random by somebody else, and the actor is told
 * (impression); what these earn is not counted.
 */
#ifndef TESTS_LOOP_FIXTURE_H
#define TESTS_LOOP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lab/slate_tools.h"
#include "lab/world.h"

struct loop {
    const struct world_ops *world;
    const struct actor_ops *actor; /* NULL: the oracle, or at random */
    bool random;
    uint64_t seed;
    uint32_t episodes, logged;
    /* What came out. */
    double reward[WORLD_MOST_PARTS];
    uint64_t shown[WORLD_MOST_PARTS], events;
    uint64_t trace; /* a hash of all that happened */
};

static void loop_trace(struct loop *l, uint64_t x)
{
    l->trace = rng_mix(l->trace ^ x);
}

static void loop_decide(struct loop *l, void *people, void *mind, struct rng *rng,
                        const struct world_turn *t, bool logged, uint32_t *item)
{
    double p[ACTOR_MOST_SLATE];
    struct actor_catalog c;
    l->world->catalog(people, &c);
    if (logged || l->random)
        slate_random(c.n, rng, t->request.k, item, p);
    else if (!l->actor)
        l->world->oracle(people, item, t->request.k);
    else
        l->actor->recommend(mind, &t->request, item, p);
    for (uint32_t i = 0; i < t->request.k; i++)
        assert_true(item[i] < c.n);
}

/* One episode; `id` numbers the requests of the run. */
static void loop_episode(struct loop *l, void *people, void *mind, struct rng *rng,
                         uint32_t episode, uint64_t *id)
{
    const struct actor_ops *a = l->actor;
    const bool logged = episode < l->logged;
    const uint32_t user = l->world->begin(people, episode);
    bool over = false;
    if (a && a->reset)
        a->reset(mind, user);
    while (!over) {
        uint32_t item[ACTOR_MOST_SLATE];
        float reward[ACTOR_MOST_SLATE];
        struct world_turn t;
        l->world->turn(people, &t);
        for (uint32_t i = 0; i < t.n_events; i++) {
            loop_trace(l, t.event[i].item);
            if (a && a->event)
                a->event(mind, user, &t.event[i]);
        }
        l->events += t.n_events;
        if (t.over)
            break;
        t.request.id = ++*id;
        loop_decide(l, people, mind, rng, &t, logged, item);
        over = l->world->act(people, item, t.request.k, reward);
        if (a && logged && a->impression)
            a->impression(mind, user, item, reward, t.request.k);
        if (a && !logged && a->feedback)
            a->feedback(mind, t.request.id, user, reward, t.request.k, over);
        for (uint32_t i = 0; i < t.request.k; i++) {
            l->reward[t.part] += logged ? 0 : (double)reward[i];
            loop_trace(l, (uint64_t)item[i] << 1 | (reward[i] > 0));
        }
        l->shown[t.part] += !logged;
    }
}

static void loop_run(struct loop *l)
{
    struct actor_catalog c;
    struct rng rng;
    uint64_t id = 0;
    rng_init(&rng, l->seed, 0x7E57);
    void *people = l->world->create(l->seed);
    assert_non_null(people);
    l->world->catalog(people, &c);
    void *mind = l->actor ? l->actor->create(l->seed, &c) : NULL;
    assert_true(mind || !l->actor);
    for (uint32_t e = 0; e < l->episodes; e++)
        loop_episode(l, people, mind, &rng, e, &id);
    if (mind)
        l->actor->destroy(mind);
    l->world->destroy(people);
}

#endif

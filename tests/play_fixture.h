/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plays a world with an actor, with its oracle or at random, step by step, for tests: what
 * was earned and shown. The first `logged` episodes are shown at random by somebody else,
 * and the actor is told (impression); what these earn is not counted.
 */
#ifndef TESTS_PLAY_FIXTURE_H
#define TESTS_PLAY_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/hash.h"
#include "lab/slate_tools.h"
#include "lab/world.h"

struct play {
    const struct world_ops *world;
    const struct actor_ops *actor; /* NULL: the oracle, or at random */
    bool random;
    uint64_t seed;
    uint32_t episodes, logged;
    /* What came out. */
    double reward, part[WORLD_MOST_PARTS];
    uint64_t turns, part_turns[WORLD_MOST_PARTS], events;
    uint64_t hash; /* of every event, list and reward, in order */
};

/* One that goes on. */
struct player {
    struct play *play;
    void *people, *mind;
    struct actor_catalog catalog;
    struct rng rng;
    uint32_t user;
    bool logged;
    uint64_t id; /* of the last request */
};

static inline void play_chance(struct rng *r, uint32_t n, uint32_t k, uint32_t *item)
{
    double p[ACTOR_MOST_SLATE];
    slate_random(n, r, k, item, p);
}

static inline void play_hash(struct play *p, const void *bytes, size_t n)
{
    p->hash = rng_mix(p->hash ^ hash_bytes(bytes, n));
}

static inline void play_decide(struct player *l, const struct actor_request *r,
                               uint32_t *item)
{
    const struct play *play = l->play;
    const uint32_t n = slate_choices(&l->catalog, r);
    double p[ACTOR_MOST_SLATE];
    if (l->logged || play->random)
        play_chance(&l->rng, n, r->k, item);
    else if (play->actor)
        play->actor->recommend(l->mind, r, item, p);
    else
        play->world->oracle(l->people, item, r->k);
    for (uint32_t i = 0; i < r->k; i++) {
        assert_true(item[i] < n);
        for (uint32_t j = 0; j < i; j++)
            assert_true(item[i] != item[j]);
    }
}

static inline void play_count(struct play *p, uint32_t part, const uint32_t *item,
                              const float *reward, uint32_t k, bool logged)
{
    play_hash(p, item, k * sizeof(*item));
    play_hash(p, reward, k * sizeof(*reward));
    for (uint32_t i = 0; i < k && !logged; i++) {
        p->reward += (double)reward[i];
        p->part[part] += (double)reward[i];
    }
    p->turns += !logged;
    p->part_turns[part] += !logged;
}

static inline bool play_turn(struct player *l)
{
    struct play *p = l->play;
    const struct actor_ops *a = p->actor;
    struct world_turn t;
    uint32_t item[ACTOR_MOST_SLATE];
    float reward[ACTOR_MOST_SLATE];
    p->world->turn(l->people, &t);
    for (uint32_t i = 0; i < t.n_events; i++) {
        play_hash(p, &t.event[i].item, sizeof(t.event[i].item));
        if (a && a->event)
            a->event(l->mind, l->user, &t.event[i]);
    }
    p->events += t.n_events;
    if (t.over)
        return true;
    t.request.id = ++l->id;
    const uint32_t k = t.request.k;
    play_decide(l, &t.request, item);
    const bool over = p->world->act(l->people, item, k, reward);
    play_count(p, t.part, item, reward, k, l->logged);
    if (a && l->logged && a->impression)
        a->impression(l->mind, l->user, item, reward, k);
    if (a && !l->logged && a->feedback)
        a->feedback(l->mind, l->id, l->user, reward, k, over);
    return over;
}

static inline void play_run(struct play *p)
{
    struct player l = {.play = p};
    assert_non_null(p->world);
    rng_init(&l.rng, p->seed, 77);
    l.people = p->world->create(p->seed);
    assert_non_null(l.people);
    p->world->catalog(l.people, &l.catalog);
    l.mind = p->actor ? p->actor->create(p->seed, &l.catalog) : NULL;
    assert_true(l.mind || !p->actor);
    for (uint32_t e = 0; e < p->episodes; e++) {
        struct world_turn t;
        l.logged = e < p->logged;
        l.user = p->world->begin(l.people, e);
        if (p->actor && p->actor->reset)
            p->actor->reset(l.mind, l.user);
        while (!play_turn(&l))
            ;
        p->world->turn(l.people, &t); /* and the next decision says the same */
        assert_true(t.over);
    }
    if (p->actor)
        p->actor->destroy(l.mind);
    p->world->destroy(l.people);
}

/* `who`: an actor's name, "oracle" or "chance". */
static inline struct play play(const char *world, const char *who, uint64_t seed,
                               uint32_t episodes)
{
    struct play p = {.world = world_find(world),
                     .actor = actor_find(who),
                     .random = strcmp(who, "chance") == 0,
                     .seed = seed,
                     .episodes = episodes};
    assert_true(p.actor || p.random || strcmp(who, "oracle") == 0);
    play_run(&p);
    return p;
}

/* The same bits twice, and others with another seed. */
static inline void play_check_seeds(const char *world, const char *who, uint32_t episodes)
{
    const struct play a = play(world, who, 5, episodes),
                      b = play(world, who, 5, episodes),
                      other = play(world, who, 6, episodes);
    assert_true(a.turns > 0);
    assert_true(a.hash == b.hash);
    assert_true(a.hash != other.hash);
}

static inline void play_check_near(double x, double expected, double share)
{
    if (!(x > expected * (1 - share) && x < expected * (1 + share)))
        fail_msg("%g is not within %g %% of %g", x, share * 100, expected);
}

#endif

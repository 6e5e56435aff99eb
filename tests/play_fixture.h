/* SPDX-License-Identifier: Apache-2.0 */
/* Plays a world with an actor, with its oracle or at random, and adds up what is earned. */
#ifndef TESTS_PLAY_FIXTURE_H
#define TESTS_PLAY_FIXTURE_H

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/rng.h"
#include "lab/world.h"

struct play {
    double reward; /* of all episodes, summed */
    double part[WORLD_MOST_PARTS];
    uint64_t turns, part_turns[WORLD_MOST_PARTS];
    uint64_t hash; /* of every list and reward, in order */
};

static void play_chance(struct rng *r, uint32_t n, uint32_t k, uint32_t *item)
{
    for (uint32_t i = 0; i < k; i++) {
        bool taken = true;
        while (taken) {
            item[i] = rng_below(r, n);
            taken = false;
            for (uint32_t j = 0; j < i; j++)
                taken |= item[j] == item[i];
        }
    }
}

static void play_hash(struct play *p, const void *bytes, size_t n)
{
    p->hash = rng_mix(p->hash ^ hash_bytes(bytes, n));
}

/* `a`: NULL for the oracle, or for chance. At most `turns` decisions an episode. */
static struct play play_with(const char *world, const struct actor_ops *a, bool oracle,
                             uint64_t seed, uint32_t episodes, uint32_t turns)
{
    const struct world_ops *w = world_find(world);
    struct play p = {0};
    struct rng r;
    struct actor_catalog catalog;
    uint64_t id = 0;
    assert_non_null(w);
    rng_init(&r, seed, 77);
    void *people = w->create(seed);
    w->catalog(people, &catalog);
    void *mind = a ? a->create(seed, &catalog) : NULL;
    for (uint32_t e = 0; e < episodes; e++) {
        const uint32_t user = w->begin(people, e);
        bool over = false;
        if (a && a->reset)
            a->reset(mind, user);
        for (uint32_t t = 0; t < turns && !over; t++) {
            struct world_turn turn;
            uint32_t item[ACTOR_MOST_SLATE];
            double chances[ACTOR_MOST_SLATE];
            float reward[ACTOR_MOST_SLATE];
            w->turn(people, &turn);
            assert_false(turn.over);
            for (uint32_t i = 0; a && a->event && i < turn.n_events; i++)
                a->event(mind, user, &turn.event[i]);
            turn.request.id = ++id;
            const uint32_t k = turn.request.k;
            const uint32_t n =
                turn.request.candidates ? turn.request.n_candidates : catalog.n;
            if (a)
                a->recommend(mind, &turn.request, item, chances);
            else if (oracle)
                w->oracle(people, item, k);
            else
                play_chance(&r, n, k, item);
            for (uint32_t i = 0; i < k; i++) {
                assert_true(item[i] < n);
                for (uint32_t j = 0; j < i; j++)
                    assert_true(item[i] != item[j]);
            }
            over = w->act(people, item, k, reward);
            for (uint32_t i = 0; i < k; i++) {
                p.reward += (double)reward[i];
                p.part[turn.part] += (double)reward[i];
            }
            p.turns++;
            p.part_turns[turn.part]++;
            play_hash(&p, item, k * sizeof(*item));
            play_hash(&p, reward, k * sizeof(*reward));
            if (a && a->feedback)
                a->feedback(mind, id, user, reward, k, over);
        }
        if (over) { /* and the next decision says the same */
            struct world_turn turn;
            w->turn(people, &turn);
            assert_true(turn.over);
        }
    }
    if (a)
        a->destroy(mind);
    w->destroy(people);
    return p;
}

/* `who`: an actor's name, "oracle" or "chance". */
static inline struct play play(const char *world, const char *who, uint64_t seed,
                               uint32_t episodes)
{
    const bool oracle = strcmp(who, "oracle") == 0;
    const struct actor_ops *a = actor_find(who);
    assert_true(a || oracle || strcmp(who, "chance") == 0);
    return play_with(world, a, oracle, seed, episodes, UINT32_MAX);
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

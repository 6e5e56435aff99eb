/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who decides in a world (lab/world.h): the operations of `penchant agent` as one table of
 * functions, so that the engine, the baselines and outside programs meet the same worlds
 * through the same door. An actor starts from nothing and learns only from these calls.
 *
 * Users are numbers here; those of several may alternate. Item numbers are rows of the
 * catalogue, or of the request's candidates where it brings its own. Not thread-safe; one
 * state an actor and world. All pointers are borrowed for the call, but for the
 * catalogue's features, which outlive the actor.
 */
#ifndef LAB_ACTOR_H
#define LAB_ACTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ACTOR_MOST_SLATE = 100 };

struct actor_catalog {
    uint32_t n, dim;       /* n = 0: every request brings its candidates */
    const float *features; /* (n, dim), or NULL: items are numbers and no more */
    uint32_t slate;        /* how many items a list has */
};

struct actor_event {
    const char *type; /* "view", "purchase", .. */
    uint32_t item;
    double ts; /* seconds, or steps where the world has no clock */
};

struct actor_request {
    uint64_t id; /* by which feedback names it; larger than any before */
    uint32_t user, k;
    const float *candidates; /* (n_candidates, candidate_dim), or NULL: the catalogue */
    uint32_t n_candidates, candidate_dim;
    const float *context; /* (n_context) what is known of the moment, or NULL */
    uint32_t n_context;
    double ts;
};

struct actor_ops {
    const char *name, *help;
    void *(*create)(uint64_t seed, const struct actor_catalog *c); /* NULL: no memory */
    void (*destroy)(void *state);
    /* A new user, or a new session of one. */
    void (*reset)(void *state, uint32_t user);
    void (*event)(void *state, uint32_t user, const struct actor_event *e);
    /* Shown by somebody else: reward[i] >= 0 of item[i], 0: ignored. */
    void (*impression)(void *state, uint32_t user, const uint32_t *item,
                       const float *reward, uint32_t n);
    /* Fills item[k] with distinct items and p[k] with the chance that each had of its
       place, given those before it: 1 where nothing was drawn, NaN where the draw has no
       chances in closed form (Thompson sampling). */
    void (*recommend)(void *state, const struct actor_request *r, uint32_t *item,
                      double *p);
    /* What the slate of request `id` earned, place by place; done: the session is over. */
    void (*feedback)(void *state, uint64_t id, uint32_t user, const float *reward,
                     uint32_t k, bool done);
};

/* All there are, ended by NULL; one file each, lab/actor_<name>.c (actors.c). */
extern const struct actor_ops *const actors[];
const struct actor_ops *actor_find(const char *name); /* NULL: none of that name */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What simple actors (lab/actor.h) need beside their method: what they choose from, the best
 * of a list of scores, now and then something else, and which list it was that feedback
 * speaks of, with what was known when it was chosen.
 */
#ifndef LAB_SLATE_TOOLS_H
#define LAB_SLATE_TOOLS_H

#include <stdbool.h>

#include "base/rng.h"
#include "lab/actor.h"

/* ---- what there is to choose from ------------------------------------------------ */

/* How many items a request chooses from. */
uint32_t slate_choices(const struct actor_catalog *c, const struct actor_request *r);

/* What is known of an item of a request: its row of the candidates, else of the catalogue;
   NULL where items are numbers. *dim becomes its length, 0 with NULL. */
const float *slate_features(const struct actor_catalog *c, const struct actor_request *r,
                            uint32_t item, uint32_t *dim);

/* Room for n scores in *score, which has room for *room; false: no memory. */
bool slate_room(double **score, uint32_t *room, uint32_t n);

/* ---- choosing -------------------------------------------------------------------- */

/* The k distinct items of the highest scores, best first and ties to the smaller number.
   k <= n, k <= ACTOR_MOST_SLATE. */
void slate_best(const double *score, uint32_t n, uint32_t k, uint32_t *item);

/* The same, but that each place goes to one of those left, drawn uniformly, with chance
   epsilon. p: the chance that the item had of its place. Does not draw for epsilon 0. */
void slate_greedy(const double *score, uint32_t n, double epsilon, struct rng *rng,
                  uint32_t k, uint32_t *item, double *p);

/* The same without scores: all at random. */
void slate_random(uint32_t n, struct rng *rng, uint32_t k, uint32_t *item, double *p);

/* ---- lists that wait for feedback ------------------------------------------------ */

/* The last SLATE_MEMORY are kept; older ones are forgotten. Zero is empty. Memory: 27 kB,
   and of each list the floats of its features and context. */
enum { SLATE_MEMORY = 64 };

struct slate {
    bool waits;
    uint64_t id;
    uint32_t user, k;
    uint32_t note;           /* the actor's own */
    uint32_t n_context, dim; /* 0: none */
    uint32_t item[ACTOR_MOST_SLATE];
    float *context;  /* (n_context) */
    float *features; /* (k, dim) */
    size_t room;     /* floats that context and features together have */
};

struct slate_memory {
    struct slate slate[SLATE_MEMORY];
    uint32_t next;
};

/* Keeps a list and copies the request's context and what is known of the items; c NULL:
   the items' numbers alone. Without memory it is not kept. */
void slate_keep(struct slate_memory *m, const struct actor_catalog *c,
                const struct actor_request *r, const uint32_t *item, uint32_t note);

/* The list of that id, which is then forgotten (the pointer lives until the next keep);
   NULL: not of this user, never shown, told of before, or too long ago. */
const struct slate *slate_take(struct slate_memory *m, uint64_t id, uint32_t user);

void slate_memory_release(struct slate_memory *m); /* empty again */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What simple actors (lab/actor.h) need beside their method: the best of a list of scores,
 * now and then something else, and which list it was that feedback speaks of.
 */
#ifndef LAB_SLATE_TOOLS_H
#define LAB_SLATE_TOOLS_H

#include <stdbool.h>

#include "base/rng.h"
#include "lab/actor.h"

/*
 * k distinct items of n, best first and ties to the smaller number; each place goes to
 * one of those left, drawn uniformly, with chance epsilon instead. p: the chance that the
 * item had of its place. Does not draw for epsilon 0. k <= n, k <= ACTOR_MOST_SLATE.
 */
void slate_greedy(const double *score, uint32_t n, double epsilon, struct rng *rng,
                  uint32_t k, uint32_t *item, double *p);

/* The same without scores: all at random. */
void slate_random(uint32_t n, struct rng *rng, uint32_t k, uint32_t *item, double *p);

/* Lists that were shown and wait for feedback: the newest of every SLATE_MEMORY ids in a
   row, older ones are forgotten. Zero is empty. */
enum { SLATE_MEMORY = 64 };

struct slate {
    uint64_t id; /* 0: none */
    uint32_t user, k;
    uint32_t context; /* the actor's own */
    uint32_t item[ACTOR_MOST_SLATE];
};

struct slate_memory {
    struct slate slate[SLATE_MEMORY];
};

void slate_keep(struct slate_memory *m, const struct actor_request *r,
                const uint32_t *item, uint32_t context);

/* The list of that id, which is then forgotten (the pointer lives until the next keep);
   NULL: not of this user, never shown, told of before, or too long ago. */
const struct slate *slate_take(struct slate_memory *m, uint64_t id, uint32_t user);

#endif

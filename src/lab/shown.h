/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lists that an actor has shown and not heard of yet, with what it knew when it chose:
 * baselines learn from those when the feedback comes. The last SHOWN_LISTS are kept; of an
 * older one feedback is not learned from. Also what baselines need to choose at all.
 */
#ifndef LAB_SHOWN_H
#define LAB_SHOWN_H

#include "lab/actor.h"

enum { SHOWN_LISTS = 64 };

struct shown_list {
    uint64_t id;
    uint32_t k, n_context, dim; /* dim = 0: items are numbers and no more */
    uint32_t item[ACTOR_MOST_SLATE];
    float *context;  /* (n_context) */
    float *features; /* (k, dim) */
    size_t room;     /* floats that context and features together have */
};

struct shown {
    struct shown_list list[SHOWN_LISTS];
    uint32_t next;
    bool filled[SHOWN_LISTS];
};

/* What is known of an item of a request: its row of the candidates, else of the catalogue;
   NULL where items are numbers. *dim becomes its length, 0 with NULL. */
const float *shown_features(const struct actor_catalog *c, const struct actor_request *r,
                            uint32_t item, uint32_t *dim);
/* How many items a request chooses from. */
uint32_t shown_choices(const struct actor_catalog *c, const struct actor_request *r);

/* The k items of the highest scores, best first, equal ones by number; `score` is used up. */
void shown_best(double *score, uint32_t n, uint32_t k, uint32_t *item);

/* Keeps a list and copies what was known; without memory it is not kept. */
void shown_keep(struct shown *s, const struct actor_catalog *c,
                const struct actor_request *r, const uint32_t *item);
/* The list of that id, no longer kept; valid until the next shown_keep(). NULL: unknown. */
const struct shown_list *shown_take(struct shown *s, uint64_t id);

void shown_release(struct shown *s); /* of a zeroed or used one */

#endif

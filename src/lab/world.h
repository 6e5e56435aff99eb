/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A world: simulated people who meet an actor's lists (lab/actor.h), so that what a policy
 * earns can be counted where today's list changes tomorrow's behaviour. Written from the
 * papers of the public simulators, one file each, lab/world_<name>.c, which names its paper.
 *
 * Common random numbers: what the people of a world are and do depends on the seed, the
 * episode, the step and the item, and never on how many draws an actor caused. So two
 * actors in the same seed meet the same people with the same luck, and their difference is
 * paired. Not thread-safe; one state a run.
 */
#ifndef LAB_WORLD_H
#define LAB_WORLD_H

#include "lab/actor.h"

enum { WORLD_MOST_PARTS = 8 };

/* What happens up to the next decision. */
struct world_turn {
    const struct actor_event *event; /* (n_events) the user's own doing, oldest first */
    uint32_t n_events;
    bool over;                    /* no decision: the episode is over, and stays so */
    struct actor_request request; /* without id */
    uint32_t part; /* of the report's parts: index into world_ops.parts, 0 without any */
};

struct world_ops {
    const char *name, *help;
    uint32_t episodes;                       /* users or sessions of a usual run */
    const char *parts[WORLD_MOST_PARTS + 1]; /* names, ended by NULL; none: one part */
    void *(*create)(uint64_t seed);          /* NULL: no memory */
    void (*destroy)(void *state);
    void (*catalog)(void *state,
                    struct actor_catalog *out); /* lives as long as the world */
    /* Starts episode 0, 1, ..; returns whose it is. */
    uint32_t (*begin)(void *state, uint32_t episode);
    /* The next decision; what it points to lives until the next call. */
    void (*turn)(void *state, struct world_turn *out);
    /* Shows the list of that turn: reward[k] by place; returns whether the episode is over. */
    bool (*act)(void *state, const uint32_t *item, uint32_t k, float *reward);
    /* The list of somebody who knows everything, for the present turn; NULL: unknown. */
    void (*oracle)(void *state, uint32_t *item, uint32_t k);
};

/* All there are, ended by NULL (worlds.c). */
extern const struct world_ops *const worlds[];
const struct world_ops *world_find(const char *name); /* NULL: none of that name */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Closed loop: every policy meets the same people of a world (lab/world.h) in the same
 * seeds, and what it earns is kept, so that differences are paired. A policy is an actor's
 * name (lab/actor.h), or "oracle" where the world has one. Nothing is left out as warm-up.
 *
 * A run is one policy in one seed; runs may go side by side, each alone with its world and
 * its actor, and the figures do not depend on how many do.
 *
 * Memory: 12 bytes an episode and part, up to 36 bytes a turn of the longest episode, for
 * each run; SIMULATE_MOST_CELLS bounds runs x episodes x parts, SIMULATE_MOST_TURNS a run's
 * curves (later turns count in the totals, not there).
 */
#ifndef LAB_SIMULATE_H
#define LAB_SIMULATE_H

#include "lab/actor.h"
#include "lab/intervals.h"
#include "lab/world.h"
#include "penchant.h"

enum {
    SIMULATE_MOST_POLICIES = 16,
    SIMULATE_MOST_SEEDS = 100,
    SIMULATE_MOST_TURNS = 1 << 17,
    SIMULATE_MOST_CELLS = 1 << 26,
    SIMULATE_NEVER = -1,
};

struct simulate_policy {
    const char *name;
    const struct actor_ops *actor; /* NULL: the world's oracle */
};

/* Reward by time, summed over episodes. */
struct simulate_curve {
    double *reward;     /* (n) */
    uint32_t *episodes; /* (n) that had that turn */
    uint32_t n, cap;
};

/* What one policy earned in one seed. A part that begins within an episode after turns of
   the first part is a switch. */
struct simulate_run {
    double *reward; /* (episodes, parts) sums */
    uint32_t
        *turns; /* (episodes, parts) decisions; 0: the episode had none in that part */
    struct simulate_curve turn;   /* by the turn within the episode */
    struct simulate_curve before; /* the same, of the first part alone */
    struct simulate_curve since;  /* by the turns since the switch */
    uint64_t decisions;
    double deciding_s; /* the policy's own time, all its calls together */
};

struct simulate_options {
    const struct world_ops *world;
    const struct simulate_policy *policy; /* (n_policies); the first is compared with */
    uint32_t n_policies;
    uint64_t seed; /* seeds seed, seed + 1, .. */
    uint32_t seeds;
    uint32_t episodes; /* 0: as many as the world's usual run has */
    uint32_t threads;
    penchant_progress_fn *progress;
    void *cookie;
};

struct simulation {
    struct simulate_options options; /* episodes filled in */
    uint32_t parts;                  /* at least 1 */
    struct simulate_run *run;        /* (n_policies, seeds) */
};

/* EINVALID for more than the bounds above, or when an actor answers with what is no list;
   EINTERRUPTED when progress said so. On success *out is the caller's to release; what the
   options point to is borrowed. */
int simulate(struct simulation *out, const struct simulate_options *o,
             struct penchant_error *err);
void simulation_release(struct simulation *s);

/* False when the world has no policy of that name. */
bool simulate_policy_find(struct simulate_policy *out, const struct world_ops *w,
                          const char *name);

/* ---- what came out (simulate_figures.c) ------------------------------------------ */

enum { SIMULATE_ALL_PARTS = -1 };

/* Reward an episode in a part, over the episodes that had turns in it; the interval is
   Student's over the means of the seeds. */
struct interval simulation_reward(const struct simulation *s, uint32_t policy, int part);

/* The same of the differences to the first policy: by seed, and by episode (there the
   episodes of all seeds are the sample). */
struct interval simulation_over_first(const struct simulation *s, uint32_t policy,
                                      int part);
struct interval simulation_over_first_by_episode(const struct simulation *s,
                                                 uint32_t policy, int part);

/*
 * Where the policy lies between two others: 0 what `low` earns (SIMULATE_NOTHING: nothing),
 * 1 what `high` earns, of the means over all seeds; NaN when the two earn the same. The
 * interval is that of a ratio of means, paired by seed: Student's of what is left of the
 * seeds' (policy - low) - mean x (high - low).
 */
#define SIMULATE_NOTHING UINT32_MAX
struct interval simulation_between(const struct simulation *s, uint32_t policy,
                                   uint32_t low, uint32_t high, int part);

/* Mean reward of the turns [from, to) of the episodes over all users and seeds; NaN: there
   are none. By episode: of a whole episode, over the seeds, for the episodes [from, to). */
double simulation_turns_mean(const struct simulation *s, uint32_t policy, uint32_t from,
                             uint32_t to);
double simulation_episodes_mean(const struct simulation *s, uint32_t policy,
                                uint32_t from, uint32_t to);
uint32_t simulation_turns(const struct simulation *s); /* of the longest episode */

/*
 * T90: how many steps after the switch the mean over users and seeds is back at 90 % of its
 * level before, which is the mean of the later half of the first part. Means run over
 * SIMULATE_SMOOTH steps, the first of which is the one that is named. SIMULATE_NEVER: it
 * does not come back within the episode. Of worlds that switch within an episode, and of more
 * than one user, since of one it is the chance of a few turns.
 */
bool simulation_has_switch(const struct simulation *s);
double simulation_switch_turn(const struct simulation *s); /* the latest of any user */
enum { SIMULATE_SMOOTH = 5 };
int simulation_t90(const struct simulation *s, uint32_t policy);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the race of recipes (race.c) and the search around its winner (tune.c) share. */
#ifndef LEARN_RACE_H
#define LEARN_RACE_H

#include "learn/trainer.h"

struct recipe;

struct runner {
    const struct recipe *recipe;
    char what[40];                /* how progress calls it: "try " and the trial's name */
    struct train_options options; /* borrowed by the trainer; its what is the one above */
    struct trainer *trainer;
    size_t trial; /* its number among the race's */
};

enum { RACE_RUNNERS = 6 };

/* A waiting trainer keeps COPIES of its parameters; all that wait stay within bytes. */
enum { RACE_COPIES = 5 };
#define RACE_BYTES ((size_t)3 << 30)

struct race {
    const struct train_data *data;
    const struct train_options *o;       /* what was made of the wish for `auto` */
    struct runner *runner[RACE_RUNNERS]; /* the best first, after every heat */
    size_t n;
    double budget; /* seconds for everything here; 0: no bound */
    double seconds;
    bool stopped; /* progress said so */
    struct penchant_trial trial[PENCHANT_TRIALS];
    size_t n_trials;
};

/* Trains and notes what came of it. */
int race_go(struct race *race, struct runner *r, const struct trainer_leg *leg,
            struct penchant_error *err);

/* Calls a runner so, and has it noted. */
void race_enlist(struct race *race, struct runner *r, const char *name);
struct penchant_trial *race_trial(struct race *race, const struct runner *r);

/* The bytes of one waiting trainer. */
size_t race_bytes(const struct train_options *o);

void runner_free(struct runner *r);

/*
 * Around the only runner left: each change of one respect goes on from where it is for
 * as long as it does itself, and what gains clearly is taken (tune.c).
 */
int race_tune(struct race *race, struct penchant_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A training run that can pause and go on with everything it has: parameters, their
 * running average, Adam's moments, the place in the epoch and in the schedule. Pausing at
 * the end of an epoch changes no bit of what follows.
 *
 * Schedule (warm up, stay, decay: Hu et al. 2024): the rate rises over warmup_steps,
 * stays until the time or the epochs of the last leg near their end or until validation
 * has stopped improving, and then falls in a straight line to a twentieth. What is
 * judged, kept and served is the exponential average of the parameters over about the
 * last two epochs (Polyak and Juditsky 1992), shorter at first.
 *
 * A resting trainer keeps five times the parameters (itself, the average, the best
 * average, two moments) and the plan of the epoch, 16 bytes a window.
 */
#ifndef LEARN_TRAINER_H
#define LEARN_TRAINER_H

#include "learn/train.h"

struct trainer;

/* How long trainer_go() goes on; it ends by itself when nothing more is to be won. */
struct trainer_leg {
    double seconds;  /* 0: no bound */
    uint32_t epochs; /* 0: no bound */
    bool last;       /* the rate is to fall to its end within this leg, */
    bool falling;    /* and from its very beginning */
};

/* data and *o must outlive the trainer; the progress, cookie, what and on_best of *o may
   be changed between legs. */
int trainer_new(struct trainer **out, const struct train_data *data,
                const struct train_options *o, struct penchant_error *err);
void trainer_free(struct trainer *t);

/* Trains and judges. After an error the trainer can only be freed. */
int trainer_go(struct trainer *t, const struct trainer_leg *leg,
               struct penchant_error *err);

/* Gives back all memory but the state, until trainer_go() is called again. */
void trainer_rest(struct trainer *t);

/* What has come of it so far; seconds are those spent in trainer_go(). */
const struct penchant_train_report *trainer_report(const struct trainer *t);

/* Nothing more is to be won: the rate has fallen, or progress said stop. */
bool trainer_done(const struct trainer *t);

/* The best average so far. Once taken it is the caller's, and the trainer is only to be
   freed. */
const struct model *trainer_best(const struct trainer *t);
struct model *trainer_take_best(struct trainer *t);

/* What is trained, as the last step left it, and the rate that the next step would take. */
const struct model *trainer_model(const struct trainer *t);
double trainer_rate(const struct trainer *t);

#endif

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
    uint64_t steps;  /* 0: no bound */
    bool last;       /* the rate is to fall to its end within this leg, */
    bool falling;    /* and from its very beginning */
};

/* data and *o must outlive the trainer; the progress, cookie, what and on_best of *o may
   be changed between legs. */
int trainer_new(struct trainer **out, const struct train_data *data,
                const struct train_options *o, struct penchant_error *err);
void trainer_free(struct trainer *t);

/*
 * A second trainer that goes on from where a resting one is: the same parameters, moments,
 * average and place in the epoch, under other options of the same shape (dropout, loss,
 * negatives, temperature and weight decay may differ). Without a difference both take the
 * same bits. `from` stays as it is; its patience begins anew in the fork.
 */
int trainer_fork(struct trainer **out, const struct trainer *from,
                 const struct train_options *o, struct penchant_error *err);

/* Trains and judges. After an error the trainer can only be freed. */
int trainer_go(struct trainer *t, const struct trainer_leg *leg,
               struct penchant_error *err);

/* Gives back all memory but the state, until trainer_go() is called again. */
void trainer_rest(struct trainer *t);

/* What has come of it so far; seconds are those spent in trainer_go(). */
const struct penchant_train_report *trainer_report(const struct trainer *t);

/* What validation said at the end of the last leg: the NDCG@10 of the average as it was
   then, and what each of the *n cases adds to it (0 cases: nothing is held out). */
double trainer_ndcg(const struct trainer *t);
const double *trainer_gains(const struct trainer *t, size_t *n);

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

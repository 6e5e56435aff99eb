/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fits interest/outlook.h on a log, at moments that learn/outlook_moments.h draws. The
 * weights minimise the mean log loss with a quadratic penalty (L-BFGS) on the learning
 * part of the time, the strength of the penalty and the curves (isotonic regressions) come
 * from the calibrating part, and the figures are taken on the reporting part, which served
 * nothing else.
 *
 * Two peers are judged beside it: the rate of the time before, and a table of recency and
 * frequency (8 by 5 cells of equal size, their rates), both made of the learning and the
 * calibrating part.
 *
 * A probability is given when its outcome came and did not come OUTLOOK_LEAST_LEARNT times
 * among the moments learned from and OUTLOOK_LEAST_CALIBRATED times among those
 * calibrated on; else the model says why not. What is next of a type that is not given
 * counts as another event.
 *
 * Some 2 seconds and 40 MB whatever the size of the log, beside 8 MB to sort its times.
 * Same log and seed, same bits; one thread.
 */
#ifndef LEARN_OUTLOOK_FIT_H
#define LEARN_OUTLOOK_FIT_H

#include "learn/outlook_moments.h"

enum {
    OUTLOOK_LEARN_MOMENTS = 24000,
    OUTLOOK_OTHER_MOMENTS = 12000, /* to calibrate on, and to report on */
    OUTLOOK_LEAST_LEARNT = 40,
    OUTLOOK_LEAST_CALIBRATED = 20
};

/* Never fails for want of data: what cannot be told is marked in the model. 0 or
   PENCHANT_ENOMEM. */
int outlook_fit(struct outlook_model *out, const struct history *history,
                const struct catalog *catalog, uint64_t seed);

/* ---- the parts, for tests ---- */

/* Moments as rows of a model. */
struct outlook_set {
    size_t n;
    struct outlook_moment *moment; /* (n) */
    float *row; /* (n, OUTLOOK_ROW), or features until they are scaled */
};

/* The mean loss of weights x (n_outputs, OUTLOOK_ROW) on a set. */
struct outlook_problem {
    const struct outlook_set *set;
    bool exclusive; /* one of the outputs comes: a softmax; else each by itself */
    uint32_t n_outputs;
    uint8_t output[OUTLOOK_OUTPUTS]; /* (n_outputs) */
    double penalty;                  /* on squared weights, but for the two constants */
};

/* An lbfgs_fn; cookie is a problem. */
double outlook_problem_loss(void *cookie, const double *x, double *gradient);

/* ---- outlook_judge.c ---- */

/* Fills m->figures of the outputs about the week or about what is next. `known` are the
   moments that the peers are made of. 0 or PENCHANT_ENOMEM. */
int outlook_judge(struct outlook_model *m, const struct outlook_question *q,
                  const struct outlook_set *known, size_t n_known,
                  const struct outlook_set *report);

#endif

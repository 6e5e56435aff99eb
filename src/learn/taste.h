/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one person likes, as logistic weights on the items' features plus an intercept, learned
 * within a session from clicks and their absence: two posteriors (learn/posterior.h), one
 * that keeps everything and one that forgets `fast` of it a slate and goes back to the
 * prior; they are mixed by how well each foretold the last slates. Everybody begins at the
 * population's prior, which is learned from the sessions that ended (empirical Bayes):
 *
 *   mean <- (1 - r) mean + r m,  cov <- (1 - r) cov + r ((m - mean)(m - mean)' + P)
 *
 * with r = 1 / (sessions + 2), at least a hundredth.
 *
 * Memory: 2 (dim + 1)^2 doubles a person. Not thread-safe.
 */
#ifndef LEARN_TASTE_H
#define LEARN_TASTE_H

#include "learn/posterior.h"

enum { TASTE_MOST_DIM = 32 };

struct taste_population {
    struct posterior_prior prior; /* dim + 1: the last is the intercept */
    uint32_t dim, sessions;
};

int taste_population_init(struct taste_population *p, uint32_t dim);
void taste_population_release(struct taste_population *p);

struct taste {
    struct posterior slow, fast;
    double lead;   /* EWMA over slates of the fast one's log likelihood less the slow's */
    uint32_t seen; /* observations of this session */
};

int taste_init(struct taste *t, const struct taste_population *p);
void taste_release(struct taste *t);
void taste_clear(struct taste *t);
void taste_fade(struct taste *t); /* a later session: half of what was known counts */

/* Both posteriors as one, for judging many items; x (dim + 1), its last number 1. */
struct taste_mix {
    uint32_t dim;
    double mean[TASTE_MOST_DIM + 1];
    float cov[(TASTE_MOST_DIM + 1) * (TASTE_MOST_DIM + 1)];
};
void taste_mix(struct taste_mix *m, const struct taste *t);
double taste_mix_mean(const struct taste_mix *m, const float *x);
double taste_mix_variance(const struct taste_mix *m, const float *x);

struct taste_slate {
    const float *x;       /* (n, dim + 1) what was shown */
    const double *offset; /* (n) what else speaks for each, in z */
    const double *seen;   /* (n) chance of having been looked at */
    const float *y;       /* (n) 1: clicked */
    double weight;        /* of the slate */
    uint32_t n;
};

void taste_observe(struct taste *t, const struct taste_slate *s);

/* The session is over: the population learns from it. */
void taste_close(struct taste_population *p, const struct taste *t);

#endif

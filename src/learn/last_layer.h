/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Bayesian last layer: an online linear or logistic regression on a feature vector phi,
 * as two posteriors (learn/posterior.h) that forget slowly and fast. They are mixed by how
 * well each foretold what came (prequential log likelihood), so that a change is followed
 * within some tens of observations and a world that stays is learned to the end:
 *
 *   share of the fast one = 1 / (1 + exp(-8 (EWMA of ll_fast - ll_slow)))
 *
 * A Page-Hinkley test on the mix's loss tells a sudden change and lets the variances grow by
 * four (Riquelme, Tucker and Snoek 2018 for neural-linear bandits; Russac et al. 2019 for
 * forgetting; Page 1954).
 *
 * O(dim^2) an update, about 10 us at dim 48. Memory: 2 (dim^2 + dim) doubles. The same
 * observations in the same order give the same bits. Not thread-safe.
 */
#ifndef LEARN_LAST_LAYER_H
#define LEARN_LAST_LAYER_H

#include <stdbool.h>

#include "learn/posterior.h"

struct last_layer_options {
    uint32_t dim;    /* 1 to POSTERIOR_MOST_DIM */
    bool logistic;   /* y in {0, 1}; else any number */
    double prior_sd; /* of a weight; 0: 1; without clicks, in units of the noise */
    const double *prior_mean; /* (dim) copied; NULL: 0 */
    double slow, fast;    /* kept of what was seen, an observation; 0: .9999 and .99 */
    double change_bounds; /* of the Page-Hinkley test, in units of loss; 0: 40 */
};

struct last_layer {
    struct last_layer_options o;
    struct posterior_prior prior;
    struct posterior slow, fast;
    double lead;                        /* EWMA of ll_fast - ll_slow */
    double noise;                       /* variance of y around z, learned (linear) */
    double loss_mean, loss_sum, lowest; /* Page-Hinkley */
    uint64_t n, changes;
};

struct last_layer_guess {
    double mean, sd; /* of z = phi'w */
};

/* 0 or PENCHANT_ENOMEM; release may follow a failed init. */
int last_layer_init(struct last_layer *l, const struct last_layer_options *o);
void last_layer_release(struct last_layer *l);

double last_layer_share_fast(const struct last_layer *l);

/* phi (dim). The variance is of the mixture: also what the twins disagree on. */
void last_layer_guess(const struct last_layer *l, const float *phi,
                      struct last_layer_guess *out);
void last_layer_weights(const struct last_layer *l, double *w); /* (dim) their means */
double last_layer_mean(const struct last_layer *l, const float *phi);

struct last_layer_seen {
    const float *phi;
    double y, weight; /* weight 1: an ordinary observation */
    double seen;      /* logistic: chance of having been looked at, 0 is taken for 1 */
    double offset;    /* known part of z */
};

/* Returns the log likelihood that the mix gave it beforehand. */
double last_layer_observe(struct last_layer *l, const struct last_layer_seen *s);

#endif

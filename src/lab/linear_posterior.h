/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bayesian linear regression of a reward on d numbers, for the simple actors of the lab:
 *
 *     A = lambda I + sum x x',   b = lambda m0 + sum y x,   mean = A^-1 b
 *
 * with forgetting as in D-LinUCB (Russac, Vernade, Cappe 2019), where the prior stays:
 * A <- g A + (1 - g) lambda I, b alike. Draws are of N(mean, scale^2 A^-1).
 *
 * The engine's own is learn/posterior.h, which keeps the covariance, takes clicks as what they
 * are and forgets up to the prior: what the baselines do here is what their papers say.
 *
 * Memory: 16 d^2 + 32 d bytes. A value, whose arrays the caller frees with release().
 */
#ifndef LAB_LINEAR_POSTERIOR_H
#define LAB_LINEAR_POSTERIOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"

struct linear_posterior {
    uint32_t d;
    double lambda;
    double *a;     /* (d, d) precision */
    double *b;     /* (d) */
    double *prior; /* (d) mean before anything was seen */
    double *root;  /* (d, d) lower Cholesky factor of a; of use after solve() */
    double *half;  /* (d) root^-1 b; the same */
    double *mean;  /* (d) the same */
};

bool linear_init(struct linear_posterior *p, uint32_t d,
                 double lambda); /* false: memory */
void linear_release(struct linear_posterior *p);

/* Forgets everything; prior: mean to start from, NULL: zero. */
void linear_reset(struct linear_posterior *p, const double *prior);

void linear_add(struct linear_posterior *p, const double *x, double y);
void linear_fade(struct linear_posterior *p, double g);

/* Brings root and mean up to date; the others below need it. */
void linear_solve(struct linear_posterior *p);
void linear_draw(const struct linear_posterior *p, double scale, struct rng *rng,
                 double *theta);
/* Standard deviation sqrt(x' A^-1 x); work: (d) scratch. */
double linear_width(const struct linear_posterior *p, const double *x, double *work);
/* x' mean, as (root^-1 x)' (root^-1 b), plus `bonus` such deviations. */
double linear_upper(const struct linear_posterior *p, const double *x, double bonus,
                    double *work);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Gaussian posterior N(mean, cov) over the weights of a generalised linear model, kept by
 * rank-1 updates (Sherman-Morrison). An observation enters by the slope g and the curvature
 * h of its log likelihood in z = phi'w:
 *
 *   cov <- cov - h / (1 + h s) (cov phi)(cov phi)',  s = phi' cov phi
 *   mean <- mean + cov phi g
 *
 * which is exact for a Gaussian likelihood (g = (y - z) / v, h = 1 / v: recursive least
 * squares, the posterior of ridge regression) and one step of an extended Kalman filter for a
 * logistic one. Forgetting lets the variance grow back, never past the prior's, and the mean
 * go back to the prior's by `pull`.
 *
 * O(dim^2) an update; memory: dim^2 + dim doubles. Not thread-safe.
 */
#ifndef LEARN_POSTERIOR_H
#define LEARN_POSTERIOR_H

#include <stdint.h>

enum { POSTERIOR_MOST_DIM = 96 };

/* What is believed before any observation; shared by many posteriors. */
struct posterior_prior {
    uint32_t dim;
    double *mean; /* (dim) */
    double *cov;  /* (dim, dim) */
};

int posterior_prior_init(struct posterior_prior *p, uint32_t dim, double sd);
void posterior_prior_release(struct posterior_prior *p);

struct posterior {
    const struct posterior_prior *prior; /* outlives it */
    double *mean;                        /* (dim) */
    double *cov;                         /* (dim, dim) */
};

/* 0 or PENCHANT_ENOMEM; release may follow a failed init. */
int posterior_init(struct posterior *p, const struct posterior_prior *prior);
void posterior_release(struct posterior *p);
void posterior_clear(struct posterior *p); /* back to the prior */
void posterior_copy(struct posterior *to, const struct posterior *from);

double posterior_mean(const struct posterior *p, const float *phi);
double posterior_variance(const struct posterior *p, const float *phi);

void posterior_observe(struct posterior *p, const float *phi, double g, double h);

/* Weight of what was seen so far times `keep` in (0, 1]; the mean goes back by `pull`. */
void posterior_forget(struct posterior *p, double keep, double pull);

/* Variance times `factor` > 1, at most the prior's: after a change. */
void posterior_inflate(struct posterior *p, double factor);

/*
 * Slope and curvature in z of the likelihood of a click y in {0, 1} on what is seen with
 * chance `seen` in (0, 1]: P(y = 1) = seen / (1 + exp(-z)). Returns P(y = 1). `weight`
 * scales both.
 */
double posterior_click_slope(double z, double seen, double y, double weight, double *g,
                             double *h);

#endif

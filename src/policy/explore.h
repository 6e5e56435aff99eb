/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exploration with exact propensities: slots are drawn one after the other, without
 * replacement, by a Plackett-Luce model (Plackett 1975; Luce 1959) with a floor,
 *
 *   logit_i = score_i / temperature + kappa uncertainty_i
 *   p_j(i)  = (1 - epsilon) softmax(logit)_i + epsilon / m
 *
 * both over the m candidates that earlier slots left. A temperature of 0 stands for its
 * limit: the softmax is all on the best score, and the uncertainty says nothing.
 *
 * With a share below 1 a list is drawn so with that probability and else is the ranking.
 * Who sees the list cannot tell which it was, so the propensity of slot j is that of the
 * mixture: with e_j the chance, given the slots before j, that the list was drawn,
 *
 *   p_j(i) = e_j p_j(i | drawn) + (1 - e_j) [i is the best that is left],
 *
 * and e_j follows from e_0 = share by Bayes' rule. In every case the product of the
 * propensities is the probability of the whole list.
 *
 * The ranking: higher scores first, equal ones by their place among the candidates.
 * Sums run in the order of the candidates, so the same input gives the same bits.
 * Threads: no state but the caller's. Memory: 16 bytes a candidate during a call.
 */
#ifndef POLICY_EXPLORE_H
#define POLICY_EXPLORE_H

#include <stdint.h>

#include "base/rng.h"
#include "base/status.h"

struct explore_options {
    double share;       /* [0, 1] of the lists are drawn; 0: all are the ranking */
    double temperature; /* >= 0, in units of the scores */
    double kappa;       /* >= 0: how much uncertainty draws */
    double epsilon;     /* [0, 1] */
};

struct explore_candidates {
    const double *score;       /* (n) finite */
    const double *uncertainty; /* (n) finite, >= 0; NULL: 0 */
    uint32_t n;
};

/* 0 or PENCHANT_EINVALID with the field's name. */
int explore_check(const struct explore_options *o, struct penchant_error *err);

/*
 * Draws min(k, n) slots: slot[j] is the place of a candidate, p[j] its propensity given
 * the slots before it, always > 0. 0 or PENCHANT_ENOMEM.
 */
int explore_draw(const struct explore_options *o, const struct explore_candidates *c,
                 uint32_t k, struct rng *r, uint32_t *slot, double *p);

/*
 * The propensities that a given list of k <= n different candidates has under these
 * options, whoever made it; from the first slot that could not be drawn on 0. The same
 * bits as explore_draw() gave. 0 or PENCHANT_ENOMEM.
 */
int explore_propensities(const struct explore_options *o,
                         const struct explore_candidates *c, const uint32_t *slot,
                         uint32_t k, double *p);

/* The same, and all[j * n + i], the chance that candidate i is in slot j given the slots
   before it; all (k, n) may be NULL. Rows of slots past an impossible one are 0. */
int explore_distributions(const struct explore_options *o,
                          const struct explore_candidates *c, const uint32_t *slot,
                          uint32_t k, double *p, double *all);

/*
 * The logarithm of sum_i exp(logit_i) over all candidates: with it the first slot's
 * softmax of some of them can be told without the others. For a temperature of 0 it is
 * not defined: NaN.
 */
double explore_log_normaliser(const struct explore_options *o,
                              const struct explore_candidates *c);

#endif

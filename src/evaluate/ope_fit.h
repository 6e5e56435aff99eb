/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model of the reward that the direct method and the doubly robust estimators stand on,
 * fitted from the log itself where nobody brings one:
 *
 *   q(x, a) = theta . [1, x] + beta_a
 *
 * by weighted ridge regression, with x standardised, weights of mean 1, a penalty of
 * OPE_FIT_ROWS on beta (an action is pulled to what is usual as if it had been seen so
 * often as usual) and of 1 on theta without its intercept. Weights:
 *
 *   plain     1
 *   MRDR      pi_e (1 - pi_b) / pi_b^2, as the Open Bandit Pipeline has it: about what a
 *             row's error adds to the variance of DR (Farajtabar et al. 2018)
 *
 * Cross-fitted: the rows are split into OPE_FIT_FOLDS (all rows of a cluster into one), and
 * each row is judged by a fit on the other folds, so that DR stays without bias
 * (Chernozhukov et al. 2018). Solved exactly: beta is eliminated (its block is diagonal),
 * theta by Cholesky. Time O(n c^2 + A c^2 + n + policies A), memory O(A c) for c contexts.
 */
#ifndef EVALUATE_OPE_FIT_H
#define EVALUATE_OPE_FIT_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { OPE_FIT_FOLDS = 3, OPE_FIT_CONTEXTS_MAX = 256 };
#define OPE_FIT_ROWS 10.0

struct ope_fit_data {
    size_t n;
    const double *reward, *propensity, *target; /* (n) */
    const uint32_t *action;                     /* (n) below n_actions */
    const uint32_t *cluster;                    /* (n), or NULL */
    const double *context; /* (n, n_context), or NULL with n_context 0 */
    const double *policy; /* (n_policies, n_actions) pi_e of all actions; rows sum to 1 */
    const uint32_t *policy_of; /* (n) which row of it holds; NULL: row i */
    size_t n_policies;
    uint32_t n_actions, n_context;
};

enum ope_fit_kind { OPE_FIT_PLAIN, OPE_FIT_MRDR };

/* quality[i] = q(x_i, a_i) and direct[i] = sum over a of pi_e(a|x_i) q(x_i, a), both (n).
   0, PENCHANT_ENOMEM, or PENCHANT_EINVALID where the system cannot be solved. */
int ope_fit(const struct ope_fit_data *d, enum ope_fit_kind kind, double *quality,
            double *direct, struct penchant_error *err);

#endif

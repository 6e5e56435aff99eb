/* SPDX-License-Identifier: Apache-2.0 */
/* The loss of a blend on cases, its gradient, and what else is measured on them. */
#ifndef EVIDENCE_BLEND_LOSS_H
#define EVIDENCE_BLEND_LOSS_H

#include "base/pool.h"
#include "evidence/blend_cases.h"

enum { BLEND_PARAMS = EVIDENCE_SOURCES * BLEND_BASES * BLEND_CONTEXTS };

/* Which cases: those whose flags under `of` are `flags`. */
struct blend_part_of {
    const struct blend_cases *c;
    uint8_t of, flags;
};

bool blend_takes(const struct blend_part_of *p, const struct blend_case *one);

/*
 * The mean loss -log softmax(score)[target] over the cases taken. Its gradient by the
 * blend's weights is added up into gradient (BLEND_PARAMS) unless that is NULL. The sums
 * are made in the same order for any number of threads. Negative: out of memory.
 */
double blend_mean_loss(const struct blend *b, const struct blend_part_of *p,
                       uint32_t mask, struct pool *pool, double *gradient);

struct blend_worth {
    double ndcg10, mrr20, hr20;
};

/* What the blend is worth on the cases taken, misses included; equal scores rank against
   the target. 0 or PENCHANT_ENOMEM. */
int blend_worth(const struct blend *b, const struct blend_part_of *p, uint32_t mask,
                struct blend_worth *out);

/* Expected calibration error over 15 bins of the probabilities of 1 % and more (Naeini,
   Cooper and Hauskrecht 2015), where what came was a candidate. Negative: out of memory. */
double blend_calibration_error(const struct blend *b, const struct blend_part_of *p,
                               uint32_t mask);

/* How many cases there are, misses included. */
uint64_t blend_count(const struct blend_part_of *p);

#endif

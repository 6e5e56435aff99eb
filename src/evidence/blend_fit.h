/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fitting a blend. On the weighing cases: the weights that make what came most likely,
 *
 *   min over w of  mean over cases of -log softmax(score)[target] + penalty |w|^2 / 2
 *
 * by L-BFGS (Liu and Nocedal 1989), which is convex and deterministic for any number of
 * threads. On the choosing cases: whether weights depend on the context and bend at all,
 * how strongly that is penalised, and whether the blend serves or one source alone, by
 *
 *   worth = (NDCG@10 + MRR@20 + HR@20) / 3
 *
 * A blend serves only when it is worth more than every single source there and has no
 * lower NDCG@10; of several the one that is worth most. Then all weights are divided by
 * one temperature, the likeliest for the choosing cases, so that probabilities are true;
 * the order of a list is not changed by it.
 *
 * Centre and scale of a source are mean and deviation of its scores over the weighing
 * candidates, the knots are quantiles of those that are not its lowest score. A source
 * whose scores never differ gets its default weight.
 */
#ifndef EVIDENCE_BLEND_FIT_H
#define EVIDENCE_BLEND_FIT_H

#include "evidence/blend_loss.h"

struct blend_report {
    struct blend_worth alone[EVIDENCE_SOURCES], blend;
    bool is_single;  /* one source serves */
    bool in_context; /* the weights depend on the context */
    double penalty;  /* of what depends on it */
    double temperature;
    double loss;  /* mean -log probability of what came, where it was a candidate */
    double error; /* expected calibration error of the probabilities of 1 % and more */
};

enum { BLEND_ALL = -1, BLEND_EVEN = 0, BLEND_ODDS = BLEND_ODD };

/*
 * Fits to the sources of `mask` (the others get nothing). `fold` (BLEND_EVEN, BLEND_ODDS)
 * takes the cases of one fold only. Without choosing cases the weighing ones choose;
 * without weighing cases every source of the mask counts alike. PENCHANT_ENOMEM.
 */
int blend_fit(struct blend *out, const struct blend_cases *c, uint32_t mask, int fold,
              struct pool *pool, struct blend_report *report);

#endif

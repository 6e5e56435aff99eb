/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is like some given users: logistic regression of seeds against a background, both
 * classes weighing the same, so that a score above 1/2 says "more like the seeds".
 *
 *   minimise  -sum_seeds ln s(w.x) - (seeds / background) sum_background ln(1 - s(w.x))
 *             + strength / 2 |w|^2          (not of the last feature, the constant)
 *
 * by Newton's method; the strength is the one of lookalike_strengths whose held-out loss
 * is least in a threefold cross-validation. Deterministic. Memory: the rows once more,
 * and d * d numbers.
 */
#ifndef INTEREST_LOOKALIKE_H
#define INTEREST_LOOKALIKE_H

#include <stdint.h>

#include "base/status.h"

enum { LOOKALIKE_STRENGTHS = 4, LOOKALIKE_FOLDS = 3 };
extern const double lookalike_strengths[LOOKALIKE_STRENGTHS];

struct lookalike {
    uint32_t d;
    float *w; /* (d) */
    double strength;
};

/*
 * rows (n, d), the last feature 1 in each; seed[i] 1 or 0, both kinds present. 0, or
 * PENCHANT_ENOMEM with nothing to release.
 */
int lookalike_fit(struct lookalike *out, const float *rows, const uint8_t *seed,
                  uint32_t n, uint32_t d);
void lookalike_release(struct lookalike *l);

/* In (0, 1). */
double lookalike_score(const struct lookalike *l, const float *row);

#endif

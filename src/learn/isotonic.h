/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Isotonic regression by pooling adjacent violators (Ayer et al. 1955; Barlow et al.
 * 1972): the increasing sequence nearest to y in weighted squares. And calibration curves
 * from it: blocks of too few moments are joined with their neighbours, every block's rate
 * is drawn a little to what the model said on average, and the blocks' means are the knots
 * of the curve, so that no probability becomes 0 or 1.
 */
#ifndef LEARN_ISOTONIC_H
#define LEARN_ISOTONIC_H

#include <stddef.h>

#include "interest/outlook.h"

/* out (n) of y (n) with weights w (n, above 0). 0 or PENCHANT_ENOMEM. */
int isotonic_regress(const double *y, const double *w, size_t n, double *out);

/* The curve from probabilities p (n) to how often they came true. 0 or PENCHANT_ENOMEM. */
int isotonic_curve(const double *p, const bool *came, size_t n, struct outlook_curve *c);

#endif

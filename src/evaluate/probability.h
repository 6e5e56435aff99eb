/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How good predicted probabilities are: log loss (nats, probabilities held within 1e-6 of
 * 0 and 1), the area under the ROC curve (equal ones count half; NaN when only one outcome
 * occurred), and the expected calibration error, |mean p - rate| averaged over
 * PROBABILITY_BINS bins of equal size by p (Naeini, Cooper and Hauskrecht 2015; equal ones
 * may be divided).
 */
#ifndef EVALUATE_PROBABILITY_H
#define EVALUATE_PROBABILITY_H

#include <stdbool.h>
#include <stddef.h>

enum { PROBABILITY_BINS = 15 };

struct probability_quality {
    double rate, log_loss, auc, ece;
};

/* -log of what was given to what came. */
double probability_loss(double p, bool came);

/* 0 or PENCHANT_ENOMEM; n at least 1. */
int probability_judge(const double *p, const bool *came, size_t n,
                      struct probability_quality *out);

#endif

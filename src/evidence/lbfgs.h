/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Minimising a smooth function of a few hundred numbers: L-BFGS (Liu and Nocedal 1989)
 * with a backtracking line search. Deterministic. Memory: 2 LBFGS_MEMORY + 4 vectors.
 */
#ifndef EVIDENCE_LBFGS_H
#define EVIDENCE_LBFGS_H

#include <stddef.h>

enum { LBFGS_MEMORY = 10 };

/* The value at x (n), and the gradient there into gradient (n). */
typedef double lbfgs_fn(void *arg, const double *x, double *gradient);

/*
 * Improves x until a step gains less than `tolerance` of the value or after `steps`
 * steps. How many steps were made, or -1 when out of memory (x is as it was).
 */
int lbfgs_minimise(double *x, size_t n, lbfgs_fn *fn, void *arg, int steps,
                   double tolerance);

#endif

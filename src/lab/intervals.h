/* SPDX-License-Identifier: Apache-2.0 */
/* Means with 95 % intervals by Student's t: of few seeds as of many episodes. */
#ifndef LAB_INTERVALS_H
#define LAB_INTERVALS_H

#include <stddef.h>

struct interval {
    double mean, low, high; /* low and high are NaN with fewer than two values */
    size_t n;
};

/* NaN values are left out. */
struct interval interval_of(const double *value, size_t n);

/* The .975 quantile of Student's t with that many degrees of freedom, to .001. */
double interval_t975(size_t freedom);

#endif

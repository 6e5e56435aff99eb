/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bootstrap of estimators that are sums of ratios of sums (all of ope.h are): rows are
 * added up into groups once, and a resample draws groups. Groups are independent: a group
 * is a row (or a slate, or all rows of one user); beyond SUMS_GROUPS of them, they are
 * thrown into SUMS_GROUPS bundles by a hash, and sums of bundles, independent and alike,
 * are drawn instead. So a resample of ten million rows costs as much as one of ten
 * thousand. Intervals are percentiles (Efron 1979). Private to src/evaluate.
 *
 * Memory: at most SUMS_GROUPS * columns * 8 bytes.
 */
#ifndef EVALUATE_OPE_SUMS_H
#define EVALUATE_OPE_SUMS_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { SUMS_GROUPS = 10000, SUMS_TERMS_MAX = 101 };

/* Column 0 counts the rows, column 1 is the reward. */
enum { SUMS_ONE, SUMS_REWARD, SUMS_OWN };

struct sums {
    size_t n_groups, n_columns;
    size_t n_clusters; /* that may be drawn, before bundling */
    double *group;     /* (n_groups, n_columns) */
    double *total;     /* (n_columns) added row by row */
};

/* Rows of `cluster` (NULL: each its own) go together. Zeroed. */
int sums_init(struct sums *s, size_t n, const uint32_t *cluster, size_t n_columns,
              struct penchant_error *err);
void sums_release(struct sums *s);

/* Where row i is added up. */
double *sums_group_of(struct sums *s, const uint32_t *cluster, size_t i);

static inline void sums_add(struct sums *s, double *group, size_t column, double x)
{
    group[column] += x;
    s->total[column] += x;
}

/* value = sum over terms of total[above] / total[below]; a term 0 / 0 counts 0. */
struct sums_form {
    size_t n_terms;
    struct {
        uint16_t above, below;
    } term[SUMS_TERMS_MAX];
};

double sums_value(const struct sums_form *f, const double *total);

/* An estimate's interval and that of its gain over the logged reward. */
struct sums_interval {
    double low, high, gain_low, gain_high;
};

/* All of `form` (n of them) from the same resamples; NaN with fewer than two groups. */
int sums_bootstrap(const struct sums *s, const struct sums_form *form, size_t n,
                   uint32_t draws, uint64_t seed, struct sums_interval *out,
                   struct penchant_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "evaluate/metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernels/kernels.h"

static const double Z95 = 1.959963984540054; /* normal quantile of 0.975 */

void metrics_init(struct metrics *m)
{
    *m = (struct metrics){0};
}

void metrics_release(struct metrics *m)
{
    free(m->rank);
    free(m->again);
    metrics_init(m);
}

static int grow(struct metrics *m)
{
    if (m->cap > SIZE_MAX / (2 * sizeof(*m->rank)))
        return PENCHANT_ENOMEM;
    const size_t cap = m->cap ? 2 * m->cap : 1024;
    uint32_t *rank = realloc(m->rank, cap * sizeof(*rank));
    if (!rank)
        return PENCHANT_ENOMEM;
    m->rank = rank;
    bool *again = realloc(m->again, cap * sizeof(*again));
    if (!again)
        return PENCHANT_ENOMEM;
    m->again = again;
    m->cap = cap;
    return PENCHANT_OK;
}

static int add(struct metrics *m, uint32_t rank, bool again)
{
    if (m->n == m->cap && grow(m))
        return PENCHANT_ENOMEM;
    m->rank[m->n] = rank;
    m->again[m->n++] = again;
    return PENCHANT_OK;
}

int metrics_add(struct metrics *m, uint32_t rank)
{
    return add(m, rank, false);
}

int metrics_add_again(struct metrics *m, uint32_t rank)
{
    return add(m, rank, m->n > 0);
}

/* What one case is worth. */
static double gain(enum metrics_kind kind, uint32_t rank, uint32_t at)
{
    if (rank >= at)
        return 0;
    if (kind == METRICS_NDCG)
        return 1 / log2((double)rank + 2);
    return kind == METRICS_MRR ? 1 / ((double)rank + 1) : 1;
}

/* Mean over the cases of a, or of a minus b, and what is needed for its interval. */
struct mean {
    double value;
    double variance; /* of the mean; NaN when there are fewer than two groups */
    size_t n, groups;
};

static double case_value(const struct metrics *a, const struct metrics *b,
                         enum metrics_kind kind, uint32_t at, size_t i)
{
    return gain(kind, a->rank[i], at) - (b ? gain(kind, b->rank[i], at) : 0);
}

static struct mean mean_of(const struct metrics *a, const struct metrics *b,
                           enum metrics_kind kind, uint32_t at)
{
    struct mean m = {.variance = NAN, .n = a->n};
    if (!a->n)
        return m;
    for (size_t i = 0; i < a->n; i++)
        m.value += case_value(a, b, kind, at, i);
    m.value /= (double)a->n;
    double squares = 0, group = 0;
    for (size_t i = 0; i < a->n; i++) {
        if (!a->again[i]) {
            squares += group * group;
            group = 0;
            m.groups++;
        }
        group += case_value(a, b, kind, at, i) - m.value;
    }
    squares += group * group;
    if (m.groups > 1)
        m.variance = squares / ((double)a->n * (double)a->n) * (double)m.groups /
                     (double)(m.groups - 1);
    return m;
}

/* Of a mean whose values lie in [least, most]. */
static struct penchant_metric normal_interval(const struct mean *m, double least,
                                              double most)
{
    if (isnan(m->variance))
        return (struct penchant_metric){m->value, least, most};
    const double half = Z95 * sqrt(m->variance);
    return (struct penchant_metric){m->value, fmax(least, m->value - half),
                                    fmin(most, m->value + half)};
}

/* Wilson 1927. Groups of dependent cases count as the number of independent ones that
   would give their variance (Kish's effective sample size). */
static struct penchant_metric wilson_interval(const struct mean *m)
{
    const double p = m->value;
    double n = (double)m->n;
    if (!m->n)
        return (struct penchant_metric){0, 0, 1};
    if (m->groups < m->n)
        n = m->variance > 0 ? fmin(n, p * (1 - p) / m->variance) : (double)m->groups;
    const double z2 = Z95 * Z95 / n;
    const double middle = (p + z2 / 2) / (1 + z2);
    const double half = Z95 * sqrt(p * (1 - p) / n + z2 / (4 * n)) / (1 + z2);
    /* At 0 and 1 the bounds are those exactly, whatever was rounded. */
    return (struct penchant_metric){p, fmax(0, fmin(p, middle - half)),
                                    fmin(1, fmax(p, middle + half))};
}

struct penchant_metric metrics_of(const struct metrics *m, enum metrics_kind kind,
                                  uint32_t at)
{
    const struct mean mean = mean_of(m, NULL, kind, at);
    return kind == METRICS_HR ? wilson_interval(&mean) : normal_interval(&mean, 0, 1);
}

struct penchant_metric metrics_hr(const struct metrics *m, uint32_t at)
{
    return metrics_of(m, METRICS_HR, at);
}

struct penchant_metric metrics_ndcg(const struct metrics *m, uint32_t at)
{
    return metrics_of(m, METRICS_NDCG, at);
}

struct penchant_metric metrics_mrr(const struct metrics *m, uint32_t at)
{
    return metrics_of(m, METRICS_MRR, at);
}

struct penchant_metric metrics_difference(const struct metrics *a,
                                          const struct metrics *b, enum metrics_kind kind,
                                          uint32_t at)
{
    if (a->n != b->n)
        return (struct penchant_metric){0, -1, 1};
    const struct mean mean = mean_of(a, b, kind, at);
    return normal_interval(&mean, -1, 1);
}

void metrics_quality(const struct metrics *m, const char *name,
                     struct penchant_quality *out)
{
    static const uint32_t at[3] = {5, 10, 20};
    *out = (struct penchant_quality){0};
    snprintf(out->name, sizeof(out->name), "%s", name);
    for (int i = 0; i < 3; i++) {
        out->hr[i] = metrics_hr(m, at[i]);
        out->ndcg[i] = metrics_ndcg(m, at[i]);
        out->mrr[i] = metrics_mrr(m, at[i]);
    }
}

uint32_t metrics_rank(const float *score, uint32_t n, uint32_t target,
                      const uint32_t *skip, size_t n_skip)
{
    if (target >= n)
        return METRICS_MISS;
    const float own = score[target];
    /* Neither is the target below itself, nor any NaN below anything. */
    uint32_t rank = n - 1 - (uint32_t)kernels_get()->count_below(score, own, n);
    for (size_t i = 0; i < n_skip; i++) {
        if (skip[i] == target)
            return METRICS_MISS;
        if (skip[i] < n)
            rank -= !(score[skip[i]] < own);
    }
    return rank;
}

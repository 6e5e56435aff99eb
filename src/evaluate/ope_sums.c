/* SPDX-License-Identifier: Apache-2.0 */
#include "evaluate/ope_sums.h"

#include <math.h>
#include <stdlib.h>

#include "base/rng.h"

enum { BOOTSTRAP_STREAM = 0x07e };

static size_t clusters_of(size_t n, const uint32_t *cluster)
{
    uint32_t most = 0;
    if (!cluster)
        return n;
    for (size_t i = 0; i < n; i++)
        if (cluster[i] > most)
            most = cluster[i];
    return n ? (size_t)most + 1 : 0;
}

int sums_init(struct sums *s, size_t n, const uint32_t *cluster, size_t n_columns,
              struct penchant_error *err)
{
    *s = (struct sums){.n_columns = n_columns, .n_clusters = clusters_of(n, cluster)};
    s->n_groups = s->n_clusters < SUMS_GROUPS ? s->n_clusters : SUMS_GROUPS;
    s->group = calloc(s->n_groups * n_columns + 1, sizeof(double));
    s->total = calloc(n_columns, sizeof(double));
    if (s->group && s->total)
        return PENCHANT_OK;
    sums_release(s);
    return error_memory(err);
}

void sums_release(struct sums *s)
{
    free(s->group);
    free(s->total);
    *s = (struct sums){0};
}

double *sums_group_of(struct sums *s, const uint32_t *cluster, size_t i)
{
    const size_t c = cluster ? cluster[i] : i;
    const size_t g = s->n_clusters > s->n_groups ? rng_mix(c) % s->n_groups : c;
    return s->group + g * s->n_columns;
}

double sums_value(const struct sums_form *f, const double *total)
{
    double v = 0;
    for (size_t t = 0; t < f->n_terms; t++) {
        const double above = total[f->term[t].above], below = total[f->term[t].below];
        if (above != 0 || below != 0)
            v += above / below;
    }
    return v;
}

/* One resample: as many groups as there are, drawn with replacement, added up. */
static void resample(const struct sums *s, struct rng *r, double *total)
{
    for (size_t c = 0; c < s->n_columns; c++)
        total[c] = 0;
    for (size_t g = 0; g < s->n_groups; g++) {
        const double *one =
            s->group + (size_t)rng_below(r, (uint32_t)s->n_groups) * s->n_columns;
        for (size_t c = 0; c < s->n_columns; c++)
            total[c] += one[c];
    }
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Linear between order statistics; v is sorted. */
static double quantile(const double *v, size_t n, double p)
{
    const double at = p * (double)(n - 1);
    const size_t i = (size_t)at;
    return i + 1 < n ? v[i] + (at - (double)i) * (v[i + 1] - v[i]) : v[n - 1];
}

static void interval(double *v, size_t n, double *low, double *high)
{
    *low = *high = NAN;
    for (size_t i = 0; i < n; i++)
        if (!isfinite(v[i]))
            return;
    qsort(v, n, sizeof(*v), by_value);
    *low = quantile(v, n, 0.025);
    *high = quantile(v, n, 0.975);
}

int sums_bootstrap(const struct sums *s, const struct sums_form *form, size_t n,
                   uint32_t draws, uint64_t seed, struct sums_interval *out,
                   struct penchant_error *err)
{
    for (size_t f = 0; f < n; f++)
        out[f] = (struct sums_interval){NAN, NAN, NAN, NAN};
    if (s->n_groups < 2)
        return PENCHANT_OK;
    double *total = malloc(s->n_columns * sizeof(*total));
    double *value = malloc(2 * n * draws * sizeof(*value)); /* (n, 2, draws) */
    if (!total || !value) {
        free(total);
        free(value);
        return error_memory(err);
    }
    struct rng r;
    rng_init(&r, seed, BOOTSTRAP_STREAM);
    for (uint32_t d = 0; d < draws; d++) {
        resample(s, &r, total);
        for (size_t f = 0; f < n; f++) {
            const double v = sums_value(&form[f], total);
            value[2 * f * draws + d] = v;
            value[(2 * f + 1) * draws + d] = v - total[SUMS_REWARD] / total[SUMS_ONE];
        }
    }
    for (size_t f = 0; f < n; f++) {
        interval(value + 2 * f * draws, draws, &out[f].low, &out[f].high);
        interval(value + (2 * f + 1) * draws, draws, &out[f].gain_low, &out[f].gain_high);
    }
    free(total);
    free(value);
    return PENCHANT_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "evaluate/partition.h"

#include <math.h>
#include <stdlib.h>

#include "base/status.h"

enum { LABELS = 256 };

struct table {
    double both[LABELS][LABELS], a[LABELS], b[LABELS], n;
};

static double pairs(double n)
{
    return n * (n - 1) / 2;
}

static double entropy(const double *count, double n)
{
    double h = 0;
    for (int i = 0; i < LABELS; i++)
        if (count[i] > 0)
            h -= count[i] / n * log(count[i] / n);
    return h;
}

static double adjusted_rand(const struct table *t)
{
    double both = 0, a = 0, b = 0;
    for (int i = 0; i < LABELS; i++) {
        a += pairs(t->a[i]);
        b += pairs(t->b[i]);
        for (int j = 0; j < LABELS; j++)
            both += pairs(t->both[i][j]);
    }
    const double expected = t->n > 1 ? a * b / pairs(t->n) : 0;
    const double most = (a + b) / 2;
    return most - expected > 1e-9 ? (both - expected) / (most - expected) : 1;
}

static double mutual_information(const struct table *t)
{
    double sum = 0;
    for (int i = 0; i < LABELS; i++)
        for (int j = 0; j < LABELS; j++)
            if (t->both[i][j] > 0)
                sum += t->both[i][j] / t->n *
                       log(t->both[i][j] * t->n / (t->a[i] * t->b[j]));
    const double most = sqrt(entropy(t->a, t->n) * entropy(t->b, t->n));
    return most > 1e-12 ? fmax(0, sum / most) : 1;
}

int partition_compare(struct partition_agreement *out, const uint8_t *a, const uint8_t *b,
                      size_t n)
{
    size_t changed = 0;
    struct table *t = calloc(1, sizeof *t);
    *out = (struct partition_agreement){0};
    if (!t)
        return PENCHANT_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        if (a[i] == PARTITION_NONE || b[i] == PARTITION_NONE)
            continue;
        t->both[a[i]][b[i]]++;
        t->a[a[i]]++;
        t->b[b[i]]++;
        changed += a[i] != b[i];
        out->n++;
    }
    t->n = (double)out->n;
    if (out->n) {
        out->rand_index = adjusted_rand(t);
        out->information = mutual_information(t);
        out->changed = (double)changed / t->n;
    }
    free(t);
    return PENCHANT_OK;
}

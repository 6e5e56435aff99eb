/* SPDX-License-Identifier: Apache-2.0 */
#include "evaluate/probability.h"

#include <math.h>
#include <stdlib.h>

#include "base/status.h"

#define LEAST 1e-6

struct pair {
    double p;
    size_t at; /* so that equal ones keep their order */
    bool came;
};

static int by_p(const void *pa, const void *pb)
{
    const struct pair *a = pa, *b = pb;
    if (a->p != b->p)
        return a->p < b->p ? -1 : 1;
    return a->at < b->at ? -1 : a->at > b->at;
}

double probability_loss(double p, bool came)
{
    const double given = came ? p : 1 - p;
    return -log(fmin(1 - LEAST, fmax(LEAST, given)));
}

/* The rank sum of those that came, equal ones at their mean rank (Mann and Whitney). */
static double auc(const struct pair *pair, size_t n, double came)
{
    double sum = 0;
    for (size_t i = 0, next; i < n; i = next) {
        double here = 0;
        for (next = i; next < n && pair[next].p <= pair[i].p; next++)
            here += pair[next].came;
        sum += here * ((double)(i + next + 1) / 2);
    }
    const double rest = (double)n - came;
    return came > 0 && rest > 0 ? (sum - came * (came + 1) / 2) / (came * rest)
                                : (double)NAN;
}

static double calibration_error(const struct pair *pair, size_t n)
{
    double error = 0;
    for (size_t b = 0; b < PROBABILITY_BINS; b++) {
        double off = 0;
        for (size_t i = b * n / PROBABILITY_BINS; i < (b + 1) * n / PROBABILITY_BINS; i++)
            off += pair[i].p - pair[i].came;
        error += fabs(off);
    }
    return error / (double)n;
}

int probability_judge(const double *p, const bool *came, size_t n,
                      struct probability_quality *out)
{
    struct pair *pair = malloc(n * sizeof(*pair));
    double count = 0, loss = 0;
    if (!pair)
        return PENCHANT_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        pair[i] = (struct pair){p[i], i, came[i]};
        count += came[i];
        loss += probability_loss(p[i], came[i]);
    }
    qsort(pair, n, sizeof(*pair), by_p);
    *out = (struct probability_quality){.rate = count / (double)n,
                                        .log_loss = loss / (double)n,
                                        .auc = auc(pair, n, count),
                                        .ece = calibration_error(pair, n)};
    free(pair);
    return PENCHANT_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "interest/rfm.h"

#include <stdlib.h>

const char *const rfm_stage_names[RFM_STAGES] = {"new", "active", "at risk", "lapsed"};

static int by_value(const void *pa, const void *pb)
{
    const double a = *(const double *)pa, b = *(const double *)pb;
    return (a > b) - (a < b);
}

/* The value that a share of the sorted ones lie at or below. */
static double quantile(const double *sorted, size_t n, double share)
{
    const size_t at = (size_t)(share * (double)n);
    return sorted[at < n ? at : n - 1];
}

int rfm_scale_init(struct rfm_scale *s, const struct rfm *user, size_t n)
{
    *s = (struct rfm_scale){0};
    double *value = malloc((n + 1) * sizeof *value);
    if (!value)
        return PENCHANT_ENOMEM;
    for (int q = 0; n && q < RFM_QUANTITIES; q++) {
        for (size_t i = 0; i < n; i++)
            value[i] = user[i].value[q];
        qsort(value, n, sizeof *value, by_value);
        for (int b = 1; b < RFM_SCORES; b++)
            s->bound[q][b - 1] = quantile(value, n, (double)b / RFM_SCORES);
    }
    free(value);
    return PENCHANT_OK;
}

unsigned rfm_score(const struct rfm_scale *s, enum rfm_quantity q, double value)
{
    const bool less_is_better = q == RFM_RECENCY || q == RFM_AGE;
    unsigned passed = 0;
    for (int b = 0; b < RFM_SCORES - 1; b++)
        passed += less_is_better ? value < s->bound[q][b] : value >= s->bound[q][b];
    return 1 + passed;
}

enum rfm_stage rfm_stage(const struct rfm_scale *s, const struct rfm *user)
{
    const unsigned recency = rfm_score(s, RFM_RECENCY, user->value[RFM_RECENCY]);
    if (recency == 1)
        return RFM_LAPSED;
    if (recency < 4)
        return RFM_AT_RISK;
    return rfm_score(s, RFM_AGE, user->value[RFM_AGE]) == RFM_SCORES ? RFM_NEW
                                                                     : RFM_ACTIVE;
}

double rfm_median(double *value, size_t n)
{
    if (n == 0)
        return 0;
    qsort(value, n, sizeof *value, by_value);
    return n % 2 ? value[n / 2] : (value[n / 2 - 1] + value[n / 2]) / 2;
}

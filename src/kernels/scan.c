/* SPDX-License-Identifier: Apache-2.0 */
/* Scanning kernels in plain C: the truth that the others are tested against. */
#include "kernels/scan.h"

static double exact(const float *q, const float *e, uint32_t dim)
{
    double lane[8] = {0};
    uint32_t i = 0;
    for (; dim - i >= 8; i += 8)
        for (uint32_t j = 0; j < 8; j++)
            lane[j] += (double)q[i + j] * (double)e[i + j];
    for (uint32_t j = 0; i < dim; i++, j++)
        lane[j] += (double)q[i] * (double)e[i];
    return ((lane[0] + lane[1]) + (lane[2] + lane[3])) +
           ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

static const struct scan_kernels plain = {
    .exact = exact,
};

const struct scan_kernels *scan_kernels(void)
{
    return &plain;
}

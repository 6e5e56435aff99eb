/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hot loops of exact retrieval, one table of functions for each instruction set.
 */
#ifndef KERNELS_SCAN_H
#define KERNELS_SCAN_H

#include <stdint.h>

struct scan_kernels {
    /*
     * sum over i < dim of (double)q[i] * (double)e[i] in eight lanes (lane i % 8, in
     * order of i), added as ((0+1)+(2+3))+((4+5)+(6+7)). The same bits on every
     * instruction set.
     */
    double (*exact)(const float *q, const float *e, uint32_t dim);
};

/* The table for cpu_level(). */
const struct scan_kernels *scan_kernels(void);

#endif

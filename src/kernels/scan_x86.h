/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of scan_<instruction set>.c; only scan*.c includes this. */
#ifndef KERNELS_SCAN_X86_H
#define KERNELS_SCAN_X86_H

#include "kernels/scan.h"

extern const struct scan_kernels scan_avx2, scan_avx512, scan_avx512vnni;

/* Shared by the two AVX-512 tables. */
double scan_exact_avx512(const float *q, const float *e, uint32_t dim);
void scan_project_avx512(float *y, const float *x, const float *m, uint32_t dim,
                         uint32_t width);

#endif

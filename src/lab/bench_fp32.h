/* SPDX-License-Identifier: Apache-2.0 */
/* The peer of `bench topk`: float inner products of rows with a query, as fast as they
 * go. */
#ifndef LAB_BENCH_FP32_H
#define LAB_BENCH_FP32_H

#include <stdint.h>

/* out[r] = rows[r] . q in float; only with cpu_level() of AVX-512 or above. */
void bench_fp32_avx512(float *out, const float *rows, uint32_t n, uint32_t dim,
                       const float *q);

#endif

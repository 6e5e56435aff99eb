/* SPDX-License-Identifier: Apache-2.0 */
/* Float inner products with AVX-512 multiply-adds, four rows at a time. */
#include "lab/bench_fp32.h"

#include <immintrin.h>

/* The sums of the lanes of four registers, in order. */
static __m128 four_sums(__m512 a, __m512 b, __m512 c, __m512 d)
{
    const __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b)),
                 cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
    const __m512d x = _mm512_castps_pd(ab), y = _mm512_castps_pd(cd);
    const __m512 all = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(x, y)),
                                     _mm512_castpd_ps(_mm512_unpackhi_pd(x, y)));
    const __m256 half =
        _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
    return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}

/* Row r, or the last one where there is none. */
static const float *row_at(const float *rows, uint32_t n, uint32_t dim, uint32_t r)
{
    return rows + (size_t)(r < n ? r : n - 1) * dim;
}

void bench_fp32_avx512(float *out, const float *rows, uint32_t n, uint32_t dim,
                       const float *q)
{
    const uint32_t whole = dim / 16 * 16;
    const __mmask16 rest = (__mmask16)((1u << (dim - whole)) - 1);
    for (uint32_t r = 0; r < n; r += 4) {
        const float *e = row_at(rows, n, dim, r), *f = row_at(rows, n, dim, r + 1),
                    *g = row_at(rows, n, dim, r + 2), *h = row_at(rows, n, dim, r + 3);
        __m512 x = _mm512_maskz_loadu_ps(rest, q + whole),
               a = _mm512_mul_ps(x, _mm512_maskz_loadu_ps(rest, e + whole)),
               b = _mm512_mul_ps(x, _mm512_maskz_loadu_ps(rest, f + whole)),
               c = _mm512_mul_ps(x, _mm512_maskz_loadu_ps(rest, g + whole)),
               d = _mm512_mul_ps(x, _mm512_maskz_loadu_ps(rest, h + whole));
        for (uint32_t i = 0; i < whole; i += 16) {
            x = _mm512_loadu_ps(q + i);
            a = _mm512_fmadd_ps(x, _mm512_loadu_ps(e + i), a);
            b = _mm512_fmadd_ps(x, _mm512_loadu_ps(f + i), b);
            c = _mm512_fmadd_ps(x, _mm512_loadu_ps(g + i), c);
            d = _mm512_fmadd_ps(x, _mm512_loadu_ps(h + i), d);
        }
        const __mmask8 some = (__mmask8)(n - r >= 4 ? 15 : (1u << (n - r)) - 1);
        _mm_mask_storeu_ps(out + r, some, four_sums(a, b, c, d));
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Scanning kernels for AVX2 and FMA. */
#include "kernels/scan_x86.h"

#include <immintrin.h>

/* The products are exact in double, so a fused multiply-add rounds as the plain sum
   does. */
static double exact(const float *q, const float *e, uint32_t dim)
{
    __m256d low = _mm256_setzero_pd(), high = _mm256_setzero_pd();
    uint32_t i = 0;
    for (; dim - i >= 8; i += 8) {
        low = _mm256_fmadd_pd(_mm256_cvtps_pd(_mm_loadu_ps(q + i)),
                              _mm256_cvtps_pd(_mm_loadu_ps(e + i)), low);
        high = _mm256_fmadd_pd(_mm256_cvtps_pd(_mm_loadu_ps(q + i + 4)),
                               _mm256_cvtps_pd(_mm_loadu_ps(e + i + 4)), high);
    }
    double lane[8];
    _mm256_storeu_pd(lane, low);
    _mm256_storeu_pd(lane + 4, high);
    for (uint32_t j = 0; i < dim; i++, j++)
        lane[j] += (double)q[i] * (double)e[i];
    return ((lane[0] + lane[1]) + (lane[2] + lane[3])) +
           ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

static void project(float *y, const float *x, const float *m, uint32_t dim,
                    uint32_t width)
{
    for (uint32_t j = 0; j < width; j += 16) {
        __m256 a = _mm256_setzero_ps(), b = _mm256_setzero_ps();
        for (uint32_t i = 0; i < dim; i++) {
            const float *row = m + (size_t)i * width + j;
            const __m256 xi = _mm256_set1_ps(x[i]);
            a = _mm256_fmadd_ps(xi, _mm256_loadu_ps(row), a);
            b = _mm256_fmadd_ps(xi, _mm256_loadu_ps(row + 8), b);
        }
        _mm256_storeu_ps(y + j, a);
        _mm256_storeu_ps(y + j + 8, b);
    }
}

/* Four bytes of the query in every lane. */
static __m256i four(const int8_t *q)
{
    int32_t x;
    memcpy(&x, q, sizeof(x));
    return _mm256_set1_epi32(x);
}

/* Eight rows; pairs of products stay below 2 * 15 * 127, far from saturating 16 bits. */
static __m256i eight_rows(__m256i sum, const uint8_t *codes, const struct scan_part *part)
{
    const __m256i half = _mm256_set1_epi8(15), one = _mm256_set1_epi16(1);
    for (uint32_t c = 0; c < part->chunks; c++) {
        const __m256i x =
            _mm256_loadu_si256((const void *)(codes + (size_t)c * SCAN_LINE));
        const int8_t *q = part->query + (size_t)c * SCAN_CHUNK;
        const __m256i low = _mm256_and_si256(x, half),
                      high = _mm256_and_si256(_mm256_srli_epi16(x, 4), half),
                      pairs = _mm256_add_epi16(_mm256_maddubs_epi16(low, four(q)),
                                               _mm256_maddubs_epi16(high, four(q + 4)));
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, one));
    }
    return sum;
}

static uint64_t codes_avx2(int32_t *sums, const uint8_t *codes,
                           const struct scan_part *part, uint64_t groups, int32_t least)
{
    const __m128i shift =
        _mm_cvtsi32_si128((int)part->shift); /* 32 and above give zero */
    const __m256i limit = _mm256_set1_epi32(least);
    uint64_t found = 0;
    for (uint64_t left = groups; left; left &= left - 1) {
        const uint32_t g = (uint32_t)__builtin_ctzll(left);
        const uint8_t *at = codes + (size_t)g * part->chunks * SCAN_LINE;
        int below = 0; /* rows whose sum is under the limit, a bit each */
        for (uint32_t h = 0; h < 2; h++) {
            void *place = sums + g * SCAN_GROUP + 8 * h;
            __m256i sum = _mm256_sll_epi32(_mm256_loadu_si256(place), shift);
            sum = eight_rows(sum, at + 32 * (size_t)h, part);
            _mm256_storeu_si256(place, sum);
            const __m256i under = _mm256_cmpgt_epi32(limit, sum);
            below |= _mm256_movemask_ps(_mm256_castsi256_ps(under)) << (8 * h);
        }
        if (below != 0xFFFF)
            found |= (uint64_t)1 << g;
    }
    return found;
}

const struct scan_kernels scan_avx2 = {
    .exact = exact,
    .project = project,
    .codes = codes_avx2,
};

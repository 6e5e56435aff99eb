/* SPDX-License-Identifier: Apache-2.0 */
/* Scanning kernels for AVX-512 F, BW, DQ and VL. */
#include "kernels/scan_x86.h"

#include <immintrin.h>

/* The products are exact in double, so a fused multiply-add rounds as the plain sum does;
 * lanes past the end add +0, which changes nothing because no lane is ever -0. */
double scan_exact_avx512(const float *q, const float *e, uint32_t dim)
{
    __m512d sum = _mm512_setzero_pd();
    uint32_t i = 0;
    for (; dim - i >= 8; i += 8)
        sum = _mm512_fmadd_pd(_mm512_cvtps_pd(_mm256_loadu_ps(q + i)),
                              _mm512_cvtps_pd(_mm256_loadu_ps(e + i)), sum);
    if (i < dim) {
        const __mmask8 rest = (__mmask8)((1u << (dim - i)) - 1);
        sum = _mm512_fmadd_pd(_mm512_cvtps_pd(_mm256_maskz_loadu_ps(rest, q + i)),
                              _mm512_cvtps_pd(_mm256_maskz_loadu_ps(rest, e + i)), sum);
    }
    /* (0+1, 4+5, 2+3, 6+7), then its two halves, then the last two. */
    const __m256d pairs =
        _mm256_hadd_pd(_mm512_castpd512_pd256(sum), _mm512_extractf64x4_pd(sum, 1));
    const __m128d fours =
        _mm_add_pd(_mm256_castpd256_pd128(pairs), _mm256_extractf128_pd(pairs, 1));
    return _mm_cvtsd_f64(_mm_add_sd(fours, _mm_unpackhi_pd(fours, fours)));
}

static void project_64(float *y, const float *x, const float *m, uint32_t dim,
                       size_t width)
{
    __m512 a = _mm512_setzero_ps(), b = a, c = a, d = a;
    for (uint32_t i = 0; i < dim; i++, m += width) {
        const __m512 xi = _mm512_set1_ps(x[i]);
        a = _mm512_fmadd_ps(xi, _mm512_loadu_ps(m), a);
        b = _mm512_fmadd_ps(xi, _mm512_loadu_ps(m + 16), b);
        c = _mm512_fmadd_ps(xi, _mm512_loadu_ps(m + 32), c);
        d = _mm512_fmadd_ps(xi, _mm512_loadu_ps(m + 48), d);
    }
    _mm512_storeu_ps(y, a);
    _mm512_storeu_ps(y + 16, b);
    _mm512_storeu_ps(y + 32, c);
    _mm512_storeu_ps(y + 48, d);
}

void scan_project_avx512(float *y, const float *x, const float *m, uint32_t dim,
                         uint32_t width)
{
    uint32_t j = 0;
    for (; width - j >= 64; j += 64)
        project_64(y + j, x, m + j, dim, width);
    for (; j < width; j += 16) {
        __m512 sum = _mm512_setzero_ps();
        for (uint32_t i = 0; i < dim; i++)
            sum = _mm512_fmadd_ps(_mm512_set1_ps(x[i]),
                                  _mm512_loadu_ps(m + (size_t)i * width + j), sum);
        _mm512_storeu_ps(y + j, sum);
    }
}

/* Four bytes of the query in every lane. */
static __m512i four(const int8_t *q)
{
    int32_t x;
    memcpy(&x, q, sizeof(x));
    return _mm512_set1_epi32(x);
}

static uint64_t codes_avx512(int32_t *sums, const uint8_t *codes,
                             const struct scan_part *part, uint64_t groups, int32_t least)
{
    const __m128i shift =
        _mm_cvtsi32_si128((int)part->shift); /* 32 and above give zero */
    const __m512i half = _mm512_set1_epi8(15), one = _mm512_set1_epi16(1),
                  limit = _mm512_set1_epi32(least);
    uint64_t found = 0;
    for (uint64_t left = groups; left; left &= left - 1) {
        const uint32_t g = (uint32_t)__builtin_ctzll(left);
        const uint8_t *at = codes + (size_t)g * part->chunks * SCAN_LINE;
        int32_t *place = sums + g * SCAN_GROUP;
        const int8_t *q = part->query;
        __m512i sum = _mm512_sll_epi32(_mm512_loadu_si512(place), shift);
        for (uint32_t c = 0; c < part->chunks; c++, at += SCAN_LINE, q += SCAN_CHUNK) {
            const __m512i x = _mm512_loadu_si512(at), low = _mm512_and_si512(x, half),
                          high = _mm512_and_si512(_mm512_srli_epi16(x, 4), half),
                          pairs =
                              _mm512_add_epi16(_mm512_maddubs_epi16(low, four(q)),
                                               _mm512_maddubs_epi16(high, four(q + 4)));
            sum = _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, one));
        }
        _mm512_storeu_si512(place, sum);
        if (_mm512_cmpge_epi32_mask(sum, limit))
            found |= (uint64_t)1 << g;
    }
    return found;
}

const struct scan_kernels scan_avx512 = {
    .exact = scan_exact_avx512,
    .project = scan_project_avx512,
    .codes = codes_avx512,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* bfloat16 products with AVX512_BF16; an empty row on other machines. */
#include "kernels/kernels.h"

#if defined(__AVX512BF16__) && defined(__AVX512F__)

#include <immintrin.h>

#include "kernels/simd.h"

SIMD_INLINE __m512i load_pairs(const uint32_t *p)
{
    return _mm512_loadu_si512(p);
}

SIMD_INLINE __m512i load_pairs_n(const uint32_t *p, size_t n)
{
    return _mm512_maskz_loadu_epi32((__mmask16)(0xFFFFu >> (16 - n)), p);
}

SIMD_INLINE vec step(__m512i a, __m512i b, vec c)
{
    return _mm512_dpbf16_ps(c, (__m512bh)a, (__m512bh)b);
}

static void gemm_bf16(const struct gemm_pairs *g);
#define GEMM_NAME          gemm_bf16
#define GEMM_STRUCT        gemm_pairs
#define GEMM_A             uint32_t
#define GEMM_VEC           __m512i
#define GEMM_LOAD(p)       load_pairs(p)
#define GEMM_LOAD_N(p, n)  load_pairs_n(p, n)
#define GEMM_SPLAT(x)      _mm512_set1_epi32((int)(x))
#define GEMM_STEP(a, b, c) step(a, b, c)
#include "kernels/gemm_body.h"

/* 32 floats to 16 pairs; the first 16 come from `low`. */
SIMD_INLINE __m512i narrow(vec high, vec low)
{
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/* Pairs (x0[i], x1[i]) of 16 columns: x0 in the low halves. */
SIMD_INLINE __m512i interleave(vec x0, vec x1)
{
    const __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(x0));
    const __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(x1));
    return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

SIMD_INLINE vec load_up_to(const float *p, size_t n)
{
    return n >= LANES ? v_load(p) : n ? v_load_n(p, n) : v_zero();
}

SIMD_INLINE void store_up_to(uint32_t *p, __m512i v, size_t n)
{
    if (n)
        _mm512_mask_storeu_epi32(p, (__mmask16)(n >= 16 ? 0xFFFFu : 0xFFFFu >> (16 - n)),
                                 v);
}

static void pairs_along(uint32_t *out, const float *x, size_t rows, size_t d)
{
    for (size_t r = 0; r < rows; r++, x += d, out += (d + 1) / 2)
        for (size_t i = 0; i < d; i += 2 * LANES) {
            const size_t left = d - i;
            const vec low = load_up_to(x + i, left);
            const vec high =
                left > LANES ? load_up_to(x + i + LANES, left - LANES) : v_zero();
            store_up_to(out + i / 2, narrow(high, low), (left + 1) / 2);
        }
}

static void pairs_down(uint32_t *out, const float *x, size_t rows, size_t d)
{
    for (size_t r = 0; r < rows; r += 2, out += d)
        for (size_t i = 0; i < d; i += LANES) {
            const vec x0 = load_up_to(x + r * d + i, d - i);
            const vec x1 =
                r + 1 < rows ? load_up_to(x + (r + 1) * d + i, d - i) : v_zero();
            store_up_to(out + i, interleave(x0, x1), d - i);
        }
}

static void pairs_both(uint32_t *along0, uint32_t *along1, uint32_t *down,
                       const float *x0, const float *x1, const float s[2], size_t d)
{
    const vec s0 = v_set(s[0]), s1 = v_set(s[1]);
    for (size_t i = 0; i < d; i += 2 * LANES) {
        const size_t n0 = d - i, n1 = n0 > LANES ? n0 - LANES : 0;
        const vec a0 = v_mul(load_up_to(x0 + i, n0), s0);
        const vec b0 = n1 ? v_mul(load_up_to(x0 + i + LANES, n1), s0) : v_zero();
        const vec a1 = x1 ? v_mul(load_up_to(x1 + i, n0), s1) : v_zero();
        const vec b1 = x1 && n1 ? v_mul(load_up_to(x1 + i + LANES, n1), s1) : v_zero();
        store_up_to(along0 + i / 2, narrow(b0, a0), (n0 + 1) / 2);
        if (x1)
            store_up_to(along1 + i / 2, narrow(b1, a1), (n0 + 1) / 2);
        store_up_to(down + i, interleave(a0, a1), n0);
        store_up_to(down + i + LANES, interleave(b0, b1), n1);
    }
}

const struct kernels_bf16 kernels_avx512bf16 = {
    .gemm = gemm_bf16,
    .pairs_along = pairs_along,
    .pairs_down = pairs_down,
    .pairs_both = pairs_both,
};

#else
const struct kernels_bf16 kernels_avx512bf16 = {.gemm = NULL};
#endif

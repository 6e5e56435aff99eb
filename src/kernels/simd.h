/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vector of floats, as wide as the including file's instruction set: 16 lanes with
 * AVX-512, 8 with AVX2, else 1, which is plain C. Kernels are written once in these few
 * operations (kernels_body.h, gemm_body.h); the one-lane build is the reference the
 * others are tested against.
 */
#ifndef KERNELS_SIMD_H
#define KERNELS_SIMD_H

#include <stddef.h>
#include <stdint.h>

#define SIMD_INLINE static inline __attribute__((always_inline))

#if defined(__AVX512F__)

#include <immintrin.h>

enum { LANES = 16 };
typedef __m512 vec;
typedef __m512i ivec;

SIMD_INLINE vec v_zero(void)
{
    return _mm512_setzero_ps();
}
SIMD_INLINE vec v_set(float x)
{
    return _mm512_set1_ps(x);
}
SIMD_INLINE vec v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
SIMD_INLINE void v_store(float *p, vec x)
{
    _mm512_storeu_ps(p, x);
}
/* The first n lanes only, 0 < n <= LANES; the others are zero, or left in memory. */
SIMD_INLINE vec v_load_n(const float *p, size_t n)
{
    return _mm512_maskz_loadu_ps((__mmask16)(0xFFFFu >> (16 - n)), p);
}
SIMD_INLINE void v_store_n(float *p, vec x, size_t n)
{
    _mm512_mask_storeu_ps(p, (__mmask16)(0xFFFFu >> (16 - n)), x);
}
SIMD_INLINE vec v_add(vec a, vec b)
{
    return _mm512_add_ps(a, b);
}
SIMD_INLINE vec v_sub(vec a, vec b)
{
    return _mm512_sub_ps(a, b);
}
SIMD_INLINE vec v_mul(vec a, vec b)
{
    return _mm512_mul_ps(a, b);
}
SIMD_INLINE vec v_div(vec a, vec b)
{
    return _mm512_div_ps(a, b);
}
SIMD_INLINE vec v_max(vec a, vec b)
{
    return _mm512_max_ps(a, b);
}
SIMD_INLINE vec v_min(vec a, vec b)
{
    return _mm512_min_ps(a, b);
}
SIMD_INLINE vec v_sqrt(vec a)
{
    return _mm512_sqrt_ps(a);
}
/* a * b + c, rounded once */
SIMD_INLINE vec v_fma(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
}
SIMD_INLINE vec v_round(vec a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* x * 2^n for whole n within the exponent's range */
SIMD_INLINE vec v_scale2(vec x, vec n)
{
    return _mm512_scalef_ps(x, n);
}
/* where a > b: x, else 0 */
SIMD_INLINE vec v_if_greater(vec a, vec b, vec x)
{
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), x);
}
SIMD_INLINE float v_sum(vec a)
{
    return _mm512_reduce_add_ps(a);
}
SIMD_INLINE float v_top(vec a)
{
    return _mm512_reduce_max_ps(a);
}
SIMD_INLINE ivec i_set(uint32_t x)
{
    return _mm512_set1_epi32((int)x);
}
/* x, x + 1, .. */
SIMD_INLINE ivec i_count(uint32_t x)
{
    return _mm512_add_epi32(i_set(x), _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
                                                        11, 12, 13, 14, 15));
}
SIMD_INLINE ivec i_mul(ivec a, ivec b)
{
    return _mm512_mullo_epi32(a, b);
}
SIMD_INLINE ivec i_xor(ivec a, ivec b)
{
    return _mm512_xor_si512(a, b);
}
SIMD_INLINE ivec i_right(ivec a, int n)
{
    return _mm512_srli_epi32(a, (unsigned)n);
}
/* small non-negative integers to floats */
SIMD_INLINE vec i_float(ivec a)
{
    return _mm512_cvtepi32_ps(a);
}

#elif defined(__AVX2__) && defined(__FMA__)

#include <immintrin.h>

enum { LANES = 8 };
typedef __m256 vec;
typedef __m256i ivec;

SIMD_INLINE __m256i simd_mask(size_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
SIMD_INLINE vec v_zero(void)
{
    return _mm256_setzero_ps();
}
SIMD_INLINE vec v_set(float x)
{
    return _mm256_set1_ps(x);
}
SIMD_INLINE vec v_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
SIMD_INLINE void v_store(float *p, vec x)
{
    _mm256_storeu_ps(p, x);
}
SIMD_INLINE vec v_load_n(const float *p, size_t n)
{
    return _mm256_maskload_ps(p, simd_mask(n));
}
SIMD_INLINE void v_store_n(float *p, vec x, size_t n)
{
    _mm256_maskstore_ps(p, simd_mask(n), x);
}
SIMD_INLINE vec v_add(vec a, vec b)
{
    return _mm256_add_ps(a, b);
}
SIMD_INLINE vec v_sub(vec a, vec b)
{
    return _mm256_sub_ps(a, b);
}
SIMD_INLINE vec v_mul(vec a, vec b)
{
    return _mm256_mul_ps(a, b);
}
SIMD_INLINE vec v_div(vec a, vec b)
{
    return _mm256_div_ps(a, b);
}
SIMD_INLINE vec v_max(vec a, vec b)
{
    return _mm256_max_ps(a, b);
}
SIMD_INLINE vec v_min(vec a, vec b)
{
    return _mm256_min_ps(a, b);
}
SIMD_INLINE vec v_sqrt(vec a)
{
    return _mm256_sqrt_ps(a);
}
SIMD_INLINE vec v_fma(vec a, vec b, vec c)
{
    return _mm256_fmadd_ps(a, b, c);
}
SIMD_INLINE vec v_round(vec a)
{
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
SIMD_INLINE vec v_scale2(vec x, vec n)
{
    const __m256i e = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_mul_ps(x, _mm256_castsi256_ps(_mm256_slli_epi32(e, 23)));
}
SIMD_INLINE vec v_if_greater(vec a, vec b, vec x)
{
    return _mm256_and_ps(_mm256_cmp_ps(a, b, _CMP_GT_OQ), x);
}
SIMD_INLINE float v_sum(vec a)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
}
SIMD_INLINE float v_top(vec a)
{
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_shuffle_ps(s, s, 1)));
}
SIMD_INLINE ivec i_set(uint32_t x)
{
    return _mm256_set1_epi32((int)x);
}
SIMD_INLINE ivec i_count(uint32_t x)
{
    return _mm256_add_epi32(i_set(x), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
SIMD_INLINE ivec i_mul(ivec a, ivec b)
{
    return _mm256_mullo_epi32(a, b);
}
SIMD_INLINE ivec i_xor(ivec a, ivec b)
{
    return _mm256_xor_si256(a, b);
}
SIMD_INLINE ivec i_right(ivec a, int n)
{
    return _mm256_srli_epi32(a, n);
}
SIMD_INLINE vec i_float(ivec a)
{
    return _mm256_cvtepi32_ps(a);
}

#else

#include <math.h>

enum { LANES = 1 };
typedef float vec;
typedef uint32_t ivec;

SIMD_INLINE vec v_zero(void)
{
    return 0;
}
SIMD_INLINE vec v_set(float x)
{
    return x;
}
SIMD_INLINE vec v_load(const float *p)
{
    return *p;
}
SIMD_INLINE void v_store(float *p, vec x)
{
    *p = x;
}
SIMD_INLINE vec v_load_n(const float *p, size_t n)
{
    (void)n;
    return *p;
}
SIMD_INLINE void v_store_n(float *p, vec x, size_t n)
{
    (void)n;
    *p = x;
}
SIMD_INLINE vec v_add(vec a, vec b)
{
    return a + b;
}
SIMD_INLINE vec v_sub(vec a, vec b)
{
    return a - b;
}
SIMD_INLINE vec v_mul(vec a, vec b)
{
    return a * b;
}
SIMD_INLINE vec v_div(vec a, vec b)
{
    return a / b;
}
SIMD_INLINE vec v_max(vec a, vec b)
{
    return a > b ? a : b;
}
SIMD_INLINE vec v_min(vec a, vec b)
{
    return a < b ? a : b;
}
SIMD_INLINE vec v_sqrt(vec a)
{
    return sqrtf(a);
}
/* Rounded twice here: a library call for one rounding would be a hundred times slower. */
SIMD_INLINE vec v_fma(vec a, vec b, vec c)
{
    return a * b + c;
}
SIMD_INLINE vec v_round(vec a)
{
    return rintf(a);
}
SIMD_INLINE vec v_scale2(vec x, vec n)
{
    return ldexpf(x, (int)n);
}
SIMD_INLINE vec v_if_greater(vec a, vec b, vec x)
{
    return a > b ? x : 0;
}
SIMD_INLINE float v_sum(vec a)
{
    return a;
}
SIMD_INLINE float v_top(vec a)
{
    return a;
}
SIMD_INLINE ivec i_set(uint32_t x)
{
    return x;
}
SIMD_INLINE ivec i_count(uint32_t x)
{
    return x;
}
SIMD_INLINE ivec i_mul(ivec a, ivec b)
{
    return a * b;
}
SIMD_INLINE ivec i_xor(ivec a, ivec b)
{
    return a ^ b;
}
SIMD_INLINE ivec i_right(ivec a, int n)
{
    return a >> n;
}
SIMD_INLINE vec i_float(ivec a)
{
    return (float)a;
}

#endif
#endif

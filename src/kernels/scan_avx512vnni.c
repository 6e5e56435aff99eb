/* SPDX-License-Identifier: Apache-2.0 */
/* Scanning codes with AVX-512 VNNI: four products of bytes to a sum in one instruction. */
#include "kernels/scan_x86.h"

#include <immintrin.h>

/* Four bytes of the query in every lane. */
static __m512i four(const int8_t *q)
{
    int32_t x;
    memcpy(&x, q, sizeof(x));
    return _mm512_set1_epi32(x);
}

static uint64_t codes_vnni(int32_t *sums, const uint8_t *codes,
                           const struct scan_part *part, uint64_t groups, int32_t least)
{
    const __m128i shift =
        _mm_cvtsi32_si128((int)part->shift); /* 32 and above give zero */
    const __m512i low = _mm512_set1_epi8(15), high = _mm512_set1_epi8((char)0xF0),
                  limit = _mm512_set1_epi32(least);
    uint64_t found = 0;
    for (uint64_t left = groups; left; left &= left - 1) {
        const uint32_t g = (uint32_t)__builtin_ctzll(left);
        const uint8_t *at = codes + (size_t)g * part->chunks * SCAN_LINE;
        int32_t *place = sums + g * SCAN_GROUP;
        const int8_t *q = part->query;
        __m512i sum = _mm512_sll_epi32(_mm512_loadu_si512(place), shift);
        __m512i sum16 =
            _mm512_setzero_si512(); /* high halves stay where they are: 16 times */
        for (uint32_t c = 0; c < part->chunks; c++, at += SCAN_LINE, q += SCAN_CHUNK) {
            const __m512i x = _mm512_loadu_si512(at);
            sum = _mm512_dpbusd_epi32(sum, _mm512_and_si512(x, low), four(q));
            sum16 = _mm512_dpbusd_epi32(sum16, _mm512_and_si512(x, high), four(q + 4));
        }
        sum = _mm512_add_epi32(sum, _mm512_srai_epi32(sum16, 4));
        _mm512_storeu_si512(place, sum);
        if (_mm512_cmpge_epi32_mask(sum, limit))
            found |= (uint64_t)1 << g;
    }
    return found;
}

const struct scan_kernels scan_avx512vnni = {
    .exact = scan_exact_avx512,
    .project = scan_project_avx512,
    .codes = codes_vnni,
};

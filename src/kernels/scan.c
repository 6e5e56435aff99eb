/* SPDX-License-Identifier: Apache-2.0 */
/* Scanning kernels in plain C: the truth that the others are tested against. */
#include "kernels/scan.h"

#include "kernels/cpu.h"
#include "kernels/scan_x86.h"

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

static void project(float *y, const float *x, const float *m, uint32_t dim,
                    uint32_t width)
{
    for (uint32_t j = 0; j < width; j += 16) {
        float sum[16] = {0};
        for (uint32_t i = 0; i < dim; i++)
            for (uint32_t l = 0; l < 16; l++)
                sum[l] += x[i] * m[(size_t)i * width + j + l];
        memcpy(y + j, sum, sizeof(sum));
    }
}

static int32_t row_sum(const uint8_t *codes, const struct scan_part *part)
{
    int32_t sum = 0;
    const int8_t *q = part->query;
    for (uint32_t c = 0; c < part->chunks; c++, codes += SCAN_LINE, q += SCAN_CHUNK)
        for (uint32_t j = 0; j < 4; j++)
            sum += (codes[j] & 15) * q[j] + (codes[j] >> 4) * q[4 + j];
    return sum;
}

static uint64_t codes_plain(int32_t *sums, const uint8_t *codes,
                            const struct scan_part *part, uint64_t groups, int32_t least)
{
    uint64_t found = 0;
    for (uint64_t left = groups; left; left &= left - 1) {
        const uint32_t g = (uint32_t)__builtin_ctzll(left);
        const uint8_t *at = codes + (size_t)g * part->chunks * SCAN_LINE;
        int32_t *sum = sums + g * SCAN_GROUP;
        for (uint32_t r = 0; r < SCAN_GROUP; r++) {
            const uint32_t before =
                part->shift == SCAN_FORGET ? 0 : (uint32_t)sum[r] << part->shift;
            sum[r] = (int32_t)(before + (uint32_t)row_sum(at + 4 * (size_t)r, part));
            if (sum[r] >= least)
                found |= (uint64_t)1 << g;
        }
    }
    return found;
}

static const struct scan_kernels plain = {
    .exact = exact,
    .project = project,
    .codes = codes_plain,
};

const struct scan_kernels *scan_kernels(void)
{
#if defined(__x86_64__)
    switch (cpu_level()) {
    case CPU_AVX512_ALL:
        return &scan_avx512vnni;
    case CPU_AVX512:
        return &scan_avx512;
    case CPU_AVX2:
        return &scan_avx2;
    case CPU_PLAIN:
        break;
    }
#endif
    return &plain;
}

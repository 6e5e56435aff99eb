/* SPDX-License-Identifier: Apache-2.0 */
#include "behaviour/floats.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

size_t floats_size(enum floats_kind kind)
{
    static const size_t size[] = {
        [FLOATS_F16] = 2, [FLOATS_BF16] = 2, [FLOATS_F32] = 4, [FLOATS_F64] = 8};
    return size[kind];
}

static uint64_t little_endian(const unsigned char *bytes, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)bytes[i] << (8 * i);
    return v;
}

static float from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof(f));
    return f;
}

/* IEEE 754 binary16: 5 bits of exponent, 10 of fraction. */
static float from_half(uint32_t h)
{
    const uint32_t sign = (h & 0x8000) << 16, exponent = h >> 10 & 31,
                   fraction = h & 1023;
    if (exponent == 31)
        return from_bits(sign | 0x7F800000 | fraction << 13);
    if (exponent)
        return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
    const float small = ldexpf((float)fraction, -24);
    return sign ? -small : small;
}

static float from_double(uint64_t bits)
{
    double d;
    memcpy(&d, &bits, sizeof(d));
    return (float)d;
}

void floats_read(enum floats_kind kind, const unsigned char *bytes, size_t n, float *out)
{
    const size_t size = floats_size(kind);
    for (size_t i = 0; i < n; i++) {
        const uint64_t bits = little_endian(bytes + i * size, size);
        switch (kind) {
        case FLOATS_F16:
            out[i] = from_half((uint32_t)bits);
            break;
        case FLOATS_BF16:
            out[i] = from_bits((uint32_t)bits << 16);
            break;
        case FLOATS_F32:
            out[i] = from_bits((uint32_t)bits);
            break;
        case FLOATS_F64:
            out[i] = from_double(bits);
            break;
        }
    }
}

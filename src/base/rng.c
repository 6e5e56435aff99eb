/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"

#include <math.h>

uint64_t rng_mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

void rng_init(struct rng *r, uint64_t seed, uint64_t stream)
{
    uint64_t x = rng_mix(seed) ^ (stream * 0xD1342543DE82EF95u);
    for (int i = 0; i < 4; i++) {
        x += 0x9E3779B97F4A7C15u;
        r->s[i] = rng_mix(x);
    }
}

static uint64_t rotate(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t rng_u64(struct rng *r)
{
    const uint64_t result = rotate(r->s[1] * 5, 7) * 9;
    const uint64_t t = r->s[1] << 17;
    r->s[2] ^= r->s[0];
    r->s[3] ^= r->s[1];
    r->s[1] ^= r->s[2];
    r->s[0] ^= r->s[3];
    r->s[2] ^= t;
    r->s[3] = rotate(r->s[3], 45);
    return result;
}

uint32_t rng_below(struct rng *r, uint32_t n)
{
    /* Lemire 2019: multiply, and reject the few low products that would bias. */
    const uint32_t floor = -n % n;
    uint64_t m;
    do
        m = (rng_u64(r) >> 32) * n;
    while ((uint32_t)m < floor);
    return (uint32_t)(m >> 32);
}

float rng_float(struct rng *r)
{
    return (float)(rng_u64(r) >> 40) * 0x1p-24f;
}

double rng_double(struct rng *r)
{
    return (double)(rng_u64(r) >> 11) * 0x1p-53;
}

float rng_normal(struct rng *r)
{
    const double u = 1.0 - rng_double(r), v = rng_double(r);
    return (float)(sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v));
}

void rng_shuffle(struct rng *r, uint32_t *a, uint32_t n)
{
    for (uint32_t i = n; i > 1; i--) {
        const uint32_t j = rng_below(r, i), keep = a[i - 1];
        a[i - 1] = a[j];
        a[j] = keep;
    }
}

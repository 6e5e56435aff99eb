/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deterministic random numbers: xoshiro256** (Blackman and Vigna 2018) seeded by splitmix64.
 * The same seed gives the same numbers on every machine. Not for secrets.
 */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stdint.h>

struct rng {
    uint64_t s[4];
};

/* Streams with the same seed and another `stream` are independent. */
void rng_init(struct rng *r, uint64_t seed, uint64_t stream);

uint64_t rng_u64(struct rng *r);
uint32_t rng_below(struct rng *r, uint32_t n); /* uniform in [0, n), n > 0, unbiased */
float rng_float(struct rng *r);                /* uniform in [0, 1), 24 bits */
double rng_double(struct rng *r);              /* uniform in [0, 1), 53 bits */
float rng_normal(struct rng *r);               /* mean 0, variance 1 */

/* Fisher-Yates. */
void rng_shuffle(struct rng *r, uint32_t *a, uint32_t n);

/* A fixed mixing function, for hashing a number to a number. */
uint64_t rng_mix(uint64_t x);

#endif

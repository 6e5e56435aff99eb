/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/luck.h"

#include <math.h>

void luck_init(struct rng *r, uint64_t seed, uint32_t what, uint32_t episode,
               uint32_t step)
{
    rng_init(r, rng_mix(seed) + what, (uint64_t)episode << 32 | step);
}

double luck_of_item(uint64_t seed, uint64_t what, uint32_t episode, uint32_t step,
                    uint32_t item)
{
    uint64_t x = rng_mix(seed ^ what);
    x = rng_mix(x ^ episode);
    x = rng_mix(x ^ ((uint64_t)step << 32 | item));
    return (double)(x >> 11) * 0x1p-53;
}

double luck_clock(struct rng *r)
{
    return -log(1.0 - rng_double(r)) + 0x1p-60;
}

double luck_logistic(double x)
{
    return 1 / (1 + exp(-x));
}

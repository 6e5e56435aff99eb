/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/delays.h"

#include <math.h>

static const double bounds[PENCHANT_DELAYS - 1] = {
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};

double penchant_delay_bound(size_t i)
{
    return i < PENCHANT_DELAYS - 1 ? bounds[i] : (double)INFINITY;
}

void delays_add(struct delays *d, int64_t ns)
{
    const double seconds = ns > 0 ? (double)ns * 1e-9 : 0;
    size_t i = 0;
    while (seconds > penchant_delay_bound(i))
        i++;
    atomic_fetch_add_explicit(&d->bucket[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&d->total_us, (uint64_t)(seconds * 1e6),
                              memory_order_relaxed);
}

void delays_read(struct delays *d, struct penchant_delays *out)
{
    *out = (struct penchant_delays){.n = 0};
    for (size_t i = 0; i < PENCHANT_DELAYS; i++) {
        out->bucket[i] = atomic_load_explicit(&d->bucket[i], memory_order_relaxed);
        out->n += out->bucket[i];
    }
    out->seconds =
        (double)atomic_load_explicit(&d->total_us, memory_order_relaxed) * 1e-6;
}

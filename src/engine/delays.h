/* SPDX-License-Identifier: Apache-2.0 */
/* How long something took, counted in buckets, from any thread without a lock. */
#ifndef ENGINE_DELAYS_H
#define ENGINE_DELAYS_H

#include <stdatomic.h>

#include "penchant.h"

struct delays {
    _Atomic uint64_t bucket[PENCHANT_DELAYS], total_us;
};

void delays_add(struct delays *d, int64_t ns);
void delays_read(struct delays *d, struct penchant_delays *out);

#endif

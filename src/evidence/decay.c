/* SPDX-License-Identifier: Apache-2.0 */
/* The growing unit of decayed counts. */
#include "evidence/decay.h"

#include <math.h>

#define US_PER_DAY      86400e6
#define OLDEST_HALVINGS 60 /* older events count as if they were this old */

void decay_init(struct decay *d, bool has_clock, double half_life_days)
{
    *d = (struct decay){0};
    if (has_clock && half_life_days > 0)
        d->half_us = half_life_days * US_PER_DAY;
}

void decay_init_events(struct decay *d, double half_life)
{
    *d = (struct decay){.half_us = half_life};
}

static double halvings(const struct decay *d, int64_t from_us, int64_t to_us)
{
    return ((double)to_us - (double)from_us) / d->half_us;
}

double decay_unit(struct decay *d, int64_t ts_us, int *shift)
{
    *shift = 0;
    if (d->half_us == 0)
        return 1.0;
    if (!d->begun) {
        d->begun = true;
        d->origin_us = d->newest_us = ts_us;
    }
    if (halvings(d, d->newest_us, ts_us) > DECAY_MAX_STEP)
        ts_us = d->newest_us + (int64_t)(DECAY_MAX_STEP * d->half_us);
    if (ts_us > d->newest_us)
        d->newest_us = ts_us;
    double up = halvings(d, d->origin_us, ts_us);
    if (up > DECAY_MAX_UNIT) {
        *shift = (int)up;
        d->origin_us += (int64_t)(*shift * d->half_us);
        up = halvings(d, d->origin_us, ts_us);
    }
    return exp2(up < -OLDEST_HALVINGS ? -OLDEST_HALVINGS : up);
}

double decay_present(const struct decay *d)
{
    if (d->half_us == 0 || !d->begun)
        return 1.0;
    return exp2(halvings(d, d->origin_us, d->newest_us));
}

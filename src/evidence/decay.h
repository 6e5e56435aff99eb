/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exponential forgetting without touching what is forgotten: instead of shrinking all old
 * counts, new ones are added in a unit that doubles every half-life, 2^((t - origin) /
 * half). Ratios of counts are then what decayed counts would have. When the unit gets
 * large the origin moves by a whole number of half-lives and every count is multiplied by
 * a power of two, which is exact; when that happens depends on the events' times alone,
 * so replaying the same events gives the same bits.
 *
 * One event cannot move the clock by more than DECAY_MAX_STEP half-lives: a wrong time in
 * the far future weakens what is known, but does not erase it.
 */
#ifndef EVIDENCE_DECAY_H
#define EVIDENCE_DECAY_H

#include <stdbool.h>
#include <stdint.h>

enum { DECAY_MAX_STEP = 4, DECAY_MAX_UNIT = 40 }; /* half-lives */

struct decay {
    double half_us; /* 0: nothing is ever forgotten */
    int64_t origin_us, newest_us;
    bool begun;
};

/* half_life_days <= 0 or no clock: no forgetting. */
void decay_init(struct decay *d, bool has_clock, double half_life_days);

/* A half-life in numbers of events, for times that are 0, 1, 2, ..; 0: no forgetting. */
void decay_init_events(struct decay *d, double half_life);

/*
 * The unit in which an event at ts_us counts. *shift is 0, or how many halvings the
 * caller must first apply to all counts it keeps (ldexp(count, -*shift)).
 */
double decay_unit(struct decay *d, int64_t ts_us, int *shift);

/* The unit of the newest event: counts divided by it are in events of today. */
double decay_present(const struct decay *d);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shopper's long-term interest beside the present one, as two weightings of the
 * categories of what they wanted.
 *
 * The e-th newest event (0: the newest) counts w by its type, times what is thought of it:
 *
 *   present = w 2^-(e / 4)        lasting = w 2^-(e / 64) - present
 *
 * A category counts log(1 + 1 / its share of the shop's events) more, and an item is near
 * to an interest by the cosine of both, in [0, 1]; NaN without categories on both sides.
 *
 * One call looks at the newest LEANING_EVENTS events and LEANING_ATTRIBUTES different
 * categories. Nothing is allocated; a profile is 7 kB. Pure functions, same input same bits.
 */
#ifndef INTEREST_LEANING_H
#define INTEREST_LEANING_H

#include <stdbool.h>
#include <stdint.h>

#include "behaviour/catalog.h"

enum { LEANING_EVENTS = 128, LEANING_ATTRIBUTES = 256 };

struct leaning_events {
    const uint32_t *item; /* (n) wanted events, oldest first */
    const uint8_t *type;
    const int64_t *ts_us;
    const float *liking; /* (n) in [-1, 1]; NULL: 1 */
    uint32_t n;
};

enum leaning_side { LEANING_PRESENT, LEANING_LASTING, LEANING_SIDES };

struct leaning {
    uint32_t n;
    uint32_t
        attribute[LEANING_ATTRIBUTES]; /* categories, by first meeting, newest first */
    double weight[LEANING_SIDES][LEANING_ATTRIBUTES];
    double length[LEANING_SIDES]; /* of the weights; 0: nothing is known */
};

void leaning_find(const struct leaning_events *e, const struct catalog *c,
                  struct leaning *out);

/* What the newest event but `back` counts on a side, by its place alone. */
double leaning_weight(enum leaning_side side, uint32_t back);

/* How near an item is to a side, [0, 1]; NaN: cannot be told. */
double leaning_near(const struct leaning *l, const struct catalog *c,
                    enum leaning_side side, uint32_t item);

/* Whether an attribute of the catalogue is a category. */
bool leaning_is_category(const struct catalog *c, uint32_t attribute);

#endif

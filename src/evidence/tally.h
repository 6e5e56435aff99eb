/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums by item for one request: a hash table of fixed size, made for a stated number of
 * items and thrown away after it.
 */
#ifndef EVIDENCE_TALLY_H
#define EVIDENCE_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tally_entry {
    uint32_t item; /* TALLY_FREE: the slot is empty */
    float sum;
};

#define TALLY_FREE UINT32_MAX

struct tally {
    struct tally_entry *slot; /* (mask + 1) */
    uint32_t mask, shift, n, max;
};

/* Room for `max` items (at most 2^28); 0 or -1 when out of memory. */
int tally_init(struct tally *t, size_t max);
void tally_release(struct tally *t);

/* Adds to the item's sum and tells whether the item is new; past `max` new items are
   ignored (false). */
bool tally_add(struct tally *t, uint32_t item, float w);

/* The item's sum, 0 for one that was never added. */
float tally_sum(const struct tally *t, uint32_t item);

#endif

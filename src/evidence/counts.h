/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many events named an item, whatever they were: how much the counting sources can
 * know of it. Never decayed, 4 bytes an item; counting stops at 2^32 - 1.
 *
 * Threads: as for the sources, one observer at a time beside any number of readers.
 */
#ifndef EVIDENCE_COUNTS_H
#define EVIDENCE_COUNTS_H

#include <stddef.h>
#include <stdint.h>

struct counts;

/* NULL: no memory. */
struct counts *counts_new(void);
void counts_free(struct counts *c);

/* One more event of the item; 0 or PENCHANT_ENOMEM. */
int counts_add(struct counts *c, uint32_t item);

/* 1 / (1 + events) of each item[i] into out[i]: 1 for one that nobody knows. */
void counts_novelty(struct counts *c, const uint32_t *item, size_t n, float *out);

#endif

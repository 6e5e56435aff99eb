/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decayed counts by item (evidence/decay.h), with the COUNTER_TOP largest in order. Decay
 * does not change the order and an event raises one item only, so the list is always
 * exact and costs one move an event.
 *
 * Memory: 8 bytes an item and the list. Not thread-safe.
 */
#ifndef EVIDENCE_COUNTER_H
#define EVIDENCE_COUNTER_H

#include "evidence/decay.h"

enum { COUNTER_TOP = 2048 };

struct counter {
    struct decay decay;
    double *count; /* (cap) in the unit of its time */
    double total;
    uint32_t cap;
    uint32_t n_top;
    uint32_t top[COUNTER_TOP]; /* (n_top) largest first, equal ones by number */
};

/* decay_init() or decay_init_events() is the caller's, before the first event. */
void counter_release(struct counter *c);

/* 0 or PENCHANT_ENOMEM. */
int counter_add(struct counter *c, uint32_t item, double weight, int64_t ts_us);

/* The item's count in units of today, and its share of all (0 without any). */
double counter_count(const struct counter *c, uint32_t item);
double counter_share(const struct counter *c, uint32_t item);

#endif

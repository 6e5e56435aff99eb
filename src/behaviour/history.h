/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each user wanted, in order: the form that training, counting and evaluation read.
 * Users' events stand one behind the other (CSR): user u has [start[u], start[u + 1]).
 * Within a user they are in time order, equal times in the order they were added.
 */
#ifndef BEHAVIOUR_HISTORY_H
#define BEHAVIOUR_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct history {
    uint32_t n_users, n_items; /* items are numbered [0, n_items) */
    uint64_t n;                /* events in all */
    uint64_t *start;           /* (n_users + 1) */
    uint32_t *item;            /* (n) */
    uint8_t *type;             /* (n) enum event_type or an added one */
    int64_t *ts_us;            /* (n) */
    uint64_t cancelled;        /* purchases that refunds took out */
    bool has_clock;            /* false: times only mean order */
};

void history_release(struct history *h);

/*
 * Whether the times are more than an order: 1..n for every user (times a constant), or
 * one constant for all, or nothing after 1990 is no clock.
 */
bool history_finds_clock(const struct history *h);

/* Collects events in any order; only wanted types with an item are kept (and refunds
   until they have been settled). 17 bytes an event. */
struct history_builder {
    uint32_t *user, *item; /* (n) each, in the order of adding */
    uint8_t *type;
    int64_t *ts_us;
    uint64_t n, cap;
};

void history_builder_init(struct history_builder *b);
void history_builder_release(struct history_builder *b);

/* 0 or PENCHANT_ENOMEM. A refund takes the user's newest purchase of the item before it
   out again; one without such a purchase means nothing. */
int history_builder_add(struct history_builder *b, uint32_t user, uint32_t item,
                        uint32_t type, int64_t ts_us);

/*
 * Sorts into *h, which is the caller's to release, and empties the builder. The clock is
 * found out from the times. PENCHANT_ECORRUPT for a user or item out of range.
 */
int history_builder_finish(struct history_builder *b, uint32_t n_users, uint32_t n_items,
                           struct history *h, struct penchant_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One look at all users of an open shop: who is in which segment, their recency,
 * frequency and money, and how often each item is among what they wanted last. Made for
 * one answer and thrown away. Memory: about 50 bytes a user and 16 an item.
 *
 * What was wanted: the newest SEGMENTS_WINDOW events of each user, weighted by type and
 * faded with EVIDENCE_HALF_LIFE_DAYS (without a clock by SEGMENTS_HALF_LIFE events).
 */
#ifndef ENGINE_SEGMENT_CENSUS_H
#define ENGINE_SEGMENT_CENSUS_H

#include "engine/shop_segments.h"
#include "interest/rfm.h"

/* What was added up: events, and their weights. */
struct census_sum {
    double events, weight;
};

struct census {
    uint32_t n_segments;
    uint64_t changes, outside; /* outside: users with wanted events and no segment */
    bool purchases; /* whether anybody bought: else frequency is of wanted events */

    /* (n) users in segments, ordered by segment: those of s are [begin[s], begin[s+1]) */
    uint32_t n;
    uint32_t *user;
    struct rfm *rfm;
    uint32_t begin[SEGMENTS_MAX + 1];
    struct rfm_scale scale; /* over all of them */

    double *wanted; /* (n_items) by everybody, in segments or not */
    struct census_sum total;
    uint32_t n_items;
    int64_t now_us;

    uint32_t n_choices;
    float *choices; /* (n_choices, 4) */
    double prior;
};

/* p->lock is held for reading, and let go and taken again now and then, so that nobody
   waits long. PENCHANT_ENOMODEL without segments or a model. */
int census_take(struct census *c, struct penchant *p, struct penchant_error *err);
void census_release(struct census *c);

/* Lets those go who wait for p->lock, at every 1024th i. */
void census_breathe(struct penchant *p, uint32_t i);

/* Adds what one user wanted to of[n_items] and *sum. p->lock held. */
void census_add_wanted(const struct census *c, struct penchant *p, uint32_t user,
                       double *of, struct census_sum *sum);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the sources share, and the rows they give to the table in evidence.c. */
#ifndef EVIDENCE_SOURCES_H
#define EVIDENCE_SOURCES_H

#include <pthread.h>

#include "evidence/evidence.h"

extern const struct evidence_source evidence_sequence, evidence_covisitation,
    evidence_neighbours, evidence_repeat, evidence_popularity, evidence_content,
    evidence_search;

/*
 * How much what the user did with the i-th of their recent items counts: (1 + liking) / 2.
 * What was bought and found wanting still tells what for, what was hated tells nothing.
 */
static inline float evidence_liking_share(const struct evidence_query *q, uint32_t i)
{
    return q->recent_liking ? 0.5F * (1.0F + q->recent_liking[i]) : 1.0F;
}

/* A lock whose waiting writer goes before new readers, so that a stream of requests
   cannot hold the events up. 0 or an errno. */
int evidence_lock_init(pthread_rwlock_t *lock);

/*
 * An array of *cap elements of `size` bytes with room for element `at`: the same one, or
 * a larger one in its place (*cap grows, by doubling) whose new elements are zero. NULL:
 * out of memory, and the old one stays as it was.
 */
void *evidence_grow(void *array, uint32_t *cap, size_t size, uint32_t at);

/* The k best of the offered items into item[]; sorts the heap. */
struct best;
size_t evidence_take(struct best *best, uint32_t *item);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the sources share, and the rows they give to the table in evidence.c. */
#ifndef EVIDENCE_SOURCES_H
#define EVIDENCE_SOURCES_H

#include <pthread.h>

#include "evidence/evidence.h"

extern const struct evidence_source evidence_sequence, evidence_covisitation,
    evidence_neighbours, evidence_repeat, evidence_popularity, evidence_content,
    evidence_search;

/* How much one event counts: a purchase 3, a cart or wish 2, any other 1. */
float evidence_type_weight(uint32_t type);

/* A lock whose waiting writer goes before new readers, so that a stream of requests
   cannot hold the events up. 0 or an errno. */
int evidence_lock_init(pthread_rwlock_t *lock);

/* The k best of the offered items into item[]; sorts the heap. */
struct best;
size_t evidence_take(struct best *best, uint32_t *item);

#endif

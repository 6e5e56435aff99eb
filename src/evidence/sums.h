/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources that add up by item what speaks for it: candidates are the largest sums, scores
 * their logarithms. What was added up for the candidates is needed again for the scores
 * and kept for as long as one query is worked on: its user, recent items with their times
 * and likings, and time must stay the same meanwhile. One thread uses what is kept.
 *
 * Memory: a tally (tally.h) for every source that adds up, thrown away with the list.
 */
#ifndef EVIDENCE_SUMS_H
#define EVIDENCE_SUMS_H

#include "evidence/evidence.h"
#include "evidence/tally.h"

/* Starts as zero. */
struct evidence_sums {
    struct tally by_item[EVIDENCE_SOURCES];
    uint32_t has; /* a bit for each source that has been asked */
};

void evidence_sums_release(struct evidence_sums *s);

/* Sums by item into an empty tally; 0, or not when out of memory. */
typedef int evidence_add_up_fn(void *state, const struct evidence_query *q,
                               struct tally *sums);

/* Source `id`'s candidates(): the k items with the largest sums above 0. None when out of
   memory. */
size_t evidence_sums_best(enum evidence_id id, void *state,
                          const struct evidence_query *q, evidence_add_up_fn *add_up,
                          size_t k, uint32_t *item);

/* Its score(): log(epsilon + sum), as if all sums were 0 when out of memory. */
void evidence_sums_log(enum evidence_id id, void *state, const struct evidence_query *q,
                       evidence_add_up_fn *add_up, float epsilon, const uint32_t *item,
                       size_t n, float *out);

#endif

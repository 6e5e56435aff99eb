/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a source adds up by item for its candidates and needs again for their scores, kept
 * for as long as one query is worked on. The user, the recent items with their times and
 * likings, and the time must stay the same meanwhile. One thread uses it.
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

/*
 * Sums by item, added up by add_up(state, q, sums) (0, or not when out of memory: NULL) or
 * kept in q->sums from an earlier call. *own is zero before, the caller releases it after.
 */
const struct tally *
evidence_sums(enum evidence_id id, void *state, const struct evidence_query *q,
              int (*add_up)(void *, const struct evidence_query *, struct tally *),
              struct tally *own);

#endif

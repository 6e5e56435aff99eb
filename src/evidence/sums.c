/* SPDX-License-Identifier: Apache-2.0 */
/* Sums that live as long as a query. */
#include "evidence/sums.h"

void evidence_sums_release(struct evidence_sums *s)
{
    for (int i = 0; i < EVIDENCE_SOURCES; i++)
        tally_release(&s->by_item[i]);
    s->has = 0;
}

const struct tally *
evidence_sums(enum evidence_id id, void *state, const struct evidence_query *q,
              int (*add_up)(void *, const struct evidence_query *, struct tally *),
              struct tally *own)
{
    struct tally *sums = q->sums ? &q->sums->by_item[id] : own;
    if (q->sums && q->sums->has >> id & 1)
        return sums;
    if (add_up(state, q, sums)) {
        tally_release(sums);
        return NULL;
    }
    if (q->sums)
        q->sums->has |= 1U << id;
    return sums;
}

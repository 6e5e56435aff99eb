/* SPDX-License-Identifier: Apache-2.0 */
/* Sums that live as long as a query, and what is read from them. */
#include "evidence/sums.h"

#include <math.h>
#include <stdlib.h>

#include "evidence/sources.h"
#include "retrieval/best.h"

void evidence_sums_release(struct evidence_sums *s)
{
    for (int i = 0; i < EVIDENCE_SOURCES; i++)
        tally_release(&s->by_item[i]);
    s->has = 0;
}

/* The sums, those in q->sums where an earlier call left them; NULL: out of memory. *own is
   zero before, the caller releases it after. */
static const struct tally *sums_of(enum evidence_id id, void *state,
                                   const struct evidence_query *q,
                                   evidence_add_up_fn *add_up, struct tally *own)
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

size_t evidence_sums_best(enum evidence_id id, void *state,
                          const struct evidence_query *q, evidence_add_up_fn *add_up,
                          size_t k, uint32_t *item)
{
    struct tally own = {0};
    struct best best = {.k = (uint32_t)k};
    size_t got = 0;
    if (k == 0 || k > UINT32_MAX)
        return 0;
    best.hit = malloc(k * sizeof *best.hit);
    const struct tally *v = best.hit ? sums_of(id, state, q, add_up, &own) : NULL;
    for (uint32_t i = 0; v && v->n > 0 && i <= v->mask; i++) {
        const struct tally_entry *e = &v->slot[i]; /* TALLY_FREE is no item */
        if (e->item < q->n_items && e->sum > 0 && !evidence_skips(q, e->item))
            best_offer(&best, (double)e->sum, e->item);
    }
    if (v)
        got = evidence_take(&best, item);
    tally_release(&own);
    free(best.hit);
    return got;
}

void evidence_sums_log(enum evidence_id id, void *state, const struct evidence_query *q,
                       evidence_add_up_fn *add_up, float epsilon, const uint32_t *item,
                       size_t n, float *out)
{
    struct tally own = {0};
    const struct tally *v = sums_of(id, state, q, add_up, &own);
    for (size_t i = 0; i < n; i++)
        out[i] = logf(epsilon + (v ? tally_sum(v, item[i]) : 0.0F));
    tally_release(&own);
}

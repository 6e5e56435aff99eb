/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From evidence to the k best items that may be shown. Usually the sources' candidates
 * are enough; when filters leave too few of them, the whole catalogue is looked at, so
 * that a list is only short when the items that pass the filters are few.
 */
#ifndef ENGINE_SHORTLIST_H
#define ENGINE_SHORTLIST_H

#include "engine/adapt.h"
#include "engine/engine.h"
#include "engine/snapshot.h"
#include "evidence/tally.h"

/* What may be shown, beside being available, and what is preferred. */
struct shortlist_filter {
    bool in_category;
    uint32_t category; /* attribute that an item must have; NAMES_NONE: none has it */
    uint32_t favoured; /* attribute that adds `favour` to a score, or NAMES_NONE */
    float favour;
    struct tally excluded; /* these may not be shown */
};

/* An empty filter with room for that many excluded items; 0 or PENCHANT_ENOMEM. */
int shortlist_filter_init(struct shortlist_filter *f, size_t excluded);
void shortlist_filter_release(struct shortlist_filter *f);
void shortlist_filter_exclude(struct shortlist_filter *f, uint32_t item);

/* The query's part that comes from the model and the catalogue. */
void shortlist_query(struct evidence_query *q, const struct penchant *p,
                     const struct snapshot *s);

/* The balance that holds for this query: the model's, or counting alone without one, with
   the sources of `mask`. */
void shortlist_balance(struct penchant *p, const struct snapshot *s, uint32_t mask,
                       const struct evidence_query *q, struct blend_terms *out);

struct shortlist_best {
    struct topk_hit *hit; /* (k) the caller's, filled best first */
    uint32_t k;
    uint32_t
        enough; /* when this many are found, at most k, no more are looked for; 0: k */
    struct adapt_view *view; /* corrects the scores; NULL: nothing does */
    double log_sum;          /* logarithm of the sum of exp(score) over all candidates */
};

/*
 * The k best, equal scores by number; how many there are, or PENCHANT_ENOMEM.
 * p->lock is held for reading; q comes from shortlist_query(), its skip is set in here.
 */
int64_t shortlist(struct penchant *p, struct evidence_query *q,
                  const struct blend_terms *t, const struct shortlist_filter *f,
                  struct shortlist_best *best);

#endif

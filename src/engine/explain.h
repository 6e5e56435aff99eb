/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why an item stands in a list: what each source said of it, what that counted for, and
 * how likely it is to come next, and its values (engine/values.h). An item's contributions
 * add up to its score.
 */
#ifndef ENGINE_EXPLAIN_H
#define ENGINE_EXPLAIN_H

#include "engine/shortlist.h"
#include "engine/want.h"

struct explanation {
    size_t n_sources;
    struct penchant_evidence *evidence; /* (n, n_sources) */
    double *probability;                /* (n) */
    float *value;                       /* (PENCHANT_VALUES, n) */
};

/* Explains the n items that shortlist() found for `w`; p->lock is held since then. 0 or
   PENCHANT_ENOMEM, and nothing to release. */
int explanation_init(struct explanation *x, struct penchant *p, const struct snapshot *s,
                     const struct want *w, const struct evidence_query *q,
                     const struct blend_terms *t, const struct shortlist_best *best,
                     size_t n);
void explanation_release(struct explanation *x);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weights of the evidence by validation: the weighting of the sources' scores that gives
 * the best NDCG@10 on held-out cases. Every single source is in the search space, so on
 * these cases the result is never below the best of them; a weighting that gains less
 * than a standard error over the best single source gives way to that source alone, since
 * such a gain would hardly be there in other cases.
 *
 * A case is the scores of its candidates in every source; what the user may not be shown
 * (items seen before, where the protocol says so) is left out by whoever adds the case.
 * Cases whose target is no candidate are misses under every weighting and are only
 * counted, so memory is at most 4 * EVIDENCE_SOURCES bytes for each candidate of the
 * others.
 *
 * Not thread-safe; nothing here depends on anything but its arguments.
 */
#ifndef EVIDENCE_FIT_H
#define EVIDENCE_FIT_H

#include "evidence/evidence.h"

enum { FIT_MAX_CANDIDATES = 1 << 16 }; /* of one case */

struct fit_cases {
    uint64_t n;      /* cases added */
    uint64_t n_kept; /* those whose target is among its candidates */
    /* private */
    uint64_t *end;    /* (n_kept) past the last candidate of each */
    uint32_t *target; /* (n_kept) the target's row within its case */
    float *score;     /* (candidates, EVIDENCE_SOURCES) */
    uint64_t n_rows, cap_rows, cap_kept;
};

void fit_cases_init(struct fit_cases *c);
void fit_cases_release(struct fit_cases *c);

/*
 * Adds one case: score (n, EVIDENCE_SOURCES) row by row, row `target` is the item that
 * came; target >= n: it is not among them. PENCHANT_ENOMEM, or PENCHANT_ELIMIT past the
 * maximum.
 */
int fit_cases_add(struct fit_cases *c, const float *score, uint32_t n, uint32_t target);

/*
 * Adds the case "query q was followed by item `target`": the candidates are the union of
 * every source's k_each best (q->skip excluded), scored by every source of `mask`.
 */
int fit_cases_add_query(struct fit_cases *c, struct evidence *e, uint32_t mask,
                        const struct evidence_query *q, uint32_t k_each, uint32_t target);

struct fit_report {
    double ndcg10[EVIDENCE_SOURCES]; /* each source of the mask alone */
    double blend_ndcg10;
};

/*
 * The best weights over the sources in `mask` (others get 0). The strongest source has
 * weight 1. Deterministic. Without cases every source of the mask gets 1.
 */
void evidence_fit(const struct fit_cases *c, uint32_t mask, struct evidence_weights *out,
                  struct fit_report *report);

/* NDCG@10 over all cases under these weights; equal scores rank against the target. */
double fit_ndcg10(const struct fit_cases *c, const struct evidence_weights *w);

/* "sequence:1,covisitation:0.5" and back, for checkpoint notes. An unknown name is
   ignored (another version wrote it); text that is not of this form is PENCHANT_EINVALID.
 */
void evidence_weights_format(const struct evidence_weights *w, char *text, size_t n);
int evidence_weights_parse(const char *text, struct evidence_weights *w,
                           struct penchant_error *err);

#endif

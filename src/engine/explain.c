/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/explain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/values.h"
#include "evidence/counts.h"

/* What one source says of the n items; score and sum are scratch (n). */
static void explain_source(struct explanation *x, size_t place, int s,
                           const struct blend_term *t, const float *score,
                           const float *novelty, float *sum, size_t n)
{
    memset(sum, 0, n * sizeof *sum);
    blend_add(t, score, novelty, n, sum);
    for (size_t i = 0; i < n; i++)
        x->evidence[i * x->n_sources + place] = (struct penchant_evidence){
            .source = evidence_sources[s]->name,
            .score = (double)score[i],
            .weight = (double)blend_slope(t, score[i], novelty[i]),
            .contribution = (double)sum[i]};
}

int explanation_init(struct explanation *x, struct penchant *p, const struct snapshot *s,
                     const struct want *w, const struct evidence_query *q,
                     const struct blend_terms *t, const struct shortlist_best *best,
                     size_t n)
{
    const struct adapt_view *view = best->view;
    const bool corrected = view && view->correct;
    *x = (struct explanation){.n_sources = (size_t)__builtin_popcount(t->mask) +
                                           (corrected ? 1 : 0)};
    uint32_t *item = malloc((n + 1) * sizeof *item);
    float *scratch = malloc((3 * n + 1) * sizeof *scratch), *novelty = scratch + n;
    x->evidence = calloc(n * x->n_sources + 1, sizeof *x->evidence);
    x->probability = calloc(n + 1, sizeof *x->probability);
    x->value = malloc((n + 1) * PENCHANT_VALUES * sizeof *x->value);
    bool full = item && scratch && x->evidence && x->probability && x->value;
    for (size_t i = 0; full && i < n; i++) {
        item[i] = best->hit[i].row;
        x->probability[i] = (double)t->covered * exp(best->hit[i].score - best->log_sum);
    }
    if (full)
        counts_novelty(p->evidence.counts, item, n, novelty);
    size_t place = 0;
    for (int i = 0; full && i < EVIDENCE_SOURCES; i++) {
        if (!(t->mask >> i & 1))
            continue;
        evidence_sources[i]->score(p->evidence.state[i], q, item, n, scratch);
        explain_source(x, place++, i, &t->term[i], scratch, novelty, novelty + n, n);
    }
    for (size_t i = 0; full && corrected && i < n; i++) {
        const double c = (double)view->correction[adapt_view_find(view, item[i])];
        x->evidence[i * x->n_sources + place] = (struct penchant_evidence){
            .source = "feedback", .score = c, .weight = 1, .contribution = c};
    }
    full = full && engine_values(p, s, w, q, item, n, x->value) == PENCHANT_OK;
    free(item);
    free(scratch);
    if (!full)
        explanation_release(x);
    return full ? PENCHANT_OK : PENCHANT_ENOMEM;
}

void explanation_release(struct explanation *x)
{
    free(x->evidence);
    free(x->probability);
    free(x->value);
    *x = (struct explanation){0};
}

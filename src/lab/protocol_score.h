/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the evidence answers the cases of a protocol: each source alone and the blend of
 * those asked for, over every known item, through the same interface that serves.
 *
 * The counting sources observe FIT, then the weights are fitted on VALIDATION cases,
 * then, when TEST is reported, the sources observe VALIDATION as well. When VALIDATION
 * itself is reported, the weights of each half of the users are fitted on the other half.
 * Test events are observed by nobody; only the user's own ones before a case are known in
 * it.
 */
#ifndef LAB_PROTOCOL_SCORE_H
#define LAB_PROTOCOL_SCORE_H

#include "evaluate/metrics.h"
#include "evidence/blend_fit.h"
#include "lab/protocol.h"
#include "model/model.h"

struct score_options {
    uint32_t mask;             /* sources of the sum, bits of (1 << enum evidence_id) */
    const struct model *model; /* NULL when the mask has no sequence */
    /* The same model after it has learned the VALIDATION events too: the weights are
       fitted with `model`, TEST is reported with this one. NULL: with `model`. */
    const struct model *served;
    uint32_t threads;
    penchant_progress_fn *progress;
    void *cookie;
};

struct protocol_scores {
    size_t cases;
    size_t unknown_targets; /* items that nothing before the stage named: misses */
    size_t seen_targets; /* items the user had before, where those are excluded: misses */
    struct metrics sum;  /* of the weighted sum over the mask */
    struct metrics alone[EVIDENCE_SOURCES]; /* of those in `scored` */
    /* cold-items: the same over the cases of known and of hidden items; the last is the
       sum's */
    struct metrics warm[EVIDENCE_SOURCES + 1], cold[EVIDENCE_SOURCES + 1];
    uint32_t scored;            /* the mask, and the counting sources always */
    struct blend blend;         /* fitted on all validation cases */
    struct blend_report fitted; /* how */
};

/* On success *out is the caller's to release; PENCHANT_EINTERRUPTED when progress said
 * so. */
int protocol_score(struct protocol_scores *out, const struct protocol *p,
                   const struct score_options *o, struct penchant_error *err);
void protocol_scores_release(struct protocol_scores *s);

/* The source of the mask that is best alone by this metric. */
enum evidence_id protocol_scores_best(const struct protocol_scores *s, uint32_t mask,
                                      enum metrics_kind kind, uint32_t at);

#endif

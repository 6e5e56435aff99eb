/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What it takes to put the cases of a protocol to the evidence: sources that observe the
 * log stage by stage, and questions made of a user's past. protocol_score.c asks them
 * with everything held still, prequential.c while the log goes on.
 */
#ifndef LAB_PROTOCOL_RUN_H
#define LAB_PROTOCOL_RUN_H

#include "base/pool.h"
#include "lab/protocol_score.h"

enum {
    RECENT_MAX = 256,    /* of a user's items that the counting sources are shown */
    FIT_CASES = 20000,   /* more tell the weights nothing */
    FIT_CANDIDATES = 64, /* of each source in a case */
    CHUNK = 1024         /* cases between two looks at the progress */
};

/* What one thread needs to put a case. */
struct bench {
    uint32_t recent[RECENT_MAX];
    uint8_t recent_type[RECENT_MAX];
    int64_t recent_us[RECENT_MAX];
    uint64_t *seen_bits; /* of items; all zero between cases */
    uint32_t *seen;      /* (n_seen) distinct */
    uint32_t n_seen;
    float *score; /* (2, n_items) of one source, and beside it the items' novelty */
    float *sum;   /* (n_items) weighted over the sources */
};

struct run {
    const struct protocol *p;
    const struct score_options *o;
    struct evidence evidence;
    struct pool *pool;
    struct bench *bench; /* (threads) */
    uint32_t threads;
    const struct model *model; /* that speaks now, or NULL */
    float *item_vectors;       /* (model's n_items, dim), or NULL */
    /* Over those of the known items, while weights are fitted. */
    struct topk_index *index;
    float *fresh; /* (items past the model's, dim), or NULL: its content tells of none */
    struct evidence_content newcomers; /* those of the known items */
    struct evidence_content content;   /* of all items; n is 0 when none says anything */
    struct topk_index *content_index;  /* of `content`, as are the words */
    struct words *words;
    uint32_t *items; /* 0, 1, .. */
    uint32_t known;  /* items that can be in a list now */
    /* The cases being scored. */
    const struct places *cases;
    float *vectors;                       /* (cases.n, dim) */
    size_t chunk;                         /* the first case of the present chunk */
    struct blend blend[2];                /* of users with an even and an odd number */
    uint32_t *rank[EVIDENCE_SOURCES + 1]; /* (cases.n); the last is the sum's */
};

int run_init(struct run *r, const struct protocol *p, const struct score_options *o,
             struct penchant_error *err);
void run_release(struct run *r);

/* Sources that have seen nothing; what they were is not released. */
int run_evidence_init(struct run *r, struct penchant_error *err);

/* The part of both that is about content (run_content.c): by dataset_describe(). */
int run_content_init(struct run *r, struct penchant_error *err);
void run_content_release(struct run *r);

/* The sources see the events of a stage, in protocol_order(). */
int run_observe_stage(struct run *r, enum protocol_stage stage,
                      struct penchant_error *err);

/* What a source is told of the event at this place of the history. */
struct evidence_event run_event(const struct run *r, uint64_t at, uint32_t user);

/* From now on case c is cases[c], which is borrowed, and the items known before `stage`
   are ranked. Encodes what the users did before, with a model. */
int run_begin_cases(struct run *r, const struct places *cases, enum protocol_stage stage,
                    struct penchant_error *err);

/* Puts case c; what it points to is the bench's until run_forget_case(). */
struct evidence_query run_put_case(const struct run *r, struct bench *b, size_t c);
void run_forget_case(struct bench *b);

/* Every so manyth case, so that at most `most` remain. */
void places_thin(struct places *cases, size_t most);

/* The blend that the validation cases ask for, into r->blend and *out (all cases). The
   sources have seen FIT (run_weigh.c). */
int run_fit_blend(struct run *r, struct blend *out, struct blend_report *report,
                  struct penchant_error *err);

/* From now on the model speaks that has learned everything before the test, if there is
   one. Cases must be begun after this. */
int run_serve(struct run *r, struct penchant_error *err);

#endif

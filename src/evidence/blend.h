/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The balance of the evidence: how much each source's word counts for this user now. The
 * score of an item i in the context x of a query is a sum with one contribution a source,
 *
 *   score(i) = sum over s of
 *     w_s0(x) z + sum over k of w_sk(x) max(0, v_s(i) - knot_k) / scale + w_sn(x) z n(i)
 *
 * v_s(i) is the source's score and z = (v - centre) / scale; the knots bend the line, for
 * a source's scores are rarely as strong as they look at both ends. n(i) = 1 / (1 +
 * events of i) tells how new the item is, so that a source that cannot know it does not
 * count as one that speaks against it (for popularity the last term is w n(i): what being
 * new is worth by itself; where content speaks, a list adds a constant favour to it). Every w_sk(x) is linear in the context: how long the history
 * and the present session are, how long ago the last event was and of what type, how
 * often this user comes back to an item, and how well known the newest items are.
 *
 * That is a conditional logit (McFadden 1974): exp(score) over the sum of exp(score) of
 * the candidates is the probability that the item comes next, and blend_fit.h makes the
 * weights so that it is a true one.
 *
 * A blend is a plain value: copied, never released, read by any number of threads.
 */
#ifndef EVIDENCE_BLEND_H
#define EVIDENCE_BLEND_H

#include "evidence/evidence.h"
#include "model/checkpoint.h"

enum {
    BLEND_KNOTS = 4,
    BLEND_BASES = BLEND_KNOTS + 2, /* the line, its knots, newness */
    BLEND_CONTEXTS = 12            /* of them the first is always 1 */
};

/* Where content speaks, the odds of an item that nobody has seen are raised by exp(this):
   showing it teaches more than the one list shows. docs/experiments.md has what it costs. */
#define BLEND_NEW_FAVOUR 0.6F

/* One source's part. Only floats: this is how it stands in a checkpoint. */
struct blend_part {
    float centre, scale, knot[BLEND_KNOTS];
    float w[BLEND_BASES][BLEND_CONTEXTS];
};

struct blend_frame {
    float mean[BLEND_CONTEXTS],
        spread[BLEND_CONTEXTS]; /* of the context; spread 0: none */
    float covered;              /* how often the item that came was a candidate at all */
};

struct blend {
    struct blend_part part[EVIDENCE_SOURCES];
    struct blend_frame frame;
};

/* A blend in one context. */
struct blend_term {
    float centre, by, knot[BLEND_KNOTS]; /* by = 1 / scale */
    float w[BLEND_BASES - 1], new_line, new_only;
};
struct blend_terms {
    uint32_t mask; /* the sources that take part */
    float covered;
    struct blend_term term[EVIDENCE_SOURCES];
};

/* The same weights for everyone, on the sources' scores as they are. */
void blend_constant(struct blend *b, const struct evidence_weights *w);

/* The same for one query: the sources whose weight is not 0. */
void blend_plain(const struct evidence_weights *w, struct blend_terms *out);

/* What serves before anything was fitted: counting, with popularity to fill up. */
void blend_default(struct blend *b);

/* Each source's weight at an average context, per unit of its score: a summary. */
void blend_summary(const struct blend *b, struct evidence_weights *out);

/* What is known of the query, as the weights take it (before the frame's scaling). */
void blend_context(struct evidence *e, const struct evidence_query *q,
                   float out[BLEND_CONTEXTS]);

/* In units of its spread around its mean, bounded: how the weights see it. */
void blend_scale_context(const struct blend_frame *f, const float context[BLEND_CONTEXTS],
                         float out[BLEND_CONTEXTS]);

/* All of it, whether or not a source has something to go by. */
void blend_at(const struct blend *b, const float context[BLEND_CONTEXTS], uint32_t mask,
              struct blend_terms *out);

/*
 * For a list: the sources of `mask` that can say something about this query. Where the
 * blend leaves all of those out, they count alike; a weight that is negative, since it
 * corrects other sources, holds beside them only; and popularity is never without any, so
 * that somebody unknown gets what is popular.
 */
void blend_for(const struct blend *b, struct evidence *e, const struct evidence_query *q,
               uint32_t mask, struct blend_terms *out);

/* Adds what source s contributes to n items: score[i] is what it says, novelty[i] is
   counts_novelty(). */
void blend_add(const struct blend_term *t, const float *score, const float *novelty,
               size_t n, float *out);

/* How much the contribution grows with the source's score, here. */
float blend_slope(const struct blend_term *t, float score, float novelty);

/* The items' scores into out[n]; scratch holds 2 n floats. An item's score does not
   depend on what else is asked for. */
void blend_score(const struct blend_terms *t, struct evidence *e,
                 const struct evidence_query *q, const uint32_t *item, size_t n,
                 float *out, float *scratch);

/* The same bits, and what each source contributed into parts (EVIDENCE_SOURCES, n), 0 of
   those that take no part. Leaves the items' novelty in scratch + n. */
void blend_score_parts(const struct blend_terms *t, struct evidence *e,
                       const struct evidence_query *q, const uint32_t *item, size_t n,
                       float *out, float *scratch, float *parts);

/* To a checkpoint, as tensors "blend.*" that borrow from the blend, and back. A source
   that the checkpoint does not know gets its default weight. PENCHANT_ENOTFOUND: it has
   no blend, or that of another version; ECORRUPT: a damaged one. */
enum { BLEND_EXTRAS = EVIDENCE_SOURCES + 1 };
size_t blend_extras(const struct blend *b, struct checkpoint_extra *extra);
int blend_load(struct blend *b, const char *path, struct penchant_error *err);

#endif

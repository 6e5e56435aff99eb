/* SPDX-License-Identifier: Apache-2.0 */
/* Candidates, filters, scores, the k best. */
#include "engine/shortlist.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/shop_content.h"
#include "retrieval/best.h"

enum {
    LEAST_EACH = 100, /* candidates asked of every source, at the least */
    MOST_SPARE = 500  /* and to make up for excluded ones, at the most */
};

/* ---- filters ---- */

int shortlist_filter_init(struct shortlist_filter *f, size_t excluded)
{
    *f = (struct shortlist_filter){.category = NAMES_NONE, .favoured = NAMES_NONE};
    return tally_init(&f->excluded, excluded) ? PENCHANT_ENOMEM : PENCHANT_OK;
}

void shortlist_filter_release(struct shortlist_filter *f)
{
    tally_release(&f->excluded);
}

void shortlist_filter_exclude(struct shortlist_filter *f, uint32_t item)
{
    tally_add(&f->excluded, item, 1.0F);
}

static bool passes(const struct penchant *p, const struct shortlist_filter *f,
                   uint32_t item)
{
    return catalog_listable(&p->catalog, item) &&
           (f->excluded.n == 0 || tally_sum(&f->excluded, item) == 0) &&
           (!f->in_category || catalog_has_attribute(&p->catalog, item, f->category));
}

/* All that may not be shown as a bitmap, and how many may. Items of the model that the
   catalogue does not have (yet) may not. */
static uint64_t *make_bitmap(const struct penchant *p, const struct shortlist_filter *f,
                             const struct evidence_query *q, uint32_t *n_passing)
{
    const uint32_t n = q->n_items > q->n_indexed ? q->n_items : q->n_indexed;
    uint64_t *skip = malloc((n / 64 + 1) * sizeof *skip);
    *n_passing = 0;
    if (!skip)
        return NULL;
    memset(skip, 0xff, (n / 64 + 1) * sizeof *skip);
    for (uint32_t i = 0; i < q->n_items; i++) {
        if (!passes(p, f, i))
            continue;
        skip[i / 64] &= ~(1ULL << (i % 64));
        (*n_passing)++;
    }
    return skip;
}

/* ---- candidates ---- */

/* What a list is made from. */
struct gathered {
    uint32_t *item; /* (room) */
    size_t n, room, each;
};

static void take_passing(struct gathered *c, const struct penchant *p,
                         const struct shortlist_filter *f)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->n; i++)
        if (passes(p, f, c->item[i]))
            c->item[kept++] = c->item[i];
    c->n = kept;
}

static void take_in_order(struct gathered *c, const struct evidence_query *q,
                          size_t at_most)
{
    for (uint32_t i = 0; i < q->n_items && c->n < at_most; i++)
        if (!evidence_skips(q, i))
            c->item[c->n++] = i;
}

/* Looks at the whole catalogue. Few items: all of them. Else candidates again, and when
   they are too few, what is popular and then any. */
static int take_thoroughly(struct gathered *c, struct penchant *p,
                           struct evidence_query *q, const struct blend_terms *t,
                           const struct shortlist_filter *f, uint32_t k)
{
    uint32_t passing;
    uint64_t *skip = make_bitmap(p, f, q, &passing);
    if (!skip)
        return PENCHANT_ENOMEM;
    q->skip = skip;
    c->n = 0;
    if (passing <= c->room) {
        take_in_order(c, q, c->room);
    } else {
        c->n = evidence_candidates(&p->evidence, t->mask, q, c->each, c->item);
        for (size_t i = 0; i < c->n; i++)
            skip[c->item[i] / 64] |= 1ULL << (c->item[i] % 64);
        if (c->n < k) {
            const size_t more = evidence_sources[EVIDENCE_POPULARITY]->candidates(
                p->evidence.state[EVIDENCE_POPULARITY], q, k - c->n, c->item + c->n);
            for (size_t i = c->n; i < c->n + more; i++)
                skip[c->item[i] / 64] |= 1ULL << (c->item[i] % 64);
            c->n += more;
        }
        take_in_order(c, q, k);
    }
    q->skip = NULL;
    free(skip);
    return PENCHANT_OK;
}

static int take_candidates(struct gathered *c, struct penchant *p,
                           struct evidence_query *q, const struct blend_terms *t,
                           const struct shortlist_filter *f, uint32_t k)
{
    if (!f->in_category && q->n_indexed <= q->n_items) {
        q->skip = p->catalog.unlistable;
        c->n = evidence_candidates(&p->evidence, t->mask, q, c->each, c->item);
        q->skip = NULL;
        take_passing(c, p, f);
        if (c->n >= k)
            return PENCHANT_OK;
    }
    return take_thoroughly(c, p, q, t, f, k);
}

/* ---- the list ---- */

void shortlist_query(struct evidence_query *q, const struct penchant *p,
                     const struct snapshot *s)
{
    q->n_items = p->catalog.ids.n;
    shop_content_query(q, p, s);
    if (!s)
        return;
    q->item_vectors = s->item_vectors;
    q->index = s->index;
    q->dim = s->dim;
    q->n_indexed = s->n_items;
}

void shortlist_balance(struct penchant *p, const struct snapshot *s, uint32_t mask,
                       const struct evidence_query *q, struct blend_terms *out)
{
    struct blend plain;
    if (!s)
        blend_default(&plain);
    blend_for(s ? &s->blend : &plain, &p->evidence, q, mask, out);
}

static double log_sum_exp(const float *score, size_t n)
{
    double top = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++)
        top = fmax(top, (double)score[i]);
    for (size_t i = 0; i < n; i++)
        sum += exp((double)score[i] - top);
    return top + log(sum);
}

/* The scores (n), with room for what else is needed of each. */
static int score_all(const struct gathered *c, struct penchant *p,
                     const struct evidence_query *q, const struct blend_terms *t,
                     struct adapt_view *view, float *score)
{
    float *scratch = score + c->n, *parts = scratch + 2 * c->n;
    if (!view) {
        blend_score(t, &p->evidence, q, c->item, c->n, score, scratch);
        return PENCHANT_OK;
    }
    blend_score_parts(t, &p->evidence, q, c->item, c->n, score, scratch, parts);
    const struct adapt_candidates all = {.item = c->item,
                                         .n = c->n,
                                         .score = score,
                                         .parts = parts,
                                         .novelty = scratch + c->n,
                                         .log_sum = log_sum_exp(score, c->n)};
    if (adapt_view_fill(view, &all))
        return PENCHANT_ENOMEM;
    for (size_t i = 0; i < c->n; i++)
        score[i] += view->correction[i];
    return PENCHANT_OK;
}

/* Scores what was gathered and keeps the best. */
static int64_t rank(const struct gathered *c, struct penchant *p,
                    const struct evidence_query *q, const struct blend_terms *t,
                    const struct shortlist_filter *f, struct shortlist_best *out)
{
    const size_t each = 3 + (out->view ? EVIDENCE_SOURCES : 0);
    float *score = malloc((each * c->n + 1) * sizeof *score);
    struct best best = {.hit = out->hit, .k = out->k};
    if (!score || score_all(c, p, q, t, out->view, score)) {
        free(score);
        return PENCHANT_ENOMEM;
    }
    for (size_t i = 0; i < c->n; i++) {
        if (f->favoured != NAMES_NONE &&
            catalog_has_attribute(&p->catalog, c->item[i], f->favoured))
            score[i] += f->favour;
        best_offer(&best, (double)score[i], c->item[i]);
    }
    best_sort(&best);
    out->log_sum = log_sum_exp(score, c->n);
    free(score);
    return best.n;
}

int64_t shortlist(struct penchant *p, struct evidence_query *q,
                  const struct blend_terms *t, const struct shortlist_filter *f,
                  struct shortlist_best *best)
{
    const uint32_t k = best->enough ? best->enough : best->k;
    if (q->n_items == 0 || k == 0 || (f->in_category && f->category == NAMES_NONE))
        return 0;
    const size_t spare = f->excluded.n < MOST_SPARE ? f->excluded.n : MOST_SPARE;
    struct gathered c = {.each = (2 * k > LEAST_EACH ? 2 * k : LEAST_EACH) + spare};
    c.room = EVIDENCE_SOURCES * c.each;
    c.item = malloc(c.room * sizeof *c.item);
    int64_t n = c.item ? take_candidates(&c, p, q, t, f, k) : PENCHANT_ENOMEM;
    if (n == PENCHANT_OK)
        n = rank(&c, p, q, t, f, best);
    free(c.item);
    return n;
}

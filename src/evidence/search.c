/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A search as evidence: what the user asked for in words. No state; without an active
 * search it says nothing of any item and proposes none.
 *
 *   score(i) = asked_weight (EXACT bm25(i) + ALIKE max(0, asked . c_i))
 *
 * bm25 (retrieval/words.h) is 1 for a full answer, so that items with the query's rare
 * words come first, in proportion to their rarity; the likeness of content vectors orders
 * those that are equal in that and finds what says the same in other words or spellings.
 * EXACT is so much larger than ALIKE that no likeness makes up for a missing rare word.
 */
#include <stdlib.h>
#include <string.h>

#include "evidence/sources.h"
#include "evidence/tally.h"
#include "kernels/kernels.h"
#include "retrieval/best.h"

#define EXACT 10.0F
#define ALIKE 3.0F

static bool is_active(const struct evidence_query *q)
{
    return q->content && q->asked_weight > 0 && (q->asked || q->asked_text);
}

static void add_alike(const struct evidence_query *q, const uint32_t *item, size_t n,
                      float *out)
{
    const struct evidence_content *c = q->content;
    const struct kernels *k = kernels_get();
    for (size_t i = 0; i < n; i++) {
        float cosine = 0;
        if (item[i] < c->n)
            k->gather_dots(&cosine, q->asked, c->vectors, &item[i], 1, c->dim);
        out[i] += q->asked_weight * ALIKE * (cosine > 0 ? cosine : 0);
    }
}

static void score(void *state, const struct evidence_query *q, const uint32_t *item,
                  size_t n, float *out)
{
    (void)state;
    memset(out, 0, n * sizeof(*out));
    if (!is_active(q))
        return;
    if (q->asked_text && q->content->words) {
        struct words_query asked;
        words_ask(&asked, q->asked_text);
        words_score(q->content->words, &asked, item, n, out);
        for (size_t i = 0; i < n; i++)
            out[i] *= q->asked_weight * EXACT;
    }
    if (q->asked)
        add_alike(q, item, n, out);
}

/* ---- candidates -------------------------------------------------------------------- */

struct found {
    uint32_t *item;
    struct topk_hit *hit;
    size_t n;
    struct tally seen; /* each once */
};

static void take_hits(struct found *f, const struct evidence_query *q, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (f->hit[i].row < q->n_items && tally_add(&f->seen, f->hit[i].row, 0.0F))
            f->item[f->n++] = f->hit[i].row;
}

/* Items that have any of the words; only where those are too few, the alike. */
static void gather(struct found *f, const struct evidence_query *q, uint32_t k)
{
    const struct evidence_content *c = q->content;
    if (q->asked_text && c->words) {
        struct words_query asked;
        words_ask(&asked, q->asked_text);
        take_hits(f, q, words_search(c->words, &asked, k, q->n_items, q->skip, f->hit));
    }
    if (!q->asked || f->n >= k)
        return;
    if (c->index)
        take_hits(f, q, topk_search(c->index, q->asked, k, q->skip, f->hit));
    for (uint32_t i = c->n_indexed; i < c->n && i < q->n_items; i++)
        if (!evidence_skips(q, i) && tally_add(&f->seen, i, 0.0F))
            f->item[f->n++] = i;
}

static size_t best_of(const struct found *f, const struct evidence_query *q, uint32_t k,
                      uint32_t *item)
{
    struct best best = {.hit = f->hit, .k = k};
    float *score_of = malloc((f->n + 1) * sizeof(*score_of));
    if (!score_of)
        return 0;
    score(NULL, q, f->item, f->n, score_of);
    for (size_t i = 0; i < f->n; i++)
        if (score_of[i] > 0)
            best_offer(&best, (double)score_of[i], f->item[i]);
    free(score_of);
    return evidence_take(&best, item);
}

static size_t candidates(void *state, const struct evidence_query *q, size_t k,
                         uint32_t *item)
{
    (void)state;
    if (!is_active(q) || !k || k > UINT32_MAX / 8)
        return 0;
    const struct evidence_content *c = q->content;
    const size_t room = 2 * k + (c->n - c->n_indexed);
    struct found f = {.item = malloc((room + 1) * sizeof(*f.item)),
                      .hit = malloc(k * sizeof(*f.hit))};
    size_t n = 0;
    if (f.item && f.hit && !tally_init(&f.seen, room)) {
        gather(&f, q, (uint32_t)k);
        n = best_of(&f, q, (uint32_t)k, item);
        tally_release(&f.seen);
    }
    free(f.item);
    free(f.hit);
    return n;
}

const struct evidence_source evidence_search = {
    .name = "search",
    /* Searches may be too few to be fitted, and say what is wanted: above what counting
       says together, which is a sum of logarithms. */
    .unfitted = 3.0F,
    .candidates = candidates,
    .score = score,
};

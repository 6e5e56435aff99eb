/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content as evidence: items like those the user turned to lately. It has no state; the
 * query brings the user's items and everyone's content vectors (model/content.h).
 *
 * The user's taste is a mixture of von Mises-Fisher densities around the newest RECENT
 * items that have a vector (Banerjee et al. 2005):
 *
 *   score(i) = log sum over j of a_j exp(KAPPA c_i . c_j)
 *              - AVERSION max(0, c_i . c_d - max over fond j of max(0, c_i . c_j))
 *
 * For small KAPPA that is the likeness to the mean of the items, for large KAPPA to the
 * most alike of them. a_j sums to 1 and is in proportion to
 *
 *   type weight * (1 + liking) / 2 * DECAY^position * SESSION^sessions since
 *
 * (sessions are told by pauses). c_d is the most alike of what the user dislikes:
 * q->disliked, and items with a liking of -1. It counts where an item is more like that
 * than like anything that the user is fond of (a liking that is not below 0): who dislikes
 * one shoe of several does not dislike shoes. The texts of reviews stand beside the items,
 * with SAYING * liking for a_j, or among what is disliked, with its likeness times -liking.
 * An item without a vector has c = 0 and scores 0, which is what an item that resembles
 * nothing gets.
 *
 * Work: at most (TASTES + AVERSIONS) products an item.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evidence/content_source.h"
#include "behaviour/event.h"
#include "evidence/sources.h"
#include "kernels/kernels.h"
#include "retrieval/best.h"

static const float *vector_of(const struct evidence_content *c, uint32_t item)
{
    const float *v = c->vectors + (size_t)item * c->dim;
    for (uint32_t i = 0; i < c->dim; i++)
        if (v[i] != 0)
            return v;
    return NULL;
}

static void add_disliked(struct content_taste *t, const struct evidence_content *c,
                         uint32_t item)
{
    const float *v =
        t->n_disliked < CONTENT_MOST_DISLIKED && item < c->n ? vector_of(c, item) : NULL;
    if (!v)
        return;
    t->disliked[t->n_disliked] = v;
    t->against[t->n_disliked++] = 1.0F;
}

/* What reviews said, the newest first: towards it or away from it. Adds to the shares. */
static float add_told(struct content_taste *t, const struct evidence_query *q)
{
    float sum = 0;
    const uint32_t n = q->n_told < CONTENT_TOLD ? q->n_told : CONTENT_TOLD;
    for (uint32_t i = q->n_told; i-- > q->n_told - n;) {
        const float *v = q->told + (size_t)i * q->content->dim;
        const float liking = q->told_liking[i];
        if (liking > 0) {
            t->vector[t->n] = v;
            t->fond[t->n] = true;
            sum += t->share[t->n++] = CONTENT_SAYING * liking;
        } else if (liking < 0) {
            t->disliked[t->n_disliked] = v;
            t->against[t->n_disliked++] = -liking;
        }
    }
    return sum;
}

/* How much the i-th newest item counts, `sessions` pauses after it. */
static float share_of(const struct evidence_query *q, uint32_t i, uint32_t place,
                      uint32_t sessions)
{
    const float type = q->recent_type ? event_type_weight(q->recent_type[i]) : 1.0F;
    return type * evidence_liking_share(q, i) * powf(CONTENT_DECAY, (float)place) *
           powf(CONTENT_SESSION, (float)(sessions < 20 ? sessions : 20));
}

void content_taste(const struct evidence_query *q, struct content_taste *t)
{
    const struct evidence_content *c = q->content;
    float sum = 0;
    uint32_t sessions = 0;
    t->n = t->n_items = t->n_disliked = 0;
    if (!c)
        return;
    int64_t later = q->now_us;
    for (uint32_t i = q->n_recent; i-- > 0 && t->n < CONTENT_RECENT;) {
        if (q->recent_us) {
            sessions += later - q->recent_us[i] > EVENT_SESSION_GAP_US;
            later = q->recent_us[i];
        }
        if (q->recent[i] >= c->n || !vector_of(c, q->recent[i]))
            continue;
        const float share = share_of(q, i, t->n, sessions);
        if (share > 0) {
            t->item[t->n] = q->recent[i];
            t->vector[t->n] = vector_of(c, q->recent[i]);
            t->fond[t->n] = !q->recent_liking || q->recent_liking[i] >= 0;
            t->share[t->n++] = share;
            sum += share;
        } else {
            add_disliked(t, c, q->recent[i]);
        }
    }
    for (uint32_t i = q->n_disliked; i-- > 0;)
        add_disliked(t, c, q->disliked[i]);
    t->n_items = t->n;
    sum += add_told(t, q);
    for (uint32_t j = 0; j < t->n; j++)
        t->share[j] /= sum;
}

/* ---- scores ------------------------------------------------------------------------ */

enum { BLOCK = 64 }; /* whose vectors stay in the nearest cache */

/* Which taste is the first with this vector: users come back to items. */
static uint32_t first_of(const struct content_taste *t, uint32_t j)
{
    uint32_t i = 0;
    while (t->vector[i] != t->vector[j])
        i++;
    return i;
}

/* Of n <= BLOCK items that all have a row. */
static void score_block(const struct content_taste *t, const struct evidence_content *c,
                        const uint32_t *item, size_t n, float *out)
{
    const struct kernels *k = kernels_get();
    float cosines[CONTENT_TASTES][BLOCK], likely[CONTENT_TASTES][BLOCK];
    float cosine[BLOCK], nearest[BLOCK], worst[BLOCK];
    memset(out, 0, n * sizeof(*out));
    memset(nearest, 0, n * sizeof(*nearest));
    for (uint32_t j = 0; j < t->n; j++) {
        const uint32_t f = first_of(t, j);
        if (f == j)
            k->gather_dots(cosines[j], t->vector[j], c->vectors, item, n, c->dim);
        for (size_t i = 0; f == j && i < n; i++)
            likely[j][i] = expf(CONTENT_KAPPA * cosines[j][i]);
        for (size_t i = 0; i < n; i++)
            out[i] += t->share[j] * likely[f][i];
        for (size_t i = 0; t->fond[j] && i < n; i++)
            nearest[i] = cosines[f][i] > nearest[i] ? cosines[f][i] : nearest[i];
    }
    for (size_t i = 0; t->n && i < n; i++)
        out[i] = logf(out[i]);
    memset(worst, 0, n * sizeof(*worst));
    for (uint32_t j = 0; j < t->n_disliked; j++) {
        k->gather_dots(cosine, t->disliked[j], c->vectors, item, n, c->dim);
        for (size_t i = 0; i < n; i++)
            worst[i] = fmaxf(worst[i], t->against[j] * cosine[i]);
    }
    for (size_t i = 0; i < n; i++)
        out[i] -= CONTENT_AVERSION * fmaxf(0, worst[i] - nearest[i]);
}

static void score_items(const struct content_taste *t, const struct evidence_query *q,
                        const uint32_t *item, size_t n, float *out)
{
    const struct evidence_content *c = q->content;
    uint32_t known[BLOCK];
    float got[BLOCK];
    if (!c || (!t->n && !t->n_disliked)) {
        memset(out, 0, n * sizeof(*out));
        return;
    }
    for (size_t from = 0; from < n; from += BLOCK) {
        const size_t end = n - from < BLOCK ? n : from + BLOCK;
        size_t m = 0;
        for (size_t i = from; i < end; i++)
            if (item[i] < c->n)
                known[m++] = item[i];
        score_block(t, c, known, m, got);
        m = 0;
        for (size_t i = from; i < end; i++)
            out[i] = item[i] < c->n ? got[m++] : 0.0F;
    }
}

static void score(void *state, const struct evidence_query *q, const uint32_t *item,
                  size_t n, float *out)
{
    (void)state;
    struct content_taste t;
    content_taste(q, &t);
    score_items(&t, q, item, n, out);
}

/* ---- candidates -------------------------------------------------------------------- */

struct found {
    uint32_t *item;
    struct topk_hit *hit;
    size_t n;
};

/* The nearest to the mean of the taste, to which the score is close for a small KAPPA, and
   all that are too new for the index. */
static void gather(struct found *f, const struct evidence_query *q,
                   const struct content_taste *t, uint32_t k)
{
    const struct evidence_content *c = q->content;
    const struct kernels *kernels = kernels_get();
    float mean[CONTENT_MAX_VECTOR];
    memset(mean, 0, c->dim * sizeof(*mean));
    for (uint32_t j = 0; j < t->n; j++)
        kernels->add_scaled(mean, t->vector[j], t->share[j], c->dim);
    k = k < CONTENT_CANDIDATES ? k : CONTENT_CANDIDATES;
    const int64_t n = c->index ? topk_search(c->index, mean, k, q->skip, f->hit) : 0;
    for (int64_t i = 0; i < n; i++)
        if (f->hit[i].row < q->n_items)
            f->item[f->n++] = f->hit[i].row;
    for (uint32_t i = c->n_indexed; i < c->n && i < q->n_items; i++)
        if (!evidence_skips(q, i))
            f->item[f->n++] = i;
}

static size_t best_of(const struct found *f, const struct evidence_query *q,
                      const struct content_taste *t, uint32_t k, uint32_t *item)
{
    struct best best = {.hit = f->hit, .k = k};
    float *score_of = malloc((f->n + 1) * sizeof(*score_of));
    if (!score_of)
        return 0;
    score_items(t, q, f->item, f->n, score_of);
    for (size_t i = 0; i < f->n; i++)
        best_offer(&best, (double)score_of[i], f->item[i]);
    free(score_of);
    return evidence_take(&best, item);
}

static size_t candidates(void *state, const struct evidence_query *q, size_t k,
                         uint32_t *item)
{
    (void)state;
    struct content_taste t;
    content_taste(q, &t);
    if (!t.n || !k || k > UINT32_MAX / 8 || q->content->dim > CONTENT_MAX_VECTOR)
        return 0;
    const struct evidence_content *c = q->content;
    const size_t room = k + (c->n - c->n_indexed);
    struct found f = {.item = malloc((room + 1) * sizeof(*f.item)),
                      .hit = malloc(k * sizeof(*f.hit))};
    size_t n = 0;
    if (f.item && f.hit) {
        gather(&f, q, &t, (uint32_t)k);
        n = best_of(&f, q, &t, (uint32_t)k, item);
    }
    free(f.item);
    free(f.hit);
    return n;
}

const struct evidence_source evidence_content = {
    .name = "content",
    .candidates = candidates,
    .score = score,
};

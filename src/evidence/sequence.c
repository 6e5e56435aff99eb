/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sequence model as evidence. It has no state of its own: the query brings the vector
 * and the items' vectors. score(i) = q . e_i, a logit, which is the logarithm of the
 * model's softmax up to a constant of the query. An item that came after the model has the
 * vector of its content; one without any is taken to be as good as an average one,
 * estimated from SAMPLE items evenly spread over the catalogue.
 */
#include <math.h>
#include <stdlib.h>

#include "evidence/sources.h"
#include "kernels/scan.h"
#include "retrieval/best.h"

enum { SAMPLE = 64 };

/* The vector of an item, whenever it came; NULL: it has none. */
static const float *vector_of(const struct evidence_query *q, uint32_t item)
{
    const float *e = q->item_vectors + (size_t)item * q->dim;
    if (item >= q->n_indexed) {
        const uint32_t row = item - q->n_indexed;
        if (!q->newcomers || row >= q->newcomers->n)
            return NULL;
        e = q->newcomers->vectors + (size_t)row * q->dim;
    }
    for (uint32_t i = 0; i < q->dim; i++)
        if (e[i] < 0 || e[i] > 0)
            return e;
    return NULL;
}

static float logit(const struct evidence_query *q, const float *e)
{
    const double product = scan_kernels()->exact(q->vector, e, q->dim);
    if (!q->by_direction)
        return (float)product;
    const double square = scan_kernels()->exact(e, e, q->dim);
    return square > 0 ? (float)(product / sqrt(square)) : 0.0F;
}

/* Items that came after the model are looked through one by one: they are few until the
   next training. */
static void offer_newcomers(const struct evidence_query *q, struct best *best)
{
    const uint32_t known = q->newcomers->n, end = q->n_items - q->n_indexed;
    for (uint32_t row = 0; row < known && row < end; row++) {
        const uint32_t item = q->n_indexed + row;
        const float *e = evidence_skips(q, item) ? NULL : vector_of(q, item);
        if (e)
            best_offer(best, scan_kernels()->exact(q->vector, e, q->dim), item);
    }
}

static size_t candidates(void *state, const struct evidence_query *q, size_t k,
                         uint32_t *item)
{
    (void)state;
    if (!q->vector || !q->index || k == 0 || k > UINT32_MAX)
        return 0;
    struct topk_hit *hit = malloc(2 * k * sizeof *hit);
    if (!hit)
        return 0;
    struct best best = {.hit = hit, .k = (uint32_t)k};
    const int64_t n = topk_search(q->index, q->vector, best.k, q->skip, hit + k);
    for (int64_t i = 0; i < n; i++)
        best_offer(&best, hit[k + (size_t)i].score, hit[k + (size_t)i].row);
    if (q->newcomers && q->n_items > q->n_indexed)
        offer_newcomers(q, &best);
    const size_t got = evidence_take(&best, item);
    free(hit);
    return got;
}

static float average_logit(const struct evidence_query *q)
{
    const uint32_t n = q->n_indexed < SAMPLE ? q->n_indexed : SAMPLE;
    uint32_t known = 0;
    float sum = 0.0F;
    for (uint32_t i = 0; i < n; i++) {
        const float *e = vector_of(q, (uint32_t)((uint64_t)i * q->n_indexed / n));
        sum += e ? logit(q, e) : 0.0F;
        known += e != NULL;
    }
    return known ? sum / (float)known : 0.0F;
}

static void score(void *state, const struct evidence_query *q, const uint32_t *item,
                  size_t n, float *out)
{
    (void)state;
    bool have_average = false;
    float average = 0.0F;
    for (size_t i = 0; i < n; i++) {
        const bool asked = q->vector && q->item_vectors;
        const float *e = asked ? vector_of(q, item[i]) : NULL;
        if (!asked) {
            out[i] = 0.0F;
        } else if (e) {
            out[i] = logit(q, e);
        } else {
            if (!have_average)
                average = average_logit(q);
            have_average = true;
            out[i] = average;
        }
    }
}

const struct evidence_source evidence_sequence = {
    .name = "sequence",
    .candidates = candidates,
    .score = score,
};

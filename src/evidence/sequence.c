/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sequence model as evidence. It has no state of its own: the query brings the vector
 * and the items' vectors. score(i) = q . e_i, a logit, which is the logarithm of the
 * model's softmax up to a constant of the query. An item without a vector is taken to be
 * as good as an average one, estimated from SAMPLE items evenly spread over the
 * catalogue.
 */
#include <math.h>
#include <stdlib.h>

#include "evidence/sources.h"
#include "kernels/scan.h"
#include "retrieval/best.h"

enum { SAMPLE = 64 };

static size_t candidates(void *state, const struct evidence_query *q, size_t k,
                         uint32_t *item)
{
    (void)state;
    if (!q->vector || !q->index || k == 0 || k > UINT32_MAX)
        return 0;
    struct topk_hit *hit = malloc(k * sizeof *hit);
    int64_t n = hit ? topk_search(q->index, q->vector, (uint32_t)k, q->skip, hit) : 0;
    size_t got = 0;
    for (int64_t i = 0; i < n; i++)
        item[got++] = hit[i].row;
    free(hit);
    return got;
}

static float logit(const struct evidence_query *q, uint32_t item)
{
    const float *e = q->item_vectors + (size_t)item * q->dim;
    const double product = scan_kernels()->exact(q->vector, e, q->dim);
    if (!q->by_direction)
        return (float)product;
    const double square = scan_kernels()->exact(e, e, q->dim);
    return square > 0 ? (float)(product / sqrt(square)) : 0.0F;
}

static float average_logit(const struct evidence_query *q)
{
    uint32_t n = q->n_indexed < SAMPLE ? q->n_indexed : SAMPLE;
    float sum = 0.0F;
    for (uint32_t i = 0; i < n; i++)
        sum += logit(q, (uint32_t)((uint64_t)i * q->n_indexed / n));
    return n ? sum / (float)n : 0.0F;
}

static void score(void *state, const struct evidence_query *q, const uint32_t *item,
                  size_t n, float *out)
{
    (void)state;
    bool have_average = false;
    float average = 0.0F;
    for (size_t i = 0; i < n; i++) {
        if (!q->vector || !q->item_vectors) {
            out[i] = 0.0F;
        } else if (item[i] < q->n_indexed) {
            out[i] = logit(q, item[i]);
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

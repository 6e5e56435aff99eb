/* SPDX-License-Identifier: Apache-2.0 */
/* What the losses share: tables, scratch, and the walk over rows in chunks. */
#include "learn/loss.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/names.h"

/* Scores of about this many bytes at a time stay in the second-level cache. */
enum { SCORE_BYTES = 448 * 1024 };

static void *floats(size_t n)
{
    return aligned_alloc(64, (n * sizeof(float) + 63) & ~(size_t)63);
}

int loss_tables_init(struct loss_tables *t, const struct model *m,
                     const struct train_options *o)
{
    const size_t n = m->config.n_items, d = m->config.dim;
    const bool full = o->loss == TRAIN_FULL, made = !model_items_plain(m);
    bool complete = true;
    *t = (struct loss_tables){.model = m, .k = kernels_get(), .loss = o->loss};
    t->negatives = o->negatives;
    if (full && o->bf16)
        t->bf16 = kernels_bf16_get();
#define WANT(field, when, count)                                                         \
    if (when)                                                                            \
    complete = (t->field = floats(count)) != NULL && complete
    WANT(vectors, o->loss != TRAIN_SAMPLED && made, n * d);
    WANT(scored, full && m->config.normalise, n * d);
    WANT(transposed, full && !t->bf16, n * d);
    WANT(along, t->bf16, n * d / 2);
    WANT(down, t->bf16, (n + 1) / 2 * d);
#undef WANT
    if (complete)
        return PENCHANT_OK;
    loss_tables_release(t);
    return PENCHANT_ENOMEM;
}

void loss_tables_release(struct loss_tables *t)
{
    free(t->vectors);
    free(t->scored);
    free(t->transposed);
    free(t->along);
    free(t->down);
    *t = (struct loss_tables){0};
}

const float *loss_token_vectors(const struct loss_tables *t)
{
    if (t->vectors)
        return t->vectors;
    return model_items_plain(t->model) ? model_at(t->model, &t->model->item) : NULL;
}

const float *loss_scored_vectors(const struct loss_tables *t)
{
    return t->scored ? t->scored : loss_token_vectors(t);
}

/* The share of the items [first, end) of one task; first is even. */
static void update_items(const struct loss_tables *t, uint32_t first, uint32_t end)
{
    const struct model *m = t->model;
    const size_t d = m->config.dim, n = m->config.n_items;
    for (uint32_t i = first; i < end; i++) {
        if (t->vectors)
            model_item_vector(m, i, t->vectors + i * d);
        if (t->scored) {
            memcpy(t->scored + i * d, loss_token_vectors(t) + i * d, d * sizeof(float));
            model_scale_scored(m, t->scored + i * d);
        }
    }
    const float *from = loss_scored_vectors(t);
    for (uint32_t i = first; t->transposed && i < end; i++)
        for (size_t j = 0; j < d; j++)
            t->transposed[j * n + i] = from[i * d + j];
    for (uint32_t i = first; t->bf16 && i < end; i++) {
        uint32_t pair[512];
        t->bf16->pairs_along(pair, from + i * d, 1, d);
        for (size_t j = 0; j < d / 2; j++)
            t->along[j * n + i] = pair[j];
    }
    if (t->bf16)
        t->bf16->pairs_down(t->down + first / 2 * d, from + first * d, end - first, d);
}

enum { ITEMS_A_TASK = 512 };

static void update_task(void *arg, uint32_t i)
{
    const struct loss_tables *t = arg;
    const uint32_t n = t->model->config.n_items, first = i * ITEMS_A_TASK;
    update_items(t, first, n - first < ITEMS_A_TASK ? n : first + ITEMS_A_TASK);
}

void loss_tables_update(struct loss_tables *t, struct pool *pool)
{
    if (t->loss != TRAIN_SAMPLED)
        pool_run(pool, update_task, t,
                 (t->model->config.n_items + ITEMS_A_TASK - 1) / ITEMS_A_TASK);
}

int loss_scratch_init(struct loss_scratch *s, const struct loss_tables *t)
{
    const size_t d = t->model->config.dim, n = t->model->config.n_items;
    const bool full = t->loss == TRAIN_FULL, pairs = t->bf16 != NULL;
    const bool shared = t->loss == TRAIN_SAMPLED;
    const size_t cols = full ? n : t->negatives + (size_t)1, k = full ? 0 : t->negatives;
    bool complete = true;
    *s = (struct loss_scratch){0};
    size_t rows = SCORE_BYTES / (cols * sizeof(float)) & ~(size_t)7;
    rows = rows < 8 ? 8 : rows > 32 ? 32 : rows;
    s->rows = pairs ? (uint32_t)rows : LOSS_ROWS;
#define WANT(field, when, count)                                                         \
    if (when)                                                                            \
    complete = (s->field = floats(count)) != NULL && complete
    WANT(h, true, LOSS_ROWS * d);
    WANT(dh, true, LOSS_ROWS * d);
    WANT(unit, t->model->config.normalise, LOSS_ROWS * d);
    WANT(score, true, s->rows * cols);
    WANT(h_along, pairs, LOSS_ROWS * d / 2);
    WANT(h_down, pairs, LOSS_ROWS / 2 * d);
    WANT(p_along, pairs, s->rows * ((n + 1) / 2));
    WANT(p_down, pairs, LOSS_ROWS / 2 * n);
    WANT(negative, shared, k * d);
    WANT(negative_t, shared, k * d);
    WANT(dnegative, shared, k * d);
    WANT(correction, shared, k);
    WANT(id, !full, k);
#undef WANT
    if (complete)
        return PENCHANT_OK;
    loss_scratch_release(s);
    return PENCHANT_ENOMEM;
}

void loss_scratch_release(struct loss_scratch *s)
{
    free(s->h);
    free(s->dh);
    free(s->unit);
    free(s->score);
    free(s->h_along);
    free(s->h_down);
    free(s->p_along);
    free(s->p_down);
    free(s->negative);
    free(s->negative_t);
    free(s->dnegative);
    free(s->correction);
    free(s->id);
    *s = (struct loss_scratch){0};
}

float loss_softmax_row(const struct loss_tables *t, float *score, size_t n, size_t target,
                       float weight, struct gradient *g)
{
    const float at = score[target];
    float top;
    const float sum = t->k->exp_row(score, &top, n);
    g->loss += (double)(top - at) + log((double)sum);
    score[target] -= sum;
    return weight / sum;
}

/* Rows go through the unit sphere when scores are cosines. */
static void normalise_rows(const struct loss_tables *t, struct loss_scratch *s,
                           size_t rows)
{
    const size_t d = t->model->config.dim;
    memcpy(s->unit, s->h, rows * d * sizeof(float));
    for (size_t i = 0; i < rows; i++)
        t->k->scale(s->h + i * d, model_unit_scale(s->unit + i * d, d), d);
}

static void give_back(const struct loss_tables *t, const struct loss_scratch *s,
                      const uint32_t *at, size_t rows, float *dh)
{
    const size_t d = t->model->config.dim;
    for (size_t i = 0; i < rows; i++) {
        if (s->unit)
            gradient_unit_backward(t->k, dh + at[i] * d, s->dh + i * d, s->unit + i * d,
                                   1, d);
        else
            memcpy(dh + at[i] * d, s->dh + i * d, d * sizeof(float));
    }
}

void loss_run(const struct loss_tables *t, struct loss_scratch *s,
              const struct loss_rows *r, float *dh, struct gradient *g)
{
    static const struct loss_kind *const kinds[] = {
        [TRAIN_FULL] = &loss_full,
        [TRAIN_SAMPLED] = &loss_sampled,
        [TRAIN_GBCE] = &loss_gbce,
    };
    const struct loss_kind *kind = kinds[t->loss];
    const size_t d = t->model->config.dim;
    uint32_t at[LOSS_ROWS], target[LOSS_ROWS];
    memset(dh, 0, r->n * d * sizeof(*dh));
    if (kind->begin)
        kind->begin(t, s, r->rng);
    for (size_t i = 0; i < r->n;) {
        size_t rows = 0;
        for (; i < r->n && rows < LOSS_ROWS; i++) {
            if (r->target[i] == NAMES_NONE)
                continue;
            at[rows] = (uint32_t)i;
            target[rows] = r->target[i];
            memcpy(s->h + rows++ * d, r->h + i * d, d * sizeof(float));
        }
        if (!rows)
            break;
        if (s->unit)
            normalise_rows(t, s, rows);
        kind->chunk(t, s, target, rows, r, g);
        g->targets += rows;
        give_back(t, s, at, rows, dh);
    }
    if (kind->end)
        kind->end(t, s, g);
}

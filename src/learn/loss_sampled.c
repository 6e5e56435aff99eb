/* SPDX-License-Identifier: Apache-2.0 */
/* Softmax over the target and items drawn for all rows of a call. */
#include <math.h>
#include <string.h>

#include "learn/loss.h"

enum { LINE_FLOATS = 16 }; /* of the cache */

static float expected_log(const struct loss_tables *t, uint32_t item)
{
    const uint32_t uniform = (t->negatives + 1) / 2; /* as draw() does */
    return logf((float)uniform / (float)loss_drawable(t) +
                (float)(t->negatives - uniform) * t->frequency[item]);
}

static void draw(const struct loss_tables *t, struct loss_scratch *s, struct rng *rng)
{
    for (uint32_t j = 0; j < t->negatives; j++) {
        const bool uniform = j % 2 == 0;
        const uint32_t n = uniform ? loss_drawable(t) : (uint32_t)t->n_events;
        const uint32_t at = rng_below(rng, n);
        s->id[j] = uniform ? loss_drawn(t, at) : t->events[at];
    }
}

/* A vector as scores use it. */
static void scored_vector(const struct loss_tables *t, uint32_t item, float *out)
{
    model_item_vector(t->model, item, out);
    model_scale_scored(t->model, out);
}

/* Adds a gradient of a scored vector to that of the item. */
static void add_item(const struct loss_tables *t, struct gradient *g, uint32_t item,
                     const float *d_scored)
{
    const struct model_config *c = &t->model->config;
    float vector[1024];
    if (!c->normalise) {
        t->k->add(gradient_row(g, item), d_scored, c->dim);
        return;
    }
    model_item_vector(t->model, item, vector);
    gradient_unit_backward(t->k, gradient_row(g, item), d_scored, vector,
                           1.0f / c->temperature, c->dim);
}

static void gather(const struct loss_tables *t, struct loss_scratch *s)
{
    const size_t d = t->model->config.dim, n = t->negatives;
    for (size_t j = 0; j < n; j++)
        scored_vector(t, s->id[j], s->negative + j * d);
    for (size_t first = 0; first < n; first += LINE_FLOATS) {
        const size_t end = first + LINE_FLOATS < n ? first + LINE_FLOATS : n;
        for (size_t i = 0; i < d; i++)
            for (size_t j = first; j < end; j++)
                s->negative_t[i * n + j] = s->negative[j * d + i];
    }
}

static void sampled_begin(const struct loss_tables *t, struct loss_scratch *s,
                          struct rng *rng)
{
    draw(t, s, rng);
    gather(t, s);
    for (size_t j = 0; j < t->negatives; j++)
        s->correction[j] = expected_log(t, s->id[j]);
    memset(s->dnegative, 0, t->negatives * (size_t)t->model->config.dim * sizeof(float));
}

/* One row's scores to gradients; the last column is the target. */
static void row_gradient(const struct loss_tables *t, const struct loss_scratch *s,
                         float *score, uint32_t target, float weight, struct gradient *g)
{
    const size_t n = t->negatives;
    for (size_t j = 0; j < n; j++)
        score[j] = s->id[j] == target ? -1e30f : score[j] - s->correction[j];
    t->k->scale(score, loss_softmax_row(t, score, n + 1, n, weight, g), n + 1);
}

/* What row i gives to its target and the target to it. */
static void target_gradient(const struct loss_tables *t, struct loss_scratch *s, size_t i,
                            uint32_t target, float p, struct gradient *g)
{
    const size_t d = t->model->config.dim;
    float vector[1024];
    scored_vector(t, target, vector);
    t->k->add_scaled(s->dh + i * d, vector, p, d);
    memcpy(vector, s->h + i * d, d * sizeof(float));
    t->k->scale(vector, p, d);
    add_item(t, g, target, vector);
}

static void sampled_chunk(const struct loss_tables *t, struct loss_scratch *s,
                          const uint32_t *target, size_t rows, const struct loss_rows *r,
                          struct gradient *g)
{
    const size_t d = t->model->config.dim, n = t->negatives, cols = n + 1;
    float vector[1024];
    t->k->gemm(&(struct gemm){.m = rows,
                              .n = n,
                              .k = d,
                              .a = s->h,
                              .a_row = d,
                              .a_col = 1,
                              .b = s->negative_t,
                              .ldb = n,
                              .c = s->score,
                              .ldc = cols});
    for (size_t i = 0; i < rows; i++) {
        float *row = s->score + i * cols;
        scored_vector(t, target[i], vector);
        row[n] = t->k->dot(s->h + i * d, vector, d);
        row_gradient(t, s, row, target[i], r->weight, g);
    }
    t->k->gemm(&(struct gemm){.m = rows,
                              .n = d,
                              .k = n,
                              .a = s->score,
                              .a_row = cols,
                              .a_col = 1,
                              .b = s->negative,
                              .ldb = d,
                              .c = s->dh,
                              .ldc = d});
    t->k->gemm(&(struct gemm){.m = n,
                              .n = d,
                              .k = rows,
                              .a = s->score,
                              .a_row = 1,
                              .a_col = cols,
                              .b = s->h,
                              .ldb = d,
                              .c = s->dnegative,
                              .ldc = d,
                              .add = true});
    for (size_t i = 0; i < rows; i++)
        target_gradient(t, s, i, target[i], s->score[i * cols + n], g);
}

static void sampled_end(const struct loss_tables *t, struct loss_scratch *s,
                        struct gradient *g)
{
    for (size_t j = 0; j < t->negatives; j++)
        add_item(t, g, s->id[j], s->dnegative + j * (size_t)t->model->config.dim);
}

const struct loss_kind loss_sampled = {
    .begin = sampled_begin, .chunk = sampled_chunk, .end = sampled_end};

/* SPDX-License-Identifier: Apache-2.0 */
#include "model/block.h"

#include <string.h>

#include "model/attention.h"

static size_t width_of(const struct model_config *c)
{
    return (c->gated ? 4 : 3) * (size_t)c->dim;
}

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

void block_memory_sizes(const struct model_config *c, size_t n, size_t size[BLOCK_MEMORY])
{
    const size_t d = c->dim, gated = c->gated, ffn = c->ffn_dim > 0;
    size[BLOCK_NORM1] = n * d;
    size[BLOCK_STAT1] = n * 2;
    size[BLOCK_PROJECTED] = n * width_of(c);
    size[BLOCK_ACTIVE] = gated * n * width_of(c);
    size[BLOCK_SCORE] = n * c->max_length * c->heads;
    size[BLOCK_ATTENDED] = n * d;
    size[BLOCK_STAT_ATTENDED] = gated * n * 2;
    size[BLOCK_NORMED] = gated * n * d;
    size[BLOCK_GATED] = gated * n * d;
    size[BLOCK_MIDDLE] = ffn * n * d;
    size[BLOCK_NORM2] = ffn * n * d;
    size[BLOCK_STAT2] = ffn * n * 2;
    size[BLOCK_HIDDEN] = n * c->ffn_dim;
}

void block_scratch_sizes(const struct model_config *c, size_t n,
                         size_t size[BLOCK_SCRATCH])
{
    const size_t wide = max_size(width_of(c), c->ffn_dim);
    size[BLOCK_BRANCH] = n * c->dim;
    size[BLOCK_DBRANCH] = n * c->dim;
    size[BLOCK_DWIDE] = n * wide;
    size[BLOCK_TRANSPOSED] = c->dim * wide;
    size[BLOCK_WORK] = attention_work(c);
}

/* y (n, out) = x (n, in) w (in, out) */
static void linear(const struct block *b, float *y, const float *x,
                   const struct model_tensor *w)
{
    b->k->gemm(&(struct gemm){.m = b->batch->n,
                              .n = w->cols,
                              .k = w->rows,
                              .a = x,
                              .a_row = w->rows,
                              .a_col = 1,
                              .b = model_at(b->model, w),
                              .ldb = w->cols,
                              .c = y,
                              .ldc = w->cols});
}

/* dx (n, in) = dy (n, out) w^T, and the gradient of w += x^T dy */
static void linear_backward(const struct block *b, float *dx, float *grad,
                            const float *dy, const float *x, const struct model_tensor *w)
{
    const float *from = model_at(b->model, w);
    float *t = b->scratch->part[BLOCK_TRANSPOSED];
    for (uint32_t i = 0; i < w->rows; i++)
        for (uint32_t j = 0; j < w->cols; j++)
            t[(size_t)j * w->rows + i] = from[(size_t)i * w->cols + j];
    b->k->gemm(&(struct gemm){.m = b->batch->n,
                              .n = w->rows,
                              .k = w->cols,
                              .a = dy,
                              .a_row = w->cols,
                              .a_col = 1,
                              .b = t,
                              .ldb = w->rows,
                              .c = dx,
                              .ldc = w->rows});
    b->k->gemm(&(struct gemm){.m = w->rows,
                              .n = w->cols,
                              .k = b->batch->n,
                              .a = x,
                              .a_row = 1,
                              .a_col = w->rows,
                              .b = dy,
                              .ldb = w->cols,
                              .c = grad + w->offset,
                              .ldc = w->cols,
                              .add = true});
}

/* The same elements are kept in both directions; `place` tells the dropouts apart. */
static void drop(const struct block *b, float *x, size_t n, uint32_t place)
{
    const struct dropout d = {.seed = b->seed ^ (place * 0x85EBCA6Bu),
                              .rate = b->dropout};
    if (b->dropout > 0)
        b->k->dropout(x, n, &d);
}

/* ---- attention over the sequences of a batch ----------------------------------- */

static struct attention attention_of(const struct block *b, uint32_t s, uint32_t head)
{
    const struct model_config *c = &b->model->config;
    const uint32_t first = b->batch->start[s], dh = c->dim / c->heads;
    const size_t w = width_of(c), d = c->dim, n = b->batch->start[s + 1] - first;
    const float *active = b->memory->part[c->gated ? BLOCK_ACTIVE : BLOCK_PROJECTED];
    const float *row = active + first * w + head * dh + (c->gated ? d : 0);
    return (struct attention){
        .k = b->k,
        .config = c,
        .bias_position = model_at(b->model, &b->weights->bias_position),
        .bias_time = model_at(b->model, &b->weights->bias_time),
        .time = b->batch->time + first,
        .target_time = b->batch->target_time + first,
        .n = n,
        .dh = dh,
        .value = row,
        .q = row + d,
        .key = row + 2 * d,
        .stride = w,
        .score = b->memory->part[BLOCK_SCORE] +
                 (first * c->heads) * (size_t)c->max_length + head * n * n,
        .work = b->scratch->part[BLOCK_WORK],
    };
}

static void attend(const struct block *b)
{
    const struct model_config *c = &b->model->config;
    for (uint32_t s = 0; s < b->batch->n_sequences; s++)
        for (uint32_t head = 0; head < c->heads; head++) {
            const struct attention a = attention_of(b, s, head);
            attention_forward(&a,
                              b->memory->part[BLOCK_ATTENDED] +
                                  b->batch->start[s] * (size_t)c->dim + head * a.dh,
                              c->dim);
        }
}

/* dwide gets the gradients of V, Q and K behind that of U. */
static void attend_backward(const struct block *b, const float *d_o, float *grad)
{
    const struct model_config *c = &b->model->config;
    const size_t w = width_of(c), d = c->dim;
    for (uint32_t s = 0; s < b->batch->n_sequences; s++)
        for (uint32_t head = 0; head < c->heads; head++) {
            const struct attention a = attention_of(b, s, head);
            const size_t first = b->batch->start[s];
            float *row = b->scratch->part[BLOCK_DWIDE] + first * w + head * a.dh +
                         (c->gated ? d : 0);
            const struct attention_gradient g = {
                .dvalue = row,
                .dq = row + d,
                .dkey = row + 2 * d,
                .dbias_position = grad + b->weights->bias_position.offset,
                .dbias_time = grad + b->weights->bias_time.offset,
                .d_o = d_o + first * d + head * a.dh,
                .o_stride = d,
            };
            attention_backward(&a, &g);
        }
}

/* out (rows) = U * LN(A V), U being the first d of each wide row */
static void multiply_gate(const struct block *b, float *out, size_t out_stride,
                          const float *x, size_t x_stride, const float *y)
{
    const size_t d = b->model->config.dim;
    for (size_t t = 0; t < b->batch->n; t++)
        b->k->multiply(out + t * out_stride, x + t * x_stride, y + t * d, d);
}

/* ---- the block ----------------------------------------------------------------- */

/* What goes into W_out: A V, or U * LN(A V). */
static const float *attention_branch(const struct block *b, const float *x)
{
    const struct model *m = b->model;
    const size_t n = b->batch->n, d = m->config.dim, w = width_of(&m->config);
    float *const *p = b->memory->part;
    b->k->norm_forward(p[BLOCK_NORM1], p[BLOCK_STAT1], x, model_at(m, &b->weights->norm1),
                       n, d);
    linear(b, p[BLOCK_PROJECTED], p[BLOCK_NORM1], &b->weights->in);
    if (m->config.gated)
        b->k->silu_forward(p[BLOCK_ACTIVE], p[BLOCK_PROJECTED], n * w);
    attend(b);
    if (!m->config.gated)
        return p[BLOCK_ATTENDED];
    b->k->norm_forward(p[BLOCK_NORMED], p[BLOCK_STAT_ATTENDED], p[BLOCK_ATTENDED],
                       model_at(m, &b->weights->norm_attention), n, d);
    multiply_gate(b, p[BLOCK_GATED], d, p[BLOCK_ACTIVE], w, p[BLOCK_NORMED]);
    return p[BLOCK_GATED];
}

static void feed_forward(const struct block *b, float *y)
{
    const struct model *m = b->model;
    const size_t n = b->batch->n, d = m->config.dim, f = m->config.ffn_dim;
    float *const *p = b->memory->part, *branch = b->scratch->part[BLOCK_BRANCH];
    memcpy(p[BLOCK_MIDDLE], y, n * d * sizeof(*y));
    b->k->norm_forward(p[BLOCK_NORM2], p[BLOCK_STAT2], y, model_at(m, &b->weights->norm2),
                       n, d);
    linear(b, p[BLOCK_HIDDEN], p[BLOCK_NORM2], &b->weights->ffn1);
    b->k->relu_forward(p[BLOCK_HIDDEN], p[BLOCK_HIDDEN], n * f);
    drop(b, p[BLOCK_HIDDEN], n * f, 1);
    linear(b, branch, p[BLOCK_HIDDEN], &b->weights->ffn2);
    drop(b, branch, n * d, 2);
    b->k->add(y, branch, n * d);
}

void block_forward(const struct block *b, float *y, const float *x)
{
    const size_t n = b->batch->n, d = b->model->config.dim;
    float *branch = b->scratch->part[BLOCK_BRANCH];
    linear(b, branch, attention_branch(b, x), &b->weights->out);
    drop(b, branch, n * d, 3);
    memcpy(y, x, n * d * sizeof(*y));
    b->k->add(y, branch, n * d);
    if (b->model->config.ffn_dim)
        feed_forward(b, y);
}

static void feed_forward_backward(const struct block *b, float *dx, float *grad)
{
    const struct model *m = b->model;
    const size_t n = b->batch->n, d = m->config.dim, f = m->config.ffn_dim;
    float *const *p = b->memory->part, *const *s = b->scratch->part;
    memcpy(s[BLOCK_DBRANCH], dx, n * d * sizeof(*dx));
    drop(b, s[BLOCK_DBRANCH], n * d, 2);
    linear_backward(b, s[BLOCK_DWIDE], grad, s[BLOCK_DBRANCH], p[BLOCK_HIDDEN],
                    &b->weights->ffn2);
    drop(b, s[BLOCK_DWIDE], n * f, 1);
    /* A hidden unit that dropout cleared has a zero gradient already. */
    b->k->relu_backward(s[BLOCK_DWIDE], s[BLOCK_DWIDE], p[BLOCK_HIDDEN], n * f);
    linear_backward(b, s[BLOCK_DBRANCH], grad, s[BLOCK_DWIDE], p[BLOCK_NORM2],
                    &b->weights->ffn1);
    b->k->norm_backward(dx, grad + b->weights->norm2.offset, s[BLOCK_DBRANCH],
                        p[BLOCK_MIDDLE], p[BLOCK_STAT2], model_at(m, &b->weights->norm2),
                        n, d);
}

/* branch holds d(U * LN(A V)) and becomes d(A V); dwide gets dU. */
static void gate_backward(const struct block *b, float *branch, float *grad)
{
    const struct model *m = b->model;
    const size_t n = b->batch->n, d = m->config.dim, w = width_of(&m->config);
    float *const *p = b->memory->part, *normed = b->scratch->part[BLOCK_DBRANCH];
    multiply_gate(b, b->scratch->part[BLOCK_DWIDE], w, p[BLOCK_NORMED], d, branch);
    multiply_gate(b, normed, d, p[BLOCK_ACTIVE], w, branch);
    memset(branch, 0, n * d * sizeof(*branch));
    b->k->norm_backward(branch, grad + b->weights->norm_attention.offset, normed,
                        p[BLOCK_ATTENDED], p[BLOCK_STAT_ATTENDED],
                        model_at(m, &b->weights->norm_attention), n, d);
}

void block_backward(const struct block *b, float *dx, const float *x, float *grad)
{
    const struct model *m = b->model;
    const size_t n = b->batch->n, d = m->config.dim, w = width_of(&m->config);
    float *const *p = b->memory->part, *const *s = b->scratch->part;
    if (m->config.ffn_dim)
        feed_forward_backward(b, dx, grad);
    memcpy(s[BLOCK_DBRANCH], dx, n * d * sizeof(*dx));
    drop(b, s[BLOCK_DBRANCH], n * d, 3);
    linear_backward(b, s[BLOCK_BRANCH], grad, s[BLOCK_DBRANCH],
                    p[m->config.gated ? BLOCK_GATED : BLOCK_ATTENDED], &b->weights->out);
    if (m->config.gated)
        gate_backward(b, s[BLOCK_BRANCH], grad);
    attend_backward(b, s[BLOCK_BRANCH], grad);
    if (m->config.gated)
        b->k->silu_backward(s[BLOCK_DWIDE], s[BLOCK_DWIDE], p[BLOCK_PROJECTED], n * w);
    linear_backward(b, s[BLOCK_DBRANCH], grad, s[BLOCK_DWIDE], p[BLOCK_NORM1],
                    &b->weights->in);
    b->k->norm_backward(dx, grad + b->weights->norm1.offset, s[BLOCK_DBRANCH], x,
                        p[BLOCK_STAT1], model_at(m, &b->weights->norm1), n, d);
}

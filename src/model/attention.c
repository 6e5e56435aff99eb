/* SPDX-License-Identifier: Apache-2.0 */
#include "model/attention.h"

#include <math.h>
#include <string.h>

size_t attention_work(const struct model_config *c)
{
    const size_t n = c->max_length;
    return n * (c->dim / c->heads) + 2 * ATTENTION_ROWS * n;
}

/* out (dh, n) */
static void transpose(float *out, const float *x, size_t n, size_t dh, size_t stride)
{
    for (size_t t = 0; t < n; t++)
        for (size_t j = 0; j < dh; j++)
            out[j * n + t] = x[t * stride + j];
}

void attention_bias_row(const struct attention *a, float *s, size_t t, float target_time)
{
    const size_t n = t + 1;
    a->k->scale(s, 1.0f / sqrtf((float)a->dh), n);
    if (a->bias_position)
        a->k->add(s, a->bias_position + a->config->max_length - n, n);
    for (size_t j = 0; a->bias_time && j < n; j++)
        s[j] += a->bias_time[model_time_bucket(target_time - a->time[j])];
}

void attention_weights_row(const struct attention *a, float *out, const float *s,
                           size_t t)
{
    const size_t n = t + 1;
    if (a->config->attention == MODEL_SILU) {
        a->k->silu_forward(out, s, n);
        a->k->scale(out, 1.0f / (float)a->config->max_length, n);
        return;
    }
    if (out != s)
        memcpy(out, s, n * sizeof(*s));
    a->k->softmax_row(out, n);
}

void attention_forward(const struct attention *a, float *o, size_t o_stride)
{
    const size_t n = a->n;
    const bool silu = a->config->attention == MODEL_SILU;
    float *key_t = a->work, *weights = a->work + a->config->max_length * a->dh;
    transpose(key_t, a->key, n, a->dh, a->stride);
    for (size_t r = 0; r < n; r += ATTENTION_ROWS) {
        const size_t rows = n - r < ATTENTION_ROWS ? n - r : ATTENTION_ROWS,
                     cols = r + rows;
        float *s = a->score + r * n;
        a->k->gemm(&(struct gemm){.m = rows,
                                  .n = cols,
                                  .k = a->dh,
                                  .a = a->q + r * a->stride,
                                  .a_row = a->stride,
                                  .a_col = 1,
                                  .b = key_t,
                                  .ldb = n,
                                  .c = s,
                                  .ldc = n});
        for (size_t t = r; t < cols; t++) {
            float *row = a->score + t * n, *w = silu ? weights + (t - r) * cols : row;
            attention_bias_row(a, row, t, a->target_time[t]);
            attention_weights_row(a, w, row, t);
            memset(w + t + 1, 0, (cols - t - 1) * sizeof(*w));
        }
        a->k->gemm(&(struct gemm){.m = rows,
                                  .n = a->dh,
                                  .k = cols,
                                  .a = silu ? weights : s,
                                  .a_row = silu ? cols : n,
                                  .a_col = 1,
                                  .b = a->value,
                                  .ldb = a->stride,
                                  .c = o + r * o_stride,
                                  .ldc = o_stride});
    }
}

/* ds[0..t] holds dA; becomes dS before the scale. */
static void weights_backward_row(const struct attention *a, float *ds, const float *row,
                                 size_t t)
{
    const size_t n = t + 1;
    if (a->config->attention == MODEL_SILU) {
        a->k->scale(ds, 1.0f / (float)a->config->max_length, n);
        a->k->silu_backward(ds, ds, row, n);
    } else {
        a->k->softmax_backward_row(ds, row, n);
    }
}

static void bias_backward_row(const struct attention *a,
                              const struct attention_gradient *g, const float *ds,
                              size_t t)
{
    const size_t n = t + 1;
    if (a->bias_position)
        a->k->add(g->dbias_position + a->config->max_length - n, ds, n);
    for (size_t j = 0; a->bias_time && j < n; j++)
        g->dbias_time[model_time_bucket(a->target_time[t] - a->time[j])] += ds[j];
}

/* One block of rows: ds (rows, cols) is ready, A stands in w (rows apart by w_row). */
static void products_backward(const struct attention *a,
                              const struct attention_gradient *g, size_t r, size_t rows,
                              const float *ds, const float *w, size_t w_row)
{
    const size_t cols = r + rows;
    a->k->gemm(&(struct gemm){.m = rows,
                              .n = a->dh,
                              .k = cols,
                              .a = ds,
                              .a_row = cols,
                              .a_col = 1,
                              .b = a->key,
                              .ldb = a->stride,
                              .c = g->dq + r * a->stride,
                              .ldc = a->stride});
    a->k->gemm(&(struct gemm){.m = cols,
                              .n = a->dh,
                              .k = rows,
                              .a = ds,
                              .a_row = 1,
                              .a_col = cols,
                              .b = a->q + r * a->stride,
                              .ldb = a->stride,
                              .c = g->dkey,
                              .ldc = a->stride,
                              .add = true});
    a->k->gemm(&(struct gemm){.m = cols,
                              .n = a->dh,
                              .k = rows,
                              .a = w,
                              .a_row = 1,
                              .a_col = w_row,
                              .b = g->d_o + r * g->o_stride,
                              .ldb = g->o_stride,
                              .c = g->dvalue,
                              .ldc = a->stride,
                              .add = true});
}

void attention_backward(const struct attention *a, const struct attention_gradient *g)
{
    const size_t n = a->n;
    const bool silu = a->config->attention == MODEL_SILU;
    const float scale = 1.0f / sqrtf((float)a->dh);
    float *value_t = a->work, *ds = a->work + a->config->max_length * a->dh;
    float *weights = ds + ATTENTION_ROWS * (size_t)a->config->max_length;
    transpose(value_t, a->value, n, a->dh, a->stride);
    for (size_t t = 0; t < n; t++) {
        memset(g->dkey + t * a->stride, 0, a->dh * sizeof(float));
        memset(g->dvalue + t * a->stride, 0, a->dh * sizeof(float));
    }
    for (size_t r = 0; r < n; r += ATTENTION_ROWS) {
        const size_t rows = n - r < ATTENTION_ROWS ? n - r : ATTENTION_ROWS,
                     cols = r + rows;
        a->k->gemm(&(struct gemm){.m = rows,
                                  .n = cols,
                                  .k = a->dh,
                                  .a = g->d_o + r * g->o_stride,
                                  .a_row = g->o_stride,
                                  .a_col = 1,
                                  .b = value_t,
                                  .ldb = n,
                                  .c = ds,
                                  .ldc = cols});
        for (size_t t = r; t < cols; t++) {
            float *row = ds + (t - r) * cols;
            if (silu) {
                float *w = weights + (t - r) * cols;
                attention_weights_row(a, w, a->score + t * n, t);
                memset(w + t + 1, 0, (cols - t - 1) * sizeof(*w));
            }
            weights_backward_row(a, row, a->score + t * n, t);
            bias_backward_row(a, g, row, t);
            a->k->scale(row, scale, t + 1);
            memset(row + t + 1, 0, (cols - t - 1) * sizeof(*row));
        }
        products_backward(a, g, r, rows, ds, silu ? weights : a->score + r * n,
                          silu ? cols : n);
    }
}

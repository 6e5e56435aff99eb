/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Full softmax, a few rows at a time so that the scores stay in the cache: scores, their
 * exponentials, then the gradients of rows and items from (p - 1[target]) * weight.
 */
#include "learn/loss.h"

/* As loss_softmax_row(), over the items that were seen: the others have exactly 0. */
static float seen_softmax_row(const struct loss_tables *t, float *score, size_t n,
                              size_t target, float weight, struct gradient *g)
{
    for (uint32_t i = 0; i < t->n_unseen; i++)
        score[t->unseen[i]] = -1e30f;
    const float factor = loss_softmax_row(t, score, n, target, weight, g);
    for (uint32_t i = 0; i < t->n_unseen; i++)
        score[t->unseen[i]] = 0;
    return factor;
}

static void full_float(const struct loss_tables *t, struct loss_scratch *s,
                       const uint32_t *target, size_t rows, const struct loss_rows *r,
                       struct gradient *g)
{
    const size_t d = t->model->config.dim, n = t->model->config.n_items;
    const float *vectors = loss_scored_vectors(t);
    t->k->gemm(&(struct gemm){.m = rows,
                              .n = n,
                              .k = d,
                              .a = s->h,
                              .a_row = d,
                              .a_col = 1,
                              .b = t->transposed,
                              .ldb = n,
                              .c = s->score,
                              .ldc = n});
    for (size_t i = 0; i < rows; i++) {
        float *row = s->score + i * n;
        t->k->scale(row, seen_softmax_row(t, row, n, target[i], r->weight, g), n);
    }
    t->k->gemm(&(struct gemm){.m = rows,
                              .n = d,
                              .k = n,
                              .a = s->score,
                              .a_row = n,
                              .a_col = 1,
                              .b = vectors,
                              .ldb = d,
                              .c = s->dh,
                              .ldc = d});
    t->k->gemm(&(struct gemm){.m = n,
                              .n = d,
                              .k = rows,
                              .a = s->score,
                              .a_row = 1,
                              .a_col = n,
                              .b = s->h,
                              .ldb = d,
                              .c = g->scored,
                              .ldc = d,
                              .add = true});
}

/* Rows [first, first + rows) of a chunk; first is even. */
static void bf16_rows(const struct loss_tables *t, struct loss_scratch *s,
                      const uint32_t *target, size_t first, size_t rows, float weight,
                      struct gradient *g)
{
    const size_t d = t->model->config.dim, n = t->model->config.n_items;
    const size_t half = (n + 1) / 2;
    t->bf16->gemm(&(struct gemm_pairs){.m = rows,
                                       .n = n,
                                       .k = d / 2,
                                       .a = s->h_along + first * d / 2,
                                       .a_row = d / 2,
                                       .a_col = 1,
                                       .b = t->along,
                                       .ldb = n,
                                       .c = s->score,
                                       .ldc = n});
    for (size_t i = 0; i < rows; i += 2) {
        float *row = s->score + i * n, factor[2] = {0, 0};
        const bool two = i + 1 < rows;
        factor[0] = seen_softmax_row(t, row, n, target[first + i], weight, g);
        if (two)
            factor[1] = seen_softmax_row(t, row + n, n, target[first + i + 1], weight, g);
        t->bf16->pairs_both(s->p_along + i * half, s->p_along + (i + 1) * half,
                            s->p_down + (first + i) / 2 * n, row, two ? row + n : NULL,
                            factor, n);
    }
    t->bf16->gemm(&(struct gemm_pairs){.m = rows,
                                       .n = d,
                                       .k = half,
                                       .a = s->p_along,
                                       .a_row = half,
                                       .a_col = 1,
                                       .b = t->down,
                                       .ldb = d,
                                       .c = s->dh + first * d,
                                       .ldc = d});
}

static void full_chunk(const struct loss_tables *t, struct loss_scratch *s,
                       const uint32_t *target, size_t rows, const struct loss_rows *r,
                       struct gradient *g)
{
    const size_t d = t->model->config.dim, n = t->model->config.n_items;
    if (!t->bf16) {
        full_float(t, s, target, rows, r, g);
        return;
    }
    t->bf16->pairs_along(s->h_along, s->h, rows, d);
    t->bf16->pairs_down(s->h_down, s->h, rows, d);
    for (size_t i = 0; i < rows; i += s->rows)
        bf16_rows(t, s, target, i, rows - i < s->rows ? rows - i : s->rows, r->weight, g);
    t->bf16->gemm(&(struct gemm_pairs){.m = n,
                                       .n = d,
                                       .k = (rows + 1) / 2,
                                       .a = s->p_down,
                                       .a_row = 1,
                                       .a_col = n,
                                       .b = s->h_down,
                                       .ldb = d,
                                       .c = g->scored,
                                       .ldc = d,
                                       .add = true});
}

const struct loss_kind loss_full = {.chunk = full_chunk};

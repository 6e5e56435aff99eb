/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/validate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "learn/held_out.h"

enum { CASES_A_TASK = 256, ITEMS_A_BLOCK = 4096, LINE_FLOATS = 16 };

int validation_init(struct validation *v, const struct train_data *data)
{
    const struct history *h = data->history;
    uint64_t total = 0;
    *v = (struct validation){.data = data};
    for (uint32_t u = 0; u < h->n_users; u++)
        if (held_out_chooses(u))
            total += h->start[u + 1] - data->train_end[u];
    const uint64_t step = total / VALIDATE_CASES + 1;
    v->at = malloc((total / step + 1) * sizeof(*v->at));
    v->start = malloc((total / step + 1) * sizeof(*v->start));
    if (!v->at || !v->start) {
        validation_release(v);
        return PENCHANT_ENOMEM;
    }
    uint64_t number = 0;
    for (uint32_t u = 0; u < h->n_users; u++)
        for (uint64_t e = data->train_end[u]; held_out_chooses(u) && e < h->start[u + 1];
             e++)
            if (number++ % step == 0 && e > h->start[u]) {
                v->start[v->n] = h->start[u];
                v->at[v->n++] = e;
            }
    return PENCHANT_OK;
}

void validation_release(struct validation *v)
{
    free(v->at);
    free(v->start);
    *v = (struct validation){0};
}

/* Scores are made for a block of items at a time, so that memory does not grow with
   both. */
struct ranking {
    const struct validation *v;
    const struct model *m;
    const float *query;   /* (n, d) */
    const float *vectors; /* (n_items, d) as scores use them */
    float *work;          /* (threads, work_floats) */
    double *gain;         /* (n) */
    uint32_t threads;
};

static size_t work_floats(const struct model *m)
{
    return (size_t)ITEMS_A_BLOCK * m->config.dim + (size_t)CASES_A_TASK * ITEMS_A_BLOCK;
}

/* out (d, items) from rows (items, d), a line of the cache at a time */
static void transpose(float *out, const float *rows, size_t items, size_t d)
{
    for (size_t first = 0; first < items; first += LINE_FLOATS) {
        const size_t end = first + LINE_FLOATS < items ? first + LINE_FLOATS : items;
        for (size_t j = 0; j < d; j++)
            for (size_t i = first; i < end; i++)
                out[j * items + i] = rows[i * d + j];
    }
}

static float score_of(const struct ranking *r, size_t c, uint32_t item)
{
    const size_t d = r->m->config.dim;
    float score;
    /* As an element of the product that ranks it, so that it equals itself there. */
    kernels_get()->gemm(&(struct gemm){.m = 1,
                                       .n = 1,
                                       .k = d,
                                       .a = r->query + c * d,
                                       .a_row = d,
                                       .a_col = 1,
                                       .b = r->vectors + item * d,
                                       .ldb = 1,
                                       .c = &score,
                                       .ldc = 1});
    return score;
}

/* How many items of the block [first, first + items) are at least as good as the target;
   seen ones do not count when they are excluded. */
static uint32_t count_block(const struct ranking *r, float *score, size_t c, float mine,
                            uint32_t first, uint32_t items)
{
    const struct history *h = r->v->data->history;
    const uint64_t at = r->v->at[c];
    const uint32_t target = h->item[at] - first;
    if (r->v->data->exclude_seen)
        for (uint64_t e = r->v->start[c]; e < at; e++)
            if (h->item[e] - first < items)
                score[h->item[e] - first] = -INFINITY;
    if (target < items)
        score[target] = -INFINITY;
    return items - (uint32_t)kernels_get()->count_below(score, mine, items);
}

static void rank_task(void *arg, uint32_t task)
{
    const struct ranking *r = arg;
    const uint32_t d = r->m->config.dim, n = r->m->config.n_items;
    const size_t first = (size_t)task * CASES_A_TASK, left = r->v->n - first;
    const size_t cases = left < CASES_A_TASK ? left : CASES_A_TASK;
    float *transposed = r->work + (task % r->threads) * work_floats(r->m);
    float *score = transposed + (size_t)ITEMS_A_BLOCK * d, mine[CASES_A_TASK];
    uint32_t rank[CASES_A_TASK] = {0};
    for (size_t c = 0; c < cases; c++)
        mine[c] = score_of(r, first + c, r->v->data->history->item[r->v->at[first + c]]);
    for (uint32_t i = 0; i < n; i += ITEMS_A_BLOCK) {
        const uint32_t items = n - i < ITEMS_A_BLOCK ? n - i : ITEMS_A_BLOCK;
        transpose(transposed, r->vectors + (size_t)i * d, items, d);
        kernels_get()->gemm(&(struct gemm){.m = cases,
                                           .n = items,
                                           .k = d,
                                           .a = r->query + first * d,
                                           .a_row = d,
                                           .a_col = 1,
                                           .b = transposed,
                                           .ldb = items,
                                           .c = score,
                                           .ldc = items});
        for (size_t c = 0; c < cases; c++)
            rank[c] += count_block(r, score + c * items, first + c, mine[c], i, items);
    }
    for (size_t c = 0; c < cases; c++)
        r->gain[first + c] = rank[c] < 10 ? 1 / log2(rank[c] + 2.0) : 0;
}

int validation_gains(const struct validation *v, const struct model *m, struct pool *pool,
                     double *gain)
{
    const size_t d = m->config.dim, n = m->config.n_items;
    struct ranking r = {.v = v, .m = m, .gain = gain, .threads = pool_threads(pool)};
    const bool plain = model_items_plain(m) && !m->config.normalise;
    float *query = malloc((v->n + 1) * d * sizeof(*query));
    float *made = plain ? NULL : malloc(n * d * sizeof(*made));
    r.work = malloc(r.threads * work_floats(m) * sizeof(*r.work));
    int status = query && (plain || made) && r.work ? PENCHANT_OK : PENCHANT_ENOMEM;
    if (status == PENCHANT_OK)
        status = train_vectors(m, v->data->history, v->at, v->n, pool, query);
    if (status == PENCHANT_OK) {
        if (made)
            model_item_vectors(m, made);
        r.query = query;
        r.vectors = plain ? model_at(m, &m->item) : made;
        pool_run(pool, rank_task, &r,
                 (uint32_t)((v->n + CASES_A_TASK - 1) / CASES_A_TASK));
    }
    free(query);
    free(made);
    free(r.work);
    return status;
}

int validation_ndcg10(const struct validation *v, const struct model *m,
                      struct pool *pool, double *ndcg)
{
    double *gain = calloc(v->n + 1, sizeof(*gain));
    const int status = gain ? validation_gains(v, m, pool, gain) : PENCHANT_ENOMEM;
    if (status == PENCHANT_OK) {
        *ndcg = 0;
        for (size_t c = 0; c < v->n; c++)
            *ndcg += gain[c] / (double)v->n;
    }
    free(gain);
    return status;
}

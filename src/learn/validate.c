/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/validate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"

enum { CASES_A_TASK = 64 };

int validation_init(struct validation *v, const struct train_data *data)
{
    const struct history *h = data->history;
    uint64_t total = 0;
    *v = (struct validation){.data = data};
    for (uint32_t u = 0; u < h->n_users; u++)
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
        for (uint64_t e = data->train_end[u]; e < h->start[u + 1]; e++)
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

struct ranking {
    const struct validation *v;
    const struct model *m;
    const float *query;      /* (n, d) */
    const float *transposed; /* (d, n_items) */
    float *score;            /* (threads, CASES_A_TASK, n_items) */
    double *gain;            /* (n) */
    uint32_t threads;
};

/* How many other items are at least as good; seen ones do not count when they are
 * excluded. */
static uint32_t rank_of(const struct ranking *r, float *score, size_t c)
{
    const struct history *h = r->v->data->history;
    const uint64_t at = r->v->at[c];
    const uint32_t target = h->item[at], n = r->m->config.n_items;
    const float mine = score[target];
    if (r->v->data->exclude_seen)
        for (uint64_t e = r->v->start[c]; e < at; e++)
            score[h->item[e]] = -INFINITY;
    score[target] = mine;
    uint32_t rank = 0;
    for (uint32_t i = 0; i < n; i++)
        rank += !(score[i] < mine);
    return rank - 1;
}

static void rank_task(void *arg, uint32_t task)
{
    const struct ranking *r = arg;
    const size_t d = r->m->config.dim, n = r->m->config.n_items;
    const size_t first = (size_t)task * CASES_A_TASK;
    const size_t left = r->v->n - first,
                 cases = left < CASES_A_TASK ? left : CASES_A_TASK;
    float *score = r->score + (task % r->threads) * CASES_A_TASK * n;
    kernels_get()->gemm(&(struct gemm){.m = cases,
                                       .n = n,
                                       .k = d,
                                       .a = r->query + first * d,
                                       .a_row = d,
                                       .a_col = 1,
                                       .b = r->transposed,
                                       .ldb = n,
                                       .c = score,
                                       .ldc = n});
    for (size_t c = 0; c < cases; c++) {
        const uint32_t rank = rank_of(r, score + c * n, first + c);
        r->gain[first + c] = rank < 10 ? 1 / log2(rank + 2.0) : 0;
    }
}

/* (d, n_items) of the vectors as scores use them; the caller's to free */
static float *transposed_vectors(const struct model *m)
{
    const size_t n = m->config.n_items, d = m->config.dim;
    float *rows = malloc(n * d * sizeof(*rows)), *t = malloc(n * d * sizeof(*t));
    if (rows && t) {
        model_item_vectors(m, rows);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < d; j++)
                t[j * n + i] = rows[i * d + j];
    } else {
        free(t);
        t = NULL;
    }
    free(rows);
    return t;
}

int validation_ndcg10(const struct validation *v, const struct model *m,
                      struct pool *pool, double *ndcg)
{
    const size_t d = m->config.dim, n = m->config.n_items;
    struct ranking r = {.v = v, .m = m, .threads = pool_threads(pool)};
    float *query = malloc((v->n + 1) * d * sizeof(*query));
    float *transposed = transposed_vectors(m);
    r.gain = calloc(v->n + 1, sizeof(*r.gain));
    r.score = malloc(r.threads * CASES_A_TASK * n * sizeof(*r.score));
    int status = query && transposed && r.gain && r.score ? PENCHANT_OK : PENCHANT_ENOMEM;
    if (status == PENCHANT_OK)
        status = train_vectors(m, v->data->history, v->at, v->n, pool, query);
    if (status == PENCHANT_OK) {
        r.query = query;
        r.transposed = transposed;
        pool_run(pool, rank_task, &r,
                 (uint32_t)((v->n + CASES_A_TASK - 1) / CASES_A_TASK));
        *ndcg = 0;
        for (size_t c = 0; c < v->n; c++)
            *ndcg += r.gain[c] / (double)v->n;
    }
    free(query);
    free(transposed);
    free(r.gain);
    free(r.score);
    return status;
}

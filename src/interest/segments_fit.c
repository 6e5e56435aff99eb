/* SPDX-License-Identifier: Apache-2.0 */
/* k-means on directions; segments_choose.c says how many. */
#include "interest/segments_fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/kernels.h"

enum { STARTS = 4, ITERATIONS = 20, LAST_ITERATIONS = 3, BLOCK = 256 };

/* ---- the nearest of n centres, for many rows ---- */

struct nearest {
    const float *row;      /* (.., dim) */
    const uint32_t *index; /* (n_rows) which rows; NULL: 0, 1, .. */
    uint32_t n_rows, n, dim;
    float *across; /* (dim, n) the centres, transposed */
    float *score;  /* (threads, BLOCK, n) */
    float *packed; /* (threads, BLOCK, dim) */
    uint32_t threads;
    uint8_t *segment; /* (n_rows) */
    float *cosine;    /* (n_rows) */
};

static int nearest_init(struct nearest *w, uint32_t n, uint32_t dim, struct pool *pool)
{
    w->n = n;
    w->dim = dim;
    w->threads = pool_threads(pool);
    w->across = malloc((size_t)dim * n * sizeof *w->across);
    w->score = malloc((size_t)w->threads * BLOCK * n * sizeof *w->score);
    w->packed = malloc((size_t)w->threads * BLOCK * dim * sizeof *w->packed);
    return w->across && w->score && w->packed ? PENCHANT_OK : PENCHANT_ENOMEM;
}

static void nearest_release(struct nearest *w)
{
    free(w->across);
    free(w->score);
    free(w->packed);
}

static const float *row_at(const struct nearest *w, uint32_t i)
{
    return w->row + (size_t)(w->index ? w->index[i] : i) * w->dim;
}

static void nearest_block(void *arg, uint32_t block)
{
    const struct nearest *w = arg;
    const uint32_t thread = block % w->threads, from = block * (uint32_t)BLOCK;
    const uint32_t rows = w->n_rows - from < BLOCK ? w->n_rows - from : BLOCK;
    float *score = w->score + (size_t)thread * BLOCK * w->n;
    float *packed = w->packed + (size_t)thread * BLOCK * w->dim;
    for (uint32_t i = 0; i < rows; i++)
        memcpy(packed + (size_t)i * w->dim, row_at(w, from + i), w->dim * sizeof *packed);
    const struct gemm g = {.m = rows,
                           .n = w->n,
                           .k = w->dim,
                           .a = packed,
                           .a_row = w->dim,
                           .a_col = 1,
                           .b = w->across,
                           .ldb = w->n,
                           .c = score,
                           .ldc = w->n};
    kernels_get()->gemm(&g);
    for (uint32_t i = 0; i < rows; i++) {
        const float *s = score + (size_t)i * w->n;
        uint32_t best = 0;
        for (uint32_t k = 1; k < w->n; k++)
            if (s[k] > s[best])
                best = k;
        w->segment[from + i] = (uint8_t)best;
        w->cosine[from + i] = s[best];
    }
}

static void find_nearest(struct nearest *w, const float *centre, struct pool *pool)
{
    for (uint32_t k = 0; k < w->n; k++)
        for (uint32_t j = 0; j < w->dim; j++)
            w->across[(size_t)j * w->n + k] = centre[(size_t)k * w->dim + j];
    pool_run(pool, nearest_block, w, (w->n_rows + BLOCK - 1) / BLOCK);
}

/* ---- k-means ---- */

struct means {
    struct nearest near;
    struct pool *pool;
    float *centre;  /* (n, dim) */
    double *sum;    /* (n, dim) */
    uint32_t *size; /* (n) */
    double *far;    /* (n_rows) squared distance to the nearest start */
};

static int means_init(struct means *m, const float *row, const uint32_t *index,
                      uint32_t n_rows, uint32_t n, uint32_t dim, struct pool *pool)
{
    *m = (struct means){.near = {.row = row, .index = index, .n_rows = n_rows},
                        .pool = pool};
    m->centre = calloc((size_t)n * dim, sizeof *m->centre);
    m->sum = malloc((size_t)n * dim * sizeof *m->sum);
    m->size = malloc(n * sizeof *m->size);
    m->far = malloc((n_rows + (size_t)1) * sizeof *m->far);
    m->near.segment = malloc(n_rows + (size_t)1);
    m->near.cosine = malloc((n_rows + (size_t)1) * sizeof *m->near.cosine);
    return nearest_init(&m->near, n, dim, pool) || !m->centre || !m->sum || !m->size ||
                   !m->far || !m->near.segment || !m->near.cosine
               ? PENCHANT_ENOMEM
               : PENCHANT_OK;
}

static void means_release(struct means *m)
{
    nearest_release(&m->near);
    free(m->near.segment);
    free(m->near.cosine);
    free(m->centre);
    free(m->sum);
    free(m->size);
    free(m->far);
}

static void set_centre(struct means *m, uint32_t k, uint32_t row)
{
    memcpy(m->centre + (size_t)k * m->near.dim, row_at(&m->near, row),
           m->near.dim * sizeof *m->centre);
}

/* k-means++: each next start is a row drawn by its squared distance, 2 - 2 cos, to the
   starts before it. Rows that are all taken leave fewer starts: returns how many. */
static uint32_t start(struct means *m, struct rng *rng)
{
    const struct nearest *w = &m->near;
    double total = 0;
    uint32_t chosen = rng_below(rng, w->n_rows), n = 0;
    for (uint32_t i = 0; i < w->n_rows; i++)
        m->far[i] = 4;
    for (;;) {
        set_centre(m, n++, chosen);
        const float *c = m->centre + (size_t)(n - 1) * w->dim;
        total = 0;
        for (uint32_t i = 0; i < w->n_rows; i++) {
            const float cosine = kernels_get()->dot(c, row_at(w, i), w->dim);
            m->far[i] = fmin(m->far[i], fmax(0, 2 - 2 * (double)cosine));
            m->far[i] = m->far[i] > 1e-6 ? m->far[i] : 0;
            total += m->far[i];
        }
        if (n == w->n || !(total > 0))
            return n;
        double left = rng_double(rng) * total;
        uint32_t last = 0;
        for (uint32_t i = 0; i < w->n_rows && left >= 0; i++)
            if (m->far[i] > 0) {
                last = i;
                left -= m->far[i];
            }
        chosen = last;
    }
}

/* The row that is worst served becomes the centre of a segment that nobody is in. */
static void refill(struct means *m, uint32_t k)
{
    uint32_t worst = 0;
    for (uint32_t i = 1; i < m->near.n_rows; i++)
        if (m->near.cosine[i] < m->near.cosine[worst])
            worst = i;
    m->near.cosine[worst] = 2; /* taken */
    set_centre(m, k, worst);
}

/* One of Lloyd's steps; the mean cosine before it. *moved: rows that changed segment. */
static double step(struct means *m, uint8_t *before, uint32_t *moved)
{
    struct nearest *w = &m->near;
    find_nearest(w, m->centre, m->pool);
    memset(m->sum, 0, (size_t)w->n * w->dim * sizeof *m->sum);
    memset(m->size, 0, w->n * sizeof *m->size);
    double total = 0;
    *moved = 0;
    for (uint32_t i = 0; i < w->n_rows; i++) {
        const float *x = row_at(w, i);
        double *s = m->sum + (size_t)w->segment[i] * w->dim;
        for (uint32_t j = 0; j < w->dim; j++)
            s[j] += (double)x[j];
        m->size[w->segment[i]]++;
        total += (double)w->cosine[i];
        *moved += before[i] != w->segment[i];
        before[i] = w->segment[i];
    }
    for (uint32_t k = 0; k < w->n; k++) {
        const double *s = m->sum + (size_t)k * w->dim;
        double square = 0;
        for (uint32_t j = 0; j < w->dim; j++)
            square += s[j] * s[j];
        if (!m->size[k] || !(square > 1e-20)) {
            refill(m, k);
            continue;
        }
        for (uint32_t j = 0; j < w->dim; j++)
            m->centre[(size_t)k * w->dim + j] = (float)(s[j] / sqrt(square));
    }
    return total / w->n_rows;
}

/* Lloyd's steps until they change nothing; the mean cosine that was reached. */
static double settle(struct means *m, uint8_t *before, int most)
{
    double cosine = 0;
    uint32_t moved = 1;
    memset(before, SEGMENT_NONE, m->near.n_rows);
    for (int i = 0; i < most && moved; i++)
        cosine = step(m, before, &moved);
    return cosine;
}

/* ---- the whole ---- */

/* Up to `most` users who have a vector, by reservoir sampling; NULL: no memory. */
static uint32_t *sample(const struct segments_data *d, uint32_t most, struct rng *rng,
                        uint32_t *n)
{
    uint32_t *chosen = malloc((most + (size_t)1) * sizeof *chosen);
    uint32_t seen = 0;
    *n = 0;
    for (uint32_t u = 0; chosen && u < d->n_users; u++) {
        const float *z = d->vector + (size_t)u * d->dim;
        if (!(kernels_get()->dot(z, z, d->dim) > 0.5F))
            continue;
        seen++;
        const uint32_t at = *n < most ? (*n)++ : rng_below(rng, seen);
        if (at < most)
            chosen[at] = u;
    }
    return chosen;
}

/* Several starts on the rows; the best one's centres stand in m->centre. */
static int best_start(struct means *m, struct rng *rng)
{
    const size_t floats = (size_t)m->near.n * m->near.dim;
    float *best = malloc(floats * sizeof *best);
    uint8_t *before = malloc(m->near.n_rows + (size_t)1);
    const int status = best && before ? PENCHANT_OK : PENCHANT_ENOMEM;
    double reached = -2;
    uint32_t best_n = 0;
    for (int i = 0; status == PENCHANT_OK && i < STARTS; i++) {
        const uint32_t n = start(m, rng);
        m->near.n = n; /* fewer when fewer rows differ */
        const double cosine = settle(m, before, ITERATIONS);
        if (cosine > reached) {
            reached = cosine;
            best_n = n;
            memcpy(best, m->centre, (size_t)n * m->near.dim * sizeof *best);
        }
    }
    m->near.n = best_n;
    if (status == PENCHANT_OK)
        memcpy(m->centre, best, (size_t)best_n * m->near.dim * sizeof *best);
    free(best);
    free(before);
    return status;
}

/* A few steps over everybody from the centres of the sample. */
static int finish(struct segments_found *out, const struct means *from,
                  const struct segments_data *d, const uint32_t *row, uint32_t n_rows)
{
    struct means all;
    uint8_t *before = malloc(n_rows + (size_t)1);
    int status =
        means_init(&all, d->vector, row, n_rows, from->near.n, d->dim, from->pool);
    if (status == PENCHANT_OK && before) {
        memcpy(all.centre, from->centre, (size_t)from->near.n * d->dim * sizeof(float));
        out->cohesion = settle(&all, before, LAST_ITERATIONS);
        find_nearest(&all.near, all.centre, all.pool);
        out->n = from->near.n;
        for (uint32_t i = 0; i < n_rows; i++)
            out->updates[all.near.segment[i]]++;
        out->centre = all.centre;
        all.centre = NULL;
    }
    means_release(&all);
    status = before ? status : PENCHANT_ENOMEM;
    free(before);
    return status;
}

int segments_find(struct segments_found *out, const struct segments_data *d, uint32_t n,
                  uint64_t seed, struct pool *pool)
{
    struct rng rng;
    struct means m = {0};
    uint32_t n_rows = 0, n_all = 0;
    *out = (struct segments_found){0};
    rng_init(&rng, seed, n);
    uint32_t *row = sample(d, SEGMENTS_SAMPLE, &rng, &n_rows);
    uint32_t *all = sample(d, d->n_users, &rng, &n_all); /* everybody: draws nothing */
    int status = row && all ? PENCHANT_OK : PENCHANT_ENOMEM;
    if (status == PENCHANT_OK && n_rows) {
        n = n < n_rows ? n : n_rows;
        status = means_init(&m, d->vector, row, n_rows, n, d->dim, pool);
        if (status == PENCHANT_OK)
            status = best_start(&m, &rng);
        if (status == PENCHANT_OK)
            status = finish(out, &m, d, all, n_all);
    }
    means_release(&m);
    free(row);
    free(all);
    return status;
}

int segments_assign(const struct segments_found *f, const struct segments_data *d,
                    struct pool *pool, uint8_t *segment)
{
    struct nearest w = {.row = d->vector, .n_rows = d->n_users, .segment = segment};
    w.cosine = malloc((d->n_users + (size_t)1) * sizeof *w.cosine);
    int status = w.cosine ? PENCHANT_OK : PENCHANT_ENOMEM;
    if (status == PENCHANT_OK)
        status = nearest_init(&w, f->n, d->dim, pool);
    if (status == PENCHANT_OK)
        find_nearest(&w, f->centre, pool);
    for (uint32_t u = 0; status == PENCHANT_OK && u < d->n_users; u++) {
        const float *z = d->vector + (size_t)u * d->dim;
        if (!(kernels_get()->dot(z, z, d->dim) > 0.5F))
            segment[u] = SEGMENT_NONE;
    }
    nearest_release(&w);
    free(w.cosine);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "model/item_content.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/kernels.h"

/* ---- the map -------------------------------------------------------------------- */

enum {
    MOST_ROWS = 16384,     /* of the catalogue that a map is made from */
    MOST_FLOATS = 1 << 24, /* and their numbers */
    ITERATIONS = 6
};

static const uint64_t map_seed = 0xC0D7E47;

/* Rows (n, d) become orthonormal by Gram and Schmidt, each row against those before it,
   twice so that rounding does not bring them back. A row without a direction of its own
   becomes zero. */
static void orthonormalise(float *rows, size_t n, size_t d)
{
    const struct kernels *k = kernels_get();
    for (size_t i = 0; i < n; i++) {
        float *row = rows + i * d;
        const float before = sqrtf(k->dot(row, row, d));
        for (int twice = 0; twice < 2; twice++)
            for (size_t j = 0; j < i; j++)
                k->add_scaled(row, rows + j * d, -k->dot(row, rows + j * d, d), d);
        const float left = sqrtf(k->dot(row, row, d));
        k->scale(row, left > 1e-4f * before ? 1.0f / left : 0.0f, d);
    }
}

static void transpose(float *out, const float *in, size_t rows, size_t cols)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            out[j * rows + i] = in[i * cols + j];
}

/* One step of the iteration: map (space, d) becomes Z'Z map, by y (n, d). */
static void multiply(float *map, float *y, const float *z, size_t n, size_t space,
                     size_t d)
{
    const struct kernels *k = kernels_get();
    k->gemm(&(struct gemm){.m = n,
                           .n = d,
                           .k = space,
                           .a = z,
                           .a_row = space,
                           .a_col = 1,
                           .b = map,
                           .ldb = d,
                           .c = y,
                           .ldc = d});
    k->gemm(&(struct gemm){.m = space,
                           .n = d,
                           .k = n,
                           .a = z,
                           .a_row = 1,
                           .a_col = space,
                           .b = y,
                           .ldb = d,
                           .c = map,
                           .ldc = d});
}

/* The leading directions of z, which has more dimensions than the model. */
static int narrow(struct model *m, const float *z, struct penchant_error *err)
{
    const size_t space = m->config.content, d = m->config.dim, all = m->config.n_items;
    size_t most = MOST_FLOATS / space < MOST_ROWS ? MOST_FLOATS / space : MOST_ROWS;
    const size_t n = all < most ? all : most;
    float *rows = malloc(n * space * sizeof(*rows)), *y = malloc(n * d * sizeof(*y));
    float *across = malloc(space * d * sizeof(*across));
    if (rows && y && across) {
        for (size_t i = 0; i < n; i++)
            memcpy(rows + i * space, z + i * all / n * space, space * sizeof(*rows));
        for (int i = 0; i < ITERATIONS; i++) {
            multiply(m->content_map, y, rows, n, space, d);
            transpose(across, m->content_map, space, d);
            orthonormalise(across, d, space);
            transpose(m->content_map, across, d, space);
        }
    }
    const bool done = rows && y && across;
    free(rows);
    free(y);
    free(across);
    return done ? PENCHANT_OK : error_memory(err);
}

int item_content_fit(struct model *m, const float *z, struct penchant_error *err)
{
    const size_t space = m->config.content, d = m->config.dim;
    struct rng rng;
    rng_init(&rng, map_seed, 1);
    for (size_t i = 0; i < space * d; i++)
        m->content_map[i] = rng_normal(&rng);
    if (space <= d)
        orthonormalise(m->content_map, space, d);
    const int status = space > d ? narrow(m, z, err) : PENCHANT_OK;
    if (status == PENCHANT_OK)
        item_content_set(m, z);
    return status;
}

/* ---- vectors -------------------------------------------------------------------- */

static bool says_nothing(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (x[i] != 0)
            return false;
    return true;
}

bool item_content_vector(const struct model *m, const float *z, float *c)
{
    const struct kernels *k = kernels_get();
    const size_t space = m->config.content, d = m->config.dim;
    memset(c, 0, d * sizeof(*c));
    for (size_t i = 0; i < space; i++)
        if (z[i] != 0)
            k->add_scaled(c, m->content_map + i * d, z[i], d);
    const float square = k->dot(c, c, d);
    if (!(square > 1e-12f)) {
        memset(c, 0, d * sizeof(*c));
        return false;
    }
    k->scale(c, 1.0f / sqrtf(square), d);
    return true;
}

void item_content_set(struct model *m, const float *z)
{
    const size_t d = m->config.dim;
    for (size_t i = 0; i < m->config.n_items; i++)
        item_content_vector(m, z + i * m->config.content, m->content + i * d);
}

bool item_content_has(const struct model *m, uint32_t i)
{
    const size_t d = m->config.dim;
    return m->content && !says_nothing(m->content + i * d, d);
}

void item_content_unseen(const struct model *m, uint32_t i, float *scored)
{
    const size_t d = m->config.dim;
    if (!item_content_has(m, i)) {
        memset(scored, 0, d * sizeof(*scored));
        return;
    }
    memcpy(scored, m->content + i * d, d * sizeof(*scored));
    if (m->attr_start)
        model_add_attributes(m, m->attr + m->attr_start[i],
                             m->attr_start[i + 1] - m->attr_start[i], scored);
    model_scale_scored(m, scored);
}

void item_content_bound(struct model *m, uint32_t i)
{
    const struct kernels *k = kernels_get();
    const size_t d = m->config.dim;
    float *row = m->param + m->item.offset + i * d;
    const float square = k->dot(row, row, d);
    if (square > MODEL_DELTA * MODEL_DELTA && item_content_has(m, i))
        k->scale(row, MODEL_DELTA / sqrtf(square), d);
}

bool item_content_new_item(const struct model *m, const float *z, const uint32_t *attr,
                           uint32_t n_attr, float *token, float *scored)
{
    const size_t d = m->config.dim;
    if (!m->content || !item_content_vector(m, z, token)) {
        memset(token, 0, d * sizeof(*token));
        memset(scored, 0, d * sizeof(*scored));
        return false;
    }
    model_add_attributes(m, attr, n_attr, token);
    memcpy(scored, token, d * sizeof(*scored));
    model_scale_scored(m, scored);
    return true;
}

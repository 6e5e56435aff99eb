/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/gradient.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int gradient_init(struct gradient *g, const struct model *m, bool whole)
{
    const size_t table = (size_t)m->config.n_items * m->config.dim * sizeof(float);
    *g = (struct gradient){.k = kernels_get(), .dim = m->config.dim};
    g->n_dense = m->item.offset;
    g->n_items = m->config.n_items;
    g->dense = malloc(g->n_dense * sizeof(float));
    if (whole) {
        g->item = malloc(table);
        g->scored = m->config.normalise ? malloc(table) : g->item;
    } else {
        g->slot = calloc(g->n_items, sizeof(*g->slot));
    }
    if (g->dense && (whole ? g->item && g->scored : g->slot != NULL)) {
        gradient_clear(g);
        return PENCHANT_OK;
    }
    gradient_release(g);
    return PENCHANT_ENOMEM;
}

void gradient_release(struct gradient *g)
{
    if (g->scored != g->item)
        free(g->scored);
    free(g->item);
    free(g->dense);
    free(g->row);
    free(g->slot);
    free(g->value);
    *g = (struct gradient){0};
}

void gradient_clear(struct gradient *g)
{
    memset(g->dense, 0, g->n_dense * sizeof(float));
    if (g->item)
        memset(g->item, 0, g->n_items * g->dim * sizeof(float));
    if (g->scored != g->item)
        memset(g->scored, 0, g->n_items * g->dim * sizeof(float));
    for (uint32_t i = 0; i < g->n_rows; i++)
        g->slot[g->row[i]] = 0;
    g->n_rows = 0;
    g->loss = 0;
    g->targets = 0;
    g->failed = false;
}

static int more_rows(struct gradient *g)
{
    const uint32_t cap = g->cap_rows ? 2 * g->cap_rows : 1024;
    uint32_t *row = realloc(g->row, cap * sizeof(*row));
    if (row)
        g->row = row;
    float *value = realloc(g->value, (size_t)cap * g->dim * sizeof(*value));
    if (value)
        g->value = value;
    if (!row || !value)
        return -1;
    g->cap_rows = cap;
    return 0;
}

float *gradient_row(struct gradient *g, uint32_t i)
{
    if (g->item)
        return g->item + i * g->dim;
    if (!g->slot[i]) {
        if (g->n_rows == g->cap_rows && more_rows(g) != 0) {
            g->failed = true;
            return g->dense; /* somewhere harmless: the step is void */
        }
        memset(g->value + g->n_rows * g->dim, 0, g->dim * sizeof(float));
        g->row[g->n_rows] = i;
        g->slot[i] = ++g->n_rows;
    }
    return g->value + (g->slot[i] - 1) * g->dim;
}

static void merge_share(const struct gradient *g, float *to, const float *from, size_t n,
                        uint32_t part, uint32_t parts)
{
    const size_t first = n * part / parts, end = n * (part + 1) / parts;
    g->k->add(to + first, from + first, end - first);
}

void gradient_merge(struct gradient *to, const struct gradient *from, uint32_t part,
                    uint32_t parts)
{
    merge_share(to, to->dense, from->dense, to->n_dense, part, parts);
    if (to->item) {
        const size_t n = to->n_items * to->dim;
        merge_share(to, to->item, from->item, n, part, parts);
        if (to->scored != to->item)
            merge_share(to, to->scored, from->scored, n, part, parts);
    }
    if (part != 0)
        return;
    for (uint32_t i = 0; i < from->n_rows; i++)
        to->k->add(gradient_row(to, from->row[i]), from->value + i * to->dim, to->dim);
    to->loss += from->loss;
    to->targets += from->targets;
    to->failed |= from->failed;
}

void gradient_unit_backward(const struct kernels *k, float *dx, const float *dy,
                            const float *x, float factor, size_t d)
{
    const float scale = model_unit_scale(x, d);
    k->add_scaled(dx, dy, scale * factor, d);
    k->add_scaled(dx, x, -scale * scale * scale * factor * k->dot(dy, x, d), d);
}

static void share_attributes(struct gradient *g, const struct model *m, uint32_t i,
                             const float *row)
{
    const uint32_t first = m->attr_start[i], end = m->attr_start[i + 1];
    for (uint32_t a = first; a < end; a++)
        g->k->add_scaled(g->dense + m->attribute.offset + m->attr[a] * g->dim, row,
                         model_attribute_weight(end - first), g->dim);
}

void gradient_finish(struct gradient *g, const struct model *m)
{
    float vector[1024]; /* dim is at most this, see model.c */
    if (g->item && g->scored != g->item)
        for (uint32_t i = 0; i < g->n_items; i++) {
            model_item_vector(m, i, vector);
            gradient_unit_backward(g->k, g->item + i * g->dim, g->scored + i * g->dim,
                                   vector, 1.0f / m->config.temperature, g->dim);
        }
    if (!m->attr_start)
        return;
    if (g->item)
        for (uint32_t i = 0; i < g->n_items; i++)
            share_attributes(g, m, i, g->item + i * g->dim);
    else
        for (uint32_t i = 0; i < g->n_rows; i++)
            share_attributes(g, m, g->row[i], g->value + i * g->dim);
}

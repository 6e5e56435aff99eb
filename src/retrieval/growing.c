/* SPDX-License-Identifier: Apache-2.0 */
#include "retrieval/growing.h"

#include <stdlib.h>
#include <string.h>

enum {
    LEAST_ROWS = 1024, /* so few are looked through without an index */
    PART = 16          /* an index may miss so much of all */
};

void growing_init(struct growing *g, uint32_t dim)
{
    *g = (struct growing){.dim = dim};
}

void growing_release(struct growing *g)
{
    topk_index_free(g->index);
    free(g->indexed);
    free(g->rows);
    growing_init(g, 0);
}

static int make_room(struct growing *g, uint32_t n)
{
    if (n <= g->cap)
        return PENCHANT_OK;
    uint64_t cap = g->cap ? g->cap : 256;
    while (cap < n)
        cap += cap / 2;
    float *rows =
        cap > UINT32_MAX ? NULL : reallocarray(g->rows, cap, g->dim * sizeof *rows);
    if (!rows)
        return PENCHANT_ENOMEM;
    g->rows = rows;
    g->cap = (uint32_t)cap;
    return PENCHANT_OK;
}

int growing_put(struct growing *g, uint32_t row, const float *x)
{
    const size_t bytes = g->dim * sizeof *x;
    if (row == UINT32_MAX || make_room(g, row + 1))
        return PENCHANT_ENOMEM;
    if (row >= g->n) {
        memset(g->rows + (size_t)g->n * g->dim, 0, (row - g->n) * bytes);
        g->n = row + 1;
    }
    memcpy(g->rows + (size_t)row * g->dim, x, bytes);
    g->puts++;
    return PENCHANT_OK;
}

bool growing_due(const struct growing *g)
{
    const uint64_t missed = g->puts - g->puts_indexed;
    return g->n >= LEAST_ROWS && missed > LEAST_ROWS / 2 && missed > g->n / PART;
}

int growing_copy(const struct growing *g, struct growing_copy *c)
{
    *c = (struct growing_copy){.n = g->n, .dim = g->dim, .puts = g->puts};
    c->rows = malloc(((size_t)g->n + 1) * g->dim * sizeof *c->rows);
    if (!c->rows)
        return PENCHANT_ENOMEM;
    if (g->n)
        memcpy(c->rows, g->rows, (size_t)g->n * g->dim * sizeof *c->rows);
    return PENCHANT_OK;
}

int growing_index(struct growing_copy *c, struct penchant_error *err)
{
    return topk_index_new(&c->index, c->rows, c->n, c->dim, err);
}

void growing_adopt(struct growing *g, struct growing_copy *c)
{
    if (c->dim == g->dim && c->n <= g->n && c->puts <= g->puts && c->index) {
        topk_index_free(g->index);
        free(g->indexed);
        g->index = c->index;
        g->indexed = c->rows;
        g->n_indexed = c->n;
        g->puts_indexed = c->puts;
        *c = (struct growing_copy){0};
    }
    growing_copy_release(c);
}

void growing_copy_release(struct growing_copy *c)
{
    topk_index_free(c->index);
    free(c->rows);
    *c = (struct growing_copy){0};
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/optimiser.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/item_content.h"

int optimiser_init(struct optimiser *o, const struct model *m, float decay)
{
    *o = (struct optimiser){
        .beta1 = 0.9f, .beta2 = 0.98f, .epsilon = 1e-8f, .decay = decay};
    o->mean = memory_floats(m->n_params);
    o->square = memory_floats(m->n_params);
    if (o->mean && o->square)
        return PENCHANT_OK;
    optimiser_release(o);
    return PENCHANT_ENOMEM;
}

void optimiser_release(struct optimiser *o)
{
    free(o->mean);
    free(o->square);
    *o = (struct optimiser){0};
}

/* Rows of a large table lie far apart: those to come are asked for early. */
enum { ROWS_AHEAD = 4, LINE_FLOATS = 16 };

struct update {
    struct optimiser *o;
    struct model *m;
    const struct gradient *g;
    float rate;
    uint32_t part, parts;
};

static void update_range(const struct update *u, size_t at, const float *gradient,
                         size_t n, bool decays)
{
    struct optimiser *o = u->o;
    const struct adam a = {
        .param = u->m->param + at,
        .mean = o->mean + at,
        .square = o->square + at,
        .gradient = gradient,
        .n = n,
        .rate = u->rate,
        .beta1 = o->beta1,
        .beta2 = o->beta2,
        .epsilon = o->epsilon,
        .decay = decays ? o->decay : 0,
        .bias1 = (float)(1 - pow((double)o->beta1, (double)o->step)),
        .bias2 = (float)(1 - pow((double)o->beta2, (double)o->step)),
    };
    u->g->k->adam(&a);
}

static void fetch_row(const struct update *u, size_t at, size_t d)
{
    for (size_t j = 0; j < d; j += LINE_FLOATS) {
        __builtin_prefetch(u->m->param + at + j, 1);
        __builtin_prefetch(u->o->mean + at + j, 1);
        __builtin_prefetch(u->o->square + at + j, 1);
    }
}

static void update_rows(const struct update *u, const struct model_tensor *t)
{
    const size_t d = t->cols, ahead = (size_t)ROWS_AHEAD * u->parts;
    for (size_t i = u->part; i < u->g->n_rows; i += u->parts) {
        if (i + ahead < u->g->n_rows)
            fetch_row(u, t->offset + u->g->row[i + ahead] * d, d);
        update_range(u, t->offset + u->g->row[i] * d, u->g->value + i * d, d, true);
    }
}

static int update_tensor(void *arg, const struct model_tensor *t)
{
    const struct update *u = arg;
    const size_t d = t->cols;
    const bool item = t == &u->m->item;
    if (item && !u->g->item) {
        update_rows(u, t);
        return 0;
    }
    const size_t n = (size_t)t->rows * d;
    const size_t first = n * u->part / u->parts, end = n * (u->part + 1) / u->parts;
    const float *gradient = item ? u->g->item : u->g->dense + t->offset;
    const bool decays = !strstr(t->name, "norm") && !strstr(t->name, "bias");
    update_range(u, t->offset + first, gradient + first, end - first, decays);
    return 0;
}

static void update_part(void *arg, uint32_t i)
{
    struct update u = *(const struct update *)arg;
    u.part = i;
    model_each_tensor(u.m, update_tensor, &u);
}

/* The items with content stay near it; only rows that a step moved can have left. */
static void bound_part(void *arg, uint32_t i)
{
    const struct update *u = arg;
    if (u->g->item)
        for (uint32_t row = i; row < u->m->config.n_items; row += u->parts)
            item_content_bound(u->m, row);
    else
        for (uint32_t k = i; k < u->g->n_rows; k += u->parts)
            item_content_bound(u->m, u->g->row[k]);
}

void optimiser_update(struct optimiser *o, struct model *m, const struct gradient *g,
                      float rate, struct pool *pool)
{
    struct update u = {.o = o, .m = m, .g = g, .rate = rate, .parts = pool_threads(pool)};
    o->step++;
    pool_run(pool, update_part, &u, u.parts);
    if (m->content)
        pool_run(pool, bound_part, &u, u.parts);
}

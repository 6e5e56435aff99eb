/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens in, output rows out, and the way back; the blocks between are in block.c. */
#include "model/network.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/names.h"
#include "model/block.h"

int batch_init(struct batch *b, uint32_t cap, uint32_t cap_sequences)
{
    *b = (struct batch){.cap = cap, .cap_sequences = cap_sequences};
    b->start = calloc(cap_sequences + (size_t)1, sizeof(*b->start));
    b->item = malloc(cap * sizeof(*b->item));
    b->target = malloc(cap * sizeof(*b->target));
    b->type = malloc(cap * sizeof(*b->type));
    b->time = malloc(cap * sizeof(*b->time));
    b->target_time = malloc(cap * sizeof(*b->target_time));
    if (b->start && b->item && b->target && b->type && b->time && b->target_time)
        return PENCHANT_OK;
    batch_release(b);
    return PENCHANT_ENOMEM;
}

void batch_release(struct batch *b)
{
    free(b->start);
    free(b->item);
    free(b->target);
    free(b->type);
    free(b->time);
    free(b->target_time);
    *b = (struct batch){0};
}

void batch_clear(struct batch *b)
{
    b->n = b->n_sequences = 0;
}

struct network {
    const struct kernels *k;
    uint32_t cap;
    float *slab;
    float
        *x[MODEL_MAX_BLOCKS + 1]; /* (cap, d) inputs of the blocks, and the last output */
    float *h, *stat;              /* (cap, d), (cap, 2) after the last norm */
    float *dx;                    /* (cap, d) */
    struct block_memory block[MODEL_MAX_BLOCKS];
    struct block_scratch scratch;
};

/* Hands out the floats of a slab; counts only while the slab is NULL. */
static float *take(float *slab, size_t *used, size_t n)
{
    float *at = slab ? slab + *used : NULL;
    *used += (n + 15) & ~(size_t)15;
    return at;
}

static size_t place(struct network *net, const struct model_config *c, float *slab)
{
    const size_t cap = net->cap, d = c->dim;
    size_t used = 0;
    for (uint32_t i = 0; i <= c->blocks; i++)
        net->x[i] = take(slab, &used, cap * d);
    net->h = take(slab, &used, cap * d);
    net->dx = take(slab, &used, cap * d);
    net->stat = take(slab, &used, cap * 2);
    for (uint32_t i = 0; i < c->blocks; i++) {
        size_t sizes[BLOCK_MEMORY];
        block_memory_sizes(c, cap, sizes);
        for (size_t j = 0; j < BLOCK_MEMORY; j++)
            net->block[i].part[j] = take(slab, &used, sizes[j]);
    }
    size_t sizes[BLOCK_SCRATCH];
    block_scratch_sizes(c, cap, sizes);
    for (size_t j = 0; j < BLOCK_SCRATCH; j++)
        net->scratch.part[j] = take(slab, &used, sizes[j]);
    return used;
}

struct network *network_new(const struct model *m, uint32_t cap)
{
    struct network *net = calloc(1, sizeof(*net));
    if (!net)
        return NULL;
    net->k = kernels_get();
    net->cap = cap;
    net->slab = aligned_alloc(64, place(net, &m->config, NULL) * sizeof(float));
    if (!net->slab) {
        free(net);
        return NULL;
    }
    place(net, &m->config, net->slab);
    return net;
}

void network_free(struct network *net)
{
    if (!net)
        return;
    free(net->slab);
    free(net);
}

/* ---- tokens -------------------------------------------------------------------- */

/* The gap of a token: the time since the one before in its sequence. */
static uint32_t gap_of(const struct batch *b, uint32_t t, uint32_t first)
{
    return t == first ? 0 : model_time_bucket(b->time[t] - b->time[t - 1]);
}

static void embed(const struct network *net, const struct network_pass *p, float *x)
{
    const struct model *m = p->model;
    const struct batch *b = p->batch;
    const size_t d = m->config.dim;
    const float root = sqrtf((float)d);
    for (uint32_t s = 0; s < b->n_sequences; s++)
        for (uint32_t t = b->start[s]; t < b->start[s + 1]; t++) {
            float *row = x + t * d;
            if (p->vectors)
                memcpy(row, p->vectors + b->item[t] * d, d * sizeof(*row));
            else
                model_item_vector(m, b->item[t], row);
            net->k->scale(row, root, d);
            if (b->type[t] < m->type.rows)
                net->k->add(row, model_at(m, &m->type) + b->type[t] * d, d);
            if (m->gap.rows)
                net->k->add(row, model_at(m, &m->gap) + gap_of(b, t, b->start[s]) * d, d);
            if (m->position.rows)
                net->k->add(row, model_at(m, &m->position) + (t - b->start[s]) * d, d);
        }
}

/* dx becomes the gradient of the item vectors. */
static void embed_backward(const struct network *net, const struct network_pass *p,
                           float *dx, float *grad)
{
    const struct model *m = p->model;
    const struct batch *b = p->batch;
    const size_t d = m->config.dim;
    for (uint32_t s = 0; s < b->n_sequences; s++)
        for (uint32_t t = b->start[s]; t < b->start[s + 1]; t++) {
            const float *row = dx + t * d;
            if (b->type[t] < m->type.rows)
                net->k->add(grad + m->type.offset + b->type[t] * d, row, d);
            if (m->gap.rows)
                net->k->add(grad + m->gap.offset + gap_of(b, t, b->start[s]) * d, row, d);
            if (m->position.rows)
                net->k->add(grad + m->position.offset + (t - b->start[s]) * d, row, d);
        }
    net->k->scale(dx, sqrtf((float)d), b->n * d);
}

static void drop(const struct network *net, const struct network_pass *p, float *x)
{
    const struct dropout d = {.seed = p->seed, .rate = p->dropout};
    if (p->dropout > 0)
        net->k->dropout(x, (size_t)p->batch->n * p->model->config.dim, &d);
}

/* ---- the pass ------------------------------------------------------------------ */

static struct block block_of(struct network *net, const struct network_pass *p,
                             uint32_t i)
{
    return (struct block){.k = net->k,
                          .model = p->model,
                          .weights = &p->model->block[i],
                          .batch = p->batch,
                          .memory = &net->block[i],
                          .scratch = &net->scratch,
                          .dropout = p->dropout,
                          .seed = p->seed + 0x9E3779B9u * (i + 1)};
}

const float *network_forward(struct network *net, const struct network_pass *p)
{
    const struct model *m = p->model;
    embed(net, p, net->x[0]);
    drop(net, p, net->x[0]);
    for (uint32_t i = 0; i < m->config.blocks; i++) {
        const struct block b = block_of(net, p, i);
        block_forward(&b, net->x[i + 1], net->x[i]);
    }
    net->k->norm_forward(net->h, net->stat, net->x[m->config.blocks],
                         model_at(m, &m->norm), p->batch->n, m->config.dim);
    return net->h;
}

void network_backward(struct network *net, const struct network_pass *p, float *dh,
                      float *grad)
{
    const struct model *m = p->model;
    const size_t n = p->batch->n, d = m->config.dim;
    memset(net->dx, 0, n * d * sizeof(*net->dx));
    net->k->norm_backward(net->dx, grad + m->norm.offset, dh, net->x[m->config.blocks],
                          net->stat, model_at(m, &m->norm), n, d);
    for (uint32_t i = m->config.blocks; i-- > 0;) {
        const struct block b = block_of(net, p, i);
        block_backward(&b, net->dx, net->x[i], grad);
    }
    drop(net, p, net->dx);
    embed_backward(net, p, net->dx, grad);
    memcpy(dh, net->dx, n * d * sizeof(*dh));
}

struct network_memory network_memory(const struct network *net, const struct model *m,
                                     uint32_t block)
{
    const size_t d = m->config.dim, width = (m->config.gated ? 4 : 3) * d;
    const float *active =
        net->block[block].part[m->config.gated ? BLOCK_ACTIVE : BLOCK_PROJECTED];
    return (struct network_memory){
        .key = active + width - d, .value = active + width - 3 * d, .stride = width};
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "model/encoder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/attention.h"
#include "model/network.h"

struct encoder {
    const struct kernels *k;
    const struct model *model;
    float *made;          /* (n_items, d) with all that is added, or NULL */
    const float *vectors; /* (n_items, d) unnormalised */
};

/* What one event of the window was. */
struct seen {
    uint64_t number; /* in the user's history */
    uint32_t item;
    uint8_t type;
    int64_t ts_us;
};

struct encoder_state {
    uint64_t first;    /* number of the window's first event, known or not */
    uint64_t next;     /* number of the event to come */
    uint32_t n;        /* known ones in the window */
    uint32_t encoded;  /* positions whose keys and values are final: n, or n - 1 */
    struct seen *seen; /* (max_length) */
    float *time;       /* (max_length) seconds since the window's first event */
    float *fresh; /* (max_length, d) vectors of items past n_items; NULL: none came */
    float *slab;  /* key and value of each block, see below */
    float *work;  /* scratch of one position: x (d), then what a block needs */
};

/*
 * Keys are kept transposed (d, max_length), so that a row of scores is one product;
 * values as rows (max_length, d). The bits equal those of a whole pass, because every
 * element of a product is summed by itself and in the same order there.
 */
static float *keys_of(const struct encoder *e, const struct encoder_state *s,
                      uint32_t block)
{
    const size_t n = (size_t)e->model->config.max_length * e->model->config.dim;
    return s->slab + block * 2 * n;
}

static float *values_of(const struct encoder *e, const struct encoder_state *s,
                        uint32_t block)
{
    return keys_of(e, s, block) +
           (size_t)e->model->config.max_length * e->model->config.dim;
}

static size_t work_floats(const struct model_config *c)
{
    const size_t block = 6 * (size_t)c->dim + c->max_length;
    const size_t feed = 2 * (size_t)c->dim + c->ffn_dim;
    return c->dim + (block > feed ? block : feed);
}

static size_t slab_floats(const struct model_config *c)
{
    return (size_t)c->blocks * 2 * c->max_length * c->dim;
}

/* ---- life ---------------------------------------------------------------------- */

int encoder_new(struct encoder **out, const struct model *m, struct penchant_error *err)
{
    const size_t n = m->config.n_items, d = m->config.dim;
    *out = NULL;
    struct encoder *e = calloc(1, sizeof(*e));
    if (!e)
        return error_memory(err);
    e->k = kernels_get();
    e->model = m;
    e->vectors = model_at(m, &m->item);
    if (!model_items_plain(m)) {
        e->vectors = e->made = malloc(n * d * sizeof(float));
        if (!e->made) {
            encoder_free(e);
            return error_memory(err);
        }
        for (uint32_t i = 0; i < n; i++)
            model_item_vector(m, i, e->made + i * d);
    }
    *out = e;
    return PENCHANT_OK;
}

void encoder_free(struct encoder *e)
{
    if (!e)
        return;
    free(e->made);
    free(e);
}

static uint32_t quarter_of(const struct encoder *e)
{
    return (e->model->config.max_length + 3) / 4;
}

uint64_t encoder_window_start(const struct encoder *e, uint64_t events)
{
    const uint64_t length = e->model->config.max_length, quarter = quarter_of(e);
    return events <= length ? 0 : (events - length + quarter - 1) / quarter * quarter;
}

struct encoder_state *encoder_state_new(const struct encoder *e, uint64_t first)
{
    const struct model_config *c = &e->model->config;
    struct encoder_state *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->first = s->next = first;
    s->seen = malloc(c->max_length * sizeof(*s->seen));
    s->time = malloc(c->max_length * sizeof(*s->time));
    s->slab = malloc(slab_floats(c) * sizeof(*s->slab));
    s->work = malloc(work_floats(c) * sizeof(*s->work));
    if (s->seen && s->time && s->slab && s->work)
        return s;
    encoder_state_free(s);
    return NULL;
}

void encoder_state_free(struct encoder_state *s)
{
    if (!s)
        return;
    free(s->seen);
    free(s->time);
    free(s->fresh);
    free(s->slab);
    free(s->work);
    free(s);
}

bool encoder_state_knows_new(const struct encoder_state *s)
{
    return s->fresh != NULL;
}

size_t encoder_state_bytes(const struct encoder *e, const struct encoder_state *s)
{
    const struct model_config *c = &e->model->config;
    const size_t fresh = s->fresh ? (size_t)c->max_length * c->dim : 0;
    return sizeof(struct encoder_state) +
           c->max_length * (sizeof(struct seen) + sizeof(float)) +
           (slab_floats(c) + work_floats(c) + fresh) * sizeof(float);
}

uint64_t encoder_state_events(const struct encoder_state *s)
{
    return s->next;
}

/* ---- one position -------------------------------------------------------------- */

static void embed(const struct encoder *e, const struct encoder_state *s, uint32_t t,
                  float *x)
{
    const struct model *m = e->model;
    const size_t d = m->config.dim;
    const uint32_t item = s->seen[t].item;
    memcpy(x, item < m->config.n_items ? e->vectors + item * d : s->fresh + t * d,
           d * sizeof(*x));
    e->k->scale(x, sqrtf((float)d), d);
    if (s->seen[t].type < m->type.rows)
        e->k->add(x, model_at(m, &m->type) + s->seen[t].type * d, d);
    if (m->gap.rows) {
        const uint32_t gap = t ? model_time_bucket(s->time[t] - s->time[t - 1]) : 0;
        e->k->add(x, model_at(m, &m->gap) + gap * d, d);
    }
    if (m->position.rows)
        e->k->add(x, model_at(m, &m->position) + t * d, d);
}

/* y (cols) = x (rows) w */
static void linear(const struct encoder *e, float *y, const float *x,
                   const struct model_tensor *w)
{
    e->k->gemm(&(struct gemm){.m = 1,
                              .n = w->cols,
                              .k = w->rows,
                              .a = x,
                              .a_row = w->rows,
                              .a_col = 1,
                              .b = model_at(e->model, w),
                              .ldb = w->cols,
                              .c = y,
                              .ldc = w->cols});
}

/* o (d) = A V of position t, whose key and value are in place. */
static void attend(const struct encoder *e, const struct encoder_state *s, uint32_t block,
                   uint32_t t, float target_time, const float *q, float *score, float *o)
{
    const struct model *m = e->model;
    const size_t length = m->config.max_length, dh = m->config.dim / m->config.heads;
    const struct attention a = {
        .k = e->k,
        .config = &m->config,
        .bias_position = model_at(m, &m->block[block].bias_position),
        .bias_time = model_at(m, &m->block[block].bias_time),
        .time = s->time,
        .dh = dh,
    };
    for (uint32_t head = 0; head < m->config.heads; head++) {
        e->k->gemm(&(struct gemm){.m = 1,
                                  .n = t + 1,
                                  .k = dh,
                                  .a = q + head * dh,
                                  .a_row = dh,
                                  .a_col = 1,
                                  .b = keys_of(e, s, block) + head * dh * length,
                                  .ldb = length,
                                  .c = score,
                                  .ldc = length});
        attention_bias_row(&a, score, t, target_time);
        attention_weights_row(&a, score, score, t);
        e->k->gemm(&(struct gemm){.m = 1,
                                  .n = dh,
                                  .k = t + 1,
                                  .a = score,
                                  .a_row = length,
                                  .a_col = 1,
                                  .b = values_of(e, s, block) + head * dh,
                                  .ldb = m->config.dim,
                                  .c = o + head * dh,
                                  .ldc = dh});
    }
}

static void feed_forward(const struct encoder *e, const struct model_block *b, float *x,
                         float *work)
{
    const struct model *m = e->model;
    const size_t d = m->config.dim;
    float *normed = work, *branch = work + d, *hidden = work + 2 * d, stat[2];
    e->k->norm_forward(normed, stat, x, model_at(m, &b->norm2), 1, d);
    linear(e, hidden, normed, &b->ffn1);
    e->k->relu_forward(hidden, hidden, m->config.ffn_dim);
    linear(e, branch, hidden, &b->ffn2);
    e->k->add(x, branch, d);
}

/* x (d) through one block as position t; its key and value are put in place. */
static void block_step(const struct encoder *e, const struct encoder_state *s,
                       uint32_t block, uint32_t t, float target_time, float *x,
                       float *work)
{
    const struct model *m = e->model;
    const struct model_block *b = &m->block[block];
    const size_t d = m->config.dim, length = m->config.max_length;
    const size_t gate = m->config.gated ? d : 0, wide = 3 * d + gate;
    float *normed = work, *o = work + d, *p = work + 2 * d, *score = work + 6 * d,
          stat[2];
    e->k->norm_forward(normed, stat, x, model_at(m, &b->norm1), 1, d);
    linear(e, p, normed, &b->in);
    if (gate)
        e->k->silu_forward(p, p, wide);
    float *keys = keys_of(e, s, block);
    for (size_t j = 0; j < d; j++)
        keys[j * length + t] = p[gate + 2 * d + j];
    memcpy(values_of(e, s, block) + t * d, p + gate, d * sizeof(float));
    attend(e, s, block, t, target_time, p + gate + d, score, o);
    if (gate) {
        e->k->norm_forward(normed, stat, o, model_at(m, &b->norm_attention), 1, d);
        e->k->multiply(o, p, normed, d);
    }
    linear(e, normed, o, &b->out);
    e->k->add(x, normed, d);
    if (m->config.ffn_dim)
        feed_forward(e, b, x, work);
}

/* Position t through all blocks; x (d) ends as the last block's output. */
static void position_step(const struct encoder *e, const struct encoder_state *s,
                          uint32_t t, float target_time, float *x)
{
    embed(e, s, t, x);
    for (uint32_t i = 0; i < e->model->config.blocks; i++)
        block_step(e, s, i, t, target_time, x, s->work + e->model->config.dim);
}

/* ---- the window ---------------------------------------------------------------- */

static float since_first(const struct encoder_state *s, int64_t ts_us)
{
    return (float)((double)(ts_us - s->seen[0].ts_us) * 1e-6);
}

/* Makes the positions before `end` final, each with the time of the one after it. */
static void encode_up_to(const struct encoder *e, struct encoder_state *s, uint32_t end)
{
    for (; s->encoded < end; s->encoded++)
        position_step(e, s, s->encoded, s->time[s->encoded + 1], s->work);
}

static void drop_oldest_quarter(const struct encoder *e, struct encoder_state *s)
{
    uint32_t gone = 0;
    s->first += quarter_of(e);
    while (gone < s->n && s->seen[gone].number < s->first)
        gone++;
    s->n -= gone;
    s->encoded = 0;
    memmove(s->seen, s->seen + gone, s->n * sizeof(*s->seen));
    if (s->fresh)
        memmove(s->fresh, s->fresh + gone * (size_t)e->model->config.dim,
                s->n * e->model->config.dim * sizeof(float));
    for (uint32_t t = 0; t < s->n; t++)
        s->time[t] = since_first(s, s->seen[t].ts_us);
}

/* Whether the next position can be of this item; its vector is put where it is read. */
static bool take_item(const struct encoder *e, struct encoder_state *s, uint32_t item,
                      const float *vector)
{
    const size_t d = e->model->config.dim;
    if (item < e->model->config.n_items)
        return true;
    if (vector && !s->fresh)
        s->fresh = malloc(e->model->config.max_length * d * sizeof(*s->fresh));
    if (!vector || !s->fresh)
        return false;
    memcpy(s->fresh + s->n * d, vector, d * sizeof(*vector));
    return true;
}

void encoder_append(const struct encoder *e, struct encoder_state *s,
                    const uint32_t *item, const uint8_t *type, const int64_t *ts_us,
                    size_t n)
{
    encoder_append_new(e, s, item, type, ts_us, NULL, n);
}

void encoder_append_new(const struct encoder *e, struct encoder_state *s,
                        const uint32_t *item, const uint8_t *type, const int64_t *ts_us,
                        const float *const *vector, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const uint64_t number = s->next++;
        if (number - s->first == e->model->config.max_length)
            drop_oldest_quarter(e, s);
        if (!take_item(e, s, item[i], vector ? vector[i] : NULL))
            continue;
        s->seen[s->n] = (struct seen){number, item[i], type[i], ts_us[i]};
        s->time[s->n] = since_first(s, ts_us[i]);
        s->n++;
    }
    if (s->n)
        encode_up_to(e, s, s->n - 1);
}

int encoder_query(const struct encoder *e, struct encoder_state *s, int64_t now_us,
                  float *vector)
{
    const struct model *m = e->model;
    const size_t d = m->config.dim;
    float stat[2];
    if (!s->n)
        return -1;
    position_step(e, s, s->n - 1, since_first(s, now_us), s->work);
    e->k->norm_forward(vector, stat, s->work, model_at(m, &m->norm), 1, d);
    if (m->config.normalise)
        e->k->scale(vector, model_unit_scale(vector, d), d);
    return 0;
}

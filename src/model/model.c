/* SPDX-License-Identifier: Apache-2.0 */
#include "model/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "kernels/kernels.h"
#include "model/item_content.h"

/* ---- layout -------------------------------------------------------------------- */

static void place(struct model *m, struct model_tensor *t, const char *name,
                  uint32_t rows, uint32_t cols)
{
    snprintf(t->name, sizeof(t->name), "%s", name);
    t->rows = rows;
    t->cols = rows ? cols : 0;
    t->offset = m->n_params;
    m->n_params += ((size_t)rows * t->cols + 15) & ~(size_t)15;
}

static void place_block(struct model *m, uint32_t i)
{
    const struct model_config *c = &m->config;
    const uint32_t d = c->dim;
    struct model_block *b = &m->block[i];
    const struct {
        struct model_tensor *t;
        const char *name;
        uint32_t rows, cols;
    } row[] = {
        {&b->norm1, "norm1", 2, d},
        {&b->in, "in", d, (c->gated ? 4 : 3) * d},
        {&b->norm_attention, "norm_attention", c->gated ? 2 : 0, d},
        {&b->out, "out", d, d},
        {&b->bias_position, "bias_position", c->bias_position ? 1 : 0, c->max_length},
        {&b->bias_time, "bias_time", c->bias_time ? 1 : 0, MODEL_TIME_BUCKETS},
        {&b->norm2, "norm2", c->ffn_dim ? 2 : 0, d},
        {&b->ffn1, "ffn1", c->ffn_dim ? d : 0, c->ffn_dim},
        {&b->ffn2, "ffn2", c->ffn_dim, d},
    };
    for (size_t k = 0; k < sizeof(row) / sizeof(row[0]); k++) {
        char name[32];
        snprintf(name, sizeof(name), "block.%u.%s", i, row[k].name);
        place(m, row[k].t, name, row[k].rows, row[k].cols);
    }
}

static void place_all(struct model *m)
{
    const struct model_config *c = &m->config;
    place(m, &m->attribute, "attribute", c->n_attributes, c->dim);
    place(m, &m->type, "type", c->n_types, c->dim);
    place(m, &m->gap, "gap", c->gap ? MODEL_TIME_BUCKETS : 0, c->dim);
    place(m, &m->position, "position", c->position ? c->max_length : 0, c->dim);
    for (uint32_t i = 0; i < c->blocks; i++)
        place_block(m, i);
    place(m, &m->norm, "norm", 2, c->dim);
    place(m, &m->item, "item", c->n_items, c->dim);
}

static int check(const struct model_config *c, struct penchant_error *err)
{
    const struct {
        const char *field;
        bool wrong;
        const char *reason;
    } rule[] = {
        {"dim", c->dim < 4 || c->dim > 1024 || c->dim % 2, "must be even, 4 to 1024"},
        {"heads", c->heads < 1 || c->heads > 64, "must be 1 to 64"},
        {"heads", c->heads && c->dim % c->heads, "must divide dim"},
        {"blocks", c->blocks < 1 || c->blocks > MODEL_MAX_BLOCKS, "must be 1 to 16"},
        {"max_length", c->max_length < 2 || c->max_length > 4096, "must be 2 to 4096"},
        {"ffn_dim", c->ffn_dim > 8192 || c->ffn_dim % 2, "must be even, at most 8192"},
        {"temperature", c->normalise && !(c->temperature > 0), "must be above 0"},
        {"n_items", c->n_items < 1, "must be at least 1"},
        {"n_types", c->n_types > 256, "must be at most 256"},
        {"content", c->content > MODEL_MAX_CONTENT, "must be at most 4096"},
    };
    for (size_t i = 0; i < sizeof(rule) / sizeof(rule[0]); i++)
        if (rule[i].wrong)
            return error_field(err, PENCHANT_EINVALID, 0, rule[i].field, "%s %s",
                               rule[i].field, rule[i].reason);
    return PENCHANT_OK;
}

static int copy_attributes(struct model *m, const uint32_t *start, const uint32_t *attr)
{
    const size_t n = m->config.n_items + (size_t)1, total = start[m->config.n_items];
    m->attr_start = malloc(n * sizeof(*start));
    m->attr = malloc((total + 1) * sizeof(*attr));
    if (!m->attr_start || !m->attr)
        return -1;
    memcpy(m->attr_start, start, n * sizeof(*start));
    if (total)
        memcpy(m->attr, attr, total * sizeof(*attr));
    return 0;
}

static int make_content(struct model *m)
{
    if (!m->config.content)
        return 0;
    m->content = memory_floats((size_t)m->config.n_items * m->config.dim);
    m->content_map = memory_floats((size_t)m->config.content * m->config.dim);
    return m->content && m->content_map ? 0 : -1;
}

int model_new(struct model **out, const struct model_config *config,
              const uint32_t *attr_start, const uint32_t *attr,
              struct penchant_error *err)
{
    *out = NULL;
    const int status = check(config, err);
    if (status != PENCHANT_OK)
        return status;
    struct model *m = calloc(1, sizeof(*m));
    if (!m)
        return error_memory(err);
    m->config = *config;
    if (!attr_start)
        m->config.n_attributes = 0;
    place_all(m);
    m->param = memory_floats(m->n_params);
    if (!m->param || make_content(m) != 0 ||
        (m->config.n_attributes && copy_attributes(m, attr_start, attr) != 0)) {
        model_free(m);
        return error_memory(err);
    }
    *out = m;
    return PENCHANT_OK;
}

void model_free(struct model *m)
{
    if (!m)
        return;
    for (uint32_t i = 0; m->attribute_name && i < m->config.n_attributes; i++)
        free(m->attribute_name[i]);
    free(m->attribute_name);
    free(m->attr_start);
    free(m->attr);
    free(m->content);
    free(m->content_map);
    free(m->param);
    free(m);
}

int model_name_attributes(struct model *m, char *const *name)
{
    const uint32_t n = m->config.n_attributes;
    m->attribute_name = calloc(n + 1, sizeof(*m->attribute_name));
    if (!m->attribute_name)
        return PENCHANT_ENOMEM;
    for (uint32_t i = 0; i < n; i++)
        if (!(m->attribute_name[i] = strdup(name[i])))
            return PENCHANT_ENOMEM;
    return PENCHANT_OK;
}

struct model *model_clone(const struct model *m)
{
    struct model *copy;
    if (model_new(&copy, &m->config, m->attr_start, m->attr, NULL) != PENCHANT_OK)
        return NULL;
    const size_t d = m->config.dim;
    memcpy(copy->param, m->param, m->n_params * sizeof(float));
    if (m->content) {
        memcpy(copy->content, m->content, m->config.n_items * d * sizeof(float));
        memcpy(copy->content_map, m->content_map, m->config.content * d * sizeof(float));
    }
    if (m->attribute_name &&
        model_name_attributes(copy, m->attribute_name) != PENCHANT_OK) {
        model_free(copy);
        return NULL;
    }
    return copy;
}

int model_each_tensor(const struct model *m,
                      int (*fn)(void *arg, const struct model_tensor *t), void *arg)
{
    const struct model_tensor *head[] = {&m->attribute, &m->type, &m->gap, &m->position};
    int stop = 0;
    for (size_t i = 0; i < sizeof(head) / sizeof(head[0]) && !stop; i++)
        stop = head[i]->rows ? fn(arg, head[i]) : 0;
    for (uint32_t k = 0; k < m->config.blocks && !stop; k++) {
        const struct model_block *b = &m->block[k];
        const struct model_tensor *t[] = {
            &b->norm1,     &b->in,    &b->norm_attention, &b->out, &b->bias_position,
            &b->bias_time, &b->norm2, &b->ffn1,           &b->ffn2};
        for (size_t i = 0; i < sizeof(t) / sizeof(t[0]) && !stop; i++)
            stop = t[i]->rows ? fn(arg, t[i]) : 0;
    }
    stop = stop ? stop : fn(arg, &m->norm);
    return stop ? stop : fn(arg, &m->item);
}

/* ---- values -------------------------------------------------------------------- */

struct initialiser {
    struct model *m;
    struct rng rng;
};

static int initialise_tensor(void *arg, const struct model_tensor *t)
{
    struct initialiser *in = arg;
    float *p = in->m->param + t->offset;
    const size_t n = (size_t)t->rows * t->cols;
    const bool norm = strstr(t->name, "norm") != NULL,
               bias = strstr(t->name, "bias") != NULL;
    for (size_t i = 0; i < n; i++)
        p[i] = norm   ? (i < t->cols ? 1.0f : 0.0f)
               : bias ? 0.0f
                      : 0.02f * rng_normal(&in->rng);
    return 0;
}

void model_initialise(struct model *m, uint64_t seed)
{
    struct initialiser in = {.m = m};
    rng_init(&in.rng, seed, 1);
    model_each_tensor(m, initialise_tensor, &in);
    const size_t d = m->config.dim;
    if (m->content && m->attribute.rows)
        memset(model_at(m, &m->attribute), 0, m->attribute.rows * d * sizeof(float));
    for (uint32_t i = 0; m->content && i < m->config.n_items; i++)
        if (item_content_has(m, i))
            memset(m->param + m->item.offset + i * d, 0, d * sizeof(float));
}

float model_attribute_weight(uint32_t count)
{
    return 1.0f / sqrtf((float)count);
}

void model_add_attributes(const struct model *m, const uint32_t *attr, uint32_t n,
                          float *out)
{
    const struct kernels *k = kernels_get();
    const size_t d = m->config.dim;
    for (uint32_t a = 0; a < n; a++)
        k->add_scaled(out, model_at(m, &m->attribute) + attr[a] * d,
                      model_attribute_weight(n), d);
}

void model_item_vector(const struct model *m, uint32_t i, float *out)
{
    const struct kernels *k = kernels_get();
    const size_t d = m->config.dim;
    memcpy(out, m->param + m->item.offset + i * d, d * sizeof(*out));
    if (m->content)
        k->add(out, m->content + i * d, d);
    if (m->attr_start)
        model_add_attributes(m, m->attr + m->attr_start[i],
                             m->attr_start[i + 1] - m->attr_start[i], out);
}

void model_item_vectors(const struct model *m, float *out)
{
    for (uint32_t i = 0; i < m->config.n_items; i++, out += m->config.dim) {
        model_item_vector(m, i, out);
        model_scale_scored(m, out);
    }
}

void model_scale_scored(const struct model *m, float *x)
{
    const size_t d = m->config.dim;
    if (m->config.normalise)
        kernels_get()->scale(x, model_unit_scale(x, d) / m->config.temperature, d);
}

float model_unit_scale(const float *x, size_t d)
{
    return 1.0f / sqrtf(kernels_get()->dot(x, x, d) + 1e-12f);
}

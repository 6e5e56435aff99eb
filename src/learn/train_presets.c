/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what a user asked for to complete options. Presets are rows. `auto` is no preset:
 * race.c tries several on the data.
 */
#include <string.h>

#include "learn/train.h"

struct preset {
    const char *name;
    struct model_config model;
    enum train_loss loss;
    uint32_t negatives;
    float dropout, learning_rate, weight_decay;
};

static const struct preset presets[] = {
    {
        .name = "gated",
        .model = {.dim = 128,
                  .blocks = 2,
                  .heads = 2,
                  .max_length = 200,
                  .ffn_dim = 128,
                  .gated = true,
                  .attention = MODEL_SOFTMAX,
                  .bias_position = true,
                  .bias_time = true,
                  .position = true,
                  .gap = true,
                  .normalise = true,
                  .temperature = 0.05f},
        .loss = TRAIN_FULL,
        .negatives = 2048,
        .dropout = 0.2f,
        .learning_rate = 1e-3f,
        .weight_decay = 0,
    },
    {
        .name = "sasrec",
        .model = {.dim = 128,
                  .blocks = 2,
                  .heads = 2,
                  .max_length = 200,
                  .ffn_dim = 128,
                  .attention = MODEL_SOFTMAX,
                  .position = true,
                  .gap = true},
        .loss = TRAIN_FULL,
        .negatives = 2048,
        .dropout = 0.2f,
        .learning_rate = 1e-3f,
        .weight_decay = 0,
    },
    {
        .name = "hstu",
        .model = {.dim = 128,
                  .blocks = 2,
                  .heads = 2,
                  .max_length = 200,
                  .gated = true,
                  .attention = MODEL_SILU,
                  .bias_position = true,
                  .bias_time = true,
                  .position = true,
                  .gap = true},
        .loss = TRAIN_FULL,
        .negatives = 2048,
        .dropout = 0.2f,
        .learning_rate = 1e-3f,
        .weight_decay = 0,
    },
};

/* Above this many items the full softmax costs three times the sampled one and learns no
   more in an epoch (docs/experiments.md). */
enum { FULL_SOFTMAX_ITEMS = 8000 };

static const struct preset *find(const char *name)
{
    for (size_t i = 0; i < sizeof(presets) / sizeof(presets[0]); i++)
        if (strcmp(presets[i].name, name) == 0)
            return &presets[i];
    return NULL;
}

/* Some sixty steps in an epoch of a small log, more in that of a large one: steps of 4,096
   positions learn as much in three epochs as ones of 11,000 in nine, and end better
   (docs/experiments.md). */
static uint32_t batch_tokens(const struct history *h)
{
    const uint64_t tokens = h->n / 64;
    return tokens < 2048 ? 2048 : tokens > 4096 ? 4096 : (uint32_t)tokens;
}

static int parse_loss(const char *name, enum train_loss *loss, struct penchant_error *err)
{
    static const char *const names[] = {"full", "sampled", "gbce"};
    for (int i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0) {
            *loss = (enum train_loss)i;
            return PENCHANT_OK;
        }
    return error_field(err, PENCHANT_EINVALID, 0, "loss",
                       "loss is %.20s, not full, sampled "
                       "or gbce",
                       name);
}

static int overrides(struct train_options *out, const struct penchant_train_options *o,
                     struct penchant_error *err)
{
    struct model_config *m = &out->model;
    if (o->dim) {
        m->ffn_dim = m->ffn_dim ? o->dim : 0;
        m->dim = o->dim;
    }
    m->blocks = o->blocks ? o->blocks : m->blocks;
    m->heads = o->heads ? o->heads : m->heads;
    m->max_length = o->max_length ? o->max_length : m->max_length;
    out->negatives = o->negatives ? o->negatives : out->negatives;
    out->dropout = o->dropout >= 0 ? (float)o->dropout : out->dropout;
    out->learning_rate =
        o->learning_rate >= 0 ? (float)o->learning_rate : out->learning_rate;
    out->weight_decay = o->weight_decay >= 0 ? (float)o->weight_decay : out->weight_decay;
    out->max_epochs = o->max_epochs;
    out->batch_tokens = o->batch_tokens ? o->batch_tokens : out->batch_tokens;
    out->minutes = o->minutes;
    out->seed = o->seed;
    out->threads = o->threads ? o->threads : 2;
    out->progress = o->progress;
    out->cookie = o->cookie;
    const int status = o->loss ? parse_loss(o->loss, &out->loss, err) : PENCHANT_OK;
    m->normalise &= out->loss != TRAIN_GBCE; /* its probabilities need the length */
    return status;
}

static int check(const struct train_options *o, struct penchant_error *err)
{
    const struct {
        const char *field;
        bool wrong;
        const char *reason;
    } rule[] = {
        {"dropout", !(o->dropout >= 0 && o->dropout < 1), "must be in [0, 1)"},
        {"learning_rate", !(o->learning_rate > 0 && o->learning_rate < 1),
         "must be above 0 and below 1"},
        {"weight_decay", !(o->weight_decay >= 0 && o->weight_decay <= 10),
         "must be 0 to 10"},
        {"minutes", !(o->minutes >= 0 && o->minutes < 1e6), "must be 0 to 1000000"},
        {"threads", o->threads > 256, "must be at most 256"},
        {"negatives", o->negatives < 1 || o->negatives > 65536, "must be 1 to 65536"},
        {"batch_tokens", o->batch_tokens > 1u << 24, "must be at most 16777216"},
    };
    for (size_t i = 0; i < sizeof(rule) / sizeof(rule[0]); i++)
        if (rule[i].wrong)
            return error_field(err, PENCHANT_EINVALID, 0, rule[i].field, "%s %s",
                               rule[i].field, rule[i].reason);
    return PENCHANT_OK;
}

/* `auto` begins without content where race.c decides, else it takes what there is. */
static int set_content(struct train_options *out, const struct penchant_train_options *o,
                       const struct train_data *data, struct penchant_error *err)
{
    const char *how = o->content ? o->content : "auto";
    const bool on = strcmp(how, "on") == 0, automatic = strcmp(how, "auto") == 0;
    if (!on && !automatic && strcmp(how, "off") != 0)
        return error_field(err, PENCHANT_EINVALID, 0, "content",
                           "content is %.20s, not auto, on or off", how);
    out->content_open = automatic && data->content;
    if (data->content && (on || (automatic && !out->race)))
        out->model.content = data->content_dim;
    return PENCHANT_OK;
}

int train_options_from(struct train_options *out, const struct penchant_train_options *o,
                       const struct train_data *data, struct penchant_error *err)
{
    const bool automatic = !o->preset || strcmp(o->preset, "auto") == 0;
    const struct preset *p = automatic ? &presets[0] : find(o->preset);
    if (!p)
        return error_field(err, PENCHANT_EINVALID, 0, "preset",
                           "preset is %.20s, not auto, gated, hstu or sasrec", o->preset);
    *out = (struct train_options){.model = p->model, .loss = p->loss};
    out->race = automatic ? o : NULL;
    snprintf(out->preset, sizeof(out->preset), "%s", p->name);
    out->negatives = p->negatives;
    out->dropout = p->dropout;
    out->learning_rate = p->learning_rate;
    out->weight_decay = p->weight_decay;
    out->warmup_steps = 100;
    out->batch_tokens = batch_tokens(data->history);
    out->patience = 6;
    out->bf16 = true;
    if (data->history->n_items > FULL_SOFTMAX_ITEMS)
        out->loss = TRAIN_SAMPLED;
    int status = overrides(out, o, err);
    if (status == PENCHANT_OK)
        status = check(out, err);
    if (!data->history->has_clock)
        out->model.gap = out->model.bias_time = false;
    out->model.n_items = data->history->n_items;
    out->model.n_attributes = data->attr_start ? data->n_attributes : 0;
    out->model.n_types = data->n_types;
    return status == PENCHANT_OK ? set_content(out, o, data, err) : status;
}

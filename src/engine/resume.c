/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/resume.h"

#include <string.h>

#include "base/names.h"
#include "model/checkpoint.h"
#include "model/item_content.h"

struct transfer {
    const struct model *from;
    struct model *to;
    const struct model_tensor *target; /* looked for in `from` */
    struct names attributes;           /* of `from` */
};

static void copy_row(struct transfer *t, const struct model_tensor *source, uint32_t to,
                     uint32_t from)
{
    memcpy(model_at(t->to, t->target) + (size_t)to * source->cols,
           model_at(t->from, source) + (size_t)from * source->cols,
           source->cols * sizeof(float));
}

/* Calls from model_each_tensor(from): 1 when it is the target's namesake. */
static int copy_if_same(void *arg, const struct model_tensor *source)
{
    struct transfer *t = arg;
    const struct model_tensor *target = t->target;
    if (strcmp(source->name, target->name) != 0)
        return 0;
    if (source->cols != target->cols)
        return 1;
    const bool named = target->offset == t->to->attribute.offset &&
                       t->to->attribute.rows > 0 && t->to->attribute_name;
    for (uint32_t row = 0; row < target->rows; row++) {
        uint32_t old = row;
        if (named) {
            const char *name = t->to->attribute_name[row];
            old = names_find(&t->attributes, name, strlen(name));
        }
        if (old < source->rows)
            copy_row(t, source, row, old);
    }
    return 1;
}

static int copy_tensor(void *arg, const struct model_tensor *target)
{
    struct transfer *t = arg;
    t->target = target;
    if (target->rows)
        model_each_tensor(t->from, copy_if_same, t);
    return 0;
}

static int transfer(struct model *to, const struct model *from)
{
    struct transfer t = {.from = from, .to = to};
    int rc = PENCHANT_OK;
    names_init(&t.attributes);
    for (uint32_t i = 0; !rc && from->attribute_name && i < from->config.n_attributes;
         i++) {
        const char *name = from->attribute_name[i];
        if (names_add(&t.attributes, name, strlen(name)) == NAMES_NONE)
            rc = PENCHANT_ENOMEM;
    }
    if (!rc)
        model_each_tensor(to, copy_tensor, &t);
    names_release(&t.attributes);
    return rc;
}

int resume_model(struct model **out, const char *path, const struct train_data *data,
                 uint64_t seed, struct penchant_error *err)
{
    struct model *old = NULL, *new = NULL;
    *out = NULL;
    int rc = checkpoint_load(&old, path, err);
    if (rc)
        return rc;
    struct model_config config = old->config;
    config.n_items = data->history->n_items;
    config.n_attributes = data->n_attributes;
    config.n_types = data->n_types;
    if (config.content && (!data->content || data->content_dim != config.content))
        rc = error_set(err, PENCHANT_ECORRUPT,
                       "%s has lost the space of its items' content", path);
    if (!rc)
        rc = model_new(&new, &config, data->attr_start, data->attr, err);
    if (!rc && config.n_attributes && model_name_attributes(new, data->attribute_name))
        rc = error_memory(err);
    if (!rc && new->content) {
        memcpy(new->content_map, old->content_map,
               (size_t)config.content * config.dim * sizeof(float));
        item_content_set(new, data->content);
    }
    if (!rc) {
        model_initialise(new, seed);
        rc = transfer(new, old) ? error_memory(err) : PENCHANT_OK;
    }
    model_free(old);
    if (rc) {
        model_free(new);
        return rc;
    }
    *out = new;
    return PENCHANT_OK;
}

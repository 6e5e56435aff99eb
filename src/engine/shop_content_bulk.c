/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/shop_content_bulk.h"

#include <stdlib.h>
#include <string.h>

#include "model/item_content.h"

/* ---- the copy -------------------------------------------------------------------- */

static size_t bytes_of(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static const char *take(char **at, const char *text)
{
    if (!text)
        return NULL;
    const size_t n = bytes_of(text);
    char *here = memcpy(*at, text, n);
    *at += n;
    return here;
}

static int copy_texts(struct bulk *b, const struct catalog *c)
{
    size_t bytes = 1;
    for (uint32_t i = 0; i < b->n; i++)
        bytes += bytes_of(c->item[i].title) + bytes_of(c->item[i].category) +
                 bytes_of(c->item[i].brand);
    b->text = malloc((b->n + (size_t)1) * sizeof *b->text);
    char *at = b->bytes = malloc(bytes);
    if (!b->text || !b->bytes)
        return PENCHANT_ENOMEM;
    for (uint32_t i = 0; i < b->n; i++) {
        const struct catalog_item *it = &c->item[i];
        b->text[i] = (struct content_text){.title = take(&at, it->title),
                                           .category = take(&at, it->category),
                                           .brand = take(&at, it->brand),
                                           .price = it->price};
    }
    return PENCHANT_OK;
}

/* The attributes of items after the model by the model's numbers, as far as it has them. */
static int copy_attributes(struct bulk *b, const struct catalog *c,
                           const struct snapshot *s)
{
    const size_t n = b->n - b->first;
    b->attr_start = malloc((n + 1) * sizeof *b->attr_start);
    b->attr = malloc((n * CATALOG_MAX_ATTRIBUTES + 1) * sizeof *b->attr);
    if (!b->attr_start || !b->attr)
        return PENCHANT_ENOMEM;
    uint32_t at = 0;
    for (uint32_t i = b->first; i < b->n; i++) {
        const struct catalog_item *it = &c->item[i];
        b->attr_start[i - b->first] = at;
        for (uint32_t a = 0; a < it->n_attributes; a++) {
            const char *name = names_text(&c->attributes, it->attribute[a]);
            const uint32_t known = names_find(&s->attributes, name, strlen(name));
            if (known != NAMES_NONE)
                b->attr[at++] = known;
        }
    }
    b->attr_start[n] = at;
    return PENCHANT_OK;
}

int bulk_copy(struct bulk *b, struct penchant *p, const struct snapshot *s)
{
    pthread_rwlock_rdlock(&p->lock);
    b->n = b->first = p->catalog.ids.n;
    if (s && s->model->content && s->n_items < b->n)
        b->first = s->n_items;
    b->modalities = modalities_share(p->modalities);
    b->vectors_version = p->vectors_version;
    int status = copy_texts(b, &p->catalog);
    if (!status && s)
        status = copy_attributes(b, &p->catalog, s);
    pthread_rwlock_unlock(&p->lock);
    return status;
}

void bulk_release(struct bulk *b)
{
    modalities_release(b->modalities);
    b->modalities = NULL;
    free(b->text);
    free(b->bytes);
    free(b->attr_start);
    free(b->attr);
    b->text = NULL;
    b->bytes = NULL;
    b->attr_start = b->attr = NULL;
}

int bulk_fit(const struct bulk *b, struct shop_content *c, struct pool *pool,
             struct penchant_error *err)
{
    return describe_fit(&c->space, b->text, b->n, b->modalities, pool, err);
}

/* ---- describing ------------------------------------------------------------------ */

struct share {
    const struct bulk *b;
    struct shop_content *c;
    const struct snapshot *s;
    uint32_t tasks;
};

static void describe_share(void *arg, uint32_t task)
{
    const struct share *w = arg;
    const struct bulk *b = w->b;
    const size_t dim = w->c->items.dim, d = w->s ? w->s->dim : 0;
    const uint32_t end = (uint32_t)((uint64_t)b->n * (task + 1) / w->tasks);
    for (uint32_t i = (uint32_t)((uint64_t)b->n * task / w->tasks); i < end; i++) {
        float *z = w->c->items.rows + i * dim;
        describe_item(w->c->space, &b->text[i], b->modalities, i, z);
        if (i < b->first)
            continue;
        const uint32_t row = i - b->first, at = b->attr_start[row];
        item_content_new_item(w->s->model, z, b->attr + at, b->attr_start[row + 1] - at,
                              w->c->tokens.rows + row * d, w->c->scored.rows + row * d);
    }
}

/* Room for n rows, all zero. */
static int open_rows(struct growing *g, uint32_t n, uint32_t dim)
{
    float *zero = calloc(dim, sizeof *zero);
    growing_init(g, dim);
    const int status = !zero ? PENCHANT_ENOMEM : n ? growing_put(g, n - 1, zero) : 0;
    free(zero);
    return status;
}

static int describe_all(const struct bulk *b, struct shop_content *c,
                        const struct snapshot *s, struct pool *pool,
                        struct penchant_error *err)
{
    const uint32_t fresh = b->n - b->first;
    struct share w = {b, c, s, 4 * pool_threads(pool)};
    struct growing_copy copy = {0};
    if (open_rows(&c->items, b->n, content_dim(c->space)) ||
        open_rows(&c->tokens, fresh, s ? s->dim : 1) ||
        open_rows(&c->scored, fresh, s ? s->dim : 1))
        return error_memory(err);
    pool_run(pool, describe_share, &w, w.tasks);
    if (growing_copy(&c->items, &copy))
        return error_memory(err);
    const int status = copy.n ? growing_index(&copy, err) : PENCHANT_OK;
    growing_adopt(&c->items, &copy);
    return status;
}

int shop_content_put_words(struct words *w, uint32_t item,
                           const struct content_text *text)
{
    const char *const said[] = {text->title, text->brand, text->category};
    return words_put(w, item, said, sizeof said / sizeof *said);
}

int bulk_describe(const struct bulk *b, struct shop_content *c, const struct snapshot *s,
                  struct pool *pool, struct penchant_error *err)
{
    c->words = words_new();
    if (!c->words)
        return error_memory(err);
    for (uint32_t i = 0; i < b->n; i++)
        if (shop_content_put_words(c->words, i, &b->text[i]))
            return error_memory(err);
    return c->space ? describe_all(b, c, s, pool, err) : PENCHANT_OK;
}

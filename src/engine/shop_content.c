/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/shop_content.h"

#include <stdlib.h>
#include <string.h>

#include "engine/shop_content_bulk.h"
#include "model/item_content.h"

enum {
    THREADS = 2, /* that describe a whole catalogue */
    SMALL = 4096 /* so few items cost milliseconds */
};

struct shop_content *shop_content_new(void)
{
    return calloc(1, sizeof(struct shop_content));
}

void shop_content_free(struct shop_content *c)
{
    if (!c)
        return;
    content_free(c->space);
    words_free(c->words);
    growing_release(&c->items);
    growing_release(&c->tokens);
    growing_release(&c->scored);
    free(c->late);
    free(c);
}

/* ---- one item -------------------------------------------------------------------- */

/* What the model makes of an item that it was not given. */
static int put_fresh(struct penchant *p, struct shop_content *c, const struct snapshot *s,
                     uint32_t item, const float *z)
{
    const struct catalog_item *it = &p->catalog.item[item];
    uint32_t attr[CATALOG_MAX_ATTRIBUTES], n = 0;
    float token[SHOP_CONTENT_MAX_MODEL], scored[SHOP_CONTENT_MAX_MODEL];
    for (uint32_t a = 0; a < it->n_attributes; a++) {
        const char *name = names_text(&p->catalog.attributes, it->attribute[a]);
        const uint32_t known = names_find(&s->attributes, name, strlen(name));
        if (known != NAMES_NONE)
            attr[n++] = known;
    }
    item_content_new_item(s->model, z, attr, n, token, scored);
    const uint32_t row = item - s->n_items;
    const size_t bytes = s->dim * sizeof *token;
    const bool changed = row >= c->tokens.n ||
                         memcmp(c->tokens.rows + (size_t)row * s->dim, token, bytes) != 0;
    if (changed && __atomic_load_n(&it->events, __ATOMIC_RELAXED))
        c->epoch++;
    return growing_put(&c->tokens, row, token) || growing_put(&c->scored, row, scored)
               ? PENCHANT_ENOMEM
               : PENCHANT_OK;
}

/* Describes an item as it is now. p->lock is held for writing; z has room for a vector. */
static int describe(struct penchant *p, struct shop_content *c, const struct snapshot *s,
                    uint32_t item, float *z)
{
    const struct content_text text = describe_text(&p->catalog.item[item]);
    if (c->words && shop_content_put_words(c->words, item, &text))
        return PENCHANT_ENOMEM;
    if (!c->space)
        return PENCHANT_OK;
    describe_item(c->space, &text, p->modalities, item, z);
    if (growing_put(&c->items, item, z))
        return PENCHANT_ENOMEM;
    const bool fresh =
        s && s->base == c->version && s->model->content && item >= s->n_items;
    return fresh ? put_fresh(p, c, s, item, z) : PENCHANT_OK;
}

/* Remembers an item that was put while all are described beside the shop. */
static int remember(struct shop_content *c, uint32_t item)
{
    if (c->n_late == c->cap_late) {
        const uint32_t cap = c->cap_late ? 2 * c->cap_late : 64;
        uint32_t *late = realloc(c->late, cap * sizeof *late);
        if (!late)
            return PENCHANT_ENOMEM;
        c->late = late;
        c->cap_late = cap;
    }
    c->late[c->n_late++] = item;
    return PENCHANT_OK;
}

/* What others look at, after anything has changed. */
static void show(struct shop_content *c)
{
    c->view = (struct evidence_content){.vectors = c->items.rows,
                                        .index = c->items.index,
                                        .n = c->items.n,
                                        .n_indexed = c->items.n_indexed,
                                        .dim = c->items.dim,
                                        .words = c->words};
    c->newcomers = (struct evidence_content){
        .vectors = c->scored.rows, .n = c->scored.n, .dim = c->scored.dim};
}

int shop_content_put(struct penchant *p, uint32_t item)
{
    struct shop_content *c = p->content;
    if (c->renewing && remember(c, item))
        return PENCHANT_ENOMEM;
    float *z = malloc((c->items.dim + 1) * sizeof *z);
    if (!z)
        return PENCHANT_ENOMEM;
    struct snapshot *s = engine_snapshot_acquire(p);
    const int status = describe(p, c, s, item, z);
    show(c);
    engine_snapshot_release(p, s);
    free(z);
    return status;
}

/* ---- looking --------------------------------------------------------------------- */

void shop_content_query(struct evidence_query *q, const struct penchant *p,
                        const struct snapshot *s)
{
    struct shop_content *c = p->content;
    if (c->words)
        q->content = &c->view;
    if (s && s->base == c->version && c->scored.n)
        q->newcomers = &c->newcomers;
}

const float *shop_content_token(const struct penchant *p, const struct snapshot *s,
                                uint32_t item)
{
    const struct shop_content *c = p->content;
    if (!s || s->base != c->version || item < s->n_items ||
        item - s->n_items >= c->tokens.n)
        return NULL;
    const float *token = c->tokens.rows + (size_t)(item - s->n_items) * s->dim;
    for (uint32_t i = 0; i < s->dim; i++)
        if (token[i] < 0 || token[i] > 0)
            return token;
    return NULL;
}

uint32_t shop_content_epoch(const struct penchant *p)
{
    return p->content->epoch;
}

const float *shop_content_vector(const struct penchant *p, uint32_t item)
{
    const struct shop_content *c = p->content;
    if (!c->space || item >= c->items.n)
        return NULL;
    const float *z = c->items.rows + (size_t)item * c->items.dim;
    for (uint32_t i = 0; i < c->items.dim; i++)
        if (z[i] < 0 || z[i] > 0)
            return z;
    return NULL;
}

const struct content_space *shop_content_space(const struct penchant *p)
{
    return p->content->space;
}

/* ---- all of them ------------------------------------------------------------------ */

/* The new content takes the place of the old; what was put meanwhile is described again.
   p->lock is held for writing, and the new model is the shop's already. */
static int install(struct penchant *p, struct shop_content *next,
                   const struct snapshot *s)
{
    struct shop_content *old = p->content;
    if (old->space == next->space)
        old->space = NULL; /* it goes on with the new content */
    float *z = malloc((next->items.dim + 1) * sizeof *z);
    int status = z ? PENCHANT_OK : PENCHANT_ENOMEM;
    next->version = s ? s->base : 0;
    next->epoch = old->epoch + 1;
    p->content = next;
    for (uint32_t i = 0; !status && i < old->n_late; i++)
        status = describe(p, next, s, old->late[i], z);
    free(z);
    show(next);
    shop_content_free(old);
    return status;
}

static void begin(struct penchant *p)
{
    pthread_rwlock_wrlock(&p->lock);
    p->content->renewing = true;
    p->content->n_late = 0;
    pthread_rwlock_unlock(&p->lock);
}

static void give_up(struct penchant *p)
{
    pthread_rwlock_wrlock(&p->lock);
    p->content->renewing = false;
    p->content->n_late = 0;
    pthread_rwlock_unlock(&p->lock);
}

int shop_content_renew(struct penchant *p, struct content_space *space,
                       struct snapshot *s,
                       void (*hand_over)(struct penchant *p, struct snapshot *s),
                       struct penchant_error *err)
{
    struct shop_content *next = shop_content_new();
    struct bulk bulk = {0};
    if (!next) {
        content_free(space);
        return error_memory(err);
    }
    begin(p);
    const bool keeps = !hand_over && p->content->of_model;
    next->space = keeps ? p->content->space : space;
    next->of_model = next->space != NULL;
    struct pool *pool = pool_new(THREADS);
    int status = pool && !bulk_copy(&bulk, p, s) ? PENCHANT_OK : error_memory(err);
    if (!status && !next->space && !hand_over)
        status = bulk_fit(&bulk, next, pool, err);
    if (!status)
        status = bulk_describe(&bulk, next, s, pool, err);
    pool_free(pool);
    bulk_release(&bulk);
    if (status) {
        give_up(p);
        next->space = keeps ? NULL : next->space;
        shop_content_free(next);
        return status;
    }
    next->fitted = hand_over && !space ? 0 : bulk.n; /* the watcher is to fit one */
    next->vectors_version = bulk.vectors_version;
    pthread_rwlock_wrlock(&p->lock);
    if (hand_over)
        hand_over(p, s);
    status = install(p, next, s);
    pthread_rwlock_unlock(&p->lock);
    return status ? error_memory(err) : PENCHANT_OK;
}

/* ---- tending ---------------------------------------------------------------------- */

static bool wants_space(const struct penchant *p)
{
    const struct shop_content *c = p->content;
    const uint32_t n = p->catalog.ids.n;
    const uint64_t more = n > SMALL ? c->fitted : c->fitted / 8;
    const bool grown = !c->of_model && n > c->fitted && n >= c->fitted + more;
    return n && (grown || c->vectors_version != p->vectors_version);
}

/* A better index beside the old one. */
static void index_anew(struct penchant *p)
{
    struct growing_copy copy = {0};
    struct penchant_error err = {0};
    pthread_rwlock_rdlock(&p->lock);
    struct shop_content *c = p->content;
    const int status = growing_copy(&c->items, &copy);
    pthread_rwlock_unlock(&p->lock);
    if (status || growing_index(&copy, &err)) {
        growing_copy_release(&copy);
        return; /* lists are right without it, and it is tried again */
    }
    pthread_rwlock_wrlock(&p->lock);
    growing_adopt(&c->items, &copy);
    show(c);
    pthread_rwlock_unlock(&p->lock);
}

void shop_content_tend(struct penchant *p)
{
    struct penchant_error err = {0};
    pthread_mutex_lock(&p->refresh_lock);
    pthread_rwlock_rdlock(&p->lock);
    const bool space = wants_space(p), index = growing_due(&p->content->items);
    pthread_rwlock_unlock(&p->lock);
    struct snapshot *s = space ? engine_snapshot_acquire(p) : NULL;
    if (space && shop_content_renew(p, NULL, s, NULL, &err))
        engine_log(p, PENCHANT_WARN, "content_failed reason=\"%s\"", err.text);
    engine_snapshot_release(p, s);
    if (!space && index)
        index_anew(p);
    pthread_mutex_unlock(&p->refresh_lock);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The catalogue as penchant.h shows it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/shop_content.h"

void penchant_item_default(struct penchant_item *item)
{
    *item = (struct penchant_item){.price = NAN, .available = true};
}

static const char *text_or_null(const char *s)
{
    return s && *s ? s : NULL;
}

struct store_item engine_store_item(const struct penchant_item *item)
{
    return (struct store_item){
        .item_id = item->item_id,
        .title = text_or_null(item->title),
        .category = text_or_null(item->category),
        .brand = text_or_null(item->brand),
        .price = item->price,
        .available = item->available,
    };
}

struct penchant_item engine_item_of_row(const struct store_item *row)
{
    return (struct penchant_item){
        .item_id = row->item_id,
        .title = row->title,
        .category = row->category,
        .brand = row->brand,
        .price = row->price,
        .available = row->available,
    };
}

/* ---- get ---- */

static const char *copy_text(char **at, const char *text)
{
    if (!text)
        return NULL;
    const size_t len = strlen(text) + 1;
    char *here = *at;
    memcpy(here, text, len);
    *at += len;
    return here;
}

static size_t bytes_of(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

/* One block: the struct and its texts. Under p->lock. */
static struct penchant_item *copy_item(const char *id, const struct catalog_item *it)
{
    struct penchant_item *item =
        malloc(sizeof(*item) + bytes_of(id) + bytes_of(it->title) +
               bytes_of(it->category) + bytes_of(it->brand));
    if (!item)
        return NULL;
    char *at = (char *)(item + 1);
    *item = (struct penchant_item){
        .item_id = copy_text(&at, id),
        .title = copy_text(&at, it->title),
        .category = copy_text(&at, it->category),
        .brand = copy_text(&at, it->brand),
        .price = it->price,
        .available = it->available,
        .events = __atomic_load_n(&it->events, __ATOMIC_RELAXED),
    };
    return item;
}

static int unknown_item(const char *item_id, struct penchant_error *err)
{
    return error_field(err, PENCHANT_ENOTFOUND, 0, "item_id", "there is no item %s",
                       item_id);
}

static int require_id(const char *item_id, struct penchant_error *err)
{
    return item_id
               ? PENCHANT_OK
               : error_field(err, PENCHANT_EINVALID, 0, "item_id", "item_id is required");
}

int penchant_get_item(struct penchant *p, const char *item_id, struct penchant_item **out,
                      struct penchant_error *err)
{
    *out = NULL;
    int status = require_id(item_id, err);
    if (status != PENCHANT_OK)
        return status;
    pthread_rwlock_rdlock(&p->lock);
    const uint32_t id = names_find(&p->catalog.ids, item_id, strlen(item_id));
    if (id == NAMES_NONE || p->catalog.item[id].deleted)
        status = unknown_item(item_id, err);
    else if (!(*out = copy_item(names_text(&p->catalog.ids, id), &p->catalog.item[id])))
        status = error_memory(err);
    pthread_rwlock_unlock(&p->lock);
    return status;
}

void penchant_item_free(struct penchant_item *item)
{
    free(item);
}

/* ---- put and delete: works of the writer ---- */

struct item_work {
    struct work work;
    const struct penchant_item *item;
    const char *item_id;
    uint32_t id;
    bool created;
};

static int write_put(struct penchant *p, struct transaction *t, struct work *w,
                     bool *rejected, struct penchant_error *err)
{
    struct item_work *me = (struct item_work *)w;
    (void)rejected;
    const uint32_t known = p->catalog.ids.n + t->newcomers->items.n;
    me->id = newcomers_item(t->newcomers, p, me->item_id, err);
    if (me->id == NAMES_NONE)
        return err->status;
    me->created =
        me->id >= known || (me->id < p->catalog.ids.n && p->catalog.item[me->id].deleted);
    const struct store_item row = engine_store_item(me->item);
    return p->store->ops->put_item(p->store, me->id, &row, err);
}

static int apply_put(struct penchant *p, struct work *w)
{
    const struct item_work *me = (const struct item_work *)w;
    pthread_rwlock_wrlock(&p->lock);
    int status = catalog_put(&p->catalog, me->id, me->item);
    if (status == PENCHANT_OK)
        status = shop_content_put(p, me->id);
    pthread_rwlock_unlock(&p->lock);
    return status;
}

int penchant_put_item(struct penchant *p, const struct penchant_item *item, bool *created,
                      struct penchant_error *err)
{
    int status = catalog_check(item, err);
    if (status != PENCHANT_OK)
        return status;
    struct item_work me = {.work = {.write = write_put, .apply = apply_put},
                           .item = item,
                           .item_id = item->item_id};
    status = writer_run(p, &me.work, err);
    if (created)
        *created = status == PENCHANT_OK && me.created;
    return status;
}

/* Alone, since what it finds and writes must be what the catalogue holds now. */
static int delete_alone(struct penchant *p, struct work *w, struct penchant_error *err)
{
    const struct item_work *me = (const struct item_work *)w;
    const uint32_t id = names_find(&p->catalog.ids, me->item_id, strlen(me->item_id));
    if (id == NAMES_NONE || p->catalog.item[id].deleted)
        return unknown_item(me->item_id, err);
    int status = writer_begin(p, err);
    if (status != PENCHANT_OK)
        return status;
    const struct catalog_item *it = &p->catalog.item[id];
    const struct store_item row = {.item_id = me->item_id,
                                   .title = it->title,
                                   .category = it->category,
                                   .brand = it->brand,
                                   .price = it->price,
                                   .available = it->available,
                                   .deleted = true};
    status = p->store->ops->put_item(p->store, id, &row, err);
    if (status != PENCHANT_OK) {
        writer_rollback(p);
        return status;
    }
    status = writer_commit(p, err);
    if (status == PENCHANT_OK) {
        pthread_rwlock_wrlock(&p->lock);
        catalog_delete(&p->catalog, id);
        pthread_rwlock_unlock(&p->lock);
    }
    return status;
}

int penchant_delete_item(struct penchant *p, const char *item_id,
                         struct penchant_error *err)
{
    const int status = require_id(item_id, err);
    if (status != PENCHANT_OK)
        return status;
    struct item_work me = {.work = {.alone = delete_alone}, .item_id = item_id};
    return writer_run(p, &me.work, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "engine/engine.h"

void newcomers_init(struct newcomers *c)
{
    names_init(&c->users);
    names_init(&c->items);
    names_init(&c->types);
}

void newcomers_release(struct newcomers *c)
{
    names_release(&c->users);
    names_release(&c->items);
    names_release(&c->types);
}

/* The number of a known name, or where a new one would stand: *is_new tells. NAMES_NONE
   with err filled when out of memory or numbers. */
static uint32_t number(const struct names *known, struct names *news, const char *name,
                       bool *is_new, struct penchant_error *err)
{
    const size_t len = strlen(name);
    const uint32_t old = names_find(known, name, len), n = news->n;
    *is_new = false;
    if (old != NAMES_NONE)
        return old;
    if (known->n >= NAMES_NONE - 1 - n) {
        error_set(err, PENCHANT_ELIMIT, "too many names");
        return NAMES_NONE;
    }
    const uint32_t added = names_add(news, name, len);
    *is_new = news->n != n;
    if (added == NAMES_NONE)
        error_memory(err);
    return added == NAMES_NONE ? NAMES_NONE : known->n + added;
}

uint32_t newcomers_user(struct newcomers *c, struct penchant *p, const char *name,
                        struct penchant_error *err)
{
    bool is_new;
    const uint32_t id = number(&p->users, &c->users, name, &is_new, err);
    return is_new && p->store->ops->add_user(p->store, id, name, err) != 0 ? NAMES_NONE
                                                                           : id;
}

uint32_t newcomers_item(struct newcomers *c, struct penchant *p, const char *name,
                        struct penchant_error *err)
{
    bool is_new;
    const uint32_t id = number(&p->catalog.ids, &c->items, name, &is_new, err);
    if (!is_new)
        return id;
    struct penchant_item unknown;
    penchant_item_default(&unknown);
    unknown.item_id = name;
    const struct store_item row = engine_store_item(&unknown);
    return p->store->ops->put_item(p->store, id, &row, err) != 0 ? NAMES_NONE : id;
}

uint32_t newcomers_type(struct newcomers *c, struct penchant *p, const char *name,
                        struct penchant_error *err)
{
    bool is_new;
    const size_t len = strlen(name);
    if (p->types.n + c->types.n >= EVENT_MAX_TYPES &&
        names_find(&p->types, name, len) == NAMES_NONE &&
        names_find(&c->types, name, len) == NAMES_NONE) {
        error_field(err, PENCHANT_EINVALID, 0, "event",
                    "event is a new name, and there are %d already", EVENT_MAX_TYPES);
        return NAMES_NONE;
    }
    const uint32_t id = number(&p->types, &c->types, name, &is_new, err);
    return is_new && p->store->ops->add_type(p->store, id, name, err) != 0 ? NAMES_NONE
                                                                           : id;
}

static int join(struct names *known, const struct names *news)
{
    for (uint32_t i = 0; i < news->n; i++) {
        const char *name = names_text(news, i);
        if (names_add(known, name, strlen(name)) == NAMES_NONE)
            return PENCHANT_ENOMEM;
    }
    return PENCHANT_OK;
}

int newcomers_join(struct newcomers *c, struct penchant *p)
{
    if (!c->users.n && !c->items.n && !c->types.n)
        return PENCHANT_OK;
    pthread_rwlock_wrlock(&p->lock);
    int status = join(&p->users, &c->users);
    if (status == PENCHANT_OK)
        status = join(&p->types, &c->types);
    for (uint32_t i = 0; status == PENCHANT_OK && i < c->items.n; i++)
        if (catalog_intern(&p->catalog, names_text(&c->items, i)) == NAMES_NONE)
            status = PENCHANT_ENOMEM;
    pthread_rwlock_unlock(&p->lock);
    newcomers_release(c);
    return status;
}

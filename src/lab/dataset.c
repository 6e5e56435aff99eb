/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/dataset.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "behaviour/event.h"
#include "behaviour/import.h"
#include "model/content.h"

/* ---- reading -------------------------------------------------------------------- */

struct reader {
    struct dataset *d;
    struct history_builder builder;
    struct names users; /* of the present file */
    struct names types;
    uint32_t first_user; /* number of the present file's first user */
    bool by_session;
};

static int read_event(void *cookie, const struct penchant_event *e,
                      struct penchant_error *err)
{
    struct reader *r = cookie;
    if (!e->item_id || !e->item_id[0])
        return PENCHANT_OK;
    const bool has_user = e->user_id && e->user_id[0];
    const bool has_session = e->session_id && e->session_id[0];
    const char *who =
        has_session && (r->by_session || !has_user) ? e->session_id : e->user_id;
    const uint32_t user = names_add(&r->users, who, strlen(who));
    const uint32_t item = catalog_intern(&r->d->catalog, e->item_id);
    const uint32_t type = names_add(&r->types, e->event, strlen(e->event));
    if (user == NAMES_NONE || item == NAMES_NONE || type == NAMES_NONE)
        return error_memory(err);
    if (type >= EVENT_MAX_TYPES)
        return error_set(err, PENCHANT_ELIMIT, "more than %d event types",
                         EVENT_MAX_TYPES);
    if (history_builder_add(&r->builder, r->first_user + user, item, type,
                            e->timestamp_us))
        return error_memory(err);
    return PENCHANT_OK;
}

static int read_item(void *cookie, const struct penchant_item *item,
                     struct penchant_error *err)
{
    struct reader *r = cookie;
    const uint32_t number = catalog_intern(&r->d->catalog, item->item_id);
    if (number == NAMES_NONE || catalog_put(&r->d->catalog, number, item))
        return error_memory(err);
    return PENCHANT_OK;
}

static int read_file(struct reader *r, const struct dataset_options *o, int file,
                     struct penchant_error *err)
{
    const struct import_sink sink = {.event = read_event, .item = read_item, .cookie = r};
    struct penchant_import_options in;
    struct penchant_import_report report = {0};
    penchant_import_options_default(&in);
    in.events = o->events[file];
    in.items = file == 0 ? o->items : NULL;
    in.map = o->map;
    in.progress = o->progress;
    in.complain = o->complain;
    in.cookie = o->cookie;
    names_release(&r->users);
    names_init(&r->users);
    const int status = import_read(&in, &sink, &report, err);
    r->first_user += r->users.n;
    return status;
}

/* The token has a type only where types differ. */
static uint32_t count_types(const struct history *h)
{
    uint32_t top = 0;
    bool differ = false;
    for (uint64_t i = 0; i < h->n; i++) {
        top = h->type[i] > top ? h->type[i] : top;
        differ |= h->type[i] != h->type[0];
    }
    return differ ? top + 1 : 0;
}

int dataset_read(struct dataset *d, const struct dataset_options *o,
                 struct penchant_error *err)
{
    struct reader r = {.d = d, .by_session = o->by_session};
    *d = (struct dataset){0};
    catalog_init(&d->catalog);
    history_builder_init(&r.builder);
    names_init(&r.users);
    names_init(&r.types);
    int status = event_types_init(&r.types) ? error_memory(err) : PENCHANT_OK;
    if (!status)
        status = read_file(&r, o, 0, err);
    d->n_first = r.first_user;
    if (!status && o->events[1])
        status = read_file(&r, o, 1, err);
    if (!status)
        status = history_builder_finish(&r.builder, r.first_user, d->catalog.ids.n,
                                        &d->history, err);
    if (!status && !d->history.n)
        status = error_set(err, PENCHANT_EINVALID,
                           "no event in '%s' says what a user wanted", o->events[0]);
    if (!status)
        d->n_types = count_types(&d->history);
    names_release(&r.types);
    names_release(&r.users);
    history_builder_release(&r.builder);
    if (status)
        dataset_release(d);
    return status;
}

void dataset_release(struct dataset *d)
{
    history_release(&d->history);
    catalog_release(&d->catalog);
    free(d->attr_start);
    free(d->attr);
    free(d->attribute_name);
    free(d->catalog_of);
    free(d->content);
    content_free(d->space);
    *d = (struct dataset){0};
}

void dataset_keep(struct dataset *d, const bool *keep)
{
    struct history *h = &d->history;
    uint64_t to = 0, from = 0;
    for (uint32_t u = 0; u < h->n_users; u++) {
        const uint64_t end = h->start[u + 1];
        h->start[u] = to;
        for (; from < end; from++)
            if (keep[from]) {
                h->item[to] = h->item[from];
                h->type[to] = h->type[from];
                h->ts_us[to++] = h->ts_us[from];
            }
    }
    h->start[h->n_users] = h->n = to;
    d->n_types = count_types(h);
    h->has_clock = history_finds_clock(h);
}

/* ---- numbering ------------------------------------------------------------------ */

/*
 * Lists the items of the history (numbers as read) into order[], stage by stage; number[]
 * (by number as read) is NAMES_NONE for all at first and becomes the place in the list.
 */
static void list_items(struct dataset *d, const uint8_t *stage, uint64_t seed,
                       uint32_t *order, uint32_t *number)
{
    const struct history *h = &d->history;
    struct rng rng;
    rng_init(&rng, seed, 0xDA7A);
    uint32_t n = 0;
    for (uint8_t s = 0; s < DATASET_STAGES; s++) {
        const uint32_t first = n;
        for (uint64_t i = 0; i < h->n; i++)
            if (stage[i] == s && number[h->item[i]] == NAMES_NONE) {
                number[h->item[i]] = n;
                order[n++] = h->item[i];
            }
        rng_shuffle(&rng, order + first, n - first);
        for (uint32_t i = first; i < n; i++)
            number[order[i]] = i;
        d->n_items[s] = n;
    }
}

/* Attributes are numbered anew too: those of items that nobody wanted take no room. */
static int lay_attributes(struct dataset *d, const uint32_t *order,
                          struct penchant_error *err)
{
    const struct catalog *c = &d->catalog;
    const uint32_t n = d->history.n_items;
    size_t total = 0;
    for (uint32_t i = 0; i < n; i++)
        total += c->item[order[i]].n_attributes;
    if (!total)
        return PENCHANT_OK;
    d->attr_start = calloc((size_t)n + 1, sizeof(*d->attr_start));
    d->attr = calloc(total, sizeof(*d->attr));
    d->attribute_name = calloc(c->attributes.n, sizeof(*d->attribute_name));
    uint32_t *number = malloc((size_t)c->attributes.n * sizeof(*number));
    if (!d->attr_start || !d->attr || !d->attribute_name || !number) {
        free(number);
        return error_memory(err);
    }
    memset(number, 0xFF, (size_t)c->attributes.n * sizeof(*number));
    uint32_t at = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct catalog_item *item = &c->item[order[i]];
        for (uint32_t a = 0; a < item->n_attributes; a++) {
            const uint32_t old = item->attribute[a];
            if (number[old] == NAMES_NONE) {
                number[old] = d->n_attributes;
                d->attribute_name[d->n_attributes++] =
                    (char *)(uintptr_t)names_text(&c->attributes, old);
            }
            d->attr[at++] = number[old];
        }
        d->attr_start[i + 1] = at;
    }
    free(number);
    return PENCHANT_OK;
}

int dataset_number(struct dataset *d, const uint8_t *stage, uint64_t seed,
                   struct penchant_error *err)
{
    struct history *h = &d->history;
    const size_t bytes = ((size_t)d->catalog.ids.n + 1) * sizeof(uint32_t);
    uint32_t *order = malloc(bytes), *number = malloc(bytes);
    int status = order && number ? PENCHANT_OK : error_memory(err);
    if (!status) {
        memset(number, 0xFF, bytes);
        list_items(d, stage, seed, order, number);
        h->n_items = d->n_items[DATASET_STAGES - 1];
        for (uint64_t i = 0; i < h->n; i++)
            h->item[i] = number[h->item[i]];
        status = lay_attributes(d, order, err);
        d->catalog_of = order;
        order = NULL;
    }
    free(order);
    free(number);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log from files into the shop, on the writer, in one transaction: whatever goes wrong
 * before its commit, nothing of the import is there. The state in memory takes the new
 * items and events up afterwards, from the store. A check goes the same way, appends no
 * event, and is rolled back.
 */
#include <stdlib.h>
#include <string.h>

#include "base/timing.h"
#include "behaviour/clean.h"
#include "behaviour/import.h"
#include "engine/engine.h"
#include "engine/shop_content.h"

void penchant_import_options_default(struct penchant_import_options *o)
{
    *o = (struct penchant_import_options){.max_errors = 100};
}

struct importing {
    struct work work;
    const struct penchant_import_options *o;
    struct penchant_import_report *out;
    struct penchant *p;
    struct transaction *t;
    struct cleaner *cleaner;
    uint64_t before;            /* the log's last event before the import */
    int64_t last_us;            /* the largest time of its events */
    struct user_states *buyers; /* purchases and refunds of a first import or a check */
    uint64_t *put;              /* bit i: the item file names item i */
    uint32_t put_cap;           /* words of it */
};

/* ---- the sink ---- */

/* Counts what is strange about an event; *drop: it was asked to be left out. */
static int clean(struct importing *im, const struct event *e, bool *drop,
                 struct penchant_error *err)
{
    uint32_t flags = 0;
    if (cleaner_check(im->cleaner, e, &flags) != 0)
        return error_memory(err);
    im->out->double_clicks += (flags & CLEAN_DOUBLE_CLICK) != 0;
    im->out->price_outliers += (flags & CLEAN_PRICE_OUTLIER) != 0;
    *drop = ((flags & CLEAN_DOUBLE_CLICK) && im->o->drop_double_clicks) ||
            ((flags & CLEAN_PRICE_OUTLIER) && im->o->drop_price_outliers);
    return PENCHANT_OK;
}

/* The first import of a shop is applied after its end, so it counts for itself which
   purchases its refunds undo. */
static int append(struct importing *im, struct event *e, struct penchant_error *err)
{
    bool cancelled = false;
    im->last_us = e->ts_us > im->last_us ? e->ts_us : im->last_us;
    if (im->buyers && (e->type == EVENT_PURCHASE || e->type == EVENT_REFUND) &&
        user_states_apply(im->buyers, e, &cancelled) != PENCHANT_OK)
        return error_memory(err);
    im->out->cancelled += cancelled;
    cleaner_keep(im->cleaner, e->user);
    return im->o->check ? PENCHANT_OK : engine_append_event(im->p, im->t, e, err);
}

static int take_event(void *cookie, const struct penchant_event *from,
                      struct penchant_error *err)
{
    struct importing *im = cookie;
    struct event e;
    bool seen, drop = false;
    int status = engine_number_event(im->p, im->t, from, &e, &seen, err);
    if (status != PENCHANT_OK)
        return status;
    if (seen) {
        im->out->duplicates++;
        return PENCHANT_OK;
    }
    if ((status = clean(im, &e, &drop, err)) != PENCHANT_OK)
        return status;
    if (!drop)
        return append(im, &e, err);
    im->out->dropped++;
    return PENCHANT_OK;
}

/* Marks an item as named by the item file. 0 or PENCHANT_ENOMEM. */
static int mark_put(struct importing *im, uint32_t id)
{
    if (id / 64 >= im->put_cap) {
        const uint32_t cap = id / 32 + 64;
        uint64_t *grown = realloc(im->put, cap * sizeof(*grown));
        if (!grown)
            return PENCHANT_ENOMEM;
        memset(grown + im->put_cap, 0, (cap - im->put_cap) * sizeof(*grown));
        im->put = grown;
        im->put_cap = cap;
    }
    im->put[id / 64] |= UINT64_C(1) << id % 64;
    return PENCHANT_OK;
}

static int take_item(void *cookie, const struct penchant_item *item,
                     struct penchant_error *err)
{
    struct importing *im = cookie;
    struct penchant_error why = {0};
    const uint32_t id = newcomers_item(im->t->newcomers, im->p, item->item_id, &why);
    if (id == NAMES_NONE)
        return error_set(err, why.status, "%s", why.text);
    if (mark_put(im, id) != PENCHANT_OK)
        return error_memory(err);
    const struct store_item row = engine_store_item(item);
    return im->p->store->ops->put_item(im->p->store, id, &row, err);
}

/* ---- inside the transaction ---- */

static int drop_bot(void *cookie, const struct event *e)
{
    return cleaner_is_bot(((const struct importing *)cookie)->cleaner, e->user);
}

/* Who is a bot is known at the end, and then all their events of this import are. */
static int settle_bots(struct importing *im, struct penchant_error *err)
{
    struct store *store = im->p->store;
    int status = PENCHANT_OK;
    im->out->bots = cleaner_bot_events(im->cleaner);
    if (!im->out->bots || !im->o->drop_bots)
        return PENCHANT_OK;
    if (!im->o->check)
        status = store->ops->drop_events(store, im->before + 1, drop_bot, im,
                                         &im->out->bots, err);
    im->out->dropped += im->out->bots;
    return status;
}

static int write_import(struct importing *im, struct penchant_error *err)
{
    const struct import_sink sink = {take_event, take_item, im};
    struct penchant *p = im->p;
    int status = import_read(im->o, &sink, im->out, err);
    if (status == PENCHANT_OK)
        status = settle_bots(im, err);
    im->out->users = im->t->newcomers->users.n;
    im->out->items = im->t->newcomers->items.n;
    if (status == PENCHANT_OK && !im->before && im->t->last_seq)
        status = p->store->ops->put_fact(p->store, "clock",
                                         im->out->has_clock ? "1" : "0", err);
    im->out->events -= im->out->duplicates + im->out->dropped;
    return status;
}

/* ---- after the commit ---- */

static int apply_item(void *cookie, uint32_t id, const struct store_item *row)
{
    const struct importing *im = cookie;
    if (id / 64 >= im->put_cap || !(im->put[id / 64] >> id % 64 & 1))
        return PENCHANT_OK;
    const struct penchant_item item = engine_item_of_row(row);
    pthread_rwlock_wrlock(&im->p->lock);
    int status = catalog_put(&im->p->catalog, id, &item);
    if (status == PENCHANT_OK)
        status = shop_content_put(im->p, id);
    pthread_rwlock_unlock(&im->p->lock);
    return status;
}

static int apply_import(struct importing *im, struct penchant_error *err)
{
    struct penchant *p = im->p;
    const uint64_t cancelled = p->cancelled;
    int status = PENCHANT_OK;
    if (!im->before && p->last_seq)
        status = engine_set_clock(p, im->out->has_clock, err);
    if (status == PENCHANT_OK && im->put)
        status = p->store->ops->scan_items(p->store, apply_item, im, err);
    if (status == PENCHANT_OK && im->before) {
        status = engine_replay_events(p, im->before, err);
        im->out->cancelled = p->cancelled - cancelled;
    } else if (status == PENCHANT_OK && p->last_seq) {
        p->last_us = im->last_us; /* for engine_now() until the log is applied */
        writer_apply_later(p);
    }
    return status;
}

static int import_alone(struct penchant *p, struct work *w, struct penchant_error *err)
{
    struct importing *im = (struct importing *)w;
    int status = writer_begin(p, err);
    if (status != PENCHANT_OK)
        return status;
    im->t = writer_transaction(p);
    im->before = im->t->last_seq;
    if ((!im->before || im->o->check) && !(im->buyers = user_states_new(0, 0, NULL)))
        status = error_memory(err);
    if (status == PENCHANT_OK)
        status = write_import(im, err);
    if (status != PENCHANT_OK || im->o->check) {
        writer_rollback(p);
        return status;
    }
    if ((status = writer_commit(p, err)) != PENCHANT_OK)
        return status;
    return apply_import(im, err) == PENCHANT_OK ? PENCHANT_OK : writer_broke(p, err);
}

int penchant_import(struct penchant *p, const struct penchant_import_options *o,
                    struct penchant_import_report *out, struct penchant_error *err)
{
    struct penchant_import_report ignored;
    struct penchant_error why = {0};
    out = out ? out : &ignored;
    *out = (struct penchant_import_report){0};
    const int64_t began = timing_steady_ns();
    struct importing im = {.work = {.alone = import_alone},
                           .o = o,
                           .out = out,
                           .p = p,
                           .last_us = INT64_MIN};
    im.cleaner = cleaner_new();
    const int status = im.cleaner ? writer_run(p, &im.work, &why) : error_memory(&why);
    cleaner_free(im.cleaner);
    user_states_free(im.buyers);
    free(im.put);
    out->seconds = (double)(timing_steady_ns() - began) / 1e9;
    if (status != PENCHANT_OK && err)
        *err = why;
    return status;
}

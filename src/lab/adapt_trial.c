/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/adapt_trial.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "lab/shop_words.h"
#include "lab/shop_world.h"
#include "lab/temp_dir.h"
#include "penchant.h"

enum { AT_ONCE = 12, SHOWN = 8, BATCH = 1000, MOVED = 7 };

#define NOW_US INT64_C(1700000000000000)

struct trial {
    const struct adapt_trial_options *o;
    bool adapt;
    const char *placement; /* "before" or "after" */
    struct shop_world *world;
    struct penchant *shop;
    double reward[2];
    uint64_t impressions[2];
};

/* ---- the shop and its past ---- */

static void event_of(const struct trial *t, const struct shop_act *act,
                     struct penchant_event *e)
{
    const struct shop_world *w = t->world;
    penchant_event_default(e);
    e->user_id = w->shopper[act->shopper].id;
    e->event = act->event;
    e->item_id = act->item == SHOP_NO_ITEM ? NULL : w->item[act->item].id;
    e->query = act->query;
    e->text = act->text;
    e->value = act->value;
}

static int put_items(const struct trial *t, struct penchant_error *err)
{
    const struct shop_world *w = t->world;
    int status = PENCHANT_OK;
    for (uint32_t i = 0; i < w->n_items && !status; i++) {
        const struct shop_item *it = &w->item[i];
        struct penchant_item item;
        penchant_item_default(&item);
        item.item_id = it->id;
        item.title = it->title;
        item.category = shop_categories[it->shelf].path;
        item.brand = shop_brands[it->brand].name.en;
        item.price = it->price;
        status = penchant_put_item(t->shop, &item, NULL, err);
    }
    return status;
}

static int put_past(const struct trial *t, struct penchant_error *err)
{
    struct shop_act *act = NULL;
    size_t n = 0;
    struct penchant_event *e = calloc(BATCH, sizeof *e);
    int status = e ? shop_world_past(t->world, &act, &n, err) : error_memory(err);
    for (size_t at = 0; at < n && !status; at += BATCH) {
        const size_t here = n - at < BATCH ? n - at : BATCH;
        for (size_t i = 0; i < here; i++) {
            event_of(t, &act[at + i], &e[i]);
            e[i].timestamp_us = (int64_t)(at + i) + 1;
        }
        status = penchant_add_events(t->shop, e, here, NULL, err);
    }
    free(e);
    free(act);
    return status;
}

/* In memory; the folder holds its configuration alone. */
static int open_shop(struct trial *t, const char *dir, struct penchant_error *err)
{
    static const char text[] = "[learning]\nadapt = on\n";
    char path[TEMP_DIR_SIZE + 16];
    struct penchant_options o;
    snprintf(path, sizeof path, "%s/penchant.conf", dir);
    FILE *f = fopen(path, "we");
    const bool written = f && fputs(text, f) >= 0;
    if ((f && fclose(f)) || !written)
        return error_set(err, PENCHANT_EIO, "cannot write %s", path);
    penchant_options_default(&o);
    o.dir = dir;
    o.store = "memory";
    const int status = penchant_open(&t->shop, &o, err);
    /* Times mean order alone, so that two runs of a seed are the same to the bit. */
    return status ? status : engine_set_clock(t->shop, false, err);
}

/* ---- shopping ---- */

static int show(struct trial *t, const struct shop_visit *v, int32_t *shown, uint32_t *n,
                char *id, struct penchant_error *err)
{
    struct penchant_request r;
    struct penchant_list *list = NULL;
    penchant_request_default(&r);
    r.user_id = t->world->shopper[v->shopper].id;
    r.k = SHOWN;
    r.placement = t->placement;
    r.adapt = t->adapt;
    const int status = penchant_recommend(t->shop, &r, &list, err);
    if (status)
        return status;
    *n = 0;
    for (size_t i = 0; i < list->n; i++)
        shown[(*n)++] = shop_world_find(t->world, list->items[i].item_id);
    memcpy(id, list->recommendation_id, sizeof list->recommendation_id);
    penchant_list_free(list);
    return PENCHANT_OK;
}

/* False in *more: the visit is over. */
static int step(struct trial *t, struct shop_visit *v, bool *more,
                struct penchant_error *err)
{
    int32_t shown[SHOWN];
    uint32_t n = 0;
    struct shop_act act;
    char id[PENCHANT_RECOMMENDATION_ID + 1] = "";
    if (shop_visit_looks(v)) {
        const int status = show(t, v, shown, &n, id, err);
        if (status)
            return status;
    }
    *more = shop_visit_step(v, shown, n, &act);
    if (!*more)
        return PENCHANT_OK;
    struct penchant_event e;
    event_of(t, &act, &e);
    e.recommendation_id = act.shown_at >= 0 ? id : NULL;
    return penchant_add_events(t->shop, &e, 1, NULL, err);
}

/* Visits take turns, some at a time, as in a shop. */
static int go_shopping(struct trial *t, struct penchant_error *err)
{
    struct shop_visit visit[AT_ONCE];
    uint32_t begun = 0;
    bool more[AT_ONCE] = {false}, any = true;
    int status = PENCHANT_OK;
    while (any && !status) {
        any = false;
        for (int i = 0; i < AT_ONCE && !status; i++) {
            if (!more[i] && begun < t->o->visits) {
                const uint32_t who = rng_below(&t->world->rng, t->o->shoppers);
                shop_visit_begin(&visit[i], t->world, who, NOW_US);
                more[i] = true;
                begun++;
            }
            if (more[i])
                status = step(t, &visit[i], &more[i], err);
            any |= more[i] || begun < t->o->visits;
        }
    }
    return status;
}

/* Everybody's taste turns to other shelves; prices and brands stay. */
static void move_interests(struct shop_world *w)
{
    for (uint32_t i = 0; i < w->options.shoppers; i++)
        for (uint32_t j = 0; j < w->shopper[i].n_interests; j++) {
            struct shop_interest *in = &w->shopper[i].interest[j];
            in->shelf = (in->shelf + MOVED) % SHOP_CATEGORIES;
        }
}

/* ---- what it came to ---- */

static int add_slate(void *cookie, const struct penchant_slate *s)
{
    struct trial *t = cookie;
    const bool after = s->placement && !strcmp(s->placement, "after");
    t->reward[after] += s->reward;
    t->impressions[after] += s->n;
    return 0;
}

static int run(struct trial *t, struct adapt_trial *out, struct penchant_error *err)
{
    struct penchant_adaptation learned;
    int status = put_items(t, err);
    if (!status)
        status = put_past(t, err);
    t->placement = "before";
    if (!status)
        status = go_shopping(t, err);
    move_interests(t->world);
    t->placement = "after";
    if (!status)
        status = go_shopping(t, err);
    if (!status)
        status = penchant_read_slates(t->shop, add_slate, t, err);
    if (!status)
        status = penchant_get_adaptation(t->shop, &learned, err);
    if (status)
        return status;
    *out = (struct adapt_trial){
        .before = 100 * t->reward[0] / fmax(1, (double)t->impressions[0]),
        .after = 100 * t->reward[1] / fmax(1, (double)t->impressions[1]),
        .impressions = t->impressions[0] + t->impressions[1],
        .settled = learned.settled};
    return PENCHANT_OK;
}

int adapt_trial_run(const struct adapt_trial_options *o, bool adapt,
                    struct adapt_trial *out, struct penchant_error *err)
{
    const struct shop_world_options wo = {.items = o->items,
                                          .shoppers = o->shoppers,
                                          .days = o->days,
                                          .now_us = NOW_US,
                                          .seed = o->seed};
    struct trial t = {.o = o, .adapt = adapt};
    char dir[TEMP_DIR_SIZE];
    int status = temp_dir_make(dir, err);
    if (status)
        return status;
    status = shop_world_new(&t.world, &wo, err);
    if (!status)
        status = open_shop(&t, dir, err);
    if (!status)
        status = run(&t, out, err);
    penchant_close(&t.shop);
    shop_world_free(t.world);
    temp_dir_remove(dir);
    return status;
}

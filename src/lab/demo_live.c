/* SPDX-License-Identifier: Apache-2.0 */
/* Shoppers of the demo who go on shopping, and how often they take what they are shown. */
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "base/timing.h"
#include "cli/cli.h"
#include "lab/demo.h"

enum { AT_ONCE = 12, SHOWN = 8, PAUSE_MS = 20, LEAST_SECONDS = 3 };
enum { ENGINE, POPULAR, GROUPS };

struct live {
    struct demo *demo;
    struct penchant *shop;
    struct shop_visit visit[AT_ONCE];
    uint64_t events, purchases;
    uint64_t lists[GROUPS], taken[GROUPS];
    int64_t answer_ns; /* spent in recommending */
};

static unsigned group_of(const struct shop_visit *v)
{
    return v->shopper % GROUPS;
}

static void begin(struct live *live, uint32_t i)
{
    struct shop_world *w = live->demo->world;
    const uint32_t shopper = rng_below(&w->rng, w->options.shoppers);
    shop_visit_begin(&live->visit[i], w, shopper, timing_now_us());
}

/* What this shopper is shown, as items of the made-up world. */
static int show(struct live *live, const struct shop_visit *v, int32_t shown[SHOWN],
                uint32_t *n, struct penchant_error *err)
{
    const struct shop_world *w = live->demo->world;
    struct penchant_list *list = NULL;
    struct penchant_request r;
    const unsigned group = group_of(v);
    const int64_t began = timing_steady_ns();
    int status;
    penchant_request_default(&r);
    r.user_id = w->shopper[v->shopper].id;
    r.k = SHOWN;
    r.placement = "demo";
    if (group == ENGINE)
        status = penchant_recommend(live->shop, &r, &list, err);
    else
        status = penchant_popular(live->shop, SHOWN, NULL, &list, err);
    if (status)
        return status;
    if (group == ENGINE)
        live->answer_ns += timing_steady_ns() - began;
    live->lists[group]++;
    *n = 0;
    for (size_t i = 0; i < list->n && *n < SHOWN; i++) {
        const int32_t item = shop_world_find(w, list->items[i].item_id);
        if (item != SHOP_NO_ITEM)
            shown[(*n)++] = item;
    }
    penchant_list_free(list);
    return PENCHANT_OK;
}

static int record(struct live *live, const struct shop_act *act,
                  struct penchant_error *err)
{
    const struct shop_world *w = live->demo->world;
    struct penchant_event e;
    char session[16];
    penchant_event_default(&e);
    snprintf(session, sizeof(session), "v%u", act->visit);
    e.user_id = w->shopper[act->shopper].id;
    e.session_id = session;
    e.event = act->event;
    e.item_id = act->item == SHOP_NO_ITEM ? NULL : w->item[act->item].id;
    e.query = act->query;
    e.text = act->text;
    e.value = act->value;
    live->events++;
    live->purchases += act->event[0] == 'p';
    return penchant_add_events(live->shop, &e, 1, NULL, err);
}

static int step(struct live *live, uint32_t i, struct penchant_error *err)
{
    struct shop_visit *v = &live->visit[i];
    struct shop_act act;
    int32_t shown[SHOWN];
    uint32_t n = 0;
    const int status = shop_visit_looks(v) ? show(live, v, shown, &n, err) : PENCHANT_OK;
    if (status)
        return status;
    if (!shop_visit_step(v, shown, n, &act)) {
        begin(live, i);
        return PENCHANT_OK;
    }
    live->taken[group_of(v)] += act.shown_at >= 0;
    return record(live, &act, err);
}

static double share(const struct live *live, unsigned group)
{
    return live->lists[group]
               ? 100 * (double)live->taken[group] / (double)live->lists[group]
               : 0;
}

static void line(const struct live *live, char *text, size_t size)
{
    const double us = live->lists[ENGINE]
                          ? (double)live->answer_ns / (double)live->lists[ENGINE] / 1000
                          : 0;
    snprintf(
        text, size,
        "events, %llu purchases; taken from %.1f %% of our lists, %.1f %% of the popular "
        "ones; %.0f us a list",
        (unsigned long long)live->purchases, share(live, ENGINE), share(live, POPULAR),
        us);
}

static bool time_is_up(const struct demo *demo, int64_t live_ns)
{
    const double whole = (double)(timing_steady_ns() - demo->began_ns) * 1e-9;
    const double live = (double)(timing_steady_ns() - live_ns) * 1e-9;
    return demo->seconds && whole >= demo->seconds && live >= LEAST_SECONDS;
}

int demo_live(struct demo *demo, struct penchant *shop, struct penchant_error *err)
{
    struct live live = {.demo = demo, .shop = shop};
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
    const int64_t began = timing_steady_ns();
    char text[200];
    int status = PENCHANT_OK;
    for (uint32_t i = 0; i < AT_ONCE; i++)
        begin(&live, i);
    for (uint32_t i = 0; !status && !cli_stop && !time_is_up(demo, began); i++) {
        status = step(&live, i % AT_ONCE, err);
        line(&live, text, sizeof(text));
        progress_show(&demo->progress, "shopping", live.events, 0, text);
        nanosleep(&pause, NULL);
    }
    progress_end(&demo->progress);
    if (status == PENCHANT_OK)
        printf("Shopped live: %llu %s.\n", (unsigned long long)live.events, text);
    return status;
}

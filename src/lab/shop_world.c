/* SPDX-License-Identifier: Apache-2.0 */
/* The shop's shelves, its shoppers, and their past. What a visit does: shop_visit.c. */
#include "lab/shop_world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab/shop_words.h"

#define DAY_US (86400 * (int64_t)1000000)

static double price_of(const struct shop_words_category *shelf, uint32_t brand,
                       struct rng *rng)
{
    const double price =
        shelf->price * shop_brands[brand].level * exp(0.35 * (double)rng_normal(rng));
    return floor(price) + 0.9; /* as shops like it */
}

static void make_item(struct shop_item *item, uint32_t shelf, struct rng *rng)
{
    const struct shop_words_category *c = &shop_categories[shelf];
    const struct shop_words_pair *noun = &c->noun[rng_below(rng, SHOP_NOUNS)];
    const struct shop_words_pair *style = &shop_styles[rng_below(rng, SHOP_STYLES)];
    /* Every brand is at home in a few departments: a shelf sees a third of them. */
    item->brand = (shelf / 5 * 7 + rng_below(rng, SHOP_BRANDS / 3) * 3) % SHOP_BRANDS;
    item->shelf = shelf;
    item->price = price_of(c, item->brand, rng);
    item->weight = exp(0.9 * (double)rng_normal(rng));
    const struct shop_words_pair *brand = &shop_brands[item->brand].name;
    snprintf(item->title, sizeof(item->title), "%s %s %s %s%s%s", brand->en, style->en,
             noun->en, brand->zh, style->zh, noun->zh);
}

static int by_brand_and_price(const void *pa, const void *pb)
{
    const struct shop_item *a = pa, *b = pb;
    if (a->brand != b->brand)
        return a->brand < b->brand ? -1 : 1;
    return (a->price > b->price) - (a->price < b->price);
}

/* Shelves differ in size; ids are given by chance, so that they tell nothing. */
static int make_items(struct shop_world *w, struct rng *rng)
{
    const uint32_t n = w->n_items;
    uint32_t *number = malloc(n * sizeof(*number));
    if (!number)
        return -1;
    double share[SHOP_CATEGORIES], sum = 0, reached = 0;
    for (uint32_t c = 0; c < SHOP_CATEGORIES; c++)
        sum += share[c] = 0.5 + rng_double(rng);
    for (uint32_t c = 0; c < SHOP_CATEGORIES; c++) {
        reached += share[c];
        w->shelf_start[c + 1] = (uint32_t)lround(reached / sum * n);
        const uint32_t from = w->shelf_start[c], to = w->shelf_start[c + 1];
        for (uint32_t i = from; i < to; i++)
            make_item(&w->item[i], c, rng);
        qsort(w->item + from, to - from, sizeof(*w->item), by_brand_and_price);
        double weight = 0;
        for (uint32_t i = from; i < to; i++)
            w->found[i] = weight += w->item[i].weight;
    }
    for (uint32_t i = 0; i < n; i++)
        number[i] = i;
    rng_shuffle(rng, number, n);
    for (uint32_t i = 0; i < n; i++) {
        snprintf(w->item[i].id, sizeof(w->item[i].id), "i%05u", number[i] + 1);
        w->by_number[number[i]] = (int32_t)i;
    }
    free(number);
    return 0;
}

/* An interest near another one (the same department) or, without one, anywhere. */
static void make_interest(struct shop_world *w, struct shop_interest *in,
                          const struct shop_interest *near)
{
    struct rng *rng = &w->rng;
    in->shelf = near && rng_double(rng) < 0.6 ? near->shelf / 5 * 5 + rng_below(rng, 5)
                                              : rng_below(rng, SHOP_CATEGORIES);
    const uint32_t from = w->shelf_start[in->shelf];
    const uint32_t count = w->shelf_start[in->shelf + 1] - from;
    in->brand = w->item[from + rng_below(rng, count)].brand;
    in->level = rng_double(rng);
    in->mass = 0.3 + rng_double(rng);
}

static void make_shoppers(struct shop_world *w)
{
    for (uint32_t s = 0; s < w->options.shoppers; s++) {
        struct shop_shopper *shopper = &w->shopper[s];
        snprintf(shopper->id, sizeof(shopper->id), "u%u", s + 1);
        shopper->staple = SHOP_NO_ITEM;
        shopper->stride = 1 + (int)rng_below(&w->rng, 3);
        if (rng_below(&w->rng, 2))
            shopper->stride = -shopper->stride;
        shopper->n_interests = 2 + rng_below(&w->rng, SHOP_INTERESTS - 1);
        for (uint32_t i = 0; i < shopper->n_interests; i++)
            make_interest(w, &shopper->interest[i], i ? &shopper->interest[0] : NULL);
    }
}

int shop_world_new(struct shop_world **out, const struct shop_world_options *o,
                   struct penchant_error *err)
{
    *out = NULL;
    if (o->items < 10 * SHOP_CATEGORIES || o->items > 90000 || !o->shoppers ||
        o->shoppers > 1000000 || !o->days || o->days > 3650)
        return error_set(err, PENCHANT_EINVALID, "a shop of that size cannot be made up");
    struct shop_world *w = calloc(1, sizeof(*w));
    if (!w)
        return error_memory(err);
    struct rng rng;
    rng_init(&rng, o->seed, 0);
    rng_init(&w->rng, o->seed, 1);
    w->options = *o;
    w->n_items = o->items;
    w->item = calloc(o->items, sizeof(*w->item));
    w->shelf_start = calloc(SHOP_CATEGORIES + 1, sizeof(*w->shelf_start));
    w->found = calloc(o->items, sizeof(*w->found));
    w->by_number = calloc(o->items, sizeof(*w->by_number));
    w->shopper = calloc(o->shoppers, sizeof(*w->shopper));
    if (!w->item || !w->shelf_start || !w->found || !w->by_number || !w->shopper ||
        make_items(w, &rng)) {
        shop_world_free(w);
        return error_memory(err);
    }
    make_shoppers(w);
    *out = w;
    return PENCHANT_OK;
}

void shop_world_free(struct shop_world *w)
{
    if (!w)
        return;
    free(w->item);
    free(w->shelf_start);
    free(w->found);
    free(w->by_number);
    free(w->shopper);
    free(w);
}

int32_t shop_world_find(const struct shop_world *w, const char *id)
{
    const unsigned long number = id[0] == 'i' ? strtoul(id + 1, NULL, 10) : 0;
    if (number < 1 || number > w->n_items)
        return SHOP_NO_ITEM;
    const int32_t item = w->by_number[number - 1];
    return strcmp(w->item[item].id, id) == 0 ? item : SHOP_NO_ITEM;
}

/* ---- the past ------------------------------------------------------------------ */

struct past {
    struct shop_act *act;
    size_t n, cap;
};

static int keep(struct past *p, const struct shop_act *act)
{
    if (p->n == p->cap) {
        const size_t cap = p->cap ? 2 * p->cap : 65536;
        struct shop_act *more = realloc(p->act, cap * sizeof(*more));
        if (!more)
            return -1;
        p->act = more;
        p->cap = cap;
    }
    p->act[p->n++] = *act;
    return 0;
}

/* Some purchases come back, some are reviewed, days later. */
static int keep_aftermath(struct past *p, struct shop_world *w,
                          const struct shop_act *bought)
{
    struct shop_act later = *bought;
    const double chance = rng_double(&w->rng);
    if (strcmp(bought->event, "purchase") != 0 || chance > 0.16)
        return 0;
    later.ts_us += (int64_t)((2 + 8 * rng_double(&w->rng)) * (double)DAY_US);
    later.event = chance < 0.04 ? "refund" : "review";
    if (chance >= 0.04) {
        later.value =
            shop_world_stars(w, bought->shopper, bought->item, rng_double(&w->rng));
        later.text = shop_world_remark(w, bought->item, bought->visit);
    }
    return later.ts_us < w->options.now_us ? keep(p, &later) : 0;
}

/* When shoppers come: few at night, most in the evening. */
static int64_t moment(struct shop_world *w)
{
    static const unsigned char weight[24] = {2, 1, 1, 1, 1, 2, 4, 6,  7,  7,  7, 8,
                                             9, 8, 7, 7, 7, 8, 9, 11, 13, 13, 9, 5};
    uint32_t sum = 0, hour = 0;
    for (int i = 0; i < 24; i++)
        sum += weight[i];
    for (uint32_t r = rng_below(&w->rng, sum); r >= weight[hour]; hour++)
        r -= weight[hour];
    const int64_t day = rng_below(&w->rng, w->options.days);
    const int64_t within = (int64_t)(rng_double(&w->rng) * 3600e6);
    const int64_t began = w->options.now_us / DAY_US * DAY_US - DAY_US * w->options.days;
    return began + DAY_US * day + hour * (int64_t)3600000000 + within;
}

static int by_number(const void *pa, const void *pb)
{
    const int64_t a = *(const int64_t *)pa, b = *(const int64_t *)pb;
    return (a > b) - (a < b);
}

/* Interests fade and grow; now and then one gives way to another. */
static void drift(struct shop_world *w, struct shop_shopper *shopper)
{
    for (uint32_t i = 0; i < shopper->n_interests; i++)
        shopper->interest[i].mass *= exp(0.25 * (double)rng_normal(&w->rng));
    if (rng_double(&w->rng) < 0.07) {
        const uint32_t i = rng_below(&w->rng, shopper->n_interests);
        make_interest(w, &shopper->interest[i], &shopper->interest[0]);
    }
}

static int live_through(struct past *p, struct shop_world *w, uint32_t s)
{
    enum { MOST_VISITS = 64 };
    int64_t when[MOST_VISITS];
    const double active = exp(1.6 + 0.8 * (double)rng_normal(&w->rng));
    const uint32_t n = active < MOST_VISITS - 1 ? 1 + (uint32_t)active : MOST_VISITS;
    for (uint32_t i = 0; i < n; i++)
        when[i] = moment(w);
    qsort(when, n, sizeof(*when), by_number);
    for (uint32_t i = 0; i < n; i++) {
        struct shop_visit visit;
        struct shop_act act;
        drift(w, &w->shopper[s]);
        shop_visit_begin(&visit, w, s, when[i]);
        while (shop_visit_step(&visit, NULL, 0, &act))
            if (keep(p, &act) || keep_aftermath(p, w, &act))
                return -1;
    }
    return 0;
}

/* Every shopper's acts stand in their order already, so equal times need a tie. */
static int by_time(const void *pa, const void *pb)
{
    const struct shop_act *a = pa, *b = pb;
    if (a->ts_us != b->ts_us)
        return a->ts_us < b->ts_us ? -1 : 1;
    return (a->shopper > b->shopper) - (a->shopper < b->shopper);
}

int shop_world_past(struct shop_world *w, struct shop_act **acts, size_t *n,
                    struct penchant_error *err)
{
    struct past p = {0};
    for (uint32_t s = 0; s < w->options.shoppers; s++) {
        if (live_through(&p, w, s)) {
            free(p.act);
            return error_memory(err);
        }
    }
    qsort(p.act, p.n, sizeof(*p.act), by_time);
    *acts = p.act;
    *n = p.n;
    return PENCHANT_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A made-up shop that behaves like one: departments and shelves, brands, log-normal
 * prices, titles in English and Chinese; shoppers with several drifting interests (a
 * shelf, a brand, a price level), who come in visits and look, search, wish, put into the
 * cart, buy, send back and review. What they look at next depends on what they look at
 * now (neighbours on the shelf) and on what they bought (complements), so that there is
 * something to learn.
 *
 * The same seed gives the same shop and the same past. One thread at a time.
 */
#ifndef LAB_SHOP_WORLD_H
#define LAB_SHOP_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "base/status.h"

enum { SHOP_NO_ITEM = -1, SHOP_INTERESTS = 4, SHOP_CART = 4, SHOP_SEEN = 32 };

struct shop_world_options {
    uint32_t items, shoppers;
    uint32_t days;  /* how far the past reaches back */
    int64_t now_us; /* where it ends */
    uint64_t seed;
};

struct shop_item {
    char id[12];
    char title[128];
    uint32_t shelf, brand; /* in shop_words.h */
    double price, weight;  /* weight: how often it is found by chance */
};

struct shop_interest {
    uint32_t shelf, brand;
    double level; /* of prices in the shelf: 0 cheapest, 1 dearest */
    double mass;
};

struct shop_shopper {
    char id[12];
    struct shop_interest interest[SHOP_INTERESTS];
    uint32_t n_interests;
    int stride;     /* how they go along a shelf: up or down the prices, by how much */
    int32_t staple; /* something used up that they bought before, or SHOP_NO_ITEM */
};

struct shop_world {
    struct shop_world_options options;
    uint32_t n_items; /* items of a shelf stand together, by brand and price */
    struct shop_item *item;
    uint32_t *shelf_start; /* (SHOP_CATEGORIES + 1) */
    double *found;         /* (n_items) cumulated weights within the shelf */
    int32_t *by_number;    /* (n_items) which item "i00001", "i00002", .. is */
    struct shop_shopper *shopper;
    struct rng rng; /* of the shoppers; drives every visit */
    uint32_t visits;
};

/* One thing that a shopper did. */
struct shop_act {
    int64_t ts_us;
    const char *event; /* a constant: "view", "purchase", .. */
    const char *query; /* of a search: a constant; else NULL */
    uint32_t shopper, visit;
    int32_t item;     /* SHOP_NO_ITEM for a search */
    int32_t shown_at; /* where in the list that was shown, or -1 */
    double value;     /* a price or a rating; NaN: none */
    const char *text; /* of a review: a constant; else NULL */
};

int shop_world_new(struct shop_world **out, const struct shop_world_options *o,
                   struct penchant_error *err);
void shop_world_free(struct shop_world *w);

/* The item with that id, or SHOP_NO_ITEM. */
int32_t shop_world_find(const struct shop_world *w, const char *id);

/* How well an item suits an interest: 0 the wrong shelf, up to 1. */
double shop_world_suits(const struct shop_world *w, const struct shop_interest *in,
                        int32_t item);

/* The truth: how much a shopper likes an item, 0 (nothing for them) to 1. */
double shop_world_liking(const struct shop_world *w, uint32_t shopper, int32_t item);

/* How many stars they would give it, 1 to 5, by that and by their mood in [0, 1); and what
   they would write: whose make it is. */
double shop_world_stars(const struct shop_world *w, uint32_t shopper, int32_t item,
                        double mood);
const char *shop_world_remark(const struct shop_world *w, int32_t item, uint32_t visit);

/*
 * The past: *acts (the caller's to free) in order of time. Changes the shoppers'
 * interests, so that visits afterwards go on from there.
 */
int shop_world_past(struct shop_world *w, struct shop_act **acts, size_t *n,
                    struct penchant_error *err);

/* The catalogue and a past as CSV with a header. */
int shop_world_write_items(const struct shop_world *w, const char *path,
                           struct penchant_error *err);
int shop_world_write_events(const struct shop_world *w, const struct shop_act *act,
                            size_t n, const char *path, struct penchant_error *err);

/* One visit, step by step. The fields are private to shop_visit.c. */
struct shop_visit {
    struct shop_world *world;
    uint32_t shopper, number, interest, steps;
    int64_t ts_us;
    int32_t item, cart[SHOP_CART], seen[SHOP_SEEN];
    uint32_t n_cart, n_seen, bought;
    const char *pending; /* what happens to `item` next, or NULL */
    bool searching;
};

void shop_visit_begin(struct shop_visit *v, struct shop_world *w, uint32_t shopper,
                      int64_t now_us);

/* Whether the next step looks at what is shown. */
bool shop_visit_looks(const struct shop_visit *v);

/*
 * The next act. `shown` is what the shop recommends at this moment (items, best first; n
 * 0: nothing): the shopper may take one of them instead of looking on their own. False:
 * the visit is over and *act is not filled.
 */
bool shop_visit_step(struct shop_visit *v, const int32_t *shown, uint32_t n,
                     struct shop_act *act);

#endif

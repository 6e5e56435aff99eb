/* SPDX-License-Identifier: Apache-2.0 */
/* What a shopper does in one visit, and which recommendation they would take. */
#include <math.h>
#include <string.h>

#include "lab/shop_words.h"
#include "lab/shop_world.h"

#define SECOND_US ((int64_t)1000000)

static bool was_seen(const struct shop_visit *v, int32_t item)
{
    for (uint32_t i = 0; i < v->n_seen; i++)
        if (v->seen[i] == item)
            return true;
    return false;
}

static uint32_t shelf_size(const struct shop_world *w, uint32_t shelf)
{
    return w->shelf_start[shelf + 1] - w->shelf_start[shelf];
}

/* An item of a shelf as it is found by chance: by weight. */
static int32_t find_in_shelf(struct shop_world *w, uint32_t shelf)
{
    uint32_t low = w->shelf_start[shelf], high = w->shelf_start[shelf + 1] - 1;
    const double at = rng_double(&w->rng) * w->found[high];
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (w->found[middle] > at)
            high = middle;
        else
            low = middle + 1;
    }
    return (int32_t)low;
}

double shop_world_suits(const struct shop_world *w, const struct shop_interest *in,
                        int32_t item)
{
    const struct shop_item *i = &w->item[item];
    if (i->shelf != in->shelf)
        return 0;
    const double median = shop_categories[i->shelf].price;
    const double wanted = median * exp(1.2 * (in->level - 0.5));
    const double off = log(i->price / wanted);
    return (i->brand == in->brand ? 1 : 0.45) * exp(-off * off);
}

double shop_world_liking(const struct shop_world *w, uint32_t shopper, int32_t item)
{
    const struct shop_shopper *s = &w->shopper[shopper];
    double most = 0;
    for (uint32_t i = 0; i < s->n_interests; i++)
        most = fmax(most, shop_world_suits(w, &s->interest[i], item));
    return most;
}

double shop_world_stars(const struct shop_world *w, uint32_t shopper, int32_t item,
                        double mood)
{
    const double stars = 2 + 3 * shop_world_liking(w, shopper, item) + 1.4 * (mood - 0.5);
    return fmin(5, fmax(1, round(stars)));
}

const char *shop_world_remark(const struct shop_world *w, int32_t item, uint32_t visit)
{
    const struct shop_words_pair *brand = &shop_brands[w->item[item].brand].name;
    return visit % 2 ? brand->zh : brand->en;
}

/* The best of a few finds: what a shopper ends up with who looks for this interest. */
static int32_t find_for(struct shop_visit *v, const struct shop_interest *in)
{
    int32_t best = find_in_shelf(v->world, in->shelf);
    double best_suits = -1;
    for (int i = 0; i < 6; i++) {
        const int32_t item = find_in_shelf(v->world, in->shelf);
        const double s =
            shop_world_suits(v->world, in, item) + 0.1 * rng_double(&v->world->rng);
        if (s > best_suits && !was_seen(v, item)) {
            best_suits = s;
            best = item;
        }
    }
    return best;
}

/* `step` places further on the same shelf, around its end. */
static int32_t neighbour(const struct shop_world *w, int32_t item, int step)
{
    const uint32_t shelf = w->item[item].shelf;
    const int32_t start = (int32_t)w->shelf_start[shelf];
    const int32_t size = (int32_t)shelf_size(w, shelf);
    return start + (item - start + step + size) % size;
}

static uint32_t complement_shelf(uint32_t shelf)
{
    for (uint32_t c = 0; c < SHOP_CATEGORIES; c++)
        if (strcmp(shop_categories[c].path, shop_categories[shelf].complement) == 0)
            return c;
    return shelf;
}

/* What goes with an item: the same relative place on the complement's shelf. */
static int32_t complement(const struct shop_world *w, int32_t item)
{
    const uint32_t from = w->item[item].shelf, to = complement_shelf(from);
    const uint32_t place = (uint32_t)item - w->shelf_start[from];
    return (int32_t)(w->shelf_start[to] +
                     place * shelf_size(w, to) / shelf_size(w, from));
}

static int32_t look_around(struct shop_visit *v)
{
    struct rng *rng = &v->world->rng;
    const struct shop_shopper *shopper = &v->world->shopper[v->shopper];
    const struct shop_interest *in = &shopper->interest[v->interest];
    const double r = rng_double(rng);
    if (v->item == SHOP_NO_ITEM || r < 0.2)
        return find_for(v, in);
    if (v->bought && r < 0.5)
        return complement(v->world, v->item);
    if (r < 0.7)
        return neighbour(v->world, v->item, shopper->stride);
    if (r < 0.8)
        return neighbour(v->world, v->item, (int)rng_below(rng, 9) - 4);
    if (r < 0.9)
        return complement(v->world, v->item);
    return find_in_shelf(v->world, rng_below(rng, SHOP_CATEGORIES));
}

/* How likely the shopper takes an item that they are shown. */
static double appeal(const struct shop_visit *v, int32_t item)
{
    const struct shop_world *w = v->world;
    const struct shop_shopper *shopper = &w->shopper[v->shopper];
    if (was_seen(v, item))
        return 0;
    if (v->item != SHOP_NO_ITEM && (item == neighbour(w, v->item, shopper->stride) ||
                                    item == complement(w, v->item)))
        return 0.3;
    double best = 0.01 + 0.2 * shop_world_suits(w, &shopper->interest[v->interest], item);
    for (uint32_t i = 0; i < shopper->n_interests; i++)
        best = fmax(best, 0.08 * shop_world_suits(w, &shopper->interest[i], item));
    return best;
}

/* Reads the list from the top, with less patience at each place. -1: takes nothing. */
static int32_t take_shown(struct shop_visit *v, const int32_t *shown, uint32_t n)
{
    double patience = 1;
    for (uint32_t i = 0; i < n; i++, patience *= 0.9)
        if (rng_double(&v->world->rng) < patience * appeal(v, shown[i]))
            return (int32_t)i;
    return -1;
}

void shop_visit_begin(struct shop_visit *v, struct shop_world *w, uint32_t shopper,
                      int64_t now_us)
{
    const struct shop_shopper *s = &w->shopper[shopper];
    double sum = 0;
    *v = (struct shop_visit){.world = w,
                             .shopper = shopper,
                             .ts_us = now_us,
                             .item = SHOP_NO_ITEM,
                             .number = ++w->visits};
    for (uint32_t i = 0; i < s->n_interests; i++)
        sum += s->interest[i].mass;
    double at = rng_double(&w->rng) * sum;
    while (v->interest + 1 < s->n_interests && (at -= s->interest[v->interest].mass) > 0)
        v->interest++;
    v->searching = rng_double(&w->rng) < 0.25;
    v->steps = 2;
    while (v->steps < 20 && rng_double(&w->rng) < 0.75)
        v->steps++;
}

static void fill(const struct shop_visit *v, const char *event, int32_t item,
                 struct shop_act *act)
{
    *act = (struct shop_act){.ts_us = v->ts_us,
                             .event = event,
                             .shopper = v->shopper,
                             .visit = v->number,
                             .item = item,
                             .shown_at = -1,
                             .value = NAN};
    if (item != SHOP_NO_ITEM)
        act->value = v->world->item[item].price;
}

static void search(struct shop_visit *v, struct shop_act *act)
{
    struct rng *rng = &v->world->rng;
    const uint32_t shelf = v->world->shopper[v->shopper].interest[v->interest].shelf;
    const struct shop_words_pair *noun =
        &shop_categories[shelf].noun[rng_below(rng, SHOP_NOUNS)];
    v->searching = false;
    fill(v, "search", SHOP_NO_ITEM, act);
    act->query = rng_below(rng, 2) ? noun->zh : noun->en;
}

/* What comes of a view: nothing mostly, a wish, a dislike, or a place in the cart. */
static void decide(struct shop_visit *v)
{
    const struct shop_shopper *s = &v->world->shopper[v->shopper];
    const double liking = shop_world_suits(v->world, &s->interest[v->interest], v->item);
    const double r = rng_double(&v->world->rng);
    if (r < 0.06 + 0.22 * liking && v->n_cart < SHOP_CART) {
        v->pending = "cart";
        v->cart[v->n_cart++] = v->item;
    } else if (r < 0.12 + 0.26 * liking) {
        v->pending = "wish";
    } else if (r > 0.995) {
        v->pending = "dislike";
    }
}

static void view(struct shop_visit *v, const int32_t *shown, uint32_t n,
                 struct shop_act *act)
{
    const int32_t staple = v->world->shopper[v->shopper].staple;
    const bool refill =
        !v->n_seen && staple != SHOP_NO_ITEM && rng_below(&v->world->rng, 4) == 0;
    const int32_t at = refill ? -1 : take_shown(v, shown, n);
    v->item = refill ? staple : at >= 0 ? shown[at] : look_around(v);
    if (v->n_seen < SHOP_SEEN)
        v->seen[v->n_seen++] = v->item;
    v->steps--;
    fill(v, "view", v->item, act);
    act->shown_at = at;
    decide(v);
}

/* At the end half of the cart is bought, and some of the rest put back. */
static bool check_out(struct shop_visit *v, struct shop_act *act)
{
    while (v->n_cart) {
        const int32_t item = v->cart[--v->n_cart];
        const double r = rng_double(&v->world->rng);
        if (r < 0.5) {
            v->item = item;
            if (shop_categories[v->world->item[item].shelf].used_up)
                v->world->shopper[v->shopper].staple = item;
            /* A first purchase makes the shopper look once more for what goes with it. */
            if (!v->bought++)
                v->steps++;
            fill(v, "purchase", item, act);
            return true;
        }
        if (r < 0.65) {
            fill(v, "uncart", item, act);
            return true;
        }
    }
    return false;
}

bool shop_visit_looks(const struct shop_visit *v)
{
    return !v->searching && !v->pending && v->steps;
}

bool shop_visit_step(struct shop_visit *v, const int32_t *shown, uint32_t n,
                     struct shop_act *act)
{
    v->ts_us += (int64_t)((4 + 40 * rng_double(&v->world->rng)) * (double)SECOND_US);
    if (v->searching) {
        search(v, act);
        return true;
    }
    if (v->pending) {
        fill(v, v->pending, v->item, act);
        v->pending = NULL;
        return true;
    }
    if (v->steps) {
        view(v, shown, n, act);
        return true;
    }
    return check_out(v, act);
}

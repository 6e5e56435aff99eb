/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/words_trial.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lab/shop_words.h"

enum { BOUGHT = 6 };

/* ---- figures ---- */

/* Sums over shoppers of a figure without, with, and of the squared difference. */
struct sums {
    double without, with, square;
};

static void add(struct sums *s, double without, double with)
{
    s->without += without;
    s->with += with;
    s->square += (with - without) * (with - without);
}

static struct words_trial settle(const struct sums *s, uint32_t n)
{
    const double mean = (s->with - s->without) / n;
    const double variance = fmax(0, s->square / n - mean * mean);
    const double half = 1.96 * sqrt(variance / n);
    return (struct words_trial){.without = s->without / n,
                                .with = s->with / n,
                                .low = mean - half,
                                .high = mean + half};
}

struct trial {
    const struct shop_world *w;
    struct penchant *shop;
    const char *sources;
    struct rng rng; /* the trial's own: the world's would change its future */
    struct sums asked, suited, reviews;
    struct penchant_error *err;
};

/* What is recommended, as items of the world; how many, or a negative status. */
static int ask(struct trial *t, struct penchant_request *r,
               int32_t shown[WORDS_TRIAL_SHOWN])
{
    struct penchant_list *list = NULL;
    int n = 0;
    r->k = WORDS_TRIAL_SHOWN;
    r->sources = t->sources;
    const int status = penchant_recommend(t->shop, r, &list, t->err);
    if (status != PENCHANT_OK)
        return status;
    for (size_t i = 0; i < list->n; i++) {
        shown[n] = shop_world_find(t->w, list->items[i].item_id);
        n += shown[n] != SHOP_NO_ITEM;
    }
    penchant_list_free(list);
    return n;
}

/* ---- searches ---- */

static int try_search(struct trial *t, uint32_t s)
{
    const struct shop_shopper *shopper = &t->w->shopper[s];
    const struct shop_interest *in =
        &shopper->interest[rng_below(&t->rng, shopper->n_interests)];
    const struct shop_words_pair *noun =
        &shop_categories[in->shelf].noun[rng_below(&t->rng, SHOP_NOUNS)];
    struct penchant_event search;
    penchant_event_default(&search);
    search.event = "search";
    search.query = rng_below(&t->rng, 2) ? noun->zh : noun->en;
    double asked[2] = {0}, suited[2] = {0};
    for (size_t with = 0; with < 2; with++) {
        int32_t shown[WORDS_TRIAL_SHOWN];
        struct penchant_request r;
        penchant_request_default(&r);
        r.user_id = shopper->id;
        r.events = &search;
        r.n_events = with;
        const int n = ask(t, &r, shown);
        if (n < 0)
            return n;
        for (int i = 0; i < n; i++) {
            asked[with] += t->w->item[shown[i]].shelf == in->shelf;
            suited[with] += shop_world_suits(t->w, in, shown[i]);
        }
    }
    add(&t->asked, asked[0] / WORDS_TRIAL_SHOWN, asked[1] / WORDS_TRIAL_SHOWN);
    add(&t->suited, suited[0] / WORDS_TRIAL_SHOWN, suited[1] / WORDS_TRIAL_SHOWN);
    return PENCHANT_OK;
}

/* ---- reviews ---- */

/* What somebody with this taste bought and wrote: a purchase and a review each. */
static void buy_and_review(struct trial *t, uint32_t s,
                           struct penchant_event e[2 * BOUGHT])
{
    const struct shop_world *w = t->w;
    const struct shop_shopper *shopper = &w->shopper[s];
    for (uint32_t i = 0; i < BOUGHT; i++) {
        const uint32_t shelf =
            shopper->interest[rng_below(&t->rng, shopper->n_interests)].shelf;
        const uint32_t from = w->shelf_start[shelf], to = w->shelf_start[shelf + 1];
        const int32_t item = (int32_t)(from + rng_below(&t->rng, to - from));
        struct penchant_event *bought = &e[i], *review = &e[BOUGHT + i];
        penchant_event_default(bought);
        bought->event = "purchase";
        bought->item_id = w->item[item].id;
        *review = *bought;
        review->event = "review";
        review->value = shop_world_stars(w, s, item, rng_double(&t->rng));
        review->text = shop_world_remark(w, item, i);
    }
}

static int try_reviews(struct trial *t, uint32_t s)
{
    struct penchant_event e[2 * BOUGHT];
    double liking[2] = {0};
    buy_and_review(t, s, e);
    for (int with = 1; with >= 0; with--) {
        int32_t shown[WORDS_TRIAL_SHOWN];
        struct penchant_request r;
        penchant_request_default(&r);
        r.events = e;
        r.n_events = 2 * BOUGHT;
        r.exclude_purchased = true;
        for (int i = BOUGHT; !with && i < 2 * BOUGHT; i++)
            e[i].value = NAN;
        const int n = ask(t, &r, shown);
        if (n < 0)
            return n;
        for (int i = 0; i < n; i++)
            liking[with] += shop_world_liking(t->w, s, shown[i]);
    }
    add(&t->reviews, liking[0] / WORDS_TRIAL_SHOWN, liking[1] / WORDS_TRIAL_SHOWN);
    return PENCHANT_OK;
}

/* ---- all of it ---- */

int words_trial_run(const struct shop_world *w, struct penchant *shop, uint32_t shoppers,
                    const char *sources, uint64_t seed, struct words_trials *out,
                    struct penchant_error *err)
{
    struct trial t = {.w = w, .shop = shop, .sources = sources, .err = err};
    int status = PENCHANT_OK;
    rng_init(&t.rng, seed, 0x30D5);
    const uint32_t n = shoppers < w->options.shoppers ? shoppers : w->options.shoppers;
    for (uint32_t s = 0; s < n && status == PENCHANT_OK; s++) {
        status = try_search(&t, s);
        if (status == PENCHANT_OK)
            status = try_reviews(&t, s);
    }
    *out = (struct words_trials){.shoppers = n};
    if (status != PENCHANT_OK || !n)
        return status;
    out->asked = settle(&t.asked, n);
    out->suited = settle(&t.suited, n);
    out->reviews = settle(&t.reviews, n);
    return PENCHANT_OK;
}

void words_trial_print(struct buf *b, const struct words_trials *t)
{
    buf_printf(
        b,
        "Words, by the shop's own truth (%u shoppers, lists of %d):\n"
        "  after a search %.1f items are of the shelf asked for, %.1f without it\n"
        "  the list suits what they look for by %.3f, %.3f without [%+.3f, %+.3f]\n"
        "  after %d reviews they like the list by %.3f, %.3f if the stars are "
        "ignored [%+.3f, %+.3f]",
        t->shoppers, WORDS_TRIAL_SHOWN, WORDS_TRIAL_SHOWN * t->asked.with,
        WORDS_TRIAL_SHOWN * t->asked.without, t->suited.with, t->suited.without,
        t->suited.low, t->suited.high, BOUGHT, t->reviews.with, t->reviews.without,
        t->reviews.low, t->reviews.high);
}

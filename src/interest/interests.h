/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one shopper is interested in, told from the newest events of the user: one
 * long-term interest, several concurrent short-term ones, how far the present is from the
 * past (drift), and which categories they have had enough of (saturation).
 *
 * An event i counts w_i by its type (a view 1, a wish or cart 2, a purchase 3, times the
 * liking of a review) and ages in days and in events that came after it:
 *
 *   fresh_i   = w_i 2^-(days / 7 + events / 32)
 *   lasting_i = w_i 2^-(days / 90 + events / 256)     (without a clock events alone)
 *
 * Short-term interests are slots of an online clustering: in the order of time every event
 * joins the slot whose weighted mean is nearest, if it is at least INTERESTS_NEAR near,
 * else it opens a new one, in the place of the lightest when all INTERESTS_SLOTS are taken
 * (Pal et al., PinnerSage, KDD 2020, cluster a user's actions with the same aim; the decay
 * and the bound are ours). Slots that come as near to each other as INTERESTS_MERGE are
 * made one. A single look is no interest yet, unless it is the newest. Nearness is the
 * mean of two cosines, of those that are known of both sides: that of the item vectors,
 * less their mean over the shop, and that of the categories, each weighted by
 * log(1 + 1 / its share of the shop's events).
 *
 * An event's weight is divided: fresh_i belongs to its slot, lasting_i - fresh_i to the
 * long-term interest, which also gets what is not told of. Together they weigh 1.
 *
 *   drift = 1 - max(0, nearness(S, P + S / |S|)),  S = sum fresh_i x_i,
 *           P = sum (lasting_i - fresh_i) x_i,     |S| = sum fresh_i
 *
 * so that a past of one view's weight, that was like the present, is always supposed: who
 * has no past does not drift.
 *
 *   saturation = 1 - exp(-max(0, lately - usual) / (16 + usual))
 *   lately = looks 2^-(days / 2) + 16 purchases 2^-(days / 30)   (sums over the category)
 *   usual  = what `lately` was on average over the time before, from its own old part
 *
 * with 16 and 128 events in the place of 2 and 30 days when there is no clock.
 *
 * One call looks at no more than INTERESTS_EVENTS events and needs at most
 * INTERESTS_EVENTS (4 dim + 1600) bytes while it runs and 100 kB beside them. Pure
 * functions: same input, same bits; any thread.
 */
#ifndef INTEREST_INTERESTS_H
#define INTEREST_INTERESTS_H

#include <stdbool.h>
#include <stdint.h>

#include "behaviour/catalog.h"

enum {
    INTERESTS_EVENTS = 512,
    INTERESTS_SLOTS = 6,
    INTERESTS_CATEGORIES = 5,
    INTERESTS_BRANDS = 3,
    INTERESTS_ITEMS = 4,
    INTERESTS_SATURATED = 10
};

#define INTERESTS_NEAR  0.35
#define INTERESTS_MERGE 0.75
#define INTERESTS_LEAST 0.01 /* an interest of less weight is not told of */

/* Item vectors to compare by direction. */
struct interest_vectors {
    const float *vectors; /* (n, dim), row i of item i; a row of zeros is unknown */
    const float *middle;  /* (dim) their mean at length 1, interest_middle() */
    uint32_t n, dim;
};

struct interests_input {
    const uint32_t *item; /* (n) wanted events, oldest first */
    const uint8_t *type;
    const int64_t *ts_us;
    const float *liking; /* (n) in [-1, 1], what is not liked is no interest; NULL: 1 */
    uint32_t n;          /* of more than INTERESTS_EVENTS the newest are looked at */
    int64_t now_us;
    bool has_clock;
    const struct interest_vectors *vectors; /* NULL: none */
    const struct catalog *catalog;          /* read, its counts atomically */
};

/* A category or brand of an interest. */
struct interest_share {
    uint32_t attribute; /* of the catalogue's vocabulary */
    double share;       /* of the interest's weight */
    double lift;        /* the share over the shop's own */
};

struct interest {
    double weight;
    uint32_t events;
    int64_t first_us, last_us;
    /* The most telling first: by share * log(lift). */
    uint32_t n_categories, n_brands;
    struct interest_share category[INTERESTS_CATEGORIES], brand[INTERESTS_BRANDS];
    double price_low, price_high; /* 10 % and 90 % of the weight; NaN: unknown */
    uint32_t n_items;
    uint32_t item[INTERESTS_ITEMS]; /* of most weight first */
};

struct interest_saturation {
    uint32_t category; /* of the catalogue's vocabulary */
    double saturation; /* [0, 1) */
    double lately, usual;
};

struct interests {
    struct interest long_term;
    uint32_t n_short;
    struct interest short_term[INTERESTS_SLOTS]; /* of most weight first */
    double drift; /* [0, 1]; NaN: nothing is known of the items that could be compared */
    uint32_t n_saturated;
    struct interest_saturation saturated[INTERESTS_SATURATED]; /* the most first */
};

/* 0 or PENCHANT_ENOMEM. */
int interests_find(const struct interests_input *in, struct interests *out);

/* The mean of the vectors at length 1 into middle (dim). */
void interest_middle(const float *vectors, uint32_t n, uint32_t dim, float *middle);

#endif

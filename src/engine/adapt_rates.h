/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often items and kinds of items (their first category) were taken lately when they
 * were shown, by everybody and by each user, against what was to be expected:
 *
 *   lift = log((taken + a) / (expected + a)),
 *
 * the posterior mean of a Gamma-Poisson rate (Gelman et al., Bayesian Data Analysis, 2.6),
 * 0 for what was never shown. `expected` is the sum of the chances that were foretold for
 * those places. Both sums forget with every showing: items keep .99, kinds .998, a user's
 * items .9 and kinds .95 of them, so that a window is as long as what is shown in it.
 *
 * The state is a function of the calls in their order. Memory: 8 bytes an item and a
 * category, and two tables of ADAPT_PAIRS x 24 bytes for pairs with a user; of four pairs
 * that share a place, the one that was shown longest ago goes. Not thread-safe.
 */
#ifndef ENGINE_ADAPT_RATES_H
#define ENGINE_ADAPT_RATES_H

#include <stdint.h>

#include "behaviour/catalog.h"

enum { ADAPT_PAIRS = 1 << 16 };

struct adapt_rate {
    float taken, expected;
};

struct adapt_pair {
    uint64_t key; /* 0: empty */
    struct adapt_rate rate;
    uint64_t used; /* the observation that touched it last */
};

struct adapt_rates {
    struct adapt_rate *item, *kind; /* (items), (kinds) */
    uint32_t items, kinds;
    struct adapt_pair *user_item, *user_kind; /* (ADAPT_PAIRS) */
    uint64_t observed;
};

/* 0 or PENCHANT_ENOMEM; release may follow a failed init. */
int adapt_rates_init(struct adapt_rates *r);
void adapt_rates_release(struct adapt_rates *r);

/* Whose place it was and what stood there. */
struct adapt_shown {
    uint32_t user, item, kind; /* NAMES_NONE: unknown visitor, no category */
    uint64_t kind_hash;        /* of its name: category numbers may change */
};

struct adapt_shown adapt_shown_of(const struct catalog *c, uint32_t user, uint32_t item);

/* It was shown, or it was taken after that had been told; 0 or PENCHANT_ENOMEM. */
int adapt_rates_show(struct adapt_rates *r, const struct adapt_shown *s, double expected);
int adapt_rates_take(struct adapt_rates *r, const struct adapt_shown *s);

struct adapt_lifts {
    float item, kind, user_item, user_kind;
    float user_item_shown, user_kind_shown; /* expected takes, as log(1 + 10 x) */
};

void adapt_rates_lifts(const struct adapt_rates *r, const struct adapt_shown *s,
                       struct adapt_lifts *out);

/* Forgets all pairs with the user. */
void adapt_rates_erase_user(struct adapt_rates *r, uint32_t user);

#endif

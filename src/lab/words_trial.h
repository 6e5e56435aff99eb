/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether words help, measured in the made-up shop (shop_world.h), whose truth is known.
 * Every shopper is asked for twice at the same moment, with what they said and without it;
 * nothing of it is stored, so that a trial changes neither the shop nor the world.
 *
 *   searches  the shopper searches for something of one of their interests. The next list
 *             against the one without the search: how much of it is of the shelf that was
 *             asked for, and how well it suits that interest.
 *   reviews   somebody new with a shopper's taste buys items of the shelves they like and
 *             reviews them. The next list against the one where the reviews say the same
 *             without their stars: how much the person likes what is in it.
 */
#ifndef LAB_WORDS_TRIAL_H
#define LAB_WORDS_TRIAL_H

#include "base/buf.h"
#include "lab/shop_world.h"

enum { WORDS_TRIAL_SHOWN = 10 };

/* A figure without and with, and a 95 % interval of the difference over the shoppers. */
struct words_trial {
    double without, with, low, high;
};

struct words_trials {
    uint32_t shoppers;
    struct words_trial asked;   /* share of the list that is of the shelf asked for */
    struct words_trial suited;  /* shop_world_suits(): mean of the list */
    struct words_trial reviews; /* shop_world_liking(): mean of the list */
};

/* Asks for the first `shoppers` of the world; `sources` as in struct penchant_request. */
int words_trial_run(const struct shop_world *w, struct penchant *shop, uint32_t shoppers,
                    const char *sources, uint64_t seed, struct words_trials *out,
                    struct penchant_error *err);

/* Lines for people, without a last line feed. */
void words_trial_print(struct buf *b, const struct words_trials *t);

#endif

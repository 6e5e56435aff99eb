/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One user of a shop with latent vectors (lab/latent_shop.h): a Markov chain between looking
 * around (organic: a product is viewed every step), meeting ads (bandit: one is shown every
 * step) and having left, with RecoGym's probabilities:
 *
 *     looking -> ads .25    ads -> looking .05    either -> left `leaving` (.01 there)
 *
 * A user begins by looking around, and does so again after every click. Interests walk on
 * every step that leads to looking around, and stand still among ads. Steps are the clock.
 * Bounded: an episode has at most LATENT_USER_STEPS steps and then is over, and after
 * LATENT_USER_VIEWS views in a row ads come; neither has been seen to happen.
 */
#ifndef LAB_LATENT_USER_H
#define LAB_LATENT_USER_H

#include <stdbool.h>

#include "lab/actor.h"
#include "lab/latent_shop.h"

enum { LATENT_USER_STEPS = 4096, LATENT_USER_VIEWS = 512 };

enum latent_state { LATENT_LOOKING, LATENT_ADS, LATENT_LEFT };

struct latent_user {
    struct latent_shop *shop;
    double leaving;
    uint32_t episode, step, views, ads;
    enum latent_state state;
    double omega[LATENT_SHOP_MOST_FACTORS];
    struct actor_event event[LATENT_USER_VIEWS]; /* since the last ad */
    uint32_t n_events;
};

void latent_user_begin(struct latent_user *u, struct latent_shop *shop, uint32_t episode,
                       double leaving);

/* Looks around until an ad can be shown or the user has left; fills event[]. */
void latent_user_look(struct latent_user *u);

/* Shows an ad to a user who is among ads; returns whether it is clicked. */
bool latent_user_ad(struct latent_user *u, uint32_t item);

/* Interests are drawn anew, whatever they were. */
void latent_user_switch(struct latent_user *u);

/* Now, counted over the whole run: an episode begins where the one before ends at most. */
double latent_user_now(const struct latent_user *u);

#endif

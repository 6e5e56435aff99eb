/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "organic": organic and sponsored behaviour, in the manner of RecoGym (lab/latent_shop.h
 * has paper and formulas). A user looks at products on their own; between that one ad at a
 * time is shown, which they click or not. All products are flipped with another one: which
 * ads are clicked cannot be told from what is looked at, only from clicks, though tastes
 * (beta is of the same family as Gamma) carry over. The constants are RecoGym's, but for 100
 * products and 50 flips, which are set so that counting clicks after 1,000 users who were shown
 * ads at random reaches the known share of the gap between random and oracle, .40 to .61. An
 * episode is one user, who meets about 78 ads.
 */
#include <stdlib.h>

#include "lab/latent_user.h"
#include "lab/world.h"

enum { PRODUCTS = 100, USERS_A_PART = 1000, PARTS = 3 };

struct organic {
    struct latent_shop shop;
    struct latent_user user;
};

static void organic_destroy(void *state)
{
    struct organic *w = state;
    if (w)
        latent_shop_release(&w->shop);
    free(w);
}

static void *organic_create(uint64_t seed)
{
    static const struct latent_shop_options options = {
        .products = PRODUCTS,
        .factors = 5,
        .flips = PRODUCTS / 2,
        .mu_sd = 3,
        .omega_sd = 1,
        .walk_sd = .1,
    };
    struct organic *w = calloc(1, sizeof *w);
    if (!w || latent_shop_init(&w->shop, &options, seed)) {
        free(w);
        return NULL;
    }
    return w;
}

static void organic_catalog(void *state, struct actor_catalog *out)
{
    (void)state;
    *out = (struct actor_catalog){.n = PRODUCTS, .slate = 1};
}

static uint32_t organic_begin(void *state, uint32_t episode)
{
    struct organic *w = state;
    latent_user_begin(&w->user, &w->shop, episode, .01);
    return episode;
}

static void organic_turn(void *state, struct world_turn *out)
{
    struct organic *w = state;
    latent_user_look(&w->user);
    const uint32_t part = w->user.episode / USERS_A_PART;
    *out = (struct world_turn){
        .event = w->user.event,
        .n_events = w->user.n_events,
        .over = w->user.state == LATENT_LEFT,
        .request = {.user = w->user.episode, .k = 1, .ts = latent_user_now(&w->user)},
        .part = part < PARTS ? part : PARTS - 1,
    };
}

static bool organic_act(void *state, const uint32_t *item, uint32_t k, float *reward)
{
    struct organic *w = state;
    (void)k;
    reward[0] = latent_user_ad(&w->user, item[0]) ? 1 : 0;
    return w->user.state == LATENT_LEFT;
}

static void organic_oracle(void *state, uint32_t *item, uint32_t k)
{
    struct organic *w = state;
    latent_shop_best(&w->shop, w->user.omega, item, k);
}

const struct world_ops world_organic = {
    .name = "organic",
    .help = "organic views and ads in one shop; what is popular misleads (RecoGym)",
    .episodes = PARTS * USERS_A_PART,
    .parts = {"users 1-1000", "users 1001-2000", "users 2001-3000", NULL},
    .create = organic_create,
    .destroy = organic_destroy,
    .catalog = organic_catalog,
    .begin = organic_begin,
    .turn = organic_turn,
    .act = organic_act,
    .oracle = organic_oracle,
};

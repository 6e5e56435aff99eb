/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "switch": the shop with latent vectors (lab/latent_shop.h) where what is looked at does
 * tell what is clicked (no flips), nothing is popular for its own sake (mu = 0), nobody leaves,
 * and every user becomes somebody else once: their interests are drawn anew just before the
 * 20th ad, and nobody is told. A user meets 150 ads and looks around in between. What a
 * policy keeps of the past is worth much until then and costs afterwards.
 *
 * K, the walk and the chain are RecoGym's. The number of products, omega_sd and the number
 * of ads are set so that random and decayed user counts earn the shares of the oracle's
 * clicks that are known of such a shop: 51 51 51 50 and 90 58 72 92 %, by part.
 */
#include <stdlib.h>

#include "lab/latent_user.h"
#include "lab/world.h"

enum { PRODUCTS = 100, USERS = 2000, ADS = 150, SWITCH = 20 };

struct switching {
    struct latent_shop shop;
    struct latent_user user;
    uint32_t shown; /* ads so far */
    bool switched;
};

static void switch_destroy(void *state)
{
    struct switching *w = state;
    if (w)
        latent_shop_release(&w->shop);
    free(w);
}

static void *switch_create(uint64_t seed)
{
    static const struct latent_shop_options options = {
        .products = PRODUCTS,
        .factors = 5,
        .omega_sd = 1.1,
        .walk_sd = .1,
    };
    struct switching *w = calloc(1, sizeof *w);
    if (!w || latent_shop_init(&w->shop, &options, seed)) {
        free(w);
        return NULL;
    }
    return w;
}

static void switch_catalog(void *state, struct actor_catalog *out)
{
    (void)state;
    *out = (struct actor_catalog){.n = PRODUCTS, .slate = 1};
}

static uint32_t switch_begin(void *state, uint32_t episode)
{
    struct switching *w = state;
    latent_user_begin(&w->user, &w->shop, episode, 0);
    w->shown = 0;
    w->switched = false;
    return episode;
}

static uint32_t part_of(uint32_t shown)
{
    if (shown < SWITCH)
        return 0;
    return shown < SWITCH + 10 ? 1 : shown < SWITCH + 30 ? 2 : 3;
}

static void switch_turn(void *state, struct world_turn *out)
{
    struct switching *w = state;
    latent_user_look(&w->user);
    if (w->shown == SWITCH && !w->switched) {
        latent_user_switch(&w->user);
        w->switched = true;
    }
    *out = (struct world_turn){
        .event = w->user.event,
        .n_events = w->user.n_events,
        .over = w->shown == ADS || w->user.state == LATENT_LEFT,
        .request = {.user = w->user.episode, .k = 1, .ts = latent_user_now(&w->user)},
        .part = part_of(w->shown),
    };
}

static bool switch_act(void *state, const uint32_t *item, uint32_t k, float *reward)
{
    struct switching *w = state;
    (void)k;
    reward[0] = latent_user_ad(&w->user, item[0]) ? 1 : 0;
    return ++w->shown == ADS || w->user.state == LATENT_LEFT;
}

static void switch_oracle(void *state, uint32_t *item, uint32_t k)
{
    struct switching *w = state;
    latent_shop_best(&w->shop, w->user.omega, item, k);
}

const struct world_ops world_switch = {
    .name = "switch",
    .help = "every user's interests are drawn anew at the 20th of 150 ads",
    .episodes = USERS,
    .parts = {"before", "0-9", "10-29", "30+", NULL},
    .create = switch_create,
    .destroy = switch_destroy,
    .catalog = switch_catalog,
    .begin = switch_begin,
    .turn = switch_turn,
    .act = switch_act,
    .oracle = switch_oracle,
};

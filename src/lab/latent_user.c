/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/latent_user.h"

#include <assert.h>

static const double looking_to_ads = .25, ads_to_looking = .05;

/* What luck is drawn for: these happen once, views and ads by turns of their numbers. */
enum { LUCK_BEGIN, LUCK_SWITCH, LUCK_VIEWS, LUCK_ADS };

static void draw(const struct latent_user *u, uint32_t what, uint32_t number,
                 struct latent_luck *out)
{
    latent_shop_luck(u->shop, u->episode, 4 * number + what, out);
}

void latent_user_begin(struct latent_user *u, struct latent_shop *shop, uint32_t episode,
                       double leaving)
{
    u->shop = shop;
    u->leaving = leaving;
    u->episode = episode;
    u->step = u->views = u->ads = 0;
    u->state = LATENT_LOOKING;
    u->n_events = 0;
    struct latent_luck luck;
    draw(u, LUCK_BEGIN, 0, &luck);
    latent_shop_draw(shop, &luck, u->omega);
}

double latent_user_now(const struct latent_user *u)
{
    return (double)u->episode * (LATENT_USER_STEPS + 1) + u->step;
}

static void go_on(struct latent_user *u, const struct latent_luck *luck, bool clicked)
{
    const double change = u->state == LATENT_LOOKING ? looking_to_ads : ads_to_looking;
    if (luck->state >= 1 - u->leaving)
        u->state = LATENT_LEFT;
    else if (luck->state < change)
        u->state = u->state == LATENT_LOOKING ? LATENT_ADS : LATENT_LOOKING;
    if (u->state == LATENT_LOOKING)
        latent_shop_walk(u->shop, luck, u->omega);
    if (clicked)
        u->state = LATENT_LOOKING;
    if (++u->step >= LATENT_USER_STEPS)
        u->state = LATENT_LEFT;
}

void latent_user_look(struct latent_user *u)
{
    u->n_events = 0;
    while (u->state == LATENT_LOOKING) {
        struct latent_luck luck;
        draw(u, LUCK_VIEWS, u->views++, &luck);
        u->event[u->n_events++] = (struct actor_event){
            .type = "view",
            .item = latent_shop_view(u->shop, u->omega, luck.view),
            .ts = latent_user_now(u),
        };
        go_on(u, &luck, false);
        if (u->n_events == LATENT_USER_VIEWS && u->state == LATENT_LOOKING)
            u->state = LATENT_ADS;
    }
}

bool latent_user_ad(struct latent_user *u, uint32_t item)
{
    assert(u->state == LATENT_ADS);
    struct latent_luck luck;
    draw(u, LUCK_ADS, u->ads++, &luck);
    const bool clicked = luck.click < latent_shop_click(u->shop, u->omega, item);
    go_on(u, &luck, clicked);
    return clicked;
}

void latent_user_switch(struct latent_user *u)
{
    struct latent_luck luck;
    draw(u, LUCK_SWITCH, 0, &luck);
    latent_shop_draw(u->shop, &luck, u->omega);
}

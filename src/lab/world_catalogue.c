/* SPDX-License-Identifier: Apache-2.0 */
/*
 * World "catalogue-drift": a shop whose items come and go, so that what was counted of an
 * item is soon worth nothing and only what its features say carries over. Our own; the
 * question is that of item cold start and churn (Li et al. 2010, arXiv 1003.0146, where
 * articles live for hours).
 *
 * 60 items are on the shelf at a time, each in its own place: its place is its number among
 * the candidates of every request, and after 40 to 120 users another item stands there. An
 * item has 8 features (one of four kinds, four normal numbers) and an appeal that they do not
 * say, normal with deviation .5. A user brings 4 normal numbers c, the context, stays for 10
 * lists of 5, and likes by features f
 *     taste . f,     taste = M c + a + .4 normal,
 * M (8, 4) and a the same for all, drawn once. Whoever looks at place p, with chance .85^p,
 * clicks with chance logistic(taste . f + appeal - 1.5). Nothing that is shown changes what a
 * user likes: what counts is to know the items at once.
 *
 * The oracle shows the items most likely to be clicked, which is the best there is.
 */
#include <math.h>
#include <stdlib.h>

#include "lab/luck.h"
#include "lab/slate_tools.h"
#include "lab/world.h"

enum { PLACES = 60, KINDS = 4, FEATURES = 8, NUMBERS = 4, LISTS = 10, SLATE = 5 };
enum { SHORTEST = 40, LONGEST = 120 }; /* users that an item lives for */
enum { LUCK_SHOP, LUCK_ITEM, LUCK_LIFE, LUCK_USER, LUCK_CLICK };

static const double UNSAID = 0.5, OWN_TASTE = 0.4, LOOKS_ON = 0.85, RELUCTANCE = 1.5;

struct catalogue {
    uint64_t seed;
    uint32_t episode, list;
    double of_context[FEATURES][NUMBERS], of_all[FEATURES]; /* M, a */
    double appeal[PLACES];
    float features[PLACES][FEATURES]; /* of what stands there now */
    double taste[FEATURES];
    float context[NUMBERS];
};

static void *catalogue_create(uint64_t seed)
{
    struct catalogue *w = calloc(1, sizeof(*w));
    struct rng r;
    if (!w)
        return NULL;
    w->seed = seed;
    luck_init(&r, seed, LUCK_SHOP, 0, 0);
    for (int f = 0; f < FEATURES; f++) {
        for (int c = 0; c < NUMBERS; c++)
            w->of_context[f][c] = 0.6 * (double)rng_normal(&r);
        w->of_all[f] = 0.4 * (double)rng_normal(&r);
    }
    return w;
}

static void catalogue_catalog(void *state, struct actor_catalog *out)
{
    (void)state;
    *out = (struct actor_catalog){.dim = FEATURES, .slate = SLATE};
}

/* Which item in turn stands at `place` in `episode`. All items of a place live equally
   long; how long, and how old the first one is at the beginning, differs by place. */
static uint32_t turn_of(const struct catalogue *w, uint32_t place, uint32_t episode)
{
    struct rng r;
    luck_init(&r, w->seed, LUCK_LIFE, place, 0);
    const uint32_t life = SHORTEST + rng_below(&r, LONGEST - SHORTEST + 1);
    return (episode + rng_below(&r, life)) / life;
}

static void stock(struct catalogue *w, uint32_t place)
{
    struct rng r;
    luck_init(&r, w->seed, LUCK_ITEM, turn_of(w, place, w->episode), place);
    const uint32_t kind = rng_below(&r, KINDS);
    for (uint32_t f = 0; f < KINDS; f++)
        w->features[place][f] = f == kind ? 1 : 0;
    for (uint32_t f = KINDS; f < FEATURES; f++)
        w->features[place][f] = rng_normal(&r);
    w->appeal[place] = UNSAID * (double)rng_normal(&r);
}

static uint32_t catalogue_begin(void *state, uint32_t episode)
{
    struct catalogue *w = state;
    struct rng r;
    w->episode = episode;
    w->list = 0;
    for (uint32_t p = 0; p < PLACES; p++)
        stock(w, p);
    luck_init(&r, w->seed, LUCK_USER, episode, 0);
    for (int c = 0; c < NUMBERS; c++)
        w->context[c] = rng_normal(&r);
    for (int f = 0; f < FEATURES; f++) {
        w->taste[f] = w->of_all[f] + OWN_TASTE * (double)rng_normal(&r);
        for (int c = 0; c < NUMBERS; c++)
            w->taste[f] += w->of_context[f][c] * (double)w->context[c];
    }
    return episode;
}

static void catalogue_turn(void *state, struct world_turn *out)
{
    struct catalogue *w = state;
    const uint32_t part = w->episode / 250;
    *out = (struct world_turn){
        .over = w->list >= LISTS,
        .part = part < 4 ? part : 3,
        .request = {.user = w->episode,
                    .k = SLATE,
                    .candidates = w->features[0],
                    .n_candidates = PLACES,
                    .candidate_dim = FEATURES,
                    .context = w->context,
                    .n_context = NUMBERS,
                    .ts = (double)w->episode * LISTS + w->list},
    };
}

/* The chance of a click of whoever looks at it. */
static double liking(const struct catalogue *w, uint32_t place)
{
    double sum = w->appeal[place] - RELUCTANCE;
    for (int f = 0; f < FEATURES; f++)
        sum += w->taste[f] * (double)w->features[place][f];
    return luck_logistic(sum);
}

static bool catalogue_act(void *state, const uint32_t *item, uint32_t k, float *reward)
{
    struct catalogue *w = state;
    struct rng r;
    double luck[PLACES], looks = 1;
    luck_init(&r, w->seed, LUCK_CLICK, w->episode, w->list);
    for (int p = 0; p < PLACES; p++)
        luck[p] = rng_double(&r);
    for (uint32_t p = 0; p < k; p++, looks *= LOOKS_ON)
        reward[p] = luck[item[p]] < looks * liking(w, item[p]) ? 1 : 0;
    return ++w->list >= LISTS;
}

static void catalogue_oracle(void *state, uint32_t *item, uint32_t k)
{
    const struct catalogue *w = state;
    double chance[PLACES];
    for (uint32_t i = 0; i < PLACES; i++)
        chance[i] = liking(w, i);
    slate_best(chance, PLACES, k, item);
}

const struct world_ops world_catalogue = {
    .name = "catalogue-drift",
    .help = "items come and go, and only their features carry over",
    .episodes = 1000,
    .parts = {"1-250", "251-500", "501-750", "751-1000", NULL},
    .create = catalogue_create,
    .destroy = free,
    .catalog = catalogue_catalog,
    .begin = catalogue_begin,
    .turn = catalogue_turn,
    .act = catalogue_act,
    .oracle = catalogue_oracle,
};

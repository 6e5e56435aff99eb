/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Worlds "bandit", "bandit-waves" and both with "-drift": ten arms, five context numbers,
 * 20,000 rounds. The setting of non-stationary contextual bandits (Russac, Vernade and Cappe
 * 2019, arXiv 1909.09146): abrupt changes, which nobody announces.
 *
 * The context x is normal. Arm a pays 1 with a chance whose logit is
 *     bandit         .2 w_a . x + .6 v_a . z(x) + .2 b_a
 *     bandit-waves   2.6 sin(.93 w_a . x + c_a)
 * z the 15 products x_i x_j, i <= j, centred and of variance 1; the weights w, v and b are
 * normal, c uniform over a turn. With drift all of them are drawn anew after every 4,000
 * rounds. A straight line through all of x says little of an arm, but a ridge that is fitted
 * where its arm is best does well, and so LinUCB does; more is left for who bends lines.
 *
 * The factors and the number of changes are not those of a paper: they are set so that
 * random, LinUCB, discounted LinUCB and the best arm earn what they are reported to earn in
 * the public worlds of this kind (docs/worlds.md), which do not say how their arms bend.
 * There are two forms so that nothing is fitted to one of them. The oracle plays the best arm.
 */
#include <math.h>
#include <stdlib.h>

#include "lab/luck.h"
#include "lab/slate_tools.h"
#include "lab/world.h"

enum { ARMS = 10, NUMBERS = 5, PRODUCTS = NUMBERS * (NUMBERS + 1) / 2 };
enum { ROUNDS = 20000, STRETCH = 4000 };
enum { LUCK_WEIGHTS, LUCK_CONTEXT, LUCK_REWARD };

static const double LINEAR = 0.2, PRODUCT = 0.6, CONSTANT = 0.2;
static const double HEIGHT = 2.6, STEEP = 0.93, TURN = 6.283185307179586;

struct bandit {
    uint64_t seed;
    bool waves, drifts;
    uint32_t episode, round;
    double w[ARMS][NUMBERS], v[ARMS][PRODUCTS], b[ARMS]; /* b: c of waves */
    double chance[ARMS];                                 /* of the present round */
    float context[NUMBERS];
};

static struct bandit *create(uint64_t seed, bool waves, bool drifts)
{
    struct bandit *w = calloc(1, sizeof(*w));
    if (w) {
        w->seed = seed;
        w->waves = waves;
        w->drifts = drifts;
    }
    return w;
}

static void *bandit_create(uint64_t seed)
{
    return create(seed, false, false);
}

static void *drift_create(uint64_t seed)
{
    return create(seed, false, true);
}

static void *waves_create(uint64_t seed)
{
    return create(seed, true, false);
}

static void *waves_drift_create(uint64_t seed)
{
    return create(seed, true, true);
}

static void bandit_catalog(void *state, struct actor_catalog *out)
{
    (void)state;
    *out = (struct actor_catalog){.n = ARMS, .slate = 1};
}

static void draw_weights(struct bandit *w, uint32_t stretch)
{
    struct rng r;
    luck_init(&r, w->seed, LUCK_WEIGHTS, w->episode, stretch);
    for (int a = 0; a < ARMS; a++) {
        for (int i = 0; i < NUMBERS; i++)
            w->w[a][i] = (w->waves ? STEEP : LINEAR) * (double)rng_normal(&r);
        for (int i = 0; i < PRODUCTS; i++)
            w->v[a][i] = PRODUCT * (double)rng_normal(&r);
        w->b[a] = w->waves ? TURN * rng_double(&r) : CONSTANT * (double)rng_normal(&r);
    }
}

static uint32_t bandit_begin(void *state, uint32_t episode)
{
    struct bandit *w = state;
    w->episode = episode;
    w->round = 0;
    draw_weights(w, 0);
    return episode;
}

static double logit(const struct bandit *w, int arm, const double *x)
{
    double sum = w->b[arm];
    for (int i = 0; i < NUMBERS; i++)
        sum += w->w[arm][i] * x[i];
    if (w->waves)
        return HEIGHT * sin(sum);
    for (int i = 0, at = 0; i < NUMBERS; i++)
        for (int j = i; j < NUMBERS; j++, at++)
            sum += w->v[arm][at] *
                   (i == j ? (x[i] * x[i] - 1) * 0.70710678118654752 : x[i] * x[j]);
    return sum;
}

static void bandit_turn(void *state, struct world_turn *out)
{
    struct bandit *w = state;
    struct rng r;
    double x[NUMBERS];
    luck_init(&r, w->seed, LUCK_CONTEXT, w->episode, w->round);
    for (int i = 0; i < NUMBERS; i++) {
        w->context[i] = rng_normal(&r);
        x[i] = (double)w->context[i];
    }
    for (int a = 0; a < ARMS; a++)
        w->chance[a] = luck_logistic(logit(w, a, x));
    *out = (struct world_turn){
        .over = w->round >= ROUNDS,
        .part = w->round < ROUNDS ? w->round / STRETCH : 0,
        .request = {.user = w->episode,
                    .k = 1,
                    .context = w->context,
                    .n_context = NUMBERS,
                    .ts = (double)w->episode * ROUNDS + w->round},
    };
}

/* One draw for all arms, so that arms of equal chance have the same luck. */
static bool bandit_act(void *state, const uint32_t *item, uint32_t k, float *reward)
{
    struct bandit *w = state;
    struct rng r;
    luck_init(&r, w->seed, LUCK_REWARD, w->episode, w->round);
    const double luck = rng_double(&r);
    for (uint32_t p = 0; p < k; p++)
        reward[p] = p == 0 && luck < w->chance[item[p]] ? 1 : 0;
    w->round++;
    if (w->drifts && w->round % STRETCH == 0 && w->round < ROUNDS)
        draw_weights(w, w->round / STRETCH);
    return w->round >= ROUNDS;
}

static void bandit_oracle(void *state, uint32_t *item, uint32_t k)
{
    const struct bandit *w = state;
    slate_best(w->chance, ARMS, k, item);
}

#define BANDIT(variable, title, says, make)                                              \
    const struct world_ops variable = {                                                  \
        .name = title,                                                                   \
        .help = says,                                                                    \
        .episodes = 1,                                                                   \
        .parts = {"1-4000", "4001-8000", "8001-12000", "12001-16000", "16001-20000",     \
                  NULL},                                                                 \
        .create = make,                                                                  \
        .destroy = free,                                                                 \
        .catalog = bandit_catalog,                                                       \
        .begin = bandit_begin,                                                           \
        .turn = bandit_turn,                                                             \
        .act = bandit_act,                                                               \
        .oracle = bandit_oracle,                                                         \
    }

BANDIT(world_bandit, "bandit", "ten arms, five context numbers, 20,000 rounds",
       bandit_create);
BANDIT(world_bandit_drift, "bandit-drift",
       "the same, with all weights drawn anew every 4,000 rounds", drift_create);
BANDIT(world_bandit_waves, "bandit-waves",
       "ten arms that go up and down with the context numbers", waves_create);
BANDIT(world_bandit_waves_drift, "bandit-waves-drift",
       "the same, with all weights drawn anew every 4,000 rounds", waves_drift_create);

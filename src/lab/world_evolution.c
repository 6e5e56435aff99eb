/* SPDX-License-Identifier: Apache-2.0 */
/*
 * World "evolution": interests that evolve with what is watched, and a quality that nobody
 * is told, after the interest evolution of RecSim and SlateQ (Ie et al. 2019, arXiv
 * 1905.12767 section 6.1, arXiv 1909.04847), with the constants of the public simulator.
 *
 * A user has an interest u_t in [-1, 1] for each of 20 topics, which is the request's
 * context, and 200 minutes. Each step brings 10 videos of 4 minutes, of uniform topics (the
 * features: one of 20), of which 3 are shown. The user watches one of them or none:
 *     P(i) = (u_topic(i) + 1) / (sum over the shown + 2)         2: of nothing
 * A video that is watched takes its minutes off the budget, and its quality q gives some of
 * them back or takes more, 4 * .9 / 3.4 * q; nothing costs half a minute. q is normal about
 * the mean of its topic (deviation .1): 14 topics from -3 to 0, 6 from 0 to 3. The interest
 * in what was watched moves by .3 (1 - |u|) (1 - u), up with chance (u + 1) / 2, else
 * down. The reward is the minutes watched; the episode ends with the budget.
 *
 * The oracle is the hand policy that knows the quality: the best three by it.
 */
#include <math.h>
#include <stdlib.h>

#include "lab/luck.h"
#include "lab/slate_tools.h"
#include "lab/world.h"

enum { TOPICS = 20, TRASHY = 14, CANDIDATES = 10, SLATE = 3 };
enum { LUCK_USER, LUCK_VIDEOS, LUCK_CHOICE, LUCK_MOVE };

static const double BUDGET = 200, VIDEO = 4, NOTHING = 0.5; /* minutes */
static const double GIVEN_BACK = 0.9 / 3.4;                 /* of a video, a unit of q */
static const double MOST_QUALITY = 3, QUALITY_SPREAD = 0.1;
static const double STEP_SIZE = 0.3, NULL_SCORE = 2;

struct evolution {
    uint64_t seed, steps; /* steps: since the run began, the clock of the world */
    uint32_t episode, step;
    double budget;
    double interest[TOPICS];
    uint32_t topic[CANDIDATES];
    double quality[CANDIDATES];
    float features[CANDIDATES * TOPICS]; /* (CANDIDATES, TOPICS) */
    float context[TOPICS];
};

static void *evolution_create(uint64_t seed)
{
    struct evolution *w = calloc(1, sizeof(*w));
    if (w)
        w->seed = seed;
    return w;
}

static void evolution_catalog(void *state, struct actor_catalog *out)
{
    (void)state;
    *out = (struct actor_catalog){.dim = TOPICS, .slate = SLATE};
}

static uint32_t evolution_begin(void *state, uint32_t episode)
{
    struct evolution *w = state;
    struct rng r;
    luck_init(&r, w->seed, LUCK_USER, episode, 0);
    for (int t = 0; t < TOPICS; t++)
        w->interest[t] = 2 * rng_double(&r) - 1;
    w->budget = BUDGET;
    w->episode = episode;
    w->step = 0;
    return episode;
}

/* The mean quality of a topic: the trashy ones first, both ends included. */
static double topic_quality(uint32_t t)
{
    return t < TRASHY ? MOST_QUALITY * ((double)t / (TRASHY - 1) - 1)
                      : MOST_QUALITY * (double)(t - TRASHY) / (TOPICS - TRASHY - 1);
}

static void sample_videos(struct evolution *w)
{
    struct rng r;
    luck_init(&r, w->seed, LUCK_VIDEOS, w->episode, w->step);
    for (int i = 0; i < CANDIDATES; i++) {
        w->topic[i] = rng_below(&r, TOPICS);
        w->quality[i] =
            topic_quality(w->topic[i]) + QUALITY_SPREAD * (double)rng_normal(&r);
        for (uint32_t t = 0; t < TOPICS; t++)
            w->features[i * TOPICS + (int)t] = t == w->topic[i] ? 1 : 0;
    }
    for (int t = 0; t < TOPICS; t++)
        w->context[t] = (float)w->interest[t];
}

/* Eight stretches of 125 of the usual thousand episodes; the last one has what follows. */
static void evolution_turn(void *state, struct world_turn *out)
{
    struct evolution *w = state;
    sample_videos(w);
    const uint32_t part = w->episode / 125;
    *out = (struct world_turn){
        .over = w->budget <= 0,
        .part = part < WORLD_MOST_PARTS ? part : WORLD_MOST_PARTS - 1,
        .request = {.user = w->episode,
                    .k = SLATE,
                    .candidates = w->features,
                    .n_candidates = CANDIDATES,
                    .candidate_dim = TOPICS,
                    .context = w->context,
                    .n_context = TOPICS,
                    .ts = (double)w->steps},
    };
}

/* The place of what is watched; k: nothing. */
static uint32_t choose(const struct evolution *w, const uint32_t *item, uint32_t k)
{
    struct rng r;
    double clock[CANDIDATES];
    luck_init(&r, w->seed, LUCK_CHOICE, w->episode, w->step);
    double least = luck_clock(&r) / NULL_SCORE;
    uint32_t chosen = k;
    for (int i = 0; i < CANDIDATES; i++)
        clock[i] = luck_clock(&r);
    for (uint32_t p = 0; p < k; p++) {
        const double score = w->interest[w->topic[item[p]]] + 1;
        if (clock[item[p]] < least * score) {
            least = clock[item[p]] / score;
            chosen = p;
        }
    }
    return chosen;
}

static void move_interest(struct evolution *w, uint32_t topic)
{
    struct rng r;
    double *u = &w->interest[topic];
    luck_init(&r, w->seed, LUCK_MOVE, w->episode, w->step);
    const double by = STEP_SIZE * (1 - fabs(*u)) * (1 - *u);
    *u += rng_double(&r) < (*u + 1) / 2 ? by : -by;
    *u = fmin(fmax(*u, -1), 1);
}

static bool evolution_act(void *state, const uint32_t *item, uint32_t k, float *reward)
{
    struct evolution *w = state;
    const uint32_t chosen = choose(w, item, k);
    for (uint32_t p = 0; p < k; p++)
        reward[p] = 0;
    if (chosen < k) {
        const double watched = fmin(w->budget, VIDEO);
        reward[chosen] = (float)watched;
        w->budget += watched * (GIVEN_BACK * w->quality[item[chosen]] - 1);
        move_interest(w, w->topic[item[chosen]]);
    } else {
        w->budget -= NOTHING;
    }
    w->step++;
    w->steps++;
    return w->budget <= 0;
}

static void evolution_oracle(void *state, uint32_t *item, uint32_t k)
{
    const struct evolution *w = state;
    slate_best(w->quality, CANDIDATES, k, item);
}

const struct world_ops world_evolution = {
    .name = "evolution",
    .help = "interests evolve with what is watched, and quality is hidden (RecSim)",
    .episodes = 1000,
    .parts = {"1-125", "126-250", "251-375", "376-500", "501-625", "626-750", "751-875",
              "876-1000", NULL},
    .create = evolution_create,
    .destroy = free,
    .catalog = evolution_catalog,
    .begin = evolution_begin,
    .turn = evolution_turn,
    .act = evolution_act,
    .oracle = evolution_oracle,
};

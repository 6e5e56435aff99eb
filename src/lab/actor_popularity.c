/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What everybody likes best: reward per showing, the same list for everyone but for a
 * twentieth of the places, which are drawn at random.
 *
 *     score(i) = (R_i + 50 m) / (N_i + 50)          m: mean reward of all showings
 *
 *   popularity-frozen   half of the places are drawn at random for the first LEARNING lists;
 *                       from then on nothing is learned and nothing drawn
 *   popularity-decayed  R, N and m lose half of their weight within HALF_LIFE lists, so that
 *                       what changes is followed
 *
 * The decay is a growing weight of what is new, brought back to 1 before it overflows.
 * Memory: 24 bytes an item. Where requests bring their candidates items have no identity,
 * and lists are drawn at random.
 */
#include <math.h>
#include <stdlib.h>

#include "lab/slate_tools.h"

enum { STREAM = 0x909, LEARNING = 1000, HALF_LIFE = 2000 };

static const double PRIOR = 50, EPSILON = .05, EPSILON_LEARNING = .5, MOST_WEIGHT = 1e12;

struct popularity_actor {
    struct rng rng;
    bool decays;
    uint32_t n, lists; /* lists: whose reward is known */
    double weight;     /* of what is new */
    double reward, shown;
    double *of_item; /* (n, 2) reward, showings */
    double *score;   /* (n) */
    struct slate_memory memory;
};

static void popularity_destroy(void *state)
{
    struct popularity_actor *a = state;
    if (!a)
        return;
    free(a->of_item);
    free(a->score);
    free(a);
}

static void *create(uint64_t seed, const struct actor_catalog *c, bool decays)
{
    struct popularity_actor *a = calloc(1, sizeof(*a));
    if (!a)
        return NULL;
    a->n = c->n;
    a->decays = decays;
    a->weight = 1;
    rng_init(&a->rng, seed, STREAM);
    a->of_item = calloc(2 * (size_t)c->n + 1, sizeof(double));
    a->score = calloc((size_t)c->n + 1, sizeof(double));
    if (!a->of_item || !a->score) {
        popularity_destroy(a);
        return NULL;
    }
    return a;
}

static void *frozen_create(uint64_t seed, const struct actor_catalog *c)
{
    return create(seed, c, false);
}

static void *decayed_create(uint64_t seed, const struct actor_catalog *c)
{
    return create(seed, c, true);
}

static bool is_frozen(const struct popularity_actor *a)
{
    return !a->decays && a->lists >= LEARNING;
}

static void popularity_recommend(void *state, const struct actor_request *r,
                                 uint32_t *item, double *p)
{
    struct popularity_actor *a = state;
    if (r->candidates) {
        slate_random(r->n_candidates, &a->rng, r->k, item, p);
        return;
    }
    const double prior = PRIOR * a->weight;
    const double mean = a->shown > 0 ? a->reward / a->shown : 0;
    for (uint32_t i = 0; i < a->n; i++)
        a->score[i] =
            (a->of_item[2 * i] + prior * mean) / (a->of_item[2 * i + 1] + prior);
    const double epsilon = a->decays ? EPSILON : is_frozen(a) ? 0 : EPSILON_LEARNING;
    slate_greedy(a->score, a->n, epsilon, &a->rng, r->k, item, p);
    slate_keep(&a->memory, NULL, r, item, 0);
}

static void bring_back(struct popularity_actor *a)
{
    for (uint32_t i = 0; i < 2 * a->n; i++)
        a->of_item[i] /= a->weight;
    a->reward /= a->weight;
    a->shown /= a->weight;
    a->weight = 1;
}

static void popularity_feedback(void *state, uint64_t id, uint32_t user,
                                const float *reward, uint32_t k, bool done)
{
    struct popularity_actor *a = state;
    const struct slate *s = slate_take(&a->memory, id, user);
    (void)done;
    if (!s || k > s->k || is_frozen(a))
        return;
    a->lists++;
    for (uint32_t i = 0; i < k; i++) {
        a->of_item[2 * s->item[i]] += a->weight * (double)reward[i];
        a->of_item[2 * s->item[i] + 1] += a->weight;
        a->reward += a->weight * (double)reward[i];
        a->shown += a->weight;
    }
    if (a->decays)
        a->weight *= exp2(1.0 / HALF_LIFE);
    if (a->weight > MOST_WEIGHT)
        bring_back(a);
}

const struct actor_ops actor_popularity_frozen = {
    .name = "popularity-frozen",
    .help = "the most clicked per showing, learned from the first lists alone",
    .create = frozen_create,
    .destroy = popularity_destroy,
    .recommend = popularity_recommend,
    .feedback = popularity_feedback,
};

const struct actor_ops actor_popularity_decayed = {
    .name = "popularity-decayed",
    .help = "the most clicked per showing of late",
    .create = decayed_create,
    .destroy = popularity_destroy,
    .recommend = popularity_recommend,
    .feedback = popularity_feedback,
};

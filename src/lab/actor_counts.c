/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "bandit-counts": reward per showing of every item, by the item that the user viewed last.
 * With sums R and showings N of an item, once after view v and once over all,
 *
 *     all(i) = (R_i + 50 * 2 m) / (N_i + 50)          m: mean reward of all showings
 *     score(i | v) = (R_vi + 100 all(i)) / (N_vi + 100)
 *
 * so that an item is thought twice as good as the average until about fifty showings have
 * told more (optimism that has everything tried), and what is known after v counts once v
 * has been seen often. The best are shown, with epsilon 0.05. Where requests bring their own
 * candidates there is nothing to count by, and lists are drawn at random.
 *
 * Memory: 16 bytes an item, and 8 n^2 for n items up to 2,048 (above, all(i) alone is used);
 * 8 bytes for each of 65,536 users, who share places modulo that.
 */
#include <stdlib.h>

#include "lab/slate_tools.h"

enum { MOST_PAIRED = 2048, USERS = 65536, NOTHING = UINT32_MAX, STREAM = 0xC0047 };

static const double EPSILON = .05, OPTIMISM = 2, WEIGHT_ALL = 50, WEIGHT_PAIR = 100;

struct count {
    float reward, shown;
};

struct last_view {
    uint32_t user, item;
};

struct counts_actor {
    struct rng rng;
    uint32_t n;
    double reward, shown;   /* of everything */
    double *all;            /* (n, 2) reward, showings */
    struct count *pair;     /* (n, n) by last view and item; NULL: too many items */
    double *score;          /* (n) scratch */
    struct last_view *last; /* (USERS) */
    struct slate_memory memory;
};

static void counts_destroy(void *state)
{
    struct counts_actor *a = state;
    if (!a)
        return;
    free(a->all);
    free(a->pair);
    free(a->score);
    free(a->last);
    free(a);
}

static void *counts_create(uint64_t seed, const struct actor_catalog *c)
{
    struct counts_actor *a = calloc(1, sizeof(*a));
    if (!a)
        return NULL;
    const size_t n = c->n;
    const bool paired = n > 0 && n <= MOST_PAIRED;
    a->n = c->n;
    a->all = calloc(2 * n + 1, sizeof(*a->all));
    a->score = calloc(n + 1, sizeof(*a->score));
    a->last = malloc(USERS * sizeof(*a->last));
    a->pair = paired ? calloc(n * n, sizeof(*a->pair)) : NULL;
    if (!a->all || !a->score || !a->last || (paired && !a->pair)) {
        counts_destroy(a);
        return NULL;
    }
    for (uint32_t i = 0; i < USERS; i++)
        a->last[i] = (struct last_view){NOTHING, NOTHING};
    rng_init(&a->rng, seed, STREAM);
    return a;
}

static void counts_event(void *state, uint32_t user, const struct actor_event *e)
{
    struct counts_actor *a = state;
    if (e->item < a->n)
        a->last[user % USERS] = (struct last_view){user, e->item};
}

static uint32_t last_of(const struct counts_actor *a, uint32_t user)
{
    const struct last_view *l = &a->last[user % USERS];
    return l->user == user ? l->item : NOTHING;
}

static void counts_score(struct counts_actor *a, uint32_t last)
{
    const double mean = (a->reward + 1) / (a->shown + 1);
    for (uint32_t i = 0; i < a->n; i++) {
        a->score[i] = (a->all[2 * i] + WEIGHT_ALL * OPTIMISM * mean) /
                      (a->all[2 * i + 1] + WEIGHT_ALL);
        if (!a->pair || last == NOTHING)
            continue;
        const struct count *c = &a->pair[(size_t)last * a->n + i];
        a->score[i] = ((double)c->reward + WEIGHT_PAIR * a->score[i]) /
                      ((double)c->shown + WEIGHT_PAIR);
    }
}

static void counts_recommend(void *state, const struct actor_request *r, uint32_t *item,
                             double *p)
{
    struct counts_actor *a = state;
    if (r->candidates) {
        slate_random(r->n_candidates, &a->rng, r->k, item, p);
        return;
    }
    const uint32_t last = last_of(a, r->user);
    counts_score(a, last);
    slate_greedy(a->score, a->n, EPSILON, &a->rng, r->k, item, p);
    slate_keep(&a->memory, NULL, r, item, last);
}

static void add(struct counts_actor *a, uint32_t last, const uint32_t *item,
                const float *reward, uint32_t k)
{
    for (uint32_t i = 0; i < k; i++) {
        a->reward += (double)reward[i];
        a->shown++;
        a->all[2 * item[i]] += (double)reward[i];
        a->all[2 * item[i] + 1]++;
        if (!a->pair || last == NOTHING)
            continue;
        struct count *c = &a->pair[(size_t)last * a->n + item[i]];
        c->reward += reward[i];
        c->shown++;
    }
}

static void counts_impression(void *state, uint32_t user, const uint32_t *item,
                              const float *reward, uint32_t n)
{
    struct counts_actor *a = state;
    for (uint32_t i = 0; i < n; i++)
        if (item[i] < a->n)
            add(a, last_of(a, user), &item[i], &reward[i], 1);
}

static void counts_feedback(void *state, uint64_t id, uint32_t user, const float *reward,
                            uint32_t k, bool done)
{
    struct counts_actor *a = state;
    const struct slate *s = slate_take(&a->memory, id, user);
    (void)done;
    if (s)
        add(a, s->note, s->item, reward, k < s->k ? k : s->k);
}

const struct actor_ops actor_counts = {
    .name = "bandit-counts",
    .help = "reward per showing by item and last viewed item, smoothed; epsilon .05",
    .create = counts_create,
    .destroy = counts_destroy,
    .event = counts_event,
    .impression = counts_impression,
    .recommend = counts_recommend,
    .feedback = counts_feedback,
};

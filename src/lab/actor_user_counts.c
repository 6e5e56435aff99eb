/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "user-counts" and "user-counts-decayed": the items that the user did most with on their own
 * (events, whatever their type), best first; the second keeps .9 of every count at each of
 * the user's events. Items without a count of the user come after those with, by how often
 * everybody did something with them. Learns nothing from what was shown. Where requests
 * bring their own candidates there is nothing to count by, and lists are drawn at random.
 *
 * Memory: 16 bytes an item; 2 kB for each of 4,096 users, who share places modulo that (the
 * newest has it). A user has at most 256 counts: the least makes room.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lab/slate_tools.h"

enum { USERS = 4096, MOST_COUNTS = 256, STREAM = 0x05E2C };

static const double KEPT = .9;

struct user_counts {
    uint32_t user, n; /* n = 0: the place is free */
    uint32_t item[MOST_COUNTS];
    float count[MOST_COUNTS];
};

struct user_counts_actor {
    struct rng rng;
    double kept; /* of every count at an event */
    uint32_t n;
    double *popular, *score;  /* (n) */
    struct user_counts *user; /* (USERS) */
};

static void user_counts_destroy(void *state)
{
    struct user_counts_actor *a = state;
    if (!a)
        return;
    free(a->popular);
    free(a->score);
    free(a->user);
    free(a);
}

static void *create(uint64_t seed, const struct actor_catalog *c, double kept)
{
    struct user_counts_actor *a = calloc(1, sizeof(*a));
    if (!a)
        return NULL;
    a->kept = kept;
    a->n = c->n;
    a->popular = calloc((size_t)c->n + 1, sizeof(*a->popular));
    a->score = calloc((size_t)c->n + 1, sizeof(*a->score));
    a->user = calloc(USERS, sizeof(*a->user));
    if (!a->popular || !a->score || !a->user) {
        user_counts_destroy(a);
        return NULL;
    }
    rng_init(&a->rng, seed, STREAM);
    return a;
}

static void *plain_create(uint64_t seed, const struct actor_catalog *c)
{
    return create(seed, c, 1);
}

static void *decayed_create(uint64_t seed, const struct actor_catalog *c)
{
    return create(seed, c, KEPT);
}

/* The place of an item among the counts, made if need be. */
static uint32_t place_of(struct user_counts *u, uint32_t item)
{
    uint32_t least = 0;
    for (uint32_t i = 0; i < u->n; i++) {
        if (u->item[i] == item)
            return i;
        if (u->count[i] < u->count[least])
            least = i;
    }
    const uint32_t at = u->n < MOST_COUNTS ? u->n++ : least;
    u->item[at] = item;
    u->count[at] = 0;
    return at;
}

static void user_counts_event(void *state, uint32_t user, const struct actor_event *e)
{
    struct user_counts_actor *a = state;
    struct user_counts *u = &a->user[user % USERS];
    if (e->item >= a->n)
        return;
    a->popular[e->item]++;
    if (u->user != user) {
        u->user = user;
        u->n = 0;
    }
    for (uint32_t i = 0; i < u->n; i++)
        u->count[i] *= (float)a->kept;
    u->count[place_of(u, e->item)]++;
}

/* Popularity is below 1 here, and lies under every count whatever that has decayed to. */
static void user_counts_score(struct user_counts_actor *a, uint32_t user)
{
    const struct user_counts *u = &a->user[user % USERS];
    double most = 1;
    for (uint32_t i = 0; i < a->n; i++)
        most = fmax(most, a->popular[i]);
    for (uint32_t i = 0; i < a->n; i++)
        a->score[i] = a->popular[i] / most - 1;
    for (uint32_t i = 0; u->user == user && i < u->n; i++)
        a->score[u->item[i]] = (double)u->count[i];
}

static void user_counts_recommend(void *state, const struct actor_request *r,
                                  uint32_t *item, double *p)
{
    struct user_counts_actor *a = state;
    if (r->candidates) {
        slate_random(r->n_candidates, &a->rng, r->k, item, p);
        return;
    }
    user_counts_score(a, r->user);
    slate_greedy(a->score, a->n, 0, &a->rng, r->k, item, p);
}

const struct actor_ops actor_user_counts = {
    .name = "user-counts",
    .help = "what the user did most with on their own, then what is popular",
    .create = plain_create,
    .destroy = user_counts_destroy,
    .event = user_counts_event,
    .recommend = user_counts_recommend,
};

const struct actor_ops actor_user_counts_decayed = {
    .name = "user-counts-decayed",
    .help = "the same, every count losing a tenth at each of the user's events",
    .create = decayed_create,
    .destroy = user_counts_destroy,
    .event = user_counts_event,
    .recommend = user_counts_recommend,
};

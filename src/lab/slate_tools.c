/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/slate_tools.h"

#include <assert.h>
#include <string.h>

static bool contains(const uint32_t *item, uint32_t n, uint32_t what)
{
    for (uint32_t i = 0; i < n; i++)
        if (item[i] == what)
            return true;
    return false;
}

static uint32_t best_left(const double *score, uint32_t n, const uint32_t *taken,
                          uint32_t n_taken)
{
    uint32_t best = n;
    for (uint32_t i = 0; i < n; i++)
        if ((best == n || score[i] > score[best]) && !contains(taken, n_taken, i))
            best = i;
    return best;
}

static uint32_t any_left(uint32_t n, struct rng *rng, const uint32_t *taken,
                         uint32_t n_taken)
{
    uint32_t item;
    do
        item = rng_below(rng, n);
    while (contains(taken, n_taken, item));
    return item;
}

void slate_greedy(const double *score, uint32_t n, double epsilon, struct rng *rng,
                  uint32_t k, uint32_t *item, double *p)
{
    assert(k <= n && k <= ACTOR_MOST_SLATE);
    for (uint32_t i = 0; i < k; i++) {
        const uint32_t best = best_left(score, n, item, i);
        item[i] = best;
        if (epsilon > 0 && rng_double(rng) < epsilon)
            item[i] = any_left(n, rng, item, i);
        p[i] = (item[i] == best ? 1 - epsilon : 0) + epsilon / (n - i);
    }
}

void slate_random(uint32_t n, struct rng *rng, uint32_t k, uint32_t *item, double *p)
{
    assert(k <= n && k <= ACTOR_MOST_SLATE);
    for (uint32_t i = 0; i < k; i++) {
        item[i] = any_left(n, rng, item, i);
        p[i] = 1.0 / (n - i);
    }
}

void slate_keep(struct slate_memory *m, const struct actor_request *r,
                const uint32_t *item, uint32_t context)
{
    struct slate *s = &m->slate[r->id % SLATE_MEMORY];
    s->id = r->id;
    s->user = r->user;
    s->k = r->k;
    s->context = context;
    memcpy(s->item, item, r->k * sizeof(*item));
}

const struct slate *slate_take(struct slate_memory *m, uint64_t id, uint32_t user)
{
    struct slate *s = &m->slate[id % SLATE_MEMORY];
    if (id == 0 || s->id != id || s->user != user)
        return NULL;
    s->id = 0;
    return s;
}

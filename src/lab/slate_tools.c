/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/slate_tools.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- what there is to choose from ------------------------------------------------ */

uint32_t slate_choices(const struct actor_catalog *c, const struct actor_request *r)
{
    return r->candidates ? r->n_candidates : c->n;
}

const float *slate_features(const struct actor_catalog *c, const struct actor_request *r,
                            uint32_t item, uint32_t *dim)
{
    if (r->candidates) {
        *dim = r->candidate_dim;
        return r->candidates + (size_t)item * r->candidate_dim;
    }
    *dim = c->features ? c->dim : 0;
    return c->features ? c->features + (size_t)item * c->dim : NULL;
}

bool slate_room(double **score, uint32_t *room, uint32_t n)
{
    if (n <= *room)
        return true;
    double *more = realloc(*score, n * sizeof(*more));
    if (!more)
        return false;
    *score = more;
    *room = n;
    return true;
}

/* ---- choosing -------------------------------------------------------------------- */

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

void slate_best(const double *score, uint32_t n, uint32_t k, uint32_t *item)
{
    assert(k <= n && k <= ACTOR_MOST_SLATE);
    for (uint32_t i = 0; i < k; i++)
        item[i] = best_left(score, n, item, i);
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

/* ---- lists that wait for feedback ------------------------------------------------ */

/* Room for `need` floats, context first; false: no memory. */
static bool make_room(struct slate *s, size_t need)
{
    if (need <= s->room)
        return true;
    float *more = realloc(s->context, need * sizeof(*more));
    if (!more)
        return false;
    s->context = more;
    s->room = need;
    return true;
}

void slate_keep(struct slate_memory *m, const struct actor_catalog *c,
                const struct actor_request *r, const uint32_t *item, uint32_t note)
{
    struct slate *s = &m->slate[m->next];
    s->waits = false;
    s->id = r->id;
    s->user = r->user;
    s->k = r->k;
    s->note = note;
    s->dim = 0;
    s->n_context = c && r->context ? r->n_context : 0;
    memcpy(s->item, item, r->k * sizeof(*item));
    if (c)
        slate_features(c, r, 0, &s->dim);
    if (!make_room(s, (size_t)s->n_context + (size_t)r->k * s->dim))
        return;
    if (s->n_context)
        memcpy(s->context, r->context, s->n_context * sizeof(float));
    s->features = s->dim ? s->context + s->n_context : NULL;
    for (uint32_t i = 0; i < r->k && s->dim; i++)
        memcpy(s->features + (size_t)i * s->dim, slate_features(c, r, item[i], &s->dim),
               s->dim * sizeof(float));
    s->waits = true;
    m->next = (m->next + 1) % SLATE_MEMORY;
}

const struct slate *slate_take(struct slate_memory *m, uint64_t id, uint32_t user)
{
    for (uint32_t i = 0; i < SLATE_MEMORY; i++) {
        struct slate *s = &m->slate[i];
        if (s->waits && s->id == id && s->user == user) {
            s->waits = false;
            return s;
        }
    }
    return NULL;
}

void slate_memory_release(struct slate_memory *m)
{
    for (uint32_t i = 0; i < SLATE_MEMORY; i++)
        free(m->slate[i].context);
    memset(m, 0, sizeof(*m));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Actors "linucb" and "linucb-forgetting": disjoint LinUCB (Li et al. 2010, arXiv 1003.0146)
 * and its discounted form (D-LinUCB: Russac, Vernade and Cappe 2019, arXiv 1909.09146). One
 * ridge an item (lab/linear_posterior.h, lambda 1) on x = (context, 1),
 *     score = x' A^-1 b + .5 sqrt(x' A^-1 x)
 * and the items of the highest scores are shown. With forgetting g = .999, every list that
 * feedback comes for first fades all items. Where requests bring candidates, numbers mean
 * nothing from one to the next: then it is one ridge for all, on x = (features, 1), without
 * the context (actor_linear.c's "linear-ucb" looks at both). Deterministic; the seed plays no
 * part.
 *
 * Memory: 16 bytes times (items, or 1) times the square of x's length, and never more than
 * 2^24 such cells: what does not fit is left out of x.
 */
#include <stdlib.h>

#include "lab/linear_posterior.h"
#include "lab/slate_tools.h"

enum { MOST_CELLS = 1 << 24, MOST_LENGTH = 257 };

static const double BONUS = 0.5, FORGETTING = 0.999;

struct linucb {
    struct actor_catalog catalog;
    struct slate_memory memory;
    double keeps;                   /* what is left of A and b at each step; 1: all */
    bool tried, shared;             /* tried: to make the ridges; shared: one for all */
    uint32_t arms, d;               /* d = 0: there are none */
    struct linear_posterior *ridge; /* (arms) */
    bool *stale;                    /* (arms) the ridge is to be solved anew */
    double x[MOST_LENGTH];          /* of the moment */
    double work[MOST_LENGTH];
    double *score; /* (scores) */
    uint32_t scores;
};

static void *create(const struct actor_catalog *c, double keeps)
{
    struct linucb *l = calloc(1, sizeof(*l));
    if (l) {
        l->catalog = *c;
        l->keeps = keeps;
    }
    return l;
}

static void *plain_create(uint64_t seed, const struct actor_catalog *c)
{
    (void)seed;
    return create(c, 1);
}

static void *forgetting_create(uint64_t seed, const struct actor_catalog *c)
{
    (void)seed;
    return create(c, FORGETTING);
}

static void linucb_destroy(void *state)
{
    struct linucb *l = state;
    slate_memory_release(&l->memory);
    for (uint32_t arm = 0; l->ridge && arm < l->arms; arm++)
        linear_release(&l->ridge[arm]);
    free(l->ridge);
    free(l->stale);
    free(l->score);
    free(l);
}

/* The ridges at the first request, of a length that fits; false: no memory. */
static bool make_ridges(struct linucb *l, const struct actor_request *r)
{
    uint32_t d = 1 + (r->candidates ? r->candidate_dim : r->context ? r->n_context : 0);
    l->tried = true;
    l->shared = r->candidates != NULL;
    l->arms = l->shared ? 1 : l->catalog.n;
    if (d > MOST_LENGTH)
        d = MOST_LENGTH;
    while (d > 1 && (uint64_t)l->arms * d * d > MOST_CELLS)
        d--;
    l->ridge = calloc(l->arms, sizeof(*l->ridge));
    l->stale = malloc(l->arms * sizeof(*l->stale));
    if (!l->ridge || !l->stale)
        return false;
    for (uint32_t arm = 0; arm < l->arms; arm++) {
        if (!linear_init(&l->ridge[arm], d, 1))
            return false;
        l->stale[arm] = true;
    }
    l->d = d;
    return true;
}

static bool prepare(struct linucb *l, const struct actor_request *r)
{
    return slate_room(&l->score, &l->scores, slate_choices(&l->catalog, r)) &&
           (l->d || (!l->tried && make_ridges(l, r))) &&
           l->shared == (r->candidates != NULL);
}

/* x from what is known, as far as there is any, and 1. */
static void set_x(struct linucb *l, const float *known, uint32_t n)
{
    for (uint32_t i = 0; i + 1 < l->d; i++)
        l->x[i] = known && i < n ? (double)known[i] : 0;
    l->x[l->d - 1] = 1;
}

static double upper_bound(struct linucb *l, uint32_t arm)
{
    struct linear_posterior *ridge = &l->ridge[arm];
    if (l->stale[arm])
        linear_solve(ridge);
    l->stale[arm] = false;
    return linear_upper(ridge, l->x, BONUS, l->work);
}

static void linucb_recommend(void *state, const struct actor_request *r, uint32_t *item,
                             double *p)
{
    struct linucb *l = state;
    const bool able = prepare(l, r);
    for (uint32_t i = 0; i < r->k; i++) {
        item[i] = i;
        p[i] = 1;
    }
    if (!able)
        return;
    const uint32_t n = slate_choices(&l->catalog, r);
    set_x(l, r->context, r->n_context);
    for (uint32_t i = 0; i < n; i++) {
        if (l->shared)
            set_x(l, r->candidates + (size_t)i * r->candidate_dim, r->candidate_dim);
        l->score[i] = upper_bound(l, l->shared ? 0 : i);
    }
    slate_best(l->score, n, r->k, item);
    slate_keep(&l->memory, &l->catalog, r, item, 0);
}

static void fade(struct linucb *l)
{
    for (uint32_t arm = 0; arm < l->arms; arm++) {
        linear_fade(&l->ridge[arm], l->keeps);
        l->stale[arm] = true;
    }
}

static void linucb_feedback(void *state, uint64_t id, uint32_t user, const float *reward,
                            uint32_t k, bool done)
{
    struct linucb *l = state;
    const struct slate *s = slate_take(&l->memory, id, user);
    (void)done;
    if (!s)
        return;
    if (l->keeps < 1)
        fade(l);
    set_x(l, s->context, s->n_context);
    for (uint32_t i = 0; i < s->k && i < k; i++) {
        const uint32_t arm = l->shared ? 0 : s->item[i];
        if (l->shared)
            set_x(l, s->features + (size_t)i * s->dim, s->dim);
        linear_add(&l->ridge[arm], l->x, (double)reward[i]);
        l->stale[arm] = true;
    }
}

const struct actor_ops actor_linucb = {
    .name = "linucb",
    .help = "disjoint LinUCB, a ridge for each item on the context, bonus .5",
    .create = plain_create,
    .destroy = linucb_destroy,
    .recommend = linucb_recommend,
    .feedback = linucb_feedback,
};

const struct actor_ops actor_linucb_forgetting = {
    .name = "linucb-forgetting",
    .help = "the same, forgets a thousandth with every list",
    .create = forgetting_create,
    .destroy = linucb_destroy,
    .recommend = linucb_recommend,
    .feedback = linucb_feedback,
};

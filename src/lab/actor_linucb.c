/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Actors "linucb" and "linucb-forgetting": disjoint LinUCB (Li et al. 2010, arXiv 1003.0146)
 * and its discounted form (D-LinUCB: Russac, Vernade and Cappe 2019, arXiv 1909.09146). One
 * ridge an item on x = (context, 1):
 *     A = I + sum x x',   b = sum reward x,   score = x' A^-1 b + .5 sqrt(x' A^-1 x)
 * and the items of the highest scores are shown. With forgetting g = .999, every list that
 * feedback comes for first fades all items: A to g A + (1 - g) I, b to g b. Where requests
 * bring candidates, numbers mean nothing from one to the next: then it is one ridge for all,
 * on x = (features, 1). Deterministic; the seed plays no part.
 *
 * Memory: 16 bytes times (items, or 1) times the square of x's length, and never more than
 * 2^24 such cells: what does not fit is left out of x.
 */
#include <math.h>
#include <stdlib.h>

#include "lab/shown.h"

enum { MOST_CELLS = 1 << 24, MOST_LENGTH = 257 };

static const double BONUS = 0.5, FORGETTING = 0.999;

struct linucb {
    struct actor_catalog catalog;
    struct shown shown;
    double keeps;          /* what is left of A and b at each step; 1: all */
    bool tried, shared;    /* tried: to make the ridges; shared: one for all */
    uint32_t arms, d;      /* d = 0: there are none */
    double *a;             /* (arms, d, d) symmetric, lower half */
    double *b;             /* (arms, d) */
    double *factor;        /* (arms, d, d) Cholesky's L of a, lower half */
    double *half;          /* (arms, d) L^-1 b */
    bool *stale;           /* (arms) factor and half are behind a and b */
    double x[MOST_LENGTH]; /* of the moment */
    double y[MOST_LENGTH]; /* L^-1 x */
    double *score;         /* (scores) */
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
    shown_release(&l->shown);
    free(l->a);
    free(l->b);
    free(l->factor);
    free(l->half);
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
    const size_t cells = (size_t)l->arms * d * d, numbers = (size_t)l->arms * d;
    l->a = calloc(cells, sizeof(double));
    l->factor = calloc(cells, sizeof(double));
    l->b = calloc(numbers, sizeof(double));
    l->half = calloc(numbers, sizeof(double));
    l->stale = malloc(l->arms * sizeof(bool));
    if (!l->a || !l->factor || !l->b || !l->half || !l->stale)
        return false;
    for (size_t arm = 0; arm < l->arms; arm++) {
        for (size_t i = 0; i < d; i++)
            l->a[(arm * d + i) * d + i] = 1;
        l->stale[arm] = true;
    }
    l->d = d;
    return true;
}

static bool prepare(struct linucb *l, const struct actor_request *r)
{
    const uint32_t n = shown_choices(&l->catalog, r);
    if (n > l->scores) {
        double *grown = realloc(l->score, n * sizeof(*grown));
        if (!grown)
            return false;
        l->score = grown;
        l->scores = n;
    }
    return (l->d || (!l->tried && make_ridges(l, r))) &&
           l->shared == (r->candidates != NULL);
}

/* v becomes L^-1 v. */
static void solve(const double *factor, uint32_t d, double *v)
{
    for (uint32_t i = 0; i < d; i++) {
        for (uint32_t j = 0; j < i; j++)
            v[i] -= factor[i * d + j] * v[j];
        v[i] /= factor[i * d + i];
    }
}

static void refresh(struct linucb *l, uint32_t arm)
{
    const uint32_t d = l->d;
    const double *a = l->a + (size_t)arm * d * d;
    double *f = l->factor + (size_t)arm * d * d, *half = l->half + (size_t)arm * d;
    for (uint32_t i = 0; i < d; i++)
        for (uint32_t j = 0; j <= i; j++) {
            double sum = a[i * d + j];
            for (uint32_t m = 0; m < j; m++)
                sum -= f[i * d + m] * f[j * d + m];
            f[i * d + j] = i == j ? sqrt(sum) : sum / f[j * d + j];
        }
    for (uint32_t i = 0; i < d; i++)
        half[i] = l->b[(size_t)arm * d + i];
    solve(f, d, half);
    l->stale[arm] = false;
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
    if (l->stale[arm])
        refresh(l, arm);
    const double *half = l->half + (size_t)arm * l->d;
    double mean = 0, squared = 0;
    for (uint32_t i = 0; i < l->d; i++)
        l->y[i] = l->x[i];
    solve(l->factor + (size_t)arm * l->d * l->d, l->d, l->y);
    for (uint32_t i = 0; i < l->d; i++) {
        mean += l->y[i] * half[i];
        squared += l->y[i] * l->y[i];
    }
    return mean + BONUS * sqrt(squared);
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
    const uint32_t n = shown_choices(&l->catalog, r);
    set_x(l, r->context, r->n_context);
    for (uint32_t i = 0; i < n; i++) {
        if (l->shared)
            set_x(l, r->candidates + (size_t)i * r->candidate_dim, r->candidate_dim);
        l->score[i] = upper_bound(l, l->shared ? 0 : i);
    }
    shown_best(l->score, n, r->k, item);
    shown_keep(&l->shown, &l->catalog, r, item);
}

static void fade(struct linucb *l)
{
    const size_t d = l->d, cells = (size_t)l->arms * d * d, numbers = (size_t)l->arms * d;
    for (size_t i = 0; i < cells; i++)
        l->a[i] *= l->keeps;
    for (size_t i = 0; i < numbers; i++)
        l->b[i] *= l->keeps;
    for (size_t arm = 0; arm < l->arms; arm++) {
        for (size_t i = 0; i < d; i++)
            l->a[(arm * d + i) * d + i] += 1 - l->keeps;
        l->stale[arm] = true;
    }
}

static void learn(struct linucb *l, uint32_t arm, double reward)
{
    const uint32_t d = l->d;
    double *a = l->a + (size_t)arm * d * d, *b = l->b + (size_t)arm * d;
    for (uint32_t i = 0; i < d; i++) {
        for (uint32_t j = 0; j <= i; j++)
            a[i * d + j] += l->x[i] * l->x[j];
        b[i] += reward * l->x[i];
    }
    l->stale[arm] = true;
}

static void linucb_feedback(void *state, uint64_t id, uint32_t user, const float *reward,
                            uint32_t k, bool done)
{
    struct linucb *l = state;
    const struct shown_list *s = shown_take(&l->shown, id);
    (void)user;
    (void)done;
    if (!s)
        return;
    if (l->keeps < 1)
        fade(l);
    set_x(l, s->context, s->n_context);
    for (uint32_t i = 0; i < s->k && i < k; i++) {
        if (l->shared)
            set_x(l, s->features + (size_t)i * s->dim, s->dim);
        learn(l, l->shared ? 0 : s->item[i], (double)reward[i]);
    }
}

const struct actor_ops actor_linucb = {
    .name = "linucb",
    .help = "LinUCB, one ridge an item on the context, bonus .5",
    .create = plain_create,
    .destroy = linucb_destroy,
    .recommend = linucb_recommend,
    .feedback = linucb_feedback,
};

const struct actor_ops actor_linucb_forgetting = {
    .name = "linucb-forgetting",
    .help = "LinUCB that forgets a thousandth at each step",
    .create = forgetting_create,
    .destroy = linucb_destroy,
    .recommend = linucb_recommend,
    .feedback = linucb_feedback,
};

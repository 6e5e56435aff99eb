/* SPDX-License-Identifier: Apache-2.0 */
/* One walk over the slots of a list serves both drawing it and judging a given one. */
#include "policy/explore.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/* Weights are taken anew relative to what is left when their sum falls below this: what
   was too small to be told beside the old reference is then less than 1e-200 of it. */
#define LEAST_SUM 1e-100

int explore_check(const struct explore_options *o, struct penchant_error *err)
{
    if (!(o->share >= 0 && o->share <= 1))
        return error_field(err, PENCHANT_EINVALID, 0, "explore",
                           "explore must be between 0 and 1");
    if (!(o->temperature >= 0 && isfinite(o->temperature)))
        return error_field(err, PENCHANT_EINVALID, 0, "temperature",
                           "temperature must be 0 or more");
    if (!(o->kappa >= 0 && isfinite(o->kappa)))
        return error_field(err, PENCHANT_EINVALID, 0, "kappa", "kappa must be 0 or more");
    if (!(o->epsilon >= 0 && o->epsilon <= 1))
        return error_field(err, PENCHANT_EINVALID, 0, "epsilon",
                           "epsilon must be between 0 and 1");
    return PENCHANT_OK;
}

struct walk {
    const struct explore_options *o;
    const struct explore_candidates *c;
    double *weight; /* (n) exp(logit) over that of a reference; < 0: taken */
    double sum;     /* of the weights that are left */
    uint32_t left;  /* candidates that are left */
    uint32_t best;  /* of them */
    double drawn;   /* the chance that the list is drawn, given its slots up to here */
};

static bool is_left(const struct walk *w, uint32_t i)
{
    return w->weight[i] >= 0;
}

/* score / temperature + kappa uncertainty, but for a constant; the best candidate's is
   finite, so that not all can be lost to a small temperature. */
static double relative_logit(const struct walk *w, uint32_t i)
{
    const struct explore_candidates *c = w->c;
    const double below = c->score[i] - c->score[w->best];
    const double bonus = c->uncertainty ? w->o->kappa * c->uncertainty[i] : 0;
    return (below == 0 ? 0 : below / w->o->temperature) + bonus;
}

/* Weights relative to the largest logit that is left. */
static void weigh(struct walk *w)
{
    double top = -INFINITY;
    for (uint32_t i = 0; i < w->c->n; i++)
        if (is_left(w, i))
            top = fmax(top, relative_logit(w, i));
    for (uint32_t i = 0; i < w->c->n; i++)
        if (is_left(w, i))
            w->weight[i] = exp(relative_logit(w, i) - top);
}

static double sum_left(const struct walk *w)
{
    double sum = 0;
    for (uint32_t i = 0; i < w->c->n; i++)
        if (is_left(w, i))
            sum += w->weight[i];
    return sum;
}

/* What the next slot is drawn from. */
static void look(struct walk *w)
{
    w->best = UINT32_MAX;
    for (uint32_t i = 0; i < w->c->n; i++)
        if (is_left(w, i) &&
            (w->best == UINT32_MAX || w->c->score[i] > w->c->score[w->best]))
            w->best = i;
    if (w->o->temperature <= 0 || w->left == 0)
        return;
    w->sum = sum_left(w);
    if (w->sum < LEAST_SUM) {
        weigh(w);
        w->sum = sum_left(w);
    }
}

static int begin(struct walk *w, const struct explore_options *o,
                 const struct explore_candidates *c)
{
    *w = (struct walk){.o = o, .c = c, .left = c->n, .drawn = o->share};
    w->weight = calloc((size_t)c->n + 1, sizeof *w->weight);
    if (!w->weight)
        return PENCHANT_ENOMEM;
    look(w); /* all weights are 0: they are made here */
    return PENCHANT_OK;
}

/* p_j(i | drawn) of the next slot. */
static double drawn_propensity(const struct walk *w, uint32_t i)
{
    const double greedy = i == w->best ? 1 : 0;
    const double soft = w->o->temperature > 0 ? w->weight[i] / w->sum : greedy;
    return (1 - w->o->epsilon) * soft + w->o->epsilon / w->left;
}

/* Puts candidate i into the next slot; its propensity. */
static double take(struct walk *w, uint32_t i)
{
    const double p_drawn = drawn_propensity(w, i);
    const double ranked = i == w->best ? 1 - w->drawn : 0;
    const double p = w->drawn * p_drawn + ranked;
    if (p > 0)
        w->drawn = w->drawn * p_drawn / p;
    w->weight[i] = -1;
    w->left--;
    look(w);
    return p;
}

/* A candidate of the distribution of the next slot, given that the list is drawn. Two
   numbers a slot in every case, so that one slot's luck does not shift the next one's. */
static uint32_t draw_one(const struct walk *w, struct rng *r)
{
    const bool uniform = rng_double(r) < w->o->epsilon;
    const double u = rng_double(r);
    if (!uniform && w->o->temperature <= 0)
        return w->best;
    const double at = u * (uniform ? (double)w->left : w->sum);
    double passed = 0;
    uint32_t last = w->best;
    for (uint32_t i = 0; i < w->c->n; i++) {
        if (!is_left(w, i) || (!uniform && w->weight[i] <= 0))
            continue;
        last = i;
        passed += uniform ? 1 : w->weight[i];
        if (at < passed)
            break;
    }
    return last;
}

int explore_draw(const struct explore_options *o, const struct explore_candidates *c,
                 uint32_t k, struct rng *r, uint32_t *slot, double *p)
{
    struct walk w;
    if (begin(&w, o, c))
        return PENCHANT_ENOMEM;
    const bool drawn = rng_double(r) < o->share;
    for (uint32_t j = 0; j < k && w.left > 0; j++) {
        slot[j] = drawn ? draw_one(&w, r) : w.best;
        p[j] = take(&w, slot[j]);
    }
    free(w.weight);
    return PENCHANT_OK;
}

/* The chances of all candidates to be the next slot. */
static void tell_all(const struct walk *w, double *all)
{
    for (uint32_t i = 0; i < w->c->n; i++)
        all[i] = is_left(w, i) ? w->drawn * drawn_propensity(w, i) +
                                     (i == w->best ? 1 - w->drawn : 0)
                               : 0;
}

int explore_distributions(const struct explore_options *o,
                          const struct explore_candidates *c, const uint32_t *slot,
                          uint32_t k, double *p, double *all)
{
    struct walk w;
    if (begin(&w, o, c))
        return PENCHANT_ENOMEM;
    bool possible = true;
    for (uint32_t j = 0; j < k; j++) {
        double *row = all ? all + (size_t)j * c->n : NULL;
        for (uint32_t i = 0; row && !possible && i < c->n; i++)
            row[i] = 0;
        if (row && possible)
            tell_all(&w, row);
        p[j] = possible ? take(&w, slot[j]) : 0;
        possible = p[j] > 0;
    }
    free(w.weight);
    return PENCHANT_OK;
}

int explore_propensities(const struct explore_options *o,
                         const struct explore_candidates *c, const uint32_t *slot,
                         uint32_t k, double *p)
{
    return explore_distributions(o, c, slot, k, p, NULL);
}

double explore_log_normaliser(const struct explore_options *o,
                              const struct explore_candidates *c)
{
    double top = -INFINITY, sum = 0;
    if (o->temperature <= 0)
        return NAN;
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < c->n; i++) {
            const double bonus = c->uncertainty ? o->kappa * c->uncertainty[i] : 0;
            const double logit = c->score[i] / o->temperature + bonus;
            if (pass == 0)
                top = fmax(top, logit);
            else
                sum += exp(logit - top);
        }
    return top + log(sum);
}

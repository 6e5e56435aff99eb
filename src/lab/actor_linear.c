/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linear bandits: reward of a shown item as a linear function of 1, its features and the
 * moment's context, whatever its place. Where items have no features lists are drawn at
 * random (actor_linucb.c is for those).
 *
 *   linear-ts             Thompson sampling (Agrawal and Goyal 2013), one posterior a
 *                         session, which starts from the mean of what all sessions have
 *                         taught, worth half an observation
 *   linear-ts-forget      forgets a tenth with every list and starts from zero: what all
 *                         sessions have taught is of what was shown to them, and a posterior
 *                         that keeps falling back to it is slower (measured)
 *   linear-ts-cap, linear-ts-forget-cap  the same, at most a fifth of a list of one group of
 *                         items (lab/feature_groups.h)
 *   linear-ucb            mean plus half a standard deviation, one posterior for everybody and
 *                         all items (actor_linucb.c has one an item)
 *   linear-ucb-forget     the same, which forgets a thousandth with every list
 *
 * Thompson draws have no chances in closed form: p is NaN there.
 *
 * Memory: for d = 1 + numbers of an item + context, 16 d^2 bytes for each of SESSIONS users,
 * who share places by modulo, and what slate_tools.h keeps of the lists.
 */
#include <math.h>
#include <stdlib.h>

#include "lab/feature_groups.h"
#include "lab/linear_posterior.h"
#include "lab/slate_tools.h"

enum { SESSIONS = 64, STREAM = 0x11EA2, CAP_SHARE = 5 };

static const double BONUS = .5;

struct how {
    bool thompson; /* a draw and a session; else a bonus and everybody */
    bool common;   /* a session starts from the common mean */
    bool cap;
    double lambda; /* precision of the prior */
    double scale;  /* of the draws */
    double forget; /* what is kept with every list */
};

struct session {
    bool begun;
    uint32_t user;
    struct linear_posterior posterior;
};

struct linear_actor {
    struct how how;
    struct actor_catalog catalog;
    struct rng rng;
    uint8_t *group;             /* NULL: lists are not capped */
    uint32_t d, dim, n_context; /* d = 1 + dim + n_context; 0 before the first request */
    struct session session[SESSIONS];
    struct linear_posterior everybody;
    struct slate_memory memory;
    double *score; /* room for n_score */
    uint32_t n_score;
    double *scratch; /* (3, d) */
};

/* ---- beginning and end ------------------------------------------------------------ */

static void linear_actor_free(void *state)
{
    struct linear_actor *a = state;
    if (!a)
        return;
    for (uint32_t i = 0; i < SESSIONS; i++)
        linear_release(&a->session[i].posterior);
    linear_release(&a->everybody);
    free(a->group);
    slate_memory_release(&a->memory);
    free(a->score);
    free(a->scratch);
    free(a);
}

static void *create(uint64_t seed, const struct actor_catalog *c, const struct how *how)
{
    struct linear_actor *a = calloc(1, sizeof(*a));
    if (!a)
        return NULL;
    a->how = *how;
    a->catalog = *c;
    rng_init(&a->rng, seed, STREAM);
    if (how->cap && c->features)
        a->group = feature_groups_find(c, seed);
    if (how->cap && c->features && !a->group) {
        linear_actor_free(a);
        return NULL;
    }
    return a;
}

/* The first request says how much there is to know. */
static bool size_up(struct linear_actor *a, const struct actor_request *r)
{
    const double lambda = a->how.lambda;
    a->dim = r->candidates ? r->candidate_dim : a->catalog.dim;
    a->n_context = r->n_context;
    const uint32_t d = 1 + a->dim + a->n_context;
    a->scratch = calloc(3 * (size_t)d, sizeof(double));
    bool fine = a->scratch && linear_init(&a->everybody, d, lambda);
    for (uint32_t i = 0; fine && a->how.thompson && i < SESSIONS; i++)
        fine = linear_init(&a->session[i].posterior, d, lambda);
    if (fine) {
        linear_solve(&a->everybody);
        a->d = d;
    }
    return fine;
}

/* Whether there are features, as many as with the first request; with room for scores. */
static bool is_ready(struct linear_actor *a, const struct actor_request *r)
{
    uint32_t dim;
    if (!slate_features(&a->catalog, r, 0, &dim))
        return false;
    if (!a->scratch && !size_up(a, r))
        return false;
    if (!slate_room(&a->score, &a->n_score, slate_choices(&a->catalog, r)))
        return false;
    return a->d && r->n_context == a->n_context && dim == a->dim;
}

/* ---- sessions --------------------------------------------------------------------- */

static struct session *session_of(struct linear_actor *a, uint32_t user)
{
    struct session *s = &a->session[user % SESSIONS];
    if (!s->begun || s->user != user) {
        linear_solve(&a->everybody);
        linear_reset(&s->posterior, a->how.common ? a->everybody.mean : NULL);
        linear_solve(&s->posterior);
        s->begun = true;
        s->user = user;
    }
    return s;
}

static void linear_actor_reset(void *state, uint32_t user)
{
    struct linear_actor *a = state;
    a->session[user % SESSIONS].begun = false;
}

static struct linear_posterior *posterior_of(struct linear_actor *a, uint32_t user)
{
    return a->how.thompson ? &session_of(a, user)->posterior : &a->everybody;
}

/* ---- deciding --------------------------------------------------------------------- */

/* x = 1, an item's features, the moment's context. */
static void describe(const struct linear_actor *a, const float *features,
                     const float *context, double *x)
{
    x[0] = 1;
    for (uint32_t j = 0; j < a->dim; j++)
        x[1 + j] = (double)features[j];
    for (uint32_t j = 0; j < a->n_context; j++)
        x[1 + a->dim + j] = (double)context[j];
}

static void find_scores(struct linear_actor *a, const struct actor_request *r, uint32_t n)
{
    double *x = a->scratch, *theta = x + a->d, *work = theta + a->d;
    const struct linear_posterior *p = posterior_of(a, r->user);
    if (a->how.thompson)
        linear_draw(p, a->how.scale, &a->rng, theta);
    const double *weight = a->how.thompson ? theta : p->mean;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t dim;
        describe(a, slate_features(&a->catalog, r, i, &dim), r->context, x);
        a->score[i] = a->how.thompson ? 0 : BONUS * linear_width(p, x, work);
        for (uint32_t j = 0; j < a->d; j++)
            a->score[i] += weight[j] * x[j];
    }
}

static void linear_recommend(void *state, const struct actor_request *r, uint32_t *item,
                             double *p)
{
    struct linear_actor *a = state;
    const uint32_t n = slate_choices(&a->catalog, r);
    if (!is_ready(a, r)) {
        slate_random(n, &a->rng, r->k, item, p);
        return;
    }
    find_scores(a, r, n);
    feature_groups_best(a->score, n, r->candidates ? NULL : a->group,
                        (r->k + CAP_SHARE - 1) / CAP_SHARE, r->k, item);
    slate_keep(&a->memory, &a->catalog, r, item, 0);
    for (uint32_t i = 0; i < r->k; i++)
        p[i] = a->how.thompson ? NAN : 1;
}

/* ---- learning --------------------------------------------------------------------- */

static void linear_feedback(void *state, uint64_t id, uint32_t user, const float *reward,
                            uint32_t k, bool done)
{
    struct linear_actor *a = state;
    const struct slate *shown = slate_take(&a->memory, id, user);
    (void)done;
    if (!shown || k > shown->k)
        return;
    struct linear_posterior *p = posterior_of(a, user);
    double *x = a->scratch;
    if (a->how.forget < 1)
        linear_fade(p, a->how.forget);
    for (uint32_t i = 0; i < k; i++) {
        describe(a, shown->features + (size_t)i * shown->dim, shown->context, x);
        linear_add(p, x, (double)reward[i]);
        if (a->how.thompson)
            linear_add(&a->everybody, x, (double)reward[i]);
    }
    linear_solve(p);
}

/* ---- the names -------------------------------------------------------------------- */

#define LINEAR_ACTOR(id, text, says, ...)                                                \
    static void *id##_create(uint64_t seed, const struct actor_catalog *c)               \
    {                                                                                    \
        static const struct how how = __VA_ARGS__;                                       \
        return create(seed, c, &how);                                                    \
    }                                                                                    \
    const struct actor_ops id = {                                                        \
        .name = text,                                                                    \
        .help = says,                                                                    \
        .create = id##_create,                                                           \
        .destroy = linear_actor_free,                                                    \
        .reset = linear_actor_reset,                                                     \
        .recommend = linear_recommend,                                                   \
        .feedback = linear_feedback,                                                     \
    };

#define SESSION .thompson = true, .common = true, .lambda = .5, .scale = .3, .forget = 1
#define FORGETS .thompson = true, .lambda = 1, .scale = .15, .forget = .9

LINEAR_ACTOR(actor_linear_ts, "linear-ts", "linear Thompson sampling, anew every session",
             {SESSION})
LINEAR_ACTOR(actor_linear_ts_forget, "linear-ts-forget",
             "the same, forgets a tenth with every list", {FORGETS})
LINEAR_ACTOR(actor_linear_ts_cap, "linear-ts-cap",
             "linear-ts, at most a fifth of a list of one group", {SESSION, .cap = true})
LINEAR_ACTOR(actor_linear_ts_forget_cap, "linear-ts-forget-cap", "both",
             {FORGETS, .cap = true})
LINEAR_ACTOR(actor_linear_ucb, "linear-ucb",
             "LinUCB, one ridge for all items on features and context, bonus .5",
             {.lambda = 1, .forget = 1})
LINEAR_ACTOR(actor_linear_ucb_forget, "linear-ucb-forget",
             "the same, forgets a thousandth with every list",
             {.lambda = 1, .forget = .999})

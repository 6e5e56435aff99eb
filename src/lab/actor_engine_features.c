/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "lab/actor_engine.h"

static const float LATE_KEEP = .6f; /* of views */

void *engine_room(struct engine *e, uint32_t n)
{
    if (n <= e->cap)
        return e->judged;
    free(e->judged);
    free(e->sd);
    free(e->gain);
    free(e->left);
    e->judged = calloc(n, sizeof(*e->judged));
    e->sd = calloc(n, sizeof(*e->sd));
    e->gain = calloc(n, sizeof(*e->gain));
    e->left = calloc(n, sizeof(*e->left));
    e->cap = e->judged && e->sd && e->gain && e->left ? n : 0;
    return e->cap ? e->judged : NULL;
}

/* ---- features as they come -> taste's x ------------------------------------------- */

static bool make_projection(struct engine *e)
{
    const size_t n = (size_t)e->raw_dim * ENGINE_MOST_TASTE;
    e->projection = malloc(n * sizeof(*e->projection));
    for (size_t i = 0; e->projection && i < n; i++)
        e->projection[i] = rng_normal(&e->rng) / sqrtf(ENGINE_MOST_TASTE);
    return e->projection != NULL;
}

/* Once, from the first rows that are seen: their scale, and whether they are shares. */
bool engine_learn_shape(struct engine *e, const float *features, uint32_t n, uint32_t dim)
{
    double squares = 0;
    e->raw_dim = dim;
    e->nonnegative = true;
    for (size_t i = 0; i < (size_t)n * dim; i++) {
        squares += (double)features[i] * features[i];
        e->nonnegative = e->nonnegative && features[i] >= 0;
    }
    e->scale = squares > 0 ? (float)(1 / sqrt(squares / n)) : 1;
    const uint32_t d = dim < ENGINE_MOST_TASTE ? dim : ENGINE_MOST_TASTE;
    e->has_taste = (dim <= ENGINE_MOST_TASTE || make_projection(e)) &&
                   taste_population_init(&e->taste, d) == 0;
    return e->has_taste;
}

static void make_x(const struct engine *e, const float *row, float *x)
{
    const uint32_t d = e->taste.dim;
    for (uint32_t j = 0; j < d; j++)
        x[j] = e->projection ? 0 : e->scale * row[j];
    if (e->projection)
        for (uint32_t i = 0; i < e->raw_dim; i++)
            for (uint32_t j = 0; row[i] != 0 && j < d; j++)
                x[j] += e->scale * row[i] * e->projection[(size_t)i * d + j];
    x[d] = 1;
}

/* The group of alike items: the largest of features that are shares; else the signs of
   the first four, which cut space into sixteen. */
static uint8_t group_of(const struct engine *e, const float *row)
{
    uint32_t best = 0, signs = 0;
    for (uint32_t j = 1; j < e->raw_dim; j++)
        best = row[j] > row[best] ? j : best;
    for (uint32_t j = 0; j < 4 && j < e->raw_dim; j++)
        signs |= (uint32_t)(row[j] > 0) << j;
    return (uint8_t)((e->nonnegative ? best : signs) % SATURATION_GROUPS);
}

/* ---- what is known of an item ----------------------------------------------------- */

static double logit(double p)
{
    return log(p / (1 - p));
}

static double overall(const struct engine *e)
{
    return (e->all_clicks + .5) / (e->all_shows + 5);
}

/* Of a rate drawn to `base`, over it. */
static double log_odds_over(double clicks, double shows, double base, double prior)
{
    const double not = shows - clicks + prior * (1 - base);
    return log((clicks + prior * base) * (1 - base) / (not *base));
}

/* Decayed counts of a sparse list. */
static uint32_t find(const uint32_t *item, uint32_t n, uint32_t what)
{
    for (uint32_t i = 0; i < n; i++)
        if (item[i] == what)
            return i;
    return UINT32_MAX;
}

/* ---- the moment ------------------------------------------------------------------- */

/* 1, the context's numbers, their products where they are few; or what the user looks
   at on their own. */
void engine_moment(struct engine *e, const struct engine_user *u, const float *context,
                   uint32_t n_context, float *arm)
{
    uint32_t n = 0;
    e->now.base = overall(e);
    e->now.base_logit = logit(e->now.base);
    last_layer_weights(&e->layer, e->now.weight);
    saturation_counts(&u->had, &e->window, e->now.had);
    if (u->has_taste)
        taste_mix(&e->now.taste, &u->taste);
    if (context) {
        arm[n++] = 1;
        for (uint32_t i = 0; i < n_context && n < ENGINE_MOST_ARM_DIM; i++)
            arm[n++] = context[i];
        const bool products = n_context * (n_context + 3) / 2 < ENGINE_MOST_ARM_DIM;
        for (uint32_t i = 0; products && i < n_context; i++)
            for (uint32_t j = i; j < n_context; j++)
                arm[n++] = context[i] * context[j];
    } else if (e->has_organic) {
        organic_vector(&e->organic, &u->organic, ORGANIC_KEEP, arm);
        organic_vector(&e->organic, &u->organic, LATE_KEEP, e->now.late_vector);
        n = ORGANIC_DIM;
    }
    e->arm_dim = e->arm_dim ? e->arm_dim : n;
}

static void judge_item(const struct engine *e, const struct engine_asked *a, uint32_t i,
                       struct engine_slot *s)
{
    const struct engine_user *u = a->user;
    const double base = e->now.base;
    uint32_t at;
    s->f[F_RATE] = (float)log_odds_over(e->clicks[i], e->shows[i], base, e->rate_prior);
    s->f[F_RATE_LATE] =
        (float)log_odds_over(e->late_clicks[i], e->late_shows[i], base, e->rate_prior) -
        s->f[F_RATE];
    if ((at = find(u->views.item, u->views.n, i)) != UINT32_MAX) {
        s->f[F_VIEWED] = log1pf(u->views.slow[at]);
        s->f[F_VIEWED_LATE] = log1pf(u->views.late[at]);
    }
    s->f[F_LAST] = u->last == i;
    if (e->pair_shows && u->last != UINT32_MAX) {
        const size_t pair = (size_t)u->last * e->c.n + i;
        const double own =
            (e->clicks[i] + e->rate_prior * base) / (e->shows[i] + e->rate_prior);
        s->f[F_PAIR] = (float)log_odds_over(e->pair_clicks[pair], e->pair_shows[pair],
                                            own, 2 * e->rate_prior);
    }
    if ((at = find(u->shown.item, u->shown.n, i)) != UINT32_MAX) {
        s->f[F_CLICKED] = log1pf(u->shown.clicked[at]);
        s->f[F_IGNORED] = log1pf(u->shown.ignored[at]);
    }
}

static void judge_features(struct engine *e, const struct engine_asked *a, uint32_t i,
                           struct engine_slot *s, double *variance)
{
    const float *row = a->candidates ? a->candidates + (size_t)i * a->dim
                                     : e->c.features + (size_t)i * e->c.dim;
    if (a->candidates) {
        make_x(e, row, s->x);
        s->group = group_of(e, row);
    } else {
        memcpy(s->x, e->x + (size_t)i * (e->taste.dim + 1),
               (e->taste.dim + 1) * sizeof(*s->x));
        s->group = e->group[i];
    }
    if (a->user->has_taste) {
        s->f[F_TASTE] = (float)taste_mix_mean(&e->now.taste, s->x);
        *variance += taste_mix_variance(&e->now.taste, s->x);
    }
    if (a->context && a->n_context == e->raw_dim) {
        double match = 0;
        for (uint32_t j = 0; j < e->raw_dim; j++)
            match += (double)a->context[j] * row[j];
        s->f[F_MATCH] = (float)(match * e->scale);
        s->f[F_MATCH_2] = s->f[F_MATCH] * s->f[F_MATCH];
    }
}

static void judge_had(const struct engine *e, struct engine_slot *s)
{
    static const uint32_t step[] = {2, 3, 4, 5, 7};
    for (int j = 0; j < 5; j++)
        s->f[F_HAD_1 + j] = e->now.had[s->group] >= step[j];
}

void engine_judge(struct engine *e, const struct engine_asked *a, uint32_t i,
                  struct engine_slot *s, double *sd)
{
    double variance = 0;
    memset(s->f, 0, sizeof(s->f));
    s->item = a->candidates ? UINT32_MAX : i;
    s->group = 0;
    s->f[F_ONE] = 1;
    if (!a->candidates) {
        judge_item(e, a, i, s);
        variance += 1 / ((e->shows[i] + e->rate_prior) * e->now.base + .5);
    }
    if (e->has_taste) {
        judge_features(e, a, i, s, &variance);
        judge_had(e, s);
    }
    if (e->arm && !a->candidates && e->arm_dim) {
        struct last_layer_guess g;
        if (e->arm[i].o.dim) {
            last_layer_guess(&e->arm[i], a->arm, &g);
            s->f[F_ARM] = (float)g.mean;
            const double weight = e->now.weight[F_ARM];
            variance += weight * weight * g.sd * g.sd;
        }
    }
    if (e->has_organic && !a->candidates && a->user->organic.n && !a->context) {
        s->f[F_ORGANIC] = organic_affinity(&e->organic, a->arm, i) / 4;
        s->f[F_ORGANIC_LATE] = organic_affinity(&e->organic, e->now.late_vector, i) / 4;
    }
    s->z = e->now.base_logit;
    for (int j = 0; j < ENGINE_FEATURES; j++)
        s->z += e->now.weight[j] * (double)s->f[j];
    *sd = sqrt(variance);
}

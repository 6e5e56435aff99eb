/* SPDX-License-Identifier: Apache-2.0 */
/* phi of a list's candidates, and what the layers make of it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/adapt_work.h"

/* A feature is as large as its weight may plausibly count: the prior has one width. */
static const double ONE = 4, LEVEL_UNIT = 2, SCORE_UNIT = 2, PART_UNIT = 2,
                    MOST_SCORE = 8, MOST_PART = 3, MOST_GAP = 3, LIFT_UNIT = 2;
enum { RECENT = 32 };

double adapt_offset(const float *phi)
{
    return (double)phi[ADAPT_SCORE] * SCORE_UNIT;
}

/* What was seen of a kind holds on, in part; the rest is to be learned. All these features
   are 0 before any feedback. */
void adapt_prior(double *mean)
{
    memset(mean, 0, ADAPT_DIM * sizeof *mean);
    mean[ADAPT_KIND_LIFT] = 1;
    mean[ADAPT_USER_KIND_LIFT] = 1;
}

static float bounded(double x, double most)
{
    return (float)fmax(-most, fmin(most, x));
}

/* What the blend expects of the item that comes: of its score, and of each source. */
struct middle {
    double level, score, part[EVIDENCE_SOURCES];
};

static void middle_of(const struct adapt_candidates *c, struct middle *m)
{
    *m = (struct middle){.level = -INFINITY};
    for (size_t i = 0; i < c->n; i++) {
        const double log_p = (double)c->score[i] - c->log_sum, p = exp(log_p);
        m->level = fmax(m->level, log_p);
        m->score += p * (double)c->score[i];
        for (size_t s = 0; s < EVIDENCE_SOURCES; s++)
            m->part[s] += p * (double)c->parts[s * c->n + i];
    }
}

static void recent_features(const struct adapt_view *v, uint32_t item, float *phi)
{
    for (uint32_t back = 0; back < v->n_recent && back < RECENT; back++)
        if (v->recent[v->n_recent - 1 - back] == item) {
            phi[ADAPT_RECENT] = 1;
            phi[ADAPT_JUST] = 1 / (1 + (float)back);
            return;
        }
}

static void price_features(const struct adapt_view *v, uint32_t item, float *phi)
{
    const double price = v->adapt->catalog->item[item].price;
    if (!(price > 0) || isnan(v->log_price))
        return;
    phi[ADAPT_PRICE] = bounded(log(price) - v->log_price, MOST_GAP) / 2;
    phi[ADAPT_PRICE_GAP] = fabsf(phi[ADAPT_PRICE]);
}

static void lift_features(const struct adapt_view *v, uint32_t item, float *phi)
{
    const struct adapt_shown shown = adapt_shown_of(v->adapt->catalog, v->user, item);
    struct adapt_lifts lifts;
    adapt_rates_lifts(&v->adapt->rates, &shown, &lifts);
    phi[ADAPT_ITEM_LIFT] = lifts.item / (float)LIFT_UNIT;
    phi[ADAPT_KIND_LIFT] = lifts.kind / (float)LIFT_UNIT;
    phi[ADAPT_USER_ITEM_LIFT] = lifts.user_item / (float)LIFT_UNIT;
    phi[ADAPT_USER_KIND_LIFT] = lifts.user_kind / (float)LIFT_UNIT;
    phi[ADAPT_USER_ITEM_SHOWN] = lifts.user_item_shown;
    phi[ADAPT_USER_KIND_SHOWN] = lifts.user_kind_shown;
}

static void features(const struct adapt_view *v, const struct adapt_candidates *c,
                     const struct middle *m, size_t i, float *phi)
{
    memset(phi, 0, ADAPT_DIM * sizeof *phi);
    phi[ADAPT_ONE] = (float)ONE;
    phi[ADAPT_LEVEL] = bounded(m->level / LEVEL_UNIT, MOST_SCORE);
    phi[ADAPT_SCORE] = bounded(((double)c->score[i] - m->score) / SCORE_UNIT, MOST_SCORE);
    for (size_t s = 0; s < EVIDENCE_SOURCES; s++)
        phi[ADAPT_SOURCE + s] =
            bounded(((double)c->parts[s * c->n + i] - m->part[s]) / PART_UNIT, MOST_PART);
    phi[ADAPT_NOVELTY] = c->novelty[i];
    price_features(v, c->item[i], phi);
    recent_features(v, c->item[i], phi);
    lift_features(v, c->item[i], phi);
}

/* The part of phi'w without what is the same for all of a list. */
static double product(const double *w, const float *phi)
{
    double z = 0;
    for (int i = ADAPT_LEVEL + 1; i < ADAPT_DIM; i++)
        z += w[i] * (double)phi[i];
    return z;
}

/* Of a layer that has seen nothing it is 0, and no rounding. */
static void correct(struct adapt_view *v)
{
    const struct adapt *a = v->adapt;
    double w[ADAPT_DIM], b[ADAPT_DIM];
    last_layer_weights(&a->engage, w);
    last_layer_weights(&a->buy, b);
    const double constant = ADAPT_BUY_OFFSET + b[ADAPT_ONE] * ONE;
    const double usual = log1p(a->worth * adapt_sigmoid(constant));
    for (size_t i = 0; i < v->n; i++) {
        const float *phi = v->phi + i * ADAPT_DIM;
        const double bought = adapt_sigmoid(constant + product(b, phi));
        v->correction[i] = bounded(product(w, phi) + (log1p(a->worth * bought) - usual),
                                   (double)ADAPT_MOST);
    }
}

int adapt_view_fill(struct adapt_view *v, const struct adapt_candidates *c)
{
    struct middle middle;
    adapt_view_release(v);
    v->item = malloc((c->n + 1) * sizeof *v->item);
    v->phi = malloc((c->n + 1) * ADAPT_DIM * sizeof *v->phi);
    v->correction = calloc(c->n + 1, sizeof *v->correction);
    if (!v->item || !v->phi || !v->correction)
        return PENCHANT_ENOMEM;
    v->n = c->n;
    memcpy(v->item, c->item, c->n * sizeof *v->item);
    middle_of(c, &middle);
    pthread_rwlock_rdlock(&v->adapt->lock);
    for (size_t i = 0; i < c->n; i++)
        features(v, c, &middle, i, v->phi + i * ADAPT_DIM);
    if (v->correct)
        correct(v);
    pthread_rwlock_unlock(&v->adapt->lock);
    return PENCHANT_OK;
}

void adapt_view_release(struct adapt_view *v)
{
    free(v->item);
    free(v->phi);
    free(v->correction);
    v->item = NULL;
    v->phi = v->correction = NULL;
    v->n = 0;
}

size_t adapt_view_find(const struct adapt_view *v, uint32_t item)
{
    size_t i = 0;
    while (i + 1 < v->n && v->item[i] != item)
        i++;
    return i;
}

void adapt_view_unsure(const struct adapt_view *v, const struct topk_hit *hit, size_t n,
                       double *unsure)
{
    pthread_rwlock_rdlock(&v->adapt->lock);
    for (size_t i = 0; i < n; i++) {
        struct last_layer_guess guess;
        float phi[ADAPT_DIM];
        memcpy(phi, v->phi + adapt_view_find(v, hit[i].row) * ADAPT_DIM, sizeof phi);
        phi[ADAPT_ONE] = phi[ADAPT_LEVEL] =
            0; /* the same for all, it tells nothing apart */
        last_layer_guess(&v->adapt->engage, phi, &guess);
        unsure[i] = (double)(float)guess.sd; /* as the log keeps it */
    }
    pthread_rwlock_unlock(&v->adapt->lock);
}

float *adapt_view_features(const struct adapt_view *v, const struct topk_hit *hit,
                           size_t n, uint32_t *n_features)
{
    const size_t places = n < ADAPT_PLACES ? n : ADAPT_PLACES;
    float *out = malloc((places * ADAPT_DIM + 1) * sizeof *out);
    for (size_t i = 0; out && i < places; i++)
        memcpy(out + i * ADAPT_DIM, v->phi + adapt_view_find(v, hit[i].row) * ADAPT_DIM,
               ADAPT_DIM * sizeof *out);
    *n_features = (uint32_t)(places * ADAPT_DIM);
    return out;
}

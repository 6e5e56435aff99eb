/* SPDX-License-Identifier: Apache-2.0 */
/* Outcomes into the layers; adapt_features.c makes phi and puts the layers to use. */
#include "engine/adapt.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/adapt_work.h"

/* Weights move by about half a unit of a feature before data speaks; the fast twin
   remembers some 500 places, which is 50 lists. */
static const double PRIOR_SD = .5, KEEP_FAST = .998;

/* What buying is worth in units of taking. */
static double worth_of(const struct rewards *r)
{
    const int buy = rewards_find(r, "purchase"), view = rewards_find(r, "view");
    if (buy < 0 || view < 0 || !(r->rule[buy].reward > 0) || !(r->rule[view].reward > 0))
        return 0;
    return r->rule[buy].reward / r->rule[view].reward;
}

struct adapt *adapt_new(const struct rewards *rewards, const struct catalog *catalog)
{
    double prior[ADAPT_DIM];
    struct adapt *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    adapt_prior(prior);
    struct last_layer_options o = {.dim = ADAPT_DIM,
                                   .logistic = true,
                                   .prior_sd = PRIOR_SD,
                                   .prior_mean = prior,
                                   .fast = KEEP_FAST};
    pthread_rwlock_init(&a->lock, NULL);
    a->catalog = catalog;
    a->worth = worth_of(rewards);
    a->list = calloc(ADAPT_LISTS, sizeof *a->list);
    bool good =
        a->list && !adapt_rates_init(&a->rates) && !last_layer_init(&a->engage, &o);
    o.prior_mean = NULL;
    if (good && !last_layer_init(&a->buy, &o))
        return a;
    adapt_free(a);
    return NULL;
}

static void drop(struct adapt_list *l)
{
    free(l->phi);
    *l = (struct adapt_list){0};
}

void adapt_free(struct adapt *a)
{
    if (!a)
        return;
    for (uint32_t i = 0; a->list && i < ADAPT_LISTS; i++)
        drop(&a->list[i]);
    free(a->list);
    last_layer_release(&a->engage);
    last_layer_release(&a->buy);
    adapt_rates_release(&a->rates);
    pthread_rwlock_destroy(&a->lock);
    free(a);
}

/* ---- lists ---- */

/* One block: phi, and a bit a place. */
int adapt_slate(struct adapt *a, const struct store_slate *s)
{
    struct adapt_list *l = &a->list[s->seq % ADAPT_LISTS];
    const uint32_t n = s->n < ADAPT_PLACES ? s->n : ADAPT_PLACES;
    const size_t bytes = (size_t)n * ADAPT_DIM * sizeof *l->phi;
    drop(l);
    if (n == 0 || s->n_features != n * ADAPT_DIM)
        return PENCHANT_OK; /* of another making, or before this was on */
    l->phi = calloc(1, bytes + ADAPT_PLACES / 8);
    if (!l->phi)
        return PENCHANT_ENOMEM;
    memcpy(l->phi, s->features, bytes);
    l->settled = (uint32_t *)(void *)(l->phi + (size_t)n * ADAPT_DIM);
    l->seq = s->seq;
    l->n = n;
    return PENCHANT_OK;
}

void adapt_erase_user(struct adapt *a, uint32_t user)
{
    pthread_rwlock_wrlock(&a->lock);
    adapt_rates_erase_user(&a->rates, user);
    pthread_rwlock_unlock(&a->lock);
}

/* ---- outcomes ---- */

/* The chance of being taken without what was learned of this item, kind and user: what
   the rates compare with. */
static double expected(const struct adapt *a, const float *phi, double seen)
{
    float plain[ADAPT_DIM];
    memcpy(plain, phi, sizeof plain);
    for (int i = ADAPT_ITEM_LIFT; i < ADAPT_DIM; i++)
        plain[i] = 0;
    return seen * adapt_sigmoid(adapt_offset(phi) + last_layer_mean(&a->engage, plain));
}

static void observe(struct last_layer *l, const float *phi, double y, double seen,
                    double offset)
{
    last_layer_observe(
        l, &(struct last_layer_seen){
               .phi = phi, .y = y, .weight = 1, .seen = seen, .offset = offset});
}

static int settle(struct adapt *a, const struct feedback_told *t, const float *phi,
                  bool again)
{
    const struct adapt_shown shown = adapt_shown_of(a->catalog, t->user, t->item);
    const bool taken = t->what == FEEDBACK_TOLD_TAKEN;
    int status = PENCHANT_OK;
    if (!again)
        status = adapt_rates_show(&a->rates, &shown, expected(a, phi, t->seen));
    if (status == PENCHANT_OK && taken)
        status = adapt_rates_take(&a->rates, &shown);
    observe(&a->engage, phi, taken, t->seen, adapt_offset(phi));
    if (taken)
        observe(&a->buy, phi, 0, 1, ADAPT_BUY_OFFSET);
    return status;
}

int adapt_told(void *cookie, const struct feedback_told *t)
{
    struct adapt *a = cookie;
    struct adapt_list *l = &a->list[t->slate % ADAPT_LISTS];
    if (l->seq != t->slate || t->position >= l->n || t->item >= a->catalog->ids.n)
        return PENCHANT_OK;
    const float *phi = l->phi + (size_t)t->position * ADAPT_DIM;
    uint32_t *settled = &l->settled[t->position / 32];
    const uint32_t bit = UINT32_C(1) << (t->position % 32);
    int status = PENCHANT_OK;
    pthread_rwlock_wrlock(&a->lock);
    if (t->what == FEEDBACK_TOLD_BOUGHT)
        observe(&a->buy, phi, 1, 1, ADAPT_BUY_OFFSET);
    else
        status = settle(a, t, phi, (*settled & bit) != 0);
    *settled |= bit;
    a->settled++;
    pthread_rwlock_unlock(&a->lock);
    return status;
}

uint64_t adapt_settled(const struct adapt *a)
{
    return a->settled;
}

void adapt_read(struct adapt *a, struct penchant_adaptation *out)
{
    pthread_rwlock_rdlock(&a->lock);
    out->on = true;
    out->settled = a->settled;
    out->share_fast = last_layer_share_fast(&a->engage);
    out->changes = a->engage.changes + a->buy.changes;
    pthread_rwlock_unlock(&a->lock);
}

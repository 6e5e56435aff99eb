/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The online clustering of interests.h. Weights as of now stand for those of the moment of
 * each event: both decay by the same factor, and only directions and ratios are compared.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "interest/interest_work.h"

struct slots {
    struct interest_sum sum[INTERESTS_SLOTS];
    uint32_t n;
    float *vectors;     /* (INTERESTS_SLOTS, dim) */
    double *categories; /* (INTERESTS_SLOTS, n_attributes) */
};

static int slots_new(const struct interest_work *w, struct slots *s)
{
    *s = (struct slots){
        .vectors = calloc((size_t)INTERESTS_SLOTS * w->dim + 1, sizeof(*s->vectors)),
        .categories = calloc((size_t)INTERESTS_SLOTS * w->n_attributes + 1,
                             sizeof(*s->categories))};
    for (uint32_t i = 0; s->vectors && s->categories && i < INTERESTS_SLOTS; i++) {
        s->sum[i].vector = s->vectors + (size_t)i * w->dim;
        s->sum[i].category = s->categories + (size_t)i * w->n_attributes;
    }
    return s->vectors && s->categories ? PENCHANT_OK : PENCHANT_ENOMEM;
}

static void slots_free(struct slots *s)
{
    free(s->vectors);
    free(s->categories);
}

static void empty(const struct interest_work *w, struct interest_sum *s)
{
    memset(s->vector, 0, w->dim * sizeof(*s->vector));
    memset(s->category, 0, w->n_attributes * sizeof(*s->category));
    s->mass = 0;
}

/* Events of slot `from` go to slot `to`. */
static void move(struct interest_work *w, int8_t from, int8_t to)
{
    for (uint32_t i = 0; i < w->n; i++)
        if (w->slot[i] == from)
            w->slot[i] = to;
}

/* A new slot, in the place of the lightest one when there is no other. */
static int8_t open_slot(struct interest_work *w, struct slots *s)
{
    if (s->n < INTERESTS_SLOTS)
        return (int8_t)s->n++;
    int8_t lightest = 0;
    for (int8_t i = 1; i < INTERESTS_SLOTS; i++)
        if (s->sum[i].mass < s->sum[lightest].mass)
            lightest = i;
    move(w, lightest, INTEREST_NO_SLOT);
    empty(w, &s->sum[lightest]);
    return lightest;
}

/* Where an event belongs. Of what nothing is known, it is supposed to go on with what the
   event before was about. */
static int8_t choose(struct interest_work *w, struct slots *s, uint32_t i, int8_t last)
{
    double nearest = INTERESTS_NEAR;
    int8_t best = INTEREST_NO_SLOT;
    bool known = false;
    for (uint32_t j = 0; j < s->n; j++) {
        const double near = interest_near_event(w, &s->sum[j], i);
        known = known || !isnan(near);
        if (near >= nearest && (near > nearest || best == INTEREST_NO_SLOT)) {
            nearest = near;
            best = (int8_t)j;
        }
    }
    if (best != INTEREST_NO_SLOT)
        return best;
    return known || last == INTEREST_NO_SLOT ? open_slot(w, s) : last;
}

/* Joins the nearest two while they are as near as INTERESTS_MERGE. */
static void merge(struct interest_work *w, struct slots *s)
{
    for (;;) {
        double nearest = INTERESTS_MERGE;
        uint32_t a = 0, b = 0;
        for (uint32_t i = 0; i < s->n; i++) {
            for (uint32_t j = i + 1; j < s->n; j++) {
                const double near = interest_near(w, &s->sum[i], &s->sum[j]);
                if (near > nearest) {
                    nearest = near;
                    a = i;
                    b = j;
                }
            }
        }
        if (a == b)
            return;
        w->k->add(s->sum[a].vector, s->sum[b].vector, w->dim);
        for (uint32_t j = 0; j < w->n_attributes; j++)
            s->sum[a].category[j] += s->sum[b].category[j];
        s->sum[a].mass += s->sum[b].mass;
        move(w, (int8_t)b, (int8_t)a);
        const struct interest_sum gone = s->sum[b];
        s->sum[b] = s->sum[--s->n];
        s->sum[s->n] = gone;
        move(w, (int8_t)s->n, (int8_t)b);
    }
}

int interest_cluster(struct interest_work *w, uint32_t *n_slots)
{
    struct slots s;
    int8_t last = INTEREST_NO_SLOT;
    const int rc = slots_new(w, &s);
    memset(w->slot, INTEREST_NO_SLOT, w->n);
    for (uint32_t i = 0; !rc && i < w->n; i++) {
        if (!(w->fresh[i] > 0))
            continue;
        last = w->slot[i] = choose(w, &s, i, last);
        interest_sum_add(w, &s.sum[last], i, w->fresh[i]);
    }
    if (!rc)
        merge(w, &s);
    *n_slots = s.n;
    slots_free(&s);
    return rc;
}

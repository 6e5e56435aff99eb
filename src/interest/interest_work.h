/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files behind interests.h share while one call runs: interests.c weighs the
 * events and compares present and past, interest_slots.c clusters, interest_tell.c
 * describes, interest_saturation.c finds what is too much.
 */
#ifndef INTEREST_INTEREST_WORK_H
#define INTEREST_INTEREST_WORK_H

#include "interest/interests.h"
#include "kernels/kernels.h"

enum { INTEREST_NO_SLOT = -1 };

/* The events that count, oldest first, and what is known of their items. */
struct interest_work {
    const struct interests_input *in;
    const struct kernels *k;
    uint32_t n, dim;         /* dim 0: no vectors */
    const uint32_t *item;    /* (n) */
    const uint8_t *type;     /* (n) */
    const int64_t *ts_us;    /* (n) */
    double *fresh, *lasting; /* (n) */
    float *vector;           /* (n, dim) length 1, or zeros: unknown */
    /* Attributes of the events, numbered by first appearance. */
    uint32_t n_attributes;
    uint32_t *attribute; /* (n_attributes) in the catalogue's vocabulary */
    double *telling;     /* (n_attributes) weight of a category; 0: no category */
    uint32_t *start;     /* (n + 1) event i has local[start[i]] .. local[start[i + 1]] */
    uint32_t *local;
    double *length;  /* (n) of the categories' vector; 0: without category */
    int8_t *slot;    /* (n) which short-term interest, or INTEREST_NO_SLOT */
    uint32_t *order; /* (2, n) events by item, then by price (those with one first) */
    uint32_t n_priced;
};

/* A weighted sum of items: vectors and categories. Compared by direction. */
struct interest_sum {
    float *vector;    /* (dim) */
    double *category; /* (n_attributes) */
    double mass;
};

void interest_sum_add(const struct interest_work *w, struct interest_sum *s, uint32_t i,
                      double weight);
/* Nearness in [-1, 1]; NaN when nothing is known of both. */
double interest_near(const struct interest_work *w, const struct interest_sum *a,
                     const struct interest_sum *b);
double interest_near_event(const struct interest_work *w, const struct interest_sum *s,
                           uint32_t i);

/* Fills w->slot and how many slots there are. 0 or PENCHANT_ENOMEM. */
int interest_cluster(struct interest_work *w, uint32_t *n_slots);

/* Describes the events with weight[i] > 0 (all but out->weight). 0 or PENCHANT_ENOMEM. */
int interest_tell(const struct interest_work *w, const double *weight,
                  struct interest *out);

/* 0 or PENCHANT_ENOMEM. */
int interest_saturate(const struct interest_work *w, struct interests *out);

#endif

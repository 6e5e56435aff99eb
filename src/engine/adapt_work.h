/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of adapt.h share; nobody else includes it. */
#ifndef ENGINE_ADAPT_WORK_H
#define ENGINE_ADAPT_WORK_H

#include <math.h>
#include <pthread.h>

#include "engine/adapt.h"
#include "engine/adapt_rates.h"
#include "learn/last_layer.h"

/* One list that was shown, at seq % ADAPT_LISTS. */
struct adapt_list {
    uint64_t seq;
    uint32_t n;
    float *phi;        /* (n, ADAPT_DIM) */
    uint32_t *settled; /* bit i % 32 of [i / 32]: an outcome of place i was told */
};

struct adapt {
    pthread_rwlock_t lock;
    const struct catalog *catalog;
    double worth; /* R */
    struct last_layer engage, buy;
    struct adapt_rates rates;
    struct adapt_list *list; /* (ADAPT_LISTS) */
    uint64_t settled;
};

/* Of a taken item, before anything was seen. */
#define ADAPT_BUY_OFFSET (-3.0)

static inline double adapt_sigmoid(double z)
{
    return 1 / (1 + exp(-z));
}

/* The known part of the logit of being taken: s(i). */
double adapt_offset(const float *phi);

/* What is believed of w before any feedback: (ADAPT_DIM). */
void adapt_prior(double *mean);

#endif

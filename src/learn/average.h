/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The running average of a model's parameters (Polyak and Juditsky 1992): mean += share *
 * (x - mean) after a step, with share = 1 / horizon. The horizon is an eighth of the steps
 * so far and at most what the caller names: long enough to be smooth, short enough to
 * forget the beginning.
 *
 * Reading two tables and writing one costs as much as a small step: of a large model only
 * every so manyth step is taken in, and stands for all since the one before.
 */
#ifndef LEARN_AVERAGE_H
#define LEARN_AVERAGE_H

#include "base/pool.h"
#include "model/model.h"

struct average {
    struct model *mean; /* borrowed */
    uint64_t steps;     /* since it began; 0: to begin with what comes next */
};

/* Takes in what a step made; `most` is the longest horizon, in steps. The same bits for
   any number of threads. */
void average_step(struct average *a, const struct model *m, double most,
                  struct pool *pool);

/* mean += share * (x - mean) for n floats. */
void average_add(float *mean, const float *x, size_t n, float share);

#endif

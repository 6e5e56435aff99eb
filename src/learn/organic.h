/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vectors of items and people from what people look at on their own, learned event by
 * event: a person is the decayed mean of the in-vectors of what they looked at, and what
 * they look at next is a softmax over out-vectors and biases (continuous bag of words:
 * Mikolov et al. 2013; full softmax up to ORGANIC_EXACT items, else over the item and a
 * uniform sample), by Adagrad.
 *
 * Memory: 4 (ORGANIC_DIM + 1) floats an item. The same events give the same bits. Not
 * thread-safe.
 */
#ifndef LEARN_ORGANIC_H
#define LEARN_ORGANIC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"

enum { ORGANIC_DIM = 8, ORGANIC_EXACT = 512 };

struct organic {
    uint32_t n;
    float *in, *out, *bias;             /* (n, ORGANIC_DIM) x 2, (n) */
    float *in_sum, *out_sum, *bias_sum; /* squared gradients */
    float *work;                        /* (n or the sample) */
    uint32_t *picked;
    struct rng rng;
};

/* What one person looked at. */
struct organic_user {

    uint32_t item[16]; /* the last ones, oldest first */
    uint32_t n;
};

int organic_init(struct organic *o, uint32_t n, uint64_t seed);
void organic_release(struct organic *o);

/* The person's vector, 0 for a stranger: of each view, `keep` of the weight of the one
   after it. */
void organic_vector(const struct organic *o, const struct organic_user *u, float keep,
                    float out[ORGANIC_DIM]);
extern const float ORGANIC_KEEP; /* with which vectors are learned */

/* How much likelier than by popularity (exp(bias)) an item is looked at next, as a
   logarithm up to a constant. */
float organic_affinity(const struct organic *o, const float vector[ORGANIC_DIM],
                       uint32_t item);

void organic_view(struct organic *o, struct organic_user *u, uint32_t item);

#endif

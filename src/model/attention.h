/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Causal attention of one sequence and one head, forward and backward:
 *   S = Q K^T / sqrt(dh) + biases,  A = softmax(S) or SiLU(S) / max_length,  O = A V
 * Rows are done in blocks, and of each block only the columns up to its last row.
 */
#ifndef MODEL_ATTENTION_H
#define MODEL_ATTENTION_H

#include "kernels/kernels.h"
#include "model/model.h"

enum { ATTENTION_ROWS = 32 };

struct attention {
    const struct kernels *k;
    const struct model_config *config;
    const float *bias_position; /* as in model.h, or NULL */
    const float *bias_time;
    const float *time, *target_time; /* (n) of this sequence */
    size_t n, dh;
    const float *q, *key, *value; /* (n, dh), rows `stride` apart */
    size_t stride;
    float *score; /* (n, n): A for softmax, S for SiLU; kept for the backward pass */
    float *work;  /* attention_work(config) floats */
};

size_t attention_work(const struct model_config *c);

/* Row t of S from the raw products in s[0..t], in place: scale, biases. */
void attention_bias_row(const struct attention *a, float *s, size_t t, float target_time);

/* Row t of A from row t of S into out (may be s itself), columns [0, t]. */
void attention_weights_row(const struct attention *a, float *out, const float *s,
                           size_t t);

/* o (n, dh), rows o_stride apart */
void attention_forward(const struct attention *a, float *o, size_t o_stride);

/* dq, dkey, dvalue (rows `stride` apart) are written; the bias gradients are added to. */
struct attention_gradient {
    float *dq, *dkey, *dvalue;
    float *dbias_position, *dbias_time; /* may be NULL */
    const float *d_o;
    size_t o_stride;
};
void attention_backward(const struct attention *a, const struct attention_gradient *g);

#endif

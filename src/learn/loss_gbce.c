/* SPDX-License-Identifier: Apache-2.0 */
/* gSASRec's loss: binary cross-entropy, every row with negatives of its own. */
#include <math.h>
#include <string.h>

#include "learn/loss.h"

static float beta_of(const struct loss_tables *t)
{
    const uint32_t n = loss_drawable(t);
    const float alpha = (float)t->negatives / (float)(n > 1 ? n - 1 : 1);
    return alpha * (0.75f * (1 - 1 / alpha) + 1 / alpha);
}

/* -sum of log(1 - p), few logarithms: the products stay far from underflow. */
static double log_misses(const float *p, size_t n)
{
    double sum = 0, product = 1;
    for (size_t j = 0; j < n; j++) {
        product *= 1.0 - (double)p[j] + 1e-12;
        if (product < 1e-100) {
            sum -= log(product);
            product = 1;
        }
    }
    return sum - log(product);
}

static void gbce_chunk(const struct loss_tables *t, struct loss_scratch *s,
                       const uint32_t *target, size_t rows, const struct loss_rows *r,
                       struct gradient *g)
{
    const size_t d = t->model->config.dim, n = t->negatives;
    const float *table = loss_scored_vectors(t), beta = beta_of(t);
    const float weight = r->weight / (float)(n + 1);
    memset(s->dh, 0, rows * d * sizeof(float));
    for (size_t i = 0; i < rows; i++) {
        const float *h = s->h + i * d, *up = table + target[i] * d;
        float *dh = s->dh + i * d, *p = s->score;
        for (size_t j = 0; j < n; j++)
            s->id[j] = loss_drawn(t, rng_below(r->rng, loss_drawable(t)));
        t->k->gather_dots(p, h, table, s->id, n, d);
        t->k->sigmoid(p, n);
        const float score = t->k->dot(h, up, d);
        const float miss = 1.0f / (1.0f + expf(score)); /* 1 - sigmoid(score) */
        g->loss += (log_misses(p, n) - (double)beta * log1p(-(double)miss + 1e-12)) /
                   (double)(n + 1);
        t->k->scale(p, weight, n);
        t->k->gather_sum(dh, p, table, s->id, n, d);
        t->k->scatter_add(g->item, p, h, s->id, n, d);
        t->k->add_scaled(dh, up, -beta * miss * weight, d);
        t->k->add_scaled(gradient_row(g, target[i]), h, -beta * miss * weight, d);
    }
}

const struct loss_kind loss_gbce = {.chunk = gbce_chunk};

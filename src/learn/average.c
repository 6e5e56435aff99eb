/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/average.h"

enum { RAMP = 8, FLOATS_A_STEP = 1 << 22 };

void average_add(float *mean, const float *x, size_t n, float share)
{
    for (size_t i = 0; i < n; i++)
        mean[i] += share * (x[i] - mean[i]);
}

struct adding {
    float *mean;
    const float *x;
    size_t n;
    float share;
    uint32_t parts;
};

static void add_part(void *arg, uint32_t i)
{
    const struct adding *a = arg;
    const size_t first = a->n * i / a->parts, end = a->n * (i + 1) / a->parts;
    average_add(a->mean + first, a->x + first, end - first, a->share);
}

void average_step(struct average *a, const struct model *m, double most,
                  struct pool *pool)
{
    const uint64_t every = 1 + m->n_params / FLOATS_A_STEP;
    a->steps++;
    if (a->steps > every && a->steps % every)
        return;
    const double steps = a->steps > every ? (double)every : 1;
    const double ramp = (double)a->steps / RAMP;
    const double horizon = ramp < most ? ramp : most;
    struct adding w = {.mean = a->mean->param,
                       .x = m->param,
                       .n = m->n_params,
                       .share = horizon > steps ? (float)(steps / horizon) : 1,
                       .parts = pool_threads(pool)};
    pool_run(pool, add_part, &w, w.parts);
}

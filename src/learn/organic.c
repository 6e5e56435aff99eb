/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/organic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "penchant.h"

enum { D = ORGANIC_DIM, REMEMBERED = 16, SAMPLE = 256 };
static const float RATE = .1f, START = .3f;
const float ORGANIC_KEEP = .85f;

int organic_init(struct organic *o, uint32_t n, uint64_t seed)
{
    *o = (struct organic){.n = n};
    const size_t m = (size_t)n * D;
    rng_init(&o->rng, seed, 0x04647);
    o->in = calloc(m, sizeof(float));
    o->out = calloc(m, sizeof(float));
    o->in_sum = calloc(m, sizeof(float));
    o->out_sum = calloc(m, sizeof(float));
    o->bias = calloc(n, sizeof(float));
    o->bias_sum = calloc(n, sizeof(float));
    o->work = calloc(n > SAMPLE + 1 ? n : SAMPLE + 1, sizeof(float));
    o->picked = calloc(SAMPLE + 1, sizeof(*o->picked));
    if (!o->in || !o->out || !o->in_sum || !o->out_sum || !o->bias || !o->bias_sum ||
        !o->work || !o->picked)
        return PENCHANT_ENOMEM;
    for (size_t i = 0; i < m; i++)
        o->in[i] = START * rng_normal(&o->rng);
    return 0;
}

void organic_release(struct organic *o)
{
    free(o->in);
    free(o->out);
    free(o->in_sum);
    free(o->out_sum);
    free(o->bias);
    free(o->bias_sum);
    free(o->work);
    free(o->picked);
}

void organic_vector(const struct organic *o, const struct organic_user *u, float keep,
                    float out[D])
{
    float weight = 1, total = 0;
    memset(out, 0, D * sizeof(*out));
    for (uint32_t i = u->n; i-- > 0; weight *= keep) {
        const float *v = o->in + (size_t)u->item[i] * D;
        total += weight;
        for (int j = 0; j < D; j++)
            out[j] += weight * v[j];
    }
    for (int j = 0; total > 0 && j < D; j++)
        out[j] /= total;
}

float organic_affinity(const struct organic *o, const float vector[D], uint32_t item)
{
    const float *v = o->out + (size_t)item * D;
    float s = 0;
    for (int j = 0; j < D; j++)
        s += v[j] * vector[j];
    return s;
}

/* Takes a step on one number by Adagrad. */
static void adagrad(float *x, float *sum, float gradient)
{
    *sum += gradient * gradient;
    *x -= RATE * gradient / (sqrtf(*sum) + 1e-3f);
}

static uint32_t pick(struct organic *o, uint32_t item)
{
    uint32_t n = 0;
    if (o->n <= ORGANIC_EXACT)
        return o->n;
    o->picked[n++] = item;
    while (n <= SAMPLE) {
        const uint32_t other = rng_below(&o->rng, o->n);
        if (other != item)
            o->picked[n++] = other;
    }
    return n;
}

static void learn(struct organic *o, struct organic_user *u, uint32_t item)
{
    float vector[D], pull[D] = {0}, most = -1e30f, total = 0;
    const uint32_t n = pick(o, item);
    const bool all = o->n <= ORGANIC_EXACT;
    organic_vector(o, u, ORGANIC_KEEP, vector);
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t at = all ? i : o->picked[i];
        o->work[i] = organic_affinity(o, vector, at) + o->bias[at];
        most = o->work[i] > most ? o->work[i] : most;
    }
    for (uint32_t i = 0; i < n; i++)
        total += o->work[i] = expf(o->work[i] - most);
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t at = all ? i : o->picked[i];
        const float g = o->work[i] / total - (at == item ? 1.f : 0.f);
        if (fabsf(g) < 1e-4f)
            continue;
        for (int j = 0; j < D; j++) {
            float *v = o->out + (size_t)at * D + j;
            pull[j] += g * *v;
            adagrad(v, o->out_sum + (size_t)at * D + j, g * vector[j]);
        }
        adagrad(o->bias + at, o->bias_sum + at, g);
    }
    float weight = 1, sum = 0;
    for (uint32_t i = u->n; i-- > 0; weight *= ORGANIC_KEEP)
        sum += weight;
    weight = 1;
    for (uint32_t i = u->n; i-- > 0; weight *= ORGANIC_KEEP)
        for (int j = 0; j < D; j++) {
            const size_t at = (size_t)u->item[i] * D + (size_t)j;
            adagrad(o->in + at, o->in_sum + at, pull[j] * weight / sum);
        }
}

void organic_view(struct organic *o, struct organic_user *u, uint32_t item)
{
    if (u->n)
        learn(o, u, item);
    if (u->n == REMEMBERED) {
        memmove(u->item, u->item + 1, (REMEMBERED - 1) * sizeof(u->item[0]));
        u->n--;
    }
    u->item[u->n++] = item;
}

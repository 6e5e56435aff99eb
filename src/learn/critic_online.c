/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/critic_online.h"

#include <math.h>

#include "penchant.h"

int critic_online_init(struct critic_online *c, const struct critic_online_options *o)
{
    const size_t d = o->dim;
    *c = (struct critic_online){.o = *o, .noise = 1};
    c->inverse = calloc(d * d, sizeof(*c->inverse));
    c->spread = calloc(d * d, sizeof(*c->spread));
    c->b = calloc(d, sizeof(*c->b));
    c->w = calloc(d, sizeof(*c->w));
    if (!c->inverse || !c->spread || !c->b || !c->w)
        return PENCHANT_ENOMEM;
    for (size_t i = 0; i < d; i++)
        c->inverse[i * d + i] = c->spread[i * d + i] = 1 / o->regularisation;
    return 0;
}

void critic_online_release(struct critic_online *c)
{
    free(c->inverse);
    free(c->spread);
    free(c->b);
    free(c->w);
}

double critic_online_value(const struct critic_online *c, const double *phi)
{
    double v = 0;
    for (uint32_t i = 0; i < c->o.dim; i++)
        v += c->w[i] * phi[i];
    return v;
}

/* m <- m - (m u)(v' m) / (1 + v' m u): the inverse after adding u v'. */
static void add_outer(double *m, uint32_t d, const double *u, const double *v)
{
    double mu[CRITIC_ONLINE_MOST_DIM], vm[CRITIC_ONLINE_MOST_DIM] = {0}, s = 1;
    for (uint32_t i = 0; i < d; i++) {
        const double *row = m + (size_t)i * d;
        double sum = 0;
        for (uint32_t j = 0; j < d; j++)
            sum += row[j] * u[j];
        mu[i] = sum;
        s += v[i] * sum;
        if (v[i] != 0)
            for (uint32_t j = 0; j < d; j++)
                vm[j] += v[i] * row[j];
    }
    if (fabs(s) < 1e-3) /* the step would bring A near to singular */
        return;
    for (uint32_t i = 0; i < d; i++) {
        const double a = mu[i] / s;
        if (a == 0)
            continue;
        double *row = m + (size_t)i * d;
        for (uint32_t j = 0; j < d; j++)
            row[j] -= a * vm[j];
    }
}

/* Older steps fade; the regularisation does not: what has faded is given back to the
   diagonal one direction a step. */
static void fade(struct critic_online *c)
{
    const uint32_t d = c->o.dim;
    const double half = (double)c->steps / 2;
    const double keep = 1 - 1 / fmin(fmax(half, c->o.least_window), c->o.most_window);
    for (size_t i = 0; i < (size_t)d * d; i++) {
        c->inverse[i] /= keep;
        c->spread[i] /= keep;
    }
    for (uint32_t i = 0; i < d; i++)
        c->b[i] *= keep;
    double unit[CRITIC_ONLINE_MOST_DIM] = {0};
    unit[c->steps % d] = sqrt(c->o.regularisation * (1 - keep) * d);
    add_outer(c->inverse, d, unit, unit);
    add_outer(c->spread, d, unit, unit);
}

void critic_online_step(struct critic_online *c, double *trace, const double *phi,
                        double reward, const double *next)
{
    const uint32_t d = c->o.dim;
    double change[CRITIC_ONLINE_MOST_DIM];
    for (uint32_t i = 0; i < d; i++) {
        trace[i] = c->o.gamma * c->o.lambda * trace[i] + phi[i];
        change[i] = phi[i] - (next ? c->o.gamma * next[i] : 0);
    }
    const double error = reward - critic_online_value(c, change);
    const double rate = 1 / (double)(c->steps < 1000 ? c->steps + 1 : 1000);
    c->noise += rate * (error * error - c->noise);
    fade(c);
    add_outer(c->inverse, d, trace, change);
    add_outer(c->spread, d, phi, phi);
    for (uint32_t i = 0; i < d; i++)
        c->b[i] += trace[i] * reward;
    for (uint32_t i = 0; i < d; i++) {
        double sum = 0;
        for (uint32_t j = 0; j < d; j++)
            sum += c->inverse[(size_t)i * d + j] * c->b[j];
        c->w[i] = sum;
    }
    c->steps++;
    c->ends += !next;
}

double critic_online_effect(const struct critic_online *c, const uint32_t *at,
                            const double *a, uint32_t n, double bar)
{
    const uint32_t d = c->o.dim;
    double x = 0, variance = 0;
    for (uint32_t i = 0; i < n; i++) {
        x += a[i] * c->w[at[i]];
        for (uint32_t j = 0; j < n; j++)
            variance += a[i] * a[j] * c->spread[(size_t)at[i] * d + at[j]];
    }
    const double doubt = bar * bar * variance * c->noise;
    return x * x > doubt ? x * (1 - doubt / (x * x)) : 0;
}

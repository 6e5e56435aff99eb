/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/taste.h"

#include <math.h>

#include "penchant.h"

static const double WEIGHT_SD = 4, INTERCEPT_SD = 2;
static const double FAST_KEEP = .75, FAST_PULL = .03, LEAD_KEEP = .7, SHARPNESS = 1.5;
static const double LEAST_RATE = .01, NEXT_SESSION = .5;
enum { ENOUGH_SEEN = 30 };

int taste_population_init(struct taste_population *p, uint32_t dim)
{
    *p = (struct taste_population){.dim = dim};
    if (posterior_prior_init(&p->prior, dim + 1, WEIGHT_SD))
        return PENCHANT_ENOMEM;
    p->prior.cov[(size_t)dim * (dim + 1) + dim] = INTERCEPT_SD * INTERCEPT_SD;
    return 0;
}

void taste_population_release(struct taste_population *p)
{
    posterior_prior_release(&p->prior);
}

int taste_init(struct taste *t, const struct taste_population *p)
{
    *t = (struct taste){0};
    if (posterior_init(&t->slow, &p->prior) || posterior_init(&t->fast, &p->prior))
        return PENCHANT_ENOMEM;
    return 0;
}

void taste_release(struct taste *t)
{
    posterior_release(&t->slow);
    posterior_release(&t->fast);
}

void taste_clear(struct taste *t)
{
    posterior_clear(&t->slow);
    posterior_clear(&t->fast);
    t->lead = 0;
    t->seen = 0;
}

void taste_fade(struct taste *t)
{
    posterior_forget(&t->slow, NEXT_SESSION, 1 - NEXT_SESSION);
    posterior_copy(&t->fast, &t->slow);
    t->lead = 0;
    t->seen = 0;
}

static double share_fast(const struct taste *t)
{
    return 1 / (1 + exp(2 - SHARPNESS * t->lead));
}

void taste_mix(struct taste_mix *m, const struct taste *t)
{
    const double f = share_fast(t);
    m->dim = t->slow.prior->dim;
    for (uint32_t i = 0; i < m->dim; i++)
        m->mean[i] = (1 - f) * t->slow.mean[i] + f * t->fast.mean[i];
    for (size_t i = 0; i < (size_t)m->dim * m->dim; i++)
        m->cov[i] = (float)((1 - f) * t->slow.cov[i] + f * t->fast.cov[i]);
}

double taste_mix_mean(const struct taste_mix *m, const float *x)
{
    double z = 0;
    for (uint32_t i = 0; i < m->dim; i++)
        z += m->mean[i] * (double)x[i];
    return z;
}

double taste_mix_variance(const struct taste_mix *m, const float *x)
{
    double s = 0;
    for (uint32_t i = 0; i < m->dim; i++) {
        if (x[i] == 0)
            continue;
        const float *row = m->cov + (size_t)i * m->dim;
        float sum = 0;
        for (uint32_t j = 0; j < m->dim; j++)
            sum += row[j] * x[j];
        s += (double)(x[i] * sum);
    }
    return s > 0 ? s : 0;
}

static double observe(struct posterior *p, const struct taste_slate *s)
{
    const uint32_t d = p->prior->dim;
    double ll = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        const double z = posterior_mean(p, s->x + (size_t)i * d) + s->offset[i];
        const double chance = s->seen[i] / (1 + exp(-z));
        ll += s->y[i] > 0 ? log(chance + 1e-6) : log(1 - chance + 1e-6);
    }
    for (uint32_t i = 0; i < s->n; i++) {
        const float *x = s->x + (size_t)i * d;
        double g, h;
        posterior_click_slope(posterior_mean(p, x) + s->offset[i], s->seen[i], s->y[i],
                              s->weight, &g, &h);
        posterior_observe(p, x, g, h);
    }
    return ll;
}

void taste_observe(struct taste *t, const struct taste_slate *s)
{
    posterior_forget(&t->fast, FAST_KEEP, FAST_PULL);
    const double slow = observe(&t->slow, s), fast = observe(&t->fast, s);
    t->lead = LEAD_KEEP * t->lead + s->weight * (fast - slow);
    t->seen += s->n;
}

void taste_close(struct taste_population *p, const struct taste *t)
{
    if (t->seen < ENOUGH_SEEN)
        return;
    const uint32_t d = p->dim + 1;
    const double r = fmax(1. / (p->sessions + 2), LEAST_RATE);
    for (uint32_t i = 0; i < d; i++)
        for (uint32_t j = 0; j < d; j++) {
            double *c = p->prior.cov + (size_t)i * d + j;
            const double far = (t->slow.mean[i] - p->prior.mean[i]) *
                               (t->slow.mean[j] - p->prior.mean[j]);
            *c += r * (far + t->slow.cov[(size_t)i * d + j] - *c);
        }
    for (uint32_t i = 0; i < d; i++)
        p->prior.mean[i] += r * (t->slow.mean[i] - p->prior.mean[i]);
    p->sessions++;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/last_layer.h"

#include <math.h>

#include "penchant.h"

static const double LEAD_KEEP = .97, LEAD_SHARPNESS = 8;
static const double NOISE_AT_FIRST = 1, CHANGE_SLACK = .05, CHANGE_FACTOR = 4;

int last_layer_init(struct last_layer *l, const struct last_layer_options *o)
{
    *l = (struct last_layer){.o = *o, .noise = NOISE_AT_FIRST};
    if (!l->o.prior_sd)
        l->o.prior_sd = 1;
    if (!l->o.slow)
        l->o.slow = .9999;
    if (!l->o.fast)
        l->o.fast = .99;
    if (!l->o.change_bounds)
        l->o.change_bounds = 40;
    if (posterior_prior_init(&l->prior, o->dim, l->o.prior_sd))
        return PENCHANT_ENOMEM;
    if (o->prior_mean)
        memcpy(l->prior.mean, o->prior_mean, o->dim * sizeof(*l->prior.mean));
    l->o.prior_mean = NULL;
    if (posterior_init(&l->slow, &l->prior) || posterior_init(&l->fast, &l->prior))
        return PENCHANT_ENOMEM;
    return 0;
}

void last_layer_release(struct last_layer *l)
{
    posterior_release(&l->slow);
    posterior_release(&l->fast);
    posterior_prior_release(&l->prior);
}

double last_layer_share_fast(const struct last_layer *l)
{
    return 1 / (1 + exp(-LEAD_SHARPNESS * l->lead));
}

void last_layer_weights(const struct last_layer *l, double *w)
{
    const double f = last_layer_share_fast(l);
    for (uint32_t i = 0; i < l->o.dim; i++)
        w[i] = (1 - f) * l->slow.mean[i] + f * l->fast.mean[i];
}

double last_layer_mean(const struct last_layer *l, const float *phi)
{
    const double f = last_layer_share_fast(l);
    return (1 - f) * posterior_mean(&l->slow, phi) + f * posterior_mean(&l->fast, phi);
}

void last_layer_guess(const struct last_layer *l, const float *phi,
                      struct last_layer_guess *out)
{
    const double f = last_layer_share_fast(l);
    const double a = posterior_mean(&l->slow, phi), b = posterior_mean(&l->fast, phi);
    const double unit = l->o.logistic ? 1 : l->noise;
    const double va = unit * posterior_variance(&l->slow, phi);
    const double vb = unit * posterior_variance(&l->fast, phi);
    out->mean = (1 - f) * a + f * b;
    out->sd = sqrt((1 - f) * va + f * vb + f * (1 - f) * (a - b) * (a - b));
}

/* Log likelihood of y beforehand, then the update. */
static double twin_observe(struct last_layer *l, struct posterior *p, double keep,
                           const struct last_layer_seen *s)
{
    const double z = posterior_mean(p, s->phi) + s->offset;
    double g, h, ll;
    if (l->o.logistic) {
        const double chance =
            posterior_click_slope(z, s->seen > 0 ? s->seen : 1, s->y, s->weight, &g, &h);
        ll = s->y * log(chance + 1e-12) + (1 - s->y) * log(1 - chance + 1e-12);
    } else {
        /* In units of the noise, so that a noise that rises with a change does not make
           the posterior deaf to it. */
        const double wide = l->noise * (1 + posterior_variance(p, s->phi)), e = s->y - z;
        g = s->weight * e;
        h = s->weight;
        ll = -.5 * (e * e / wide + log(wide));
    }
    posterior_forget(p, keep, 0);
    posterior_observe(p, s->phi, g, h);
    return ll;
}

/* Page-Hinkley on the loss: has it risen for good? */
static void look_for_change(struct last_layer *l, double loss)
{
    l->loss_mean += (loss - l->loss_mean) / (double)(l->n < 2000 ? l->n : 2000);
    l->loss_sum += loss - l->loss_mean - CHANGE_SLACK;
    if (l->loss_sum < l->lowest)
        l->lowest = l->loss_sum;
    if (l->loss_sum - l->lowest < l->o.change_bounds)
        return;
    posterior_inflate(&l->slow, CHANGE_FACTOR);
    posterior_inflate(&l->fast, CHANGE_FACTOR);
    l->loss_sum = l->lowest = 0;
    l->loss_mean = loss;
    l->changes++;
    l->n = 1;
}

static void learn_noise(struct last_layer *l, const struct last_layer_seen *s)
{
    const double e = s->y - s->offset - last_layer_mean(l, s->phi);
    const double rate = 1 / (double)(l->n + 1 < 1000 ? l->n + 1 : 1000);
    l->noise += rate * (e * e - l->noise);
    if (l->noise < 1e-6)
        l->noise = 1e-6;
}

double last_layer_observe(struct last_layer *l, const struct last_layer_seen *s)
{
    const double f = last_layer_share_fast(l);
    if (!l->o.logistic)
        learn_noise(l, s);
    l->n++;
    const double slow = twin_observe(l, &l->slow, l->o.slow, s);
    const double fast = twin_observe(l, &l->fast, l->o.fast, s);
    const double mix = log((1 - f) * exp(slow) + f * exp(fast) + 1e-300);
    l->lead = LEAD_KEEP * l->lead + (1 - LEAD_KEEP) * (fast - slow);
    look_for_change(l, -mix);
    return mix;
}

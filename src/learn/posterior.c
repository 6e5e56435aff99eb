/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/posterior.h"

#include <math.h>

#include "penchant.h"

int posterior_prior_init(struct posterior_prior *p, uint32_t dim, double sd)
{
    *p = (struct posterior_prior){.dim = dim};
    p->mean = calloc(dim, sizeof(*p->mean));
    p->cov = calloc((size_t)dim * dim, sizeof(*p->cov));
    if (!p->mean || !p->cov)
        return PENCHANT_ENOMEM;
    for (uint32_t i = 0; i < dim; i++)
        p->cov[(size_t)i * dim + i] = sd * sd;
    return 0;
}

void posterior_prior_release(struct posterior_prior *p)
{
    free(p->mean);
    free(p->cov);
    *p = (struct posterior_prior){0};
}

int posterior_init(struct posterior *p, const struct posterior_prior *prior)
{
    const uint32_t d = prior->dim;
    *p = (struct posterior){.prior = prior};
    p->mean = calloc(d, sizeof(*p->mean));
    p->cov = calloc((size_t)d * d, sizeof(*p->cov));
    if (!p->mean || !p->cov)
        return PENCHANT_ENOMEM;
    posterior_clear(p);
    return 0;
}

void posterior_release(struct posterior *p)
{
    free(p->mean);
    free(p->cov);
    *p = (struct posterior){0};
}

void posterior_clear(struct posterior *p)
{
    const size_t d = p->prior->dim;
    memcpy(p->mean, p->prior->mean, d * sizeof(*p->mean));
    memcpy(p->cov, p->prior->cov, d * d * sizeof(*p->cov));
}

void posterior_copy(struct posterior *to, const struct posterior *from)
{
    const size_t d = from->prior->dim;
    memcpy(to->mean, from->mean, d * sizeof(*to->mean));
    memcpy(to->cov, from->cov, d * d * sizeof(*to->cov));
}

double posterior_mean(const struct posterior *p, const float *phi)
{
    double z = 0;
    for (uint32_t i = 0; i < p->prior->dim; i++)
        z += p->mean[i] * phi[i];
    return z;
}

/* out = cov phi; returns phi' cov phi. */
static double spread(const struct posterior *p, const float *phi, double *out)
{
    const uint32_t d = p->prior->dim;
    double s = 0;
    for (uint32_t i = 0; i < d; i++)
        out[i] = 0;
    for (uint32_t j = 0; j < d; j++) {
        const double x = phi[j];
        if (x == 0)
            continue;
        const double *row = p->cov + (size_t)j * d; /* symmetric: row j is column j */
        for (uint32_t i = 0; i < d; i++)
            out[i] += row[i] * x;
    }
    for (uint32_t i = 0; i < d; i++)
        s += out[i] * phi[i];
    return s;
}

double posterior_variance(const struct posterior *p, const float *phi)
{
    double work[POSTERIOR_MOST_DIM];
    const double s = spread(p, phi, work);
    return s > 0 ? s : 0;
}

/* Rounding has made something of it that is no covariance: begin anew, keep the mean. */
static void mend(struct posterior *p)
{
    const size_t d = p->prior->dim;
    memcpy(p->cov, p->prior->cov, d * d * sizeof(*p->cov));
}

void posterior_observe(struct posterior *p, const float *phi, double g, double h)
{
    const uint32_t d = p->prior->dim;
    double c[POSTERIOR_MOST_DIM];
    double s = spread(p, phi, c);
    if (!(s >= 0)) {
        mend(p);
        s = spread(p, phi, c);
    }
    const double shrink = h / (1 + h * s), step = g / (1 + h * s);
    /* One triangle, mirrored: rows and columns must not drift apart. */
    for (uint32_t i = 0; i < d; i++) {
        const double a = shrink * c[i];
        double *row = p->cov + (size_t)i * d;
        for (uint32_t j = 0; j <= i; j++) {
            row[j] -= a * c[j];
            p->cov[(size_t)j * d + i] = row[j];
        }
    }
    for (uint32_t i = 0; i < d; i++)
        p->mean[i] += c[i] * step;
}

/* cov times `factor`, rows and columns scaled back where the prior's variance is passed:
   D cov D is a covariance again. */
static void grow(struct posterior *p, double factor)
{
    const uint32_t d = p->prior->dim;
    double scale[POSTERIOR_MOST_DIM];
    const double root = sqrt(factor);
    for (uint32_t i = 0; i < d; i++) {
        const size_t ii = (size_t)i * d + i;
        const double most = p->prior->cov[ii], would = p->cov[ii] * factor;
        scale[i] = would > most && p->cov[ii] > 0 ? sqrt(most / p->cov[ii]) : root;
    }
    for (uint32_t i = 0; i < d; i++)
        for (uint32_t j = 0; j < d; j++)
            p->cov[(size_t)i * d + j] *= scale[i] * scale[j];
}

void posterior_forget(struct posterior *p, double keep, double pull)
{
    if (keep < 1)
        grow(p, 1 / keep);
    if (pull > 0)
        for (uint32_t i = 0; i < p->prior->dim; i++)
            p->mean[i] += pull * (p->prior->mean[i] - p->mean[i]);
}

void posterior_inflate(struct posterior *p, double factor)
{
    grow(p, factor);
}

double posterior_click_slope(double z, double seen, double y, double weight, double *g,
                             double *h)
{
    const double s = 1 / (1 + exp(-z));
    double p = seen * s;
    if (p > 1 - 1e-9)
        p = 1 - 1e-9;
    /* Fisher information of y in z: (dp/dz)^2 / (p (1 - p)). */
    const double slope = seen * s * (1 - s);
    *h = weight * slope * slope / (p * (1 - p) + 1e-12);
    *g = weight * (y * (1 - s) - (1 - y) * slope / (1 - p));
    return p;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/linear_posterior.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool linear_init(struct linear_posterior *p, uint32_t d, double lambda)
{
    const size_t n = d;
    *p = (struct linear_posterior){.d = d, .lambda = lambda};
    double *slab = calloc(2 * n * n + 4 * n, sizeof(*slab));
    if (!slab)
        return false;
    p->a = slab;
    p->root = slab + n * n;
    p->b = slab + 2 * n * n;
    p->prior = p->b + n;
    p->half = p->prior + n;
    p->mean = p->half + n;
    linear_reset(p, NULL);
    return true;
}

void linear_release(struct linear_posterior *p)
{
    free(p->a);
    *p = (struct linear_posterior){0};
}

void linear_reset(struct linear_posterior *p, const double *prior)
{
    const size_t d = p->d;
    memset(p->a, 0, d * d * sizeof(*p->a));
    for (size_t i = 0; i < d; i++) {
        p->prior[i] = prior ? prior[i] : 0;
        p->a[i * d + i] = p->lambda;
        p->b[i] = p->lambda * p->prior[i];
    }
}

void linear_add(struct linear_posterior *p, const double *x, double y)
{
    const size_t d = p->d;
    for (size_t i = 0; i < d; i++) {
        for (size_t j = 0; j < d; j++)
            p->a[i * d + j] += x[i] * x[j];
        p->b[i] += y * x[i];
    }
}

void linear_fade(struct linear_posterior *p, double g)
{
    const size_t d = p->d;
    for (size_t i = 0; i < d; i++) {
        for (size_t j = 0; j < d; j++)
            p->a[i * d + j] *= g;
        p->a[i * d + i] += (1 - g) * p->lambda;
        p->b[i] = g * p->b[i] + (1 - g) * p->lambda * p->prior[i];
    }
}

static void find_root(struct linear_posterior *p)
{
    const size_t d = p->d;
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j <= i; j++) {
            double s = p->a[i * d + j];
            for (size_t k = 0; k < j; k++)
                s -= p->root[i * d + k] * p->root[j * d + k];
            p->root[i * d + j] = i == j ? sqrt(s) : s / p->root[j * d + j];
        }
}

/* root y = x, and root' x = y in place. */
static void solve_down(const struct linear_posterior *p, const double *x, double *y)
{
    const size_t d = p->d;
    for (size_t i = 0; i < d; i++) {
        double s = x[i];
        for (size_t k = 0; k < i; k++)
            s -= p->root[i * d + k] * y[k];
        y[i] = s / p->root[i * d + i];
    }
}

static void solve_up(const struct linear_posterior *p, double *y)
{
    const size_t d = p->d;
    for (size_t i = d; i-- > 0;) {
        double s = y[i];
        for (size_t k = i + 1; k < d; k++)
            s -= p->root[k * d + i] * y[k];
        y[i] = s / p->root[i * d + i];
    }
}

void linear_solve(struct linear_posterior *p)
{
    find_root(p);
    solve_down(p, p->b, p->half);
    memcpy(p->mean, p->half, p->d * sizeof(*p->mean));
    solve_up(p, p->mean);
}

void linear_draw(const struct linear_posterior *p, double scale, struct rng *rng,
                 double *theta)
{
    for (uint32_t i = 0; i < p->d; i++)
        theta[i] = scale * (double)rng_normal(rng);
    solve_up(p, theta);
    for (uint32_t i = 0; i < p->d; i++)
        theta[i] += p->mean[i];
}

double linear_width(const struct linear_posterior *p, const double *x, double *work)
{
    double squares = 0;
    solve_down(p, x, work);
    for (uint32_t i = 0; i < p->d; i++)
        squares += work[i] * work[i];
    return sqrt(squares);
}

double linear_upper(const struct linear_posterior *p, const double *x, double bonus,
                    double *work)
{
    const double width = linear_width(p, x, work);
    double mean = 0;
    for (uint32_t i = 0; i < p->d; i++)
        mean += work[i] * p->half[i];
    return mean + bonus * width;
}

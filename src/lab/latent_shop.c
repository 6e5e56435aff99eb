/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/latent_shop.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/status.h"
#include "lab/luck.h"
#include "lab/slate_tools.h"

/* Streams of the seed: the products, and from there on the steps of episodes. */
enum { STREAM_PRODUCTS = 1, STREAM_STEPS = 2 };

struct pair {
    double likeness;
    uint32_t a, b;
};

static int by_likeness(const void *x, const void *y)
{
    const struct pair *a = x, *b = y;
    if (a->likeness != b->likeness)
        return a->likeness > b->likeness ? -1 : 1;
    if (a->a != b->a)
        return a->a < b->a ? -1 : 1;
    return a->b < b->b ? -1 : 1;
}

static double inner(const float *row, const double *omega, uint32_t n)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += (double)row[i] * omega[i];
    return sum;
}

/* All pairs of products, most alike first; the caller's to free. */
static struct pair *pairs_of(const struct latent_shop *s, size_t *n)
{
    const uint32_t p = s->o.products, k = s->o.factors;
    struct pair *pair = malloc(((size_t)p * p + 1) * sizeof *pair);
    *n = 0;
    if (!pair)
        return NULL;
    for (uint32_t a = 0; a < p; a++)
        for (uint32_t b = a + 1; b < p; b++) {
            double sum = 0;
            for (uint32_t i = 0; i < k; i++)
                sum += (double)s->gamma[a * k + i] * (double)s->gamma[b * k + i];
            pair[(*n)++] = (struct pair){sum, a, b};
        }
    qsort(pair, *n, sizeof *pair, by_likeness);
    return pair;
}

static void exchange(struct latent_shop *s, uint32_t a, uint32_t b)
{
    const uint32_t k = s->o.factors;
    memcpy(s->beta + (size_t)a * k, s->gamma + (size_t)b * k, k * sizeof(float));
    memcpy(s->beta + (size_t)b * k, s->gamma + (size_t)a * k, k * sizeof(float));
    s->mu_ad[a] = s->mu[b];
    s->mu_ad[b] = s->mu[a];
}

static int flip(struct latent_shop *s)
{
    const uint32_t p = s->o.products;
    int rc = PENCHANT_ENOMEM;
    size_t n = 0;
    bool *used = calloc(p, sizeof *used);
    struct pair *pair = pairs_of(s, &n);
    if (!used || !pair)
        goto out;
    memcpy(s->beta, s->gamma, (size_t)p * s->o.factors * sizeof(float));
    memcpy(s->mu_ad, s->mu, p * sizeof(float));
    uint32_t flips = 0;
    for (size_t i = 0; i < n && flips < s->o.flips; i++) {
        if (used[pair[i].a] || used[pair[i].b])
            continue;
        used[pair[i].a] = used[pair[i].b] = true;
        exchange(s, pair[i].a, pair[i].b);
        flips++;
    }
    rc = 0;
out:
    free(pair);
    free(used);
    return rc;
}

int latent_shop_init(struct latent_shop *s, const struct latent_shop_options *o,
                     uint64_t seed)
{
    assert(o->products > 0 && o->factors <= LATENT_SHOP_MOST_FACTORS);
    const size_t p = o->products, k = o->factors;
    *s = (struct latent_shop){.o = *o, .seed = seed};
    s->gamma = malloc(p * k * sizeof *s->gamma);
    s->beta = malloc(p * k * sizeof *s->beta);
    s->mu = malloc(p * sizeof *s->mu);
    s->mu_ad = malloc(p * sizeof *s->mu_ad);
    s->weight = malloc(p * sizeof *s->weight);
    if (!s->gamma || !s->beta || !s->mu || !s->mu_ad || !s->weight) {
        latent_shop_release(s);
        return PENCHANT_ENOMEM;
    }
    struct rng rng;
    rng_init(&rng, seed, STREAM_PRODUCTS);
    for (size_t i = 0; i < p * k; i++)
        s->gamma[i] = rng_normal(&rng);
    for (size_t i = 0; i < p; i++)
        s->mu[i] = (float)(o->mu_sd * (double)rng_normal(&rng));
    const int rc = flip(s);
    if (rc)
        latent_shop_release(s);
    return rc;
}

void latent_shop_release(struct latent_shop *s)
{
    free(s->gamma);
    free(s->beta);
    free(s->mu);
    free(s->mu_ad);
    free(s->weight);
    *s = (struct latent_shop){0};
}

void latent_shop_luck(const struct latent_shop *s, uint32_t episode, uint32_t step,
                      struct latent_luck *out)
{
    struct rng rng;
    rng_init(&rng, s->seed, STREAM_STEPS + rng_mix(((uint64_t)episode << 32) | step));
    out->state = rng_double(&rng);
    out->view = rng_double(&rng);
    out->click = rng_double(&rng);
    for (uint32_t i = 0; i < s->o.factors; i++)
        out->normal[i] = (double)rng_normal(&rng);
}

void latent_shop_draw(const struct latent_shop *s, const struct latent_luck *luck,
                      double *omega)
{
    for (uint32_t i = 0; i < s->o.factors; i++)
        omega[i] = s->o.omega_sd * luck->normal[i];
}

void latent_shop_walk(const struct latent_shop *s, const struct latent_luck *luck,
                      double *omega)
{
    for (uint32_t i = 0; i < s->o.factors; i++)
        omega[i] += s->o.walk_sd * luck->normal[i];
}

uint32_t latent_shop_view(struct latent_shop *s, const double *omega, double u)
{
    const uint32_t p = s->o.products, k = s->o.factors;
    double most = -INFINITY, sum = 0;
    for (uint32_t i = 0; i < p; i++) {
        s->weight[i] = inner(s->gamma + (size_t)i * k, omega, k) + (double)s->mu[i];
        most = fmax(most, s->weight[i]);
    }
    for (uint32_t i = 0; i < p; i++)
        sum += s->weight[i] = exp(s->weight[i] - most);
    double left = u * sum;
    uint32_t item = 0;
    while (item + 1 < p && left >= s->weight[item])
        left -= s->weight[item++];
    return item;
}

/* What a click hangs on; squash() keeps its order. */
static double liking(const struct latent_shop *s, const double *omega, uint32_t item)
{
    const uint32_t k = s->o.factors;
    return inner(s->beta + (size_t)item * k, omega, k) + (double)s->mu_ad[item];
}

double latent_shop_click(const struct latent_shop *s, const double *omega, uint32_t item)
{
    const double x = liking(s, omega, item);
    return luck_logistic(5 * luck_logistic(2 * luck_logistic(0.3 * x) - 2) - 6);
}

void latent_shop_best(struct latent_shop *s, const double *omega, uint32_t *item,
                      uint32_t k)
{
    for (uint32_t i = 0; i < s->o.products; i++)
        s->weight[i] = liking(s, omega, i);
    slate_best(s->weight, s->o.products, k, item);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Rows and queries to measure exact top-k with. */
#include "lab/bench_vectors.h"

#include <math.h>

static void normal(struct bench_vectors *d, float *x, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        x[i] = rng_normal(&d->rng);
}

/* Independent standard normals. */
static void make_random(struct bench_vectors *d, uint32_t queries)
{
    normal(d, d->rows, d->n * d->dim);
    normal(d, d->queries, queries * d->dim);
}

/* Vectors in random directions whose standard deviation along the i-th of them is
   i^-1/2. */
static void spectral(struct bench_vectors *d, float *x, const float *basis)
{
    memset(x, 0, sizeof(float) * d->dim);
    for (uint32_t i = 0; i < d->dim; i++) {
        const float a = rng_normal(&d->rng) / sqrtf((float)(i + 1));
        for (uint32_t j = 0; j < d->dim; j++)
            x[j] += a * basis[(size_t)i * d->dim + j];
    }
}

/*
 * Made to look like a sequence model's item vectors, not taken from one: a centre for
 * every 500 rows, centres and deviations with the decaying spectrum above and the same
 * variance, lengths that vary log-normally (0.25). A query is the mean of three rows of a
 * cluster and a deviation of the same size, as a shopper with recent interests.
 */
static bool make_trained(struct bench_vectors *d, uint32_t queries)
{
    const uint32_t dim = d->dim, centres = d->n / 500 + 1;
    float *basis = malloc(sizeof(float) * dim * dim), *x = malloc(sizeof(float) * dim),
          *centre = malloc(sizeof(float) * centres * dim);
    const bool ok = basis && x && centre;
    if (ok) {
        normal(d, basis, dim * dim);
        for (uint32_t i = 0; i < dim * dim; i++)
            basis[i] /= sqrtf((float)dim);
        for (uint32_t c = 0; c < centres; c++)
            spectral(d, centre + (size_t)c * dim, basis);
    }
    for (uint32_t r = 0; ok && r < d->n; r++) {
        const float length = expf(0.25f * rng_normal(&d->rng));
        spectral(d, x, basis);
        for (uint32_t i = 0; i < dim; i++)
            d->rows[(size_t)r * dim + i] =
                length * (centre[(size_t)(r % centres) * dim + i] + x[i]);
    }
    for (uint32_t q = 0; ok && q < queries; q++) {
        spectral(d, x, basis);
        const uint32_t c = rng_below(&d->rng, centres);
        for (uint32_t i = 0; i < dim; i++) {
            float sum = x[i];
            for (uint32_t j = 0; j < 3; j++)
                sum += d->rows[(size_t)((c + j * centres) % d->n) * dim + i] / 3;
            d->queries[(size_t)q * dim + i] = sum;
        }
    }
    free(basis);
    free(x);
    free(centre);
    return ok;
}

/* A thousand random rows; all others equal one of them but for the last bit of some
 * values. */
static void make_duplicates(struct bench_vectors *d, uint32_t queries)
{
    const uint32_t bases = d->n < 1000 ? d->n : 1000;
    normal(d, d->rows, bases * d->dim);
    for (uint32_t r = bases; r < d->n; r++) {
        const float *base = d->rows + (size_t)(r % bases) * d->dim;
        for (uint32_t i = 0; i < d->dim; i++)
            d->rows[(size_t)r * d->dim + i] =
                rng_below(&d->rng, 2) ? base[i] : nextafterf(base[i], INFINITY);
    }
    normal(d, d->queries, queries * d->dim);
}

bool bench_vectors_init(struct bench_vectors *d, const char *name, uint32_t n,
                        uint32_t dim, uint32_t queries)
{
    *d = (struct bench_vectors){.n = n, .dim = dim};
    rng_init(&d->rng, 7, n);
    d->rows = malloc(sizeof(float) * n * dim);
    d->queries = malloc(sizeof(float) * queries * dim);
    if (!d->rows || !d->queries)
        return false;
    if (strcmp(name, "trained-like") == 0)
        return make_trained(d, queries);
    if (strcmp(name, "near-duplicate") == 0)
        make_duplicates(d, queries);
    else
        make_random(d, queries);
    return true;
}

void bench_vectors_release(struct bench_vectors *d)
{
    free(d->rows);
    free(d->queries);
}

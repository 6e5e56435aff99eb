/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/isotonic.h"

#include <math.h>
#include <stdlib.h>

/* A block's rate is that of its moments and this many more that went as the model said. */
#define SUPPOSED 4.0
#define LEAST_P  1e-5

/* ---- pooling ---- */

struct block {
    double mean, weight;
    size_t end; /* it covers what lies from the end of the one before */
};

int isotonic_regress(const double *y, const double *w, size_t n, double *out)
{
    struct block *block = malloc((n + 1) * sizeof(*block));
    size_t blocks = 0;
    if (!block)
        return PENCHANT_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        struct block b = {y[i], w[i], i + 1};
        for (; blocks && block[blocks - 1].mean >= b.mean; blocks--) {
            const struct block *p = &block[blocks - 1];
            b.mean = (b.mean * b.weight + p->mean * p->weight) / (b.weight + p->weight);
            b.weight += p->weight;
        }
        block[blocks++] = b;
    }
    for (size_t b = 0, i = 0; b < blocks; b++)
        for (; i < block[b].end; i++)
            out[i] = block[b].mean;
    free(block);
    return PENCHANT_OK;
}

/* ---- a curve ---- */

/* Moments that the model gives the same probability. */
struct level {
    double p, n, came;
};

static int by_p(const void *pa, const void *pb)
{
    const struct level *a = pa, *b = pb;
    return (a->p > b->p) - (a->p < b->p);
}

/* Sorts and joins equal probabilities; how many are left. */
static size_t join_equal(struct level *l, size_t n)
{
    size_t left = 0;
    qsort(l, n, sizeof(*l), by_p);
    for (size_t i = 0; i < n; i++) {
        if (left && l[left - 1].p >= l[i].p) {
            l[left - 1].n += l[i].n;
            l[left - 1].came += l[i].came;
        } else {
            l[left++] = l[i];
        }
    }
    return left;
}

static void add_knot(struct outlook_curve *c, const struct level *sum)
{
    const float x = (float)(sum->p / sum->n);
    double y = (sum->came + SUPPOSED * (double)x) / (sum->n + SUPPOSED);
    y = fmin(1 - LEAST_P, fmax(LEAST_P, y));
    if (c->n && !(x > c->x[c->n - 1]))
        return; /* as near as floats can tell */
    const float least = c->n ? c->y[c->n - 1] : 0;
    c->x[c->n] = x;
    c->y[c->n++] = (float)y > least ? (float)y : least;
}

/* One knot for every block, or for several that are small. */
static void draw(const struct level *l, const double *fitted, size_t n, double all,
                 struct outlook_curve *c)
{
    const double least = all / (OUTLOOK_KNOTS - 1);
    struct level sum = {0};
    *c = (struct outlook_curve){0};
    for (size_t i = 0; i < n; i++) {
        sum.p += l[i].p * l[i].n;
        sum.n += l[i].n;
        sum.came += l[i].came;
        const bool ends = i + 1 == n || fitted[i + 1] > fitted[i];
        if ((ends && sum.n >= least) || i + 1 == n) {
            add_knot(c, &sum);
            sum = (struct level){0};
        }
    }
}

int isotonic_curve(const double *p, const bool *came, size_t n, struct outlook_curve *c)
{
    struct level *l = malloc((n + 1) * sizeof(*l));
    double *rate = calloc(3 * (n + 1), sizeof(*rate));
    int rc = l && rate ? PENCHANT_OK : PENCHANT_ENOMEM;
    if (!rc) {
        double *weight = rate + n + 1, *fitted = weight + n + 1;
        for (size_t i = 0; i < n; i++)
            l[i] = (struct level){p[i], 1, came[i]};
        const size_t left = join_equal(l, n);
        for (size_t i = 0; i < left; i++) {
            rate[i] = l[i].came / l[i].n;
            weight[i] = l[i].n;
        }
        rc = isotonic_regress(rate, weight, left, fitted);
        if (!rc)
            draw(l, fitted, left, (double)n, c);
    }
    free(l);
    free(rate);
    return rc;
}

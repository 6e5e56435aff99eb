/* SPDX-License-Identifier: Apache-2.0 */
#include "evidence/lbfgs.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { M = LBFGS_MEMORY, HALVINGS = 20 };

struct search {
    size_t n;
    double *step, *change; /* (M, n) of x and of the gradient, a ring */
    double curve[M];       /* 1 / (step . change) */
    int made;              /* how many are in the ring, ever */
    double *gradient, *direction, *next, *next_gradient; /* (n) */
};

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static void add(double *y, double by, const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += by * x[i];
}

/* direction = H gradient, H the approximate inverse Hessian. */
static void find_direction(struct search *s)
{
    double alpha[M];
    double *d = s->direction;
    const size_t n = s->n;
    const int first = s->made > M ? s->made - M : 0;
    memcpy(d, s->gradient, n * sizeof *d);
    for (int i = s->made; i-- > first;) {
        const int at = i % M;
        alpha[at] = s->curve[at] * dot(s->step + (size_t)at * n, d, n);
        add(d, -alpha[at], s->change + (size_t)at * n, n);
    }
    double scale = 1 / fmax(1, sqrt(dot(d, d, n)));
    if (s->made) {
        const double *y = s->change + (size_t)((s->made - 1) % M) * n;
        scale = 1 / (s->curve[(s->made - 1) % M] * dot(y, y, n));
    }
    for (size_t i = 0; i < n; i++)
        d[i] *= scale;
    for (int i = first; i < s->made; i++) {
        const int at = i % M;
        const double beta = s->curve[at] * dot(s->change + (size_t)at * n, d, n);
        add(d, alpha[at] - beta, s->step + (size_t)at * n, n);
    }
}

/* Halves the step until the value falls enough; false when it never does. */
static bool search_line(struct search *s, const double *x, double *value, lbfgs_fn *fn,
                        void *arg)
{
    const double slope = dot(s->gradient, s->direction, s->n);
    double length = 1, found = 0;
    for (int k = 0; k < HALVINGS && slope > 0; k++, length /= 2) {
        memcpy(s->next, x, s->n * sizeof *x);
        add(s->next, -length, s->direction, s->n);
        found = fn(arg, s->next, s->next_gradient);
        if (found <= *value - 1e-4 * length * slope) {
            *value = found;
            return true;
        }
    }
    return false;
}

static void remember(struct search *s, const double *x)
{
    const size_t at = (size_t)(s->made % M), n = s->n;
    double *step = s->step + at * n, *change = s->change + at * n;
    for (size_t i = 0; i < n; i++) {
        step[i] = s->next[i] - x[i];
        change[i] = s->next_gradient[i] - s->gradient[i];
    }
    const double curve = dot(step, change, n);
    if (!(curve > 1e-12 * dot(change, change, n)))
        return;
    s->curve[at] = 1 / curve;
    s->made++;
}

int lbfgs_minimise(double *x, size_t n, lbfgs_fn *fn, void *arg, int steps,
                   double tolerance)
{
    double *slab = calloc((2 * (size_t)M + 4) * n + 1, sizeof *slab);
    if (!slab)
        return -1;
    struct search s = {.n = n,
                       .step = slab,
                       .change = slab + M * n,
                       .gradient = slab + 2 * M * n,
                       .direction = slab + (2 * M + 1) * n,
                       .next = slab + (2 * M + 2) * n,
                       .next_gradient = slab + (2 * M + 3) * n};
    double at = fn(arg, x, s.gradient);
    int made = 0;
    while (made < steps) {
        const double before = at;
        find_direction(&s);
        if (!search_line(&s, x, &at, fn, arg))
            break;
        remember(&s, x);
        memcpy(x, s.next, n * sizeof *x);
        memcpy(s.gradient, s.next_gradient, n * sizeof *x);
        made++;
        if (before - at < tolerance * fabs(before))
            break;
    }
    free(slab);
    return made;
}

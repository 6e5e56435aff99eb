/* SPDX-License-Identifier: Apache-2.0 */
#include "interest/lookalike.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"

enum { NEWTON_STEPS = 25, HALVINGS = 20 };
#define CONSTANT_STRENGTH 1e-4 /* so that the constant is determined in any case */
#define CONVERGED         1e-7

const double lookalike_strengths[LOOKALIKE_STRENGTHS] = {0.03, 0.3, 3, 30};

/* One fit and its scratch. */
struct fit {
    const float *rows;
    const uint8_t *seed;
    uint32_t n, d;
    const double *weight; /* (n) 0: the row is left out */
    double strength;
    double *w, *step, *trial; /* (d) */
    double *h;                /* (d, d) lower triangle, becomes its Cholesky factor */
    float *scaled;            /* (n, d) rows times the root of their curvature */
    float *square;            /* (d, d) */
};

static int fit_init(struct fit *f, const float *rows, const uint8_t *seed, uint32_t n,
                    uint32_t d)
{
    *f = (struct fit){.rows = rows, .seed = seed, .n = n, .d = d};
    f->w = calloc(d, sizeof *f->w);
    f->step = calloc(d, sizeof *f->step);
    f->trial = calloc(d, sizeof *f->trial);
    f->h = calloc((size_t)d * d, sizeof *f->h);
    f->scaled = malloc((size_t)n * d * sizeof *f->scaled);
    f->square = malloc((size_t)d * d * sizeof *f->square);
    return f->w && f->step && f->trial && f->h && f->scaled && f->square
               ? PENCHANT_OK
               : PENCHANT_ENOMEM;
}

static void fit_release(struct fit *f)
{
    free(f->w);
    free(f->step);
    free(f->trial);
    free(f->h);
    free(f->scaled);
    free(f->square);
}

static double product(const struct fit *f, const double *w, uint32_t i)
{
    const float *x = f->rows + (size_t)i * f->d;
    double sum = 0;
    for (uint32_t j = 0; j < f->d; j++)
        sum += w[j] * (double)x[j];
    return sum;
}

/* -ln s(z) of the right answer. */
static double loss_of(double z, bool seed)
{
    const double m = seed ? z : -z;
    return m > 0 ? log1p(exp(-m)) : log1p(exp(m)) - m;
}

static double strength_of(const struct fit *f, uint32_t j)
{
    return j + 1 == f->d ? CONSTANT_STRENGTH : f->strength;
}

static double objective(const struct fit *f, const double *w)
{
    double sum = 0;
    for (uint32_t i = 0; i < f->n; i++)
        if (f->weight[i] > 0)
            sum += f->weight[i] * loss_of(product(f, w, i), f->seed[i]);
    for (uint32_t j = 0; j < f->d; j++)
        sum += 0.5 * strength_of(f, j) * w[j] * w[j];
    return sum;
}

/* The negative gradient into f->step and the second derivatives into f->h. */
static void differentiate(struct fit *f)
{
    for (uint32_t j = 0; j < f->d; j++)
        f->step[j] = -strength_of(f, j) * f->w[j];
    for (uint32_t i = 0; i < f->n; i++) {
        const float *x = f->rows + (size_t)i * f->d;
        const double s = 1 / (1 + exp(-product(f, f->w, i)));
        const double slope = f->weight[i] * (f->seed[i] - s);
        const float root = (float)sqrt(f->weight[i] * s * (1 - s));
        for (uint32_t j = 0; j < f->d; j++) {
            f->step[j] += slope * (double)x[j];
            f->scaled[(size_t)i * f->d + j] = root * x[j];
        }
    }
    const struct gemm g = {.m = f->d,
                           .n = f->d,
                           .k = f->n,
                           .a = f->scaled,
                           .a_row = 1,
                           .a_col = f->d,
                           .b = f->scaled,
                           .ldb = f->d,
                           .c = f->square,
                           .ldc = f->d};
    kernels_get()->gemm(&g);
    for (size_t at = 0; at < (size_t)f->d * f->d; at++)
        f->h[at] = (double)f->square[at];
    for (uint32_t j = 0; j < f->d; j++)
        f->h[(size_t)j * f->d + j] += strength_of(f, j);
}

/* Solves h x = step in place, by Cholesky; the ridge keeps h positive definite. */
static void solve(struct fit *f)
{
    const uint32_t d = f->d;
    for (uint32_t j = 0; j < d; j++) {
        double *row = f->h + (size_t)j * d;
        for (uint32_t i = 0; i < j; i++) {
            const double *other = f->h + (size_t)i * d;
            double sum = row[i];
            for (uint32_t k = 0; k < i; k++)
                sum -= row[k] * other[k];
            row[i] = sum / other[i];
        }
        double pivot = row[j];
        for (uint32_t k = 0; k < j; k++)
            pivot -= row[k] * row[k];
        row[j] = sqrt(fmax(pivot, 1e-9));
    }
    for (uint32_t j = 0; j < d; j++) {
        for (uint32_t k = 0; k < j; k++)
            f->step[j] -= f->h[(size_t)j * d + k] * f->step[k];
        f->step[j] /= f->h[(size_t)j * d + j];
    }
    for (uint32_t j = d; j-- > 0;) {
        for (uint32_t k = j + 1; k < d; k++)
            f->step[j] -= f->h[(size_t)k * d + j] * f->step[k];
        f->step[j] /= f->h[(size_t)j * d + j];
    }
}

/* Newton's steps, halved while they do not help, from w = 0. */
static void run(struct fit *f, double strength, const double *weight)
{
    f->strength = strength;
    f->weight = weight;
    memset(f->w, 0, f->d * sizeof *f->w);
    double now = objective(f, f->w);
    for (int i = 0; i < NEWTON_STEPS; i++) {
        double scale = 1, then = now;
        differentiate(f);
        solve(f);
        for (int h = 0; h < HALVINGS; h++, scale /= 2) {
            for (uint32_t j = 0; j < f->d; j++)
                f->trial[j] = f->w[j] + scale * f->step[j];
            then = objective(f, f->trial);
            if (then < now)
                break;
        }
        if (!(then < now))
            return;
        memcpy(f->w, f->trial, f->d * sizeof *f->w);
        const bool done = now - then < CONVERGED * (1 + fabs(now));
        now = then;
        if (done)
            return;
    }
}

/* ---- how strong the prior should be ---- */

/* Weights by which both classes count alike; the rows of one fold are left out, or with
   fold LOOKALIKE_FOLDS none. `out` gets the weights of those left out. */
static void weigh(const uint8_t *seed, uint32_t n, uint32_t fold, double *in, double *out)
{
    uint32_t count[2] = {0}, at[2] = {0};
    for (uint32_t i = 0; i < n; i++)
        count[seed[i]]++;
    const double background = (double)count[1] / (count[0] ? count[0] : 1);
    for (uint32_t i = 0; i < n; i++) {
        const double w = seed[i] ? 1 : background;
        const bool left_out = at[seed[i]]++ % LOOKALIKE_FOLDS == fold;
        in[i] = left_out ? 0 : w;
        out[i] = left_out ? w : 0;
    }
}

static double choose_strength(struct fit *f, double *in, double *out)
{
    double best = 0, chosen = lookalike_strengths[LOOKALIKE_STRENGTHS - 1];
    for (int s = 0; s < LOOKALIKE_STRENGTHS; s++) {
        double loss = 0;
        for (uint32_t fold = 0; fold < LOOKALIKE_FOLDS; fold++) {
            weigh(f->seed, f->n, fold, in, out);
            run(f, lookalike_strengths[s], in);
            for (uint32_t i = 0; i < f->n; i++)
                if (out[i] > 0)
                    loss += out[i] * loss_of(product(f, f->w, i), f->seed[i]);
        }
        if (s == 0 || loss < best) {
            best = loss;
            chosen = lookalike_strengths[s];
        }
    }
    return chosen;
}

int lookalike_fit(struct lookalike *out, const float *rows, const uint8_t *seed,
                  uint32_t n, uint32_t d)
{
    struct fit f;
    double *in = malloc((n + (size_t)1) * sizeof *in);
    double *left = malloc((n + (size_t)1) * sizeof *left);
    *out = (struct lookalike){.d = d, .w = malloc(d * sizeof *out->w)};
    int status = fit_init(&f, rows, seed, n, d);
    status = in && left && out->w ? status : PENCHANT_ENOMEM;
    if (status == PENCHANT_OK) {
        out->strength = choose_strength(&f, in, left);
        weigh(seed, n, LOOKALIKE_FOLDS, in, left);
        run(&f, out->strength, in);
        for (uint32_t j = 0; j < d; j++)
            out->w[j] = (float)f.w[j];
    } else {
        lookalike_release(out);
    }
    fit_release(&f);
    free(in);
    free(left);
    return status;
}

void lookalike_release(struct lookalike *l)
{
    free(l->w);
    *l = (struct lookalike){0};
}

double lookalike_score(const struct lookalike *l, const float *row)
{
    return 1 / (1 + exp(-(double)kernels_get()->dot(l->w, row, l->d)));
}

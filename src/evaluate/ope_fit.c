/* SPDX-License-Identifier: Apache-2.0 */
#include "evaluate/ope_fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

/* Everything of one fit; c counts the intercept and the contexts. */
struct fit {
    const struct ope_fit_data *d;
    enum ope_fit_kind kind;
    uint32_t c;
    double *mean, *scale;         /* (c) of the contexts; the intercept is 0 and 1 */
    double *x;                    /* (c) the present row */
    double *a, *b;                /* (c, c) and (c): X'WX and X'Wr, then the solution b */
    double *cross, *count, *gain; /* (A, c), (A), (A): by action X'W, W, W r */
    double *beta;                 /* (A) */
    double *mixed;                /* (policies) sum over a of pi_e beta, NaN: not yet */
};

static unsigned fold_of(const struct ope_fit_data *d, size_t i)
{
    return (unsigned)(rng_mix(d->cluster ? d->cluster[i] : i) % OPE_FIT_FOLDS);
}

static double weight(const struct fit *f, size_t i)
{
    const double p = f->d->propensity[i];
    return f->kind == OPE_FIT_PLAIN ? 1 : f->d->target[i] * (1 - p) / (p * p);
}

static void load(struct fit *f, size_t i)
{
    f->x[0] = 1;
    for (uint32_t j = 1; j < f->c; j++)
        f->x[j] = (f->d->context[i * f->d->n_context + j - 1] - f->mean[j]) * f->scale[j];
}

static void standardise(struct fit *f)
{
    const struct ope_fit_data *d = f->d;
    for (uint32_t j = 1; j < f->c; j++) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < d->n; i++)
            sum += d->context[i * d->n_context + j - 1];
        f->mean[j] = sum / (double)d->n;
        for (size_t i = 0; i < d->n; i++) {
            const double v = d->context[i * d->n_context + j - 1] - f->mean[j];
            squares += v * v;
        }
        /* A context that never changes says nothing. */
        f->scale[j] = squares > 0 ? 1 / sqrt(squares / (double)d->n) : 0;
    }
}

/* The normal equations of all rows outside the fold, with weights of mean 1. */
static void gather(struct fit *f, unsigned fold)
{
    const struct ope_fit_data *d = f->d;
    double total = 0;
    size_t rows = 0;
    memset(f->a, 0, (size_t)f->c * f->c * sizeof(double));
    memset(f->b, 0, f->c * sizeof(double));
    memset(f->cross, 0, (size_t)d->n_actions * f->c * sizeof(double));
    memset(f->count, 0, d->n_actions * sizeof(double));
    memset(f->gain, 0, d->n_actions * sizeof(double));
    for (size_t i = 0; i < d->n; i++)
        if (fold_of(d, i) != fold) {
            total += weight(f, i);
            rows++;
        }
    const double scale = total > 0 ? (double)rows / total : 0;
    for (size_t i = 0; i < d->n; i++) {
        if (fold_of(d, i) == fold)
            continue;
        const double w = weight(f, i) * scale;
        load(f, i);
        double *cross = f->cross + (size_t)d->action[i] * f->c;
        for (uint32_t j = 0; j < f->c; j++) {
            for (uint32_t k = 0; k <= j; k++)
                f->a[j * f->c + k] += w * f->x[j] * f->x[k];
            f->b[j] += w * f->x[j] * d->reward[i];
            cross[j] += w * f->x[j];
        }
        f->count[d->action[i]] += w;
        f->gain[d->action[i]] += w * d->reward[i];
    }
}

/* In place, lower triangle; false when it is not positive definite. */
static bool cholesky_solve(double *a, double *b, uint32_t n)
{
    for (uint32_t j = 0; j < n; j++)
        for (uint32_t i = j; i < n; i++) {
            double v = a[i * n + j];
            for (uint32_t k = 0; k < j; k++)
                v -= a[i * n + k] * a[j * n + k];
            if (i == j && !(v > 0))
                return false;
            a[i * n + j] = i == j ? sqrt(v) : v / a[j * n + j];
        }
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < i; k++)
            b[i] -= a[i * n + k] * b[k];
        b[i] /= a[i * n + i];
    }
    for (uint32_t i = n; i-- > 0;) {
        for (uint32_t k = i + 1; k < n; k++)
            b[i] -= a[k * n + i] * b[k];
        b[i] /= a[i * n + i];
    }
    return true;
}

/* Schur complement of beta's diagonal block, theta, then beta. */
static bool solve(struct fit *f)
{
    const uint32_t c = f->c, actions = f->d->n_actions;
    for (uint32_t j = 1; j < c; j++)
        f->a[j * c + j] += 1;
    f->a[0] += 1e-9; /* no rows at all: everything is 0 */
    for (uint32_t a = 0; a < actions; a++) {
        const double *cross = f->cross + (size_t)a * c, down = f->count[a] + OPE_FIT_ROWS;
        for (uint32_t j = 0; j < c; j++) {
            for (uint32_t k = 0; k <= j; k++)
                f->a[j * c + k] -= cross[j] * cross[k] / down;
            f->b[j] -= cross[j] * f->gain[a] / down;
        }
    }
    if (!cholesky_solve(f->a, f->b, c))
        return false;
    for (uint32_t a = 0; a < actions; a++) {
        double rest = f->gain[a];
        for (uint32_t j = 0; j < c; j++)
            rest -= f->cross[(size_t)a * c + j] * f->b[j];
        f->beta[a] = rest / (f->count[a] + OPE_FIT_ROWS);
    }
    return true;
}

static double mixed(struct fit *f, size_t policy)
{
    if (isnan(f->mixed[policy])) {
        const double *p = f->d->policy + policy * f->d->n_actions;
        double sum = 0;
        for (uint32_t a = 0; a < f->d->n_actions; a++)
            sum += p[a] * f->beta[a];
        f->mixed[policy] = sum;
    }
    return f->mixed[policy];
}

static void judge(struct fit *f, unsigned fold, double *quality, double *direct)
{
    const struct ope_fit_data *d = f->d;
    for (size_t p = 0; p < d->n_policies; p++)
        f->mixed[p] = NAN;
    for (size_t i = 0; i < d->n; i++) {
        if (fold_of(d, i) != fold)
            continue;
        double common = 0;
        load(f, i);
        for (uint32_t j = 0; j < f->c; j++)
            common += f->x[j] * f->b[j];
        quality[i] = common + f->beta[d->action[i]];
        direct[i] = common + mixed(f, d->policy_of ? d->policy_of[i] : i);
    }
}

static bool make_room(struct fit *f)
{
    const size_t c = f->c, actions = f->d->n_actions;
    f->mean = calloc(c, sizeof(double));
    f->scale = calloc(c, sizeof(double));
    f->x = calloc(c, sizeof(double));
    f->a = calloc(c * c, sizeof(double));
    f->b = calloc(c, sizeof(double));
    f->cross = calloc(actions * c, sizeof(double));
    f->count = calloc(actions, sizeof(double));
    f->gain = calloc(actions, sizeof(double));
    f->beta = calloc(actions, sizeof(double));
    f->mixed = calloc(f->d->n_policies, sizeof(double));
    return f->mean && f->scale && f->x && f->a && f->b && f->cross && f->count &&
           f->gain && f->beta && f->mixed;
}

static void release(struct fit *f)
{
    double *const all[] = {f->mean,  f->scale, f->x,    f->a,    f->b,
                           f->cross, f->count, f->gain, f->beta, f->mixed};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        free(all[i]);
}

int ope_fit(const struct ope_fit_data *d, enum ope_fit_kind kind, double *quality,
            double *direct, struct penchant_error *err)
{
    struct fit f = {.d = d, .kind = kind, .c = 1 + d->n_context};
    int status = PENCHANT_OK;
    if (d->n_context > OPE_FIT_CONTEXTS_MAX)
        return error_set(err, PENCHANT_ELIMIT, "%u contexts; at most %d", d->n_context,
                         OPE_FIT_CONTEXTS_MAX);
    if (!make_room(&f)) {
        release(&f);
        return error_memory(err);
    }
    standardise(&f);
    for (unsigned fold = 0; !status && fold < OPE_FIT_FOLDS; fold++) {
        gather(&f, fold);
        if (solve(&f))
            judge(&f, fold, quality, direct);
        else
            status = error_set(err, PENCHANT_EINVALID,
                               "the model of the reward cannot be fitted: numbers of "
                               "the contexts or weights are too large");
    }
    release(&f);
    return status;
}

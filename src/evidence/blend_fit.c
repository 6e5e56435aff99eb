/* SPDX-License-Identifier: Apache-2.0 */
#include "evidence/blend_fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evidence/lbfgs.h"

enum { S = EVIDENCE_SOURCES, STEPS = 60, KNOT_SAMPLE = 65536 };

#define TOLERANCE        1e-6
#define LINE_PENALTY     1e-4 /* of a source's one constant weight: only against overflow */
#define LEAST_DIFFERENCE 1e-5F
#define LEAST_SPREAD     1e-2F /* of a source's scores: less is rounding, not evidence */

/* What may be different from a constant weight each, from the simplest on. */
static const struct form {
    bool bends, in_context;
    double penalty;
} forms[] = {{false, false, 0.01},
             {true, false, 0.01},
             {true, true, 0.1},
             {true, true, 0.01},
             {true, true, 0.001}};

struct fitting {
    struct blend_part_of weighing, choosing;
    uint32_t mask; /* the sources whose scores differ at all */
    struct pool *pool;
    struct blend b;
    const struct form *form;
    bool failed;
};

/* ---- scales ---- */

static int ascending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The source's scores of the weighing candidates, every so manyth, into sample. */
static size_t take_scores(const struct fitting *f, int s, float *sample)
{
    const struct blend_cases *c = f->weighing.c;
    uint64_t total = 0, number = 0;
    size_t n = 0;
    for (uint64_t i = 0; i < c->n_kept; i++)
        total += blend_takes(&f->weighing, &c->c[i]) ? c->c[i].n : 0;
    const uint64_t step = total / KNOT_SAMPLE + 1;
    for (uint64_t i = 0; i < c->n_kept; i++) {
        const float *score = blend_case_row(c, &c->c[i], s);
        if (!blend_takes(&f->weighing, &c->c[i]))
            continue;
        for (uint32_t j = 0; j < c->c[i].n; j++)
            if (number++ % step == 0)
                sample[n++] = score[j];
    }
    return n;
}

/* Centre, scale and knots of a source; false when its scores do not differ. */
static bool scale_source(struct blend_part *p, float *sample, size_t n)
{
    static const double quantile[BLEND_KNOTS] = {0.05, 0.5, 0.9, 0.98};
    double sum = 0, squares = 0;
    size_t lowest = 0;
    qsort(sample, n, sizeof *sample, ascending);
    for (size_t i = 0; i < n; i++)
        sum += (double)sample[i];
    const double mean = n ? sum / (double)n : 0;
    for (size_t i = 0; i < n; i++)
        squares += ((double)sample[i] - mean) * ((double)sample[i] - mean);
    *p = (struct blend_part){.centre = (float)mean, .scale = 1.0F};
    if (n == 0 || sample[n - 1] - sample[0] < LEAST_DIFFERENCE)
        return false;
    p->scale = (float)sqrt(squares / (double)n);
    if (p->scale < LEAST_SPREAD)
        return false;
    while (lowest < n && sample[lowest] - sample[0] < LEAST_DIFFERENCE)
        lowest++;
    for (int k = 0; k < BLEND_KNOTS; k++)
        p->knot[k] = sample[lowest + (size_t)(quantile[k] * (double)(n - 1 - lowest))];
    return true;
}

static int scale_sources(struct fitting *f)
{
    float *sample = malloc((KNOT_SAMPLE + 1) * sizeof *sample);
    if (!sample)
        return PENCHANT_ENOMEM;
    for (int s = 0; s < S; s++) {
        struct blend_part *p = &f->b.part[s];
        *p = (struct blend_part){.scale = 1.0F};
        if ((f->mask >> s & 1) && !scale_source(p, sample, take_scores(f, s, sample))) {
            f->mask &= ~(1U << s);
            *p = (struct blend_part){.scale = 1.0F};
        }
    }
    free(sample);
    return PENCHANT_OK;
}

static void scale_contexts(struct fitting *f)
{
    const struct blend_cases *c = f->weighing.c;
    double sum[BLEND_CONTEXTS] = {0}, squares[BLEND_CONTEXTS] = {0};
    double n = 0;
    for (uint64_t i = 0; i < c->n_kept; i++) {
        if (!blend_takes(&f->weighing, &c->c[i]))
            continue;
        n++;
        for (int j = 0; j < BLEND_CONTEXTS; j++) {
            const double x = (double)c->c[i].context[j];
            sum[j] += x;
            squares[j] += x * x;
        }
    }
    f->b.frame = (struct blend_frame){.covered = 1.0F};
    for (int j = 1; j < BLEND_CONTEXTS && n > 0; j++) {
        const double mean = sum[j] / n;
        const double spread = sqrt(fmax(squares[j] / n - mean * mean, 0));
        f->b.frame.mean[j] = (float)mean;
        f->b.frame.spread[j] = spread > 1e-4 * (1 + fabs(mean)) ? (float)spread : 0.0F;
    }
}

/* ---- one form ---- */

/* The penalty of one weight; negative: this form does not have it. */
static double penalty_of(const struct fitting *f, int s, int base, int context)
{
    const struct form *form = f->form;
    if (!(f->mask >> s & 1) || (base && !form->bends) || (context && !form->in_context))
        return -1;
    return base || context ? form->penalty : LINE_PENALTY;
}

static void put(struct blend *b, const double *x)
{
    for (int s = 0; s < S; s++)
        for (int i = 0; i < BLEND_BASES * BLEND_CONTEXTS; i++)
            b->part[s].w[i / BLEND_CONTEXTS][i % BLEND_CONTEXTS] =
                (float)x[s * BLEND_BASES * BLEND_CONTEXTS + i];
}

static void get(const struct blend *b, double *x)
{
    for (int s = 0; s < S; s++)
        for (int i = 0; i < BLEND_BASES * BLEND_CONTEXTS; i++)
            x[s * BLEND_BASES * BLEND_CONTEXTS + i] =
                (double)b->part[s].w[i / BLEND_CONTEXTS][i % BLEND_CONTEXTS];
}

static double objective(void *arg, const double *x, double *gradient)
{
    struct fitting *f = arg;
    memset(gradient, 0, BLEND_PARAMS * sizeof *gradient);
    put(&f->b, x);
    double loss = blend_mean_loss(&f->b, &f->weighing, f->mask, f->pool, gradient);
    f->failed |= loss < 0;
    for (int i = 0; i < BLEND_PARAMS; i++) {
        const int s = i / (BLEND_BASES * BLEND_CONTEXTS);
        const int base = i / BLEND_CONTEXTS % BLEND_BASES;
        const double penalty = penalty_of(f, s, base, i % BLEND_CONTEXTS);
        gradient[i] = penalty < 0 ? 0 : gradient[i] + penalty * x[i];
        loss += penalty < 0 ? 0 : penalty * x[i] * x[i] / 2;
    }
    return loss;
}

/* Goes on from the weights that f->b has. */
static int fit_form(struct fitting *f, const struct form *form)
{
    double x[BLEND_PARAMS];
    f->form = form;
    get(&f->b, x);
    const int steps = lbfgs_minimise(x, BLEND_PARAMS, objective, f, STEPS, TOLERANCE);
    put(&f->b, x);
    return steps < 0 || f->failed ? PENCHANT_ENOMEM : PENCHANT_OK;
}

/* ---- choosing ---- */

static double worth_of(const struct blend_worth *w)
{
    return (w->ndcg10 + w->mrr20 + w->hr20) / 3;
}

/* One source alone, on its own scale. */
static struct blend alone(const struct fitting *f, int s)
{
    struct blend b = f->b;
    for (int i = 0; i < S; i++)
        memset(b.part[i].w, 0, sizeof b.part[i].w);
    b.part[s].w[0][0] = 1.0F;
    return b;
}

/* The best single source into *best; the NDCG@10 that a blend must not be below into
   *bar. */
static int judge_alone(const struct fitting *f, struct blend *best, double *bar,
                       struct blend_report *report)
{
    int top = 0;
    *bar = 0;
    for (int s = 0; s < S; s++) {
        if (!(f->mask >> s & 1))
            continue;
        const struct blend one = alone(f, s);
        if (blend_worth(&one, &f->choosing, 1U << s, &report->alone[s]))
            return PENCHANT_ENOMEM;
        *bar = fmax(*bar, report->alone[s].ndcg10);
        if (!(f->mask >> top & 1) ||
            worth_of(&report->alone[s]) > worth_of(&report->alone[top]))
            top = s;
    }
    *best = alone(f, top);
    report->blend = report->alone[top];
    report->is_single = true;
    return PENCHANT_OK;
}

static int choose(struct fitting *f, struct blend *best, struct blend_report *report)
{
    double bar;
    if (judge_alone(f, best, &bar, report))
        return PENCHANT_ENOMEM;
    const bool several = f->mask & (f->mask - 1);
    for (size_t i = 0; several && i < sizeof forms / sizeof *forms; i++) {
        struct blend_worth w;
        if (fit_form(f, &forms[i]) || blend_worth(&f->b, &f->choosing, f->mask, &w))
            return PENCHANT_ENOMEM;
        if (w.ndcg10 < bar || worth_of(&w) <= worth_of(&report->blend))
            continue;
        *best = f->b;
        report->blend = w;
        report->is_single = false;
        report->in_context = forms[i].in_context;
        report->penalty = forms[i].penalty;
    }
    return PENCHANT_OK;
}

/* ---- true probabilities ---- */

static void divide(struct blend *b, double temperature)
{
    for (int s = 0; s < S; s++)
        for (int i = 0; i < BLEND_BASES * BLEND_CONTEXTS; i++)
            b->part[s].w[i / BLEND_CONTEXTS][i % BLEND_CONTEXTS] /= (float)temperature;
}

static double loss_at(struct fitting *f, const struct blend *b, double exponent)
{
    struct blend trial = *b;
    divide(&trial, exp2(exponent));
    const double loss = blend_mean_loss(&trial, &f->choosing, f->mask, f->pool, NULL);
    f->failed |= loss < 0;
    return loss;
}

/* Golden section over the logarithm: the loss is convex in 1 / temperature, so it has
   one valley. */
static double find_temperature(struct fitting *f, const struct blend *b)
{
    const double ratio = (sqrt(5) - 1) / 2;
    double low = -6, high = 6;
    double x = high - ratio * (high - low), y = low + ratio * (high - low);
    double at_x = loss_at(f, b, x), at_y = loss_at(f, b, y);
    while (high - low > 0.01) {
        if (at_x < at_y) {
            high = y;
            y = x;
            at_y = at_x;
            x = high - ratio * (high - low);
            at_x = loss_at(f, b, x);
        } else {
            low = x;
            x = y;
            at_x = at_y;
            y = low + ratio * (high - low);
            at_y = loss_at(f, b, y);
        }
    }
    return exp2((low + high) / 2);
}

static int calibrate(struct fitting *f, struct blend *b, struct blend_report *report)
{
    const uint64_t all = blend_count(&f->choosing);
    uint64_t covered = 0;
    for (uint64_t i = 0; i < f->choosing.c->n_kept; i++)
        covered += blend_takes(&f->choosing, &f->choosing.c->c[i]);
    b->frame.covered = all ? (float)((double)covered / (double)all) : 1.0F;
    report->temperature = 1;
    if (covered) {
        report->temperature = find_temperature(f, b);
        divide(b, report->temperature);
    }
    report->loss = loss_at(f, b, 0);
    report->error = blend_calibration_error(b, &f->choosing, f->mask);
    return f->failed || report->error < 0 ? PENCHANT_ENOMEM : PENCHANT_OK;
}

/* ---- the whole ---- */

static void all_alike(struct blend *out, uint32_t mask)
{
    struct evidence_weights w;
    for (int s = 0; s < S; s++)
        w.w[s] = (float)(mask >> s & 1);
    blend_constant(out, &w);
}

/* Whether any case of a part has something to tell apart. */
static bool has_kept(const struct blend_part_of *p)
{
    for (uint64_t i = 0; i < p->c->n_kept; i++)
        if (blend_takes(p, &p->c->c[i]))
            return true;
    return false;
}

int blend_fit(struct blend *out, const struct blend_cases *c, uint32_t mask, int fold,
              struct pool *pool, struct blend_report *report)
{
    const uint8_t of = fold == BLEND_ALL ? BLEND_WEIGHS : BLEND_WEIGHS | BLEND_ODD;
    const uint8_t odd = fold == BLEND_ODDS ? BLEND_ODD : 0;
    struct fitting f = {
        .weighing = {.c = c, .of = of, .flags = (uint8_t)(BLEND_WEIGHS | odd)},
        .choosing = {.c = c, .of = of, .flags = odd},
        .mask = mask,
        .pool = pool};
    *report = (struct blend_report){.temperature = 1};
    if (!has_kept(&f.weighing))
        f.weighing = f.choosing;
    if (!has_kept(&f.choosing))
        f.choosing = f.weighing;
    scale_contexts(&f);
    int rc = has_kept(&f.weighing) ? scale_sources(&f) : PENCHANT_OK;
    if (rc || !f.mask || !has_kept(&f.weighing)) {
        all_alike(out, mask);
        return rc;
    }
    rc = choose(&f, out, report);
    if (!rc)
        rc = calibrate(&f, out, report);
    if (rc)
        return rc;
    for (int s = 0; s < S; s++) /* those that never differed: nothing is known of them */
        if ((mask & ~f.mask) >> s & 1)
            out->part[s].w[0][0] = evidence_sources[s]->unfitted;
    return PENCHANT_OK;
}

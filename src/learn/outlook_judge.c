/* SPDX-License-Identifier: Apache-2.0 */
/* How good an outlook is, beside the rate and a table of recency and frequency. */
#include <math.h>
#include <stdlib.h>

#include "evaluate/probability.h"
#include "learn/outlook_fit.h"

enum { RECENCIES = 8, FREQUENCIES = 5, CELLS = RECENCIES * FREQUENCIES };
#define SUPPOSED 5.0 /* moments of a cell that went as all did */

/* Cells by quantiles of the moments that the table is made of. */
struct table {
    double recency[RECENCIES - 1], frequency[FREQUENCIES - 1];
    double rate[CELLS][OUTLOOK_OUTPUTS], base[OUTLOOK_OUTPUTS];
};

static double recency_of(const struct outlook_question *q, const struct outlook_moment *m)
{
    const struct outlook_state s = outlook_known(q, m);
    return s.n ? (double)(s.now_us - s.ts_us[s.n - 1]) : 0;
}

static double frequency_of(const struct outlook_question *q,
                           const struct outlook_moment *m)
{
    return (double)outlook_known(q, m).total;
}

static int by_size(const void *pa, const void *pb)
{
    const double a = *(const double *)pa, b = *(const double *)pb;
    return (a > b) - (a < b);
}

static void cut(double *x, size_t n, double *bound, int cells)
{
    qsort(x, n, sizeof(*x), by_size);
    for (int i = 1; i < cells; i++)
        bound[i - 1] = x[(size_t)i * n / (size_t)cells];
}

static int place(double x, const double *bound, int cells)
{
    int at = 0;
    while (at < cells - 1 && x >= bound[at])
        at++;
    return at;
}

static int cell_of(const struct table *t, const struct outlook_question *q,
                   const struct outlook_moment *m)
{
    return place(recency_of(q, m), t->recency, RECENCIES) * FREQUENCIES +
           place(frequency_of(q, m), t->frequency, FREQUENCIES);
}

static int table_make(struct table *t, const struct outlook_question *q,
                      const struct outlook_set *known, size_t n_known)
{
    double n[CELLS] = {0}, all = 0;
    size_t sum = 0, i = 0;
    *t = (struct table){0};
    for (size_t s = 0; s < n_known; s++)
        sum += known[s].n;
    double *recency = malloc(2 * (sum + 1) * sizeof(*recency));
    if (!recency)
        return PENCHANT_ENOMEM;
    double *frequency = recency + sum + 1;
    for (size_t s = 0; s < n_known; s++) {
        for (size_t j = 0; j < known[s].n; j++, i++) {
            recency[i] = recency_of(q, &known[s].moment[j]);
            frequency[i] = frequency_of(q, &known[s].moment[j]);
        }
    }
    if (sum) {
        cut(recency, sum, t->recency, RECENCIES);
        cut(frequency, sum, t->frequency, FREQUENCIES);
    }
    for (size_t s = 0; s < n_known; s++) {
        for (size_t j = 0; j < known[s].n; j++) {
            const struct outlook_moment *m = &known[s].moment[j];
            const int cell = cell_of(t, q, m);
            n[cell]++;
            all++;
            for (int o = 0; o < OUTLOOK_OUTPUTS; o++) {
                t->rate[cell][o] += m->came[o];
                t->base[o] += m->came[o];
            }
        }
    }
    for (int o = 0; o < OUTLOOK_OUTPUTS; o++) {
        t->base[o] /= fmax(1, all);
        for (int c = 0; c < CELLS; c++)
            t->rate[c][o] = (t->rate[c][o] + SUPPOSED * t->base[o]) / (n[c] + SUPPOSED);
    }
    free(recency);
    return PENCHANT_OK;
}

/* Sums over the reporting moments. */
struct sums {
    double loss, base, recency, gain, gain2;
};

static void add(struct sums *s, double loss, double base, double recency)
{
    s->loss += loss;
    s->base += base;
    s->recency += recency;
    s->gain += recency - loss;
    s->gain2 += (recency - loss) * (recency - loss);
}

static void fill(struct outlook_figures *f, const struct sums *s, size_t n)
{
    const double mean = s->gain / (double)n;
    const double variance = fmax(0, s->gain2 / (double)n - mean * mean);
    f->n = (float)n;
    f->log_loss = (float)(s->loss / (double)n);
    f->base = (float)(s->base / (double)n);
    f->recency = (float)(s->recency / (double)n);
    f->gain = (float)mean;
    f->gain_error = (float)sqrt(variance / (double)n);
}

static int judge_output(struct outlook_model *m, const struct outlook_question *q,
                        const struct table *t, const struct outlook_set *report,
                        const double *all, int o, double *p, bool *came)
{
    struct sums s = {0};
    struct probability_quality quality;
    for (size_t i = 0; i < report->n; i++) {
        const struct outlook_moment *x = &report->moment[i];
        p[i] = all[i * OUTLOOK_OUTPUTS + (size_t)o];
        came[i] = x->came[o];
        add(&s, probability_loss(p[i], came[i]), probability_loss(t->base[o], came[i]),
            probability_loss(t->rate[cell_of(t, q, x)][o], came[i]));
    }
    if (probability_judge(p, came, report->n, &quality))
        return PENCHANT_ENOMEM;
    fill(&m->figures[o], &s, report->n);
    m->figures[o].rate = (float)quality.rate;
    m->figures[o].auc = isnan(quality.auc) ? 0.5F : (float)quality.auc;
    m->figures[o].ece = (float)quality.ece;
    return PENCHANT_OK;
}

/* What was given to that which came next, of all that could. */
static void judge_next(struct outlook_model *m, const struct outlook_question *q,
                       const struct table *t, const struct outlook_set *report,
                       const double *all)
{
    struct sums s = {0};
    struct outlook_figures *f = &m->figures[OUTLOOK_OUTPUTS];
    for (size_t i = 0; i < report->n; i++) {
        const struct outlook_moment *x = &report->moment[i];
        const double *rate = t->rate[cell_of(t, q, x)];
        for (int o = 0; o < OUTLOOK_NEXT; o++)
            if (x->came[o])
                add(&s, probability_loss(all[i * OUTLOOK_OUTPUTS + (size_t)o], true),
                    probability_loss(t->base[o], true), probability_loss(rate[o], true));
    }
    fill(f, &s, report->n);
    f->auc = 0.5F;
}

int outlook_judge(struct outlook_model *m, const struct outlook_question *q,
                  const struct outlook_set *known, size_t n_known,
                  const struct outlook_set *report)
{
    struct table t;
    const size_t n = report->n;
    int rc = table_make(&t, q, known, n_known);
    double *all = malloc((n + 1) * OUTLOOK_OUTPUTS * sizeof(*all));
    double *p = malloc((n + 1) * sizeof(*p));
    bool *came = malloc((n + 1) * sizeof(*came));
    if (!rc && !(all && p && came))
        rc = PENCHANT_ENOMEM;
    for (size_t i = 0; !rc && i < n; i++) {
        outlook_raw(m, report->row + i * OUTLOOK_ROW, all + i * OUTLOOK_OUTPUTS);
        outlook_calibrate(m, all + i * OUTLOOK_OUTPUTS);
    }
    bool any = false;
    for (int o = outlook_first(q->week); o < outlook_end(q->week); o++) {
        if (rc || !n || m->why[o])
            continue;
        rc = judge_output(m, q, &t, report, all, o, p, came);
        any = true;
    }
    if (!rc && any && !q->week)
        judge_next(m, q, &t, report, all);
    free(all);
    free(p);
    free(came);
    return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* How good a head is on users that it has not learned from, beside simple peers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "learn/critic_train.h"

/* ---- rank correlation ---- */

struct place {
    float value;
    uint32_t at;
};

static int by_value(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    return x->value != y->value ? (x->value < y->value ? -1 : 1)
                                : (x->at > y->at) - (x->at < y->at);
}

/* The rank of each, equal ones at their mean; centred at 0. */
static void rank(struct place *p, const float *value, size_t n, double *out)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (struct place){value[i], (uint32_t)i};
    qsort(p, n, sizeof *p, by_value);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && p[end].value == p[i].value;)
            end++;
        for (size_t j = i; j < end; j++)
            out[p[j].at] = 0.5 * ((double)i + (double)end - (double)n);
    }
}

int critic_spearman(const float *a, const float *b, size_t n, double *out)
{
    struct place *p = malloc((n + 1) * sizeof *p);
    double *x = malloc((2 * n + 1) * sizeof *x), *y = x + n;
    double xy = 0, xx = 0, yy = 0;
    *out = NAN;
    if (p && x) {
        rank(p, a, n, x);
        rank(p, b, n, y);
        for (size_t i = 0; i < n; i++) {
            xy += x[i] * y[i];
            xx += x[i] * x[i];
            yy += y[i] * y[i];
        }
        *out = xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : NAN;
    }
    const int rc = p && x ? 0 : -1;
    free(p);
    free(x);
    return rc;
}

/* ---- peers ---- */

/* What is known of the users learned from: the mean return, and the line through the rate
   of reward that fits best. */
struct peers {
    double mean, slope, base;
};

static struct peers peers_of(const struct critic_data *d, enum critic_objective o)
{
    double n = 0, x = 0, y = 0, xx = 0, xy = 0;
    for (size_t i = 0; i < d->n_train; i++) {
        const double after = (double)d->at[i].after[o], rate = (double)d->at[i].rate[o];
        n++;
        x += rate;
        y += after;
        xx += rate * rate;
        xy += rate * after;
    }
    const double spread = n * xx - x * x;
    const double slope = spread > 1e-9 * n * n ? (n * xy - x * y) / spread : 0;
    return (struct peers){
        .mean = y / fmax(n, 1), .slope = slope, .base = (y - slope * x) / fmax(n, 1)};
}

/* ---- figures ---- */

/* Of the held-out states. */
struct told {
    size_t n, users;
    float *v, *q, *y;        /* V(s), Q(s, a), R + D V(s') */
    float *after, *rate;     /* what came, and came before */
    uint32_t *user, *picked; /* whose; which transitions */
};

static int told_init(struct told *t, const struct critic_data *d, enum critic_objective o)
{
    const size_t room = d->n - d->n_train + CRITIC_BATCH;
    float *all = malloc(5 * room * sizeof *all);
    *t = (struct told){.v = all,
                       .user = malloc(room * sizeof *t->user),
                       .picked = malloc(room * sizeof *t->picked)};
    if (!all || !t->user || !t->picked)
        return PENCHANT_ENOMEM;
    t->q = all + room;
    t->y = all + 2 * room;
    t->after = all + 3 * room;
    t->rate = all + 4 * room;
    for (size_t i = d->n_train; i < d->n; i++) {
        const struct critic_transition *x = &d->at[i];
        t->users += t->n == 0 || t->user[t->n - 1] != x->user;
        t->after[t->n] = x->after[o];
        t->rate[t->n] = x->rate[o];
        t->user[t->n] = x->user;
        t->picked[t->n++] = (uint32_t)i;
    }
    return PENCHANT_OK;
}

static void told_release(struct told *t)
{
    free(t->v);
    free(t->user);
    free(t->picked);
}

static int ask(struct told *t, const struct critic_head *head,
               const struct critic_form *f, enum critic_objective o,
               const struct critic_data *d)
{
    struct critic_work *w = critic_work_new(f, CRITIC_BATCH, 0);
    const struct critic_lesson l = {.form = f,
                                    .objective = o,
                                    .gamma = head->gamma,
                                    .scale = head->scale,
                                    .param = head->param,
                                    .target = head->param};
    const uint32_t none = 0;
    if (!w)
        return PENCHANT_ENOMEM;
    for (size_t i = 0; i < t->n; i += CRITIC_BATCH) {
        const size_t n = t->n - i < CRITIC_BATCH ? t->n - i : CRITIC_BATCH;
        const struct critic_batch b = {
            .data = d, .n = (uint32_t)n, .pick = t->picked + i, .negative = &none};
        critic_judge_batch(w, &l, &b, t->v + i, t->q + i, t->y + i);
    }
    critic_work_free(w);
    return PENCHANT_OK;
}

static double square(double x)
{
    return x * x;
}

static void sum_up(const struct told *t, const struct peers *p, struct critic_figures *f)
{
    double after = 0, value = 0, td = 0, se = 0, se_mean = 0, se_rate = 0;
    double gain = 0, spread = 0, of_user = 0, n_user = 0;
    const double n = (double)t->n;
    for (size_t i = 0; i < t->n; i++) {
        const double y = (double)t->after[i];
        after += y;
        value += (double)t->v[i];
        td += square((double)t->y[i] - (double)t->q[i]);
        se += square(y - (double)t->v[i]);
        se_mean += square(y - p->mean);
        se_rate += square(y - p->base - p->slope * (double)t->rate[i]);
    }
    gain = (se_rate - se) / n;
    for (size_t i = 0; i < t->n; i++) {
        const double y = (double)t->after[i];
        of_user += square(y - p->base - p->slope * (double)t->rate[i]) -
                   square(y - (double)t->v[i]);
        n_user++;
        if (i + 1 < t->n && t->user[i + 1] == t->user[i])
            continue;
        spread += square(of_user - n_user * gain);
        of_user = n_user = 0;
    }
    *f = (struct critic_figures){.n = (float)t->n,
                                 .users = (float)t->users,
                                 .mean_return = (float)(after / n),
                                 .mean_value = (float)(value / n),
                                 .td_error = (float)sqrt(td / n),
                                 .rmse = (float)sqrt(se / n),
                                 .mean_rmse = (float)sqrt(se_mean / n),
                                 .rate_rmse = (float)sqrt(se_rate / n),
                                 .gain = (float)gain,
                                 .gain_error = (float)(sqrt(spread) / n)};
}

/* Without any spread there is nothing to rank: no correlation. */
static int correlate(const float *a, const struct told *t, float *out)
{
    double r;
    const int rc = critic_spearman(a, t->after, t->n, &r);
    *out = isnan(r) ? 0 : (float)r;
    return rc;
}

int critic_judge(struct critic_head *head, const struct critic_form *f,
                 enum critic_objective objective, const struct critic_data *d)
{
    struct told t;
    int rc = told_init(&t, d, objective);
    if (!rc && t.n) {
        const struct peers p = peers_of(d, objective);
        rc = ask(&t, head, f, objective, d);
        if (!rc) {
            sum_up(&t, &p, &head->figures);
            if (correlate(t.v, &t, &head->figures.spearman) ||
                correlate(t.rate, &t, &head->figures.rate_spearman) ||
                correlate(t.q, &t, &head->figures.action_spearman))
                rc = PENCHANT_ENOMEM;
        }
    }
    told_release(&t);
    return rc;
}

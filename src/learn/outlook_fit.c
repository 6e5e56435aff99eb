/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/outlook_fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "behaviour/event.h"
#include "evidence/lbfgs.h"
#include "kernels/kernels.h"
#include "learn/isotonic.h"

enum { ITERATIONS = 80 };
#define TOLERANCE 2e-6

/* ---- the loss ---- */

/* Gradient of row r's loss by the outputs' scores, in place of the scores; its loss. */
static double row_loss(const struct outlook_problem *p, const struct outlook_moment *m,
                       double *score)
{
    double loss = 0, top = -INFINITY, sum = 0;
    for (uint32_t o = 0; !p->exclusive && o < p->n_outputs; o++) {
        const double z = score[o], came = m->came[p->output[o]];
        loss += fmax(z, 0) + log1p(exp(-fabs(z))) - came * z;
        score[o] = 1 / (1 + exp(-z)) - came;
    }
    if (!p->exclusive)
        return loss;
    for (uint32_t o = 0; o < p->n_outputs; o++)
        top = fmax(top, score[o]);
    for (uint32_t o = 0; o < p->n_outputs; o++) {
        loss -= m->came[p->output[o]] ? score[o] - top : 0;
        sum += score[o] = exp(score[o] - top);
    }
    for (uint32_t o = 0; o < p->n_outputs; o++)
        score[o] = score[o] / sum - m->came[p->output[o]];
    return loss + log(sum);
}

static double penalise(const struct outlook_problem *p, const double *x, double *gradient)
{
    double sum = 0;
    for (uint32_t i = 0; i < p->n_outputs * OUTLOOK_ROW; i++) {
        if (i % OUTLOOK_ROW == 0 || i % OUTLOOK_ROW == 1 + OUTLOOK_FEATURES)
            continue;
        sum += x[i] * x[i];
        gradient[i] += p->penalty * x[i];
    }
    return 0.5 * p->penalty * sum;
}

double outlook_problem_loss(void *cookie, const double *x, double *gradient)
{
    const struct outlook_problem *p = cookie;
    const struct kernels *k = kernels_get();
    const struct outlook_set *set = p->set;
    const uint32_t size = p->n_outputs * OUTLOOK_ROW;
    float weight[OUTLOOK_OUTPUTS * OUTLOOK_ROW];
    float sum[OUTLOOK_OUTPUTS * OUTLOOK_ROW] = {0};
    double loss = 0;
    for (uint32_t i = 0; i < size; i++)
        weight[i] = (float)x[i];
    for (size_t r = 0; r < set->n; r++) {
        const float *row = set->row + r * OUTLOOK_ROW;
        double score[OUTLOOK_OUTPUTS];
        for (uint32_t o = 0; o < p->n_outputs; o++)
            score[o] = (double)k->dot(weight + o * OUTLOOK_ROW, row, OUTLOOK_ROW);
        loss += row_loss(p, &set->moment[r], score);
        for (uint32_t o = 0; o < p->n_outputs; o++)
            k->add_scaled(sum + o * OUTLOOK_ROW, row, (float)score[o], OUTLOOK_ROW);
    }
    for (uint32_t i = 0; i < size; i++)
        gradient[i] = (double)sum[i] / (double)set->n;
    return loss / (double)set->n + penalise(p, x, gradient);
}

/* ---- sets ---- */

static void set_free(struct outlook_set *s)
{
    free(s->moment);
    free(s->row);
}

static int set_new(struct outlook_set *s, size_t most)
{
    *s = (struct outlook_set){.moment = malloc(most * sizeof(*s->moment)),
                              .row = malloc(most * OUTLOOK_ROW * sizeof(*s->row))};
    return s->moment && s->row ? PENCHANT_OK : PENCHANT_ENOMEM;
}

/* The features of a set's moments where its rows will be. */
static void describe(const struct outlook_question *q, struct outlook_set *s)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct outlook_state known = outlook_known(q, &s->moment[i]);
        outlook_features(&known, s->row + i * OUTLOOK_ROW);
    }
}

static void scale(const struct outlook_model *m, const struct outlook_question *q,
                  struct outlook_set *s)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct outlook_state known = outlook_known(q, &s->moment[i]);
        float feature[OUTLOOK_FEATURES], *row = s->row + i * OUTLOOK_ROW;
        memcpy(feature, row, sizeof(feature));
        outlook_row(m, feature, outlook_visiting(&known), row);
    }
}

/* Mean and inverse deviation of the features; one that never changes tells nothing. */
static void find_scale(struct outlook_model *m, const struct outlook_set *s)
{
    for (int j = 0; j < OUTLOOK_FEATURES; j++) {
        double sum = 0, square = 0;
        for (size_t i = 0; i < s->n; i++)
            sum += (double)s->row[i * OUTLOOK_ROW + (size_t)j];
        const double mean = sum / (double)s->n;
        for (size_t i = 0; i < s->n; i++) {
            const double off = (double)s->row[i * OUTLOOK_ROW + (size_t)j] - mean;
            square += off * off;
        }
        const double deviation = sqrt(square / (double)s->n);
        m->mean[j] = (float)mean;
        m->scale[j] = deviation > 1e-4 ? (float)(1 / deviation) : 0;
    }
}

/* ---- what can be given ---- */

static bool enough(const struct outlook_set *s, int output, size_t least)
{
    size_t came = 0;
    for (size_t i = 0; i < s->n; i++)
        came += s->moment[i].came[output];
    return came >= least && s->n - came >= least;
}

static bool logged(const struct history *h, int output)
{
    static const int type[] = {EVENT_VIEW, EVENT_CART, EVENT_PURCHASE};
    const int at =
        output < OUTLOOK_NEXT ? output - OUTLOOK_NEXT_VIEW : output - OUTLOOK_WEEK_VIEW;
    if (output == OUTLOOK_NEXT_LEAVE || output == OUTLOOK_WEEK_NOTHING)
        return true;
    for (uint64_t i = 0; i < h->n; i++) {
        const uint8_t t = h->type[i];
        const bool other = t != EVENT_VIEW && t != EVENT_CART && t != EVENT_PURCHASE;
        if (at == 3 ? other : t == type[at])
            return true;
    }
    return false;
}

static void decide(struct outlook_model *m, const struct outlook_question *q,
                   const struct outlook_set *set, bool reaches)
{
    const int from = outlook_first(q->week), to = outlook_end(q->week);
    int given = 0;
    for (int o = from; o < to; o++) {
        const struct outlook_set *l = &set[OUTLOOK_LEARNING];
        const struct outlook_set *c = &set[OUTLOOK_CALIBRATING];
        m->why[o] =
            !logged(q->history, o) ? OUTLOOK_UNLOGGED
            : !reaches             ? OUTLOOK_TOO_SHORT
            : enough(l, o, OUTLOOK_LEAST_LEARNT) && enough(c, o, OUTLOOK_LEAST_CALIBRATED)
                ? OUTLOOK_GIVEN
                : OUTLOOK_TOO_FEW;
        given += m->why[o] == OUTLOOK_GIVEN;
    }
    /* Of exclusive outcomes the other one is certain: that is no prediction. */
    for (int o = from; !q->week && given < 2 && o < to; o++)
        m->why[o] = m->why[o] ? m->why[o] : OUTLOOK_TOO_FEW;
}

/* A type that is not given counts as another event, or not at all. */
static void fold(const struct outlook_model *m, struct outlook_set *s)
{
    size_t left = 0;
    for (size_t i = 0; i < s->n; i++) {
        struct outlook_moment *x = &s->moment[i];
        bool stays = false;
        for (int o = 0; o < OUTLOOK_NEXT; o++) {
            if (x->came[o] && m->why[o] && !m->why[OUTLOOK_NEXT_OTHER]) {
                x->came[o] = false;
                x->came[OUTLOOK_NEXT_OTHER] = true;
            }
        }
        for (int o = 0; o < OUTLOOK_NEXT; o++)
            stays = stays || (x->came[o] && !m->why[o]);
        if (!stays)
            continue;
        if (left < i) {
            s->moment[left] = *x;
            memcpy(s->row + left * OUTLOOK_ROW, s->row + i * OUTLOOK_ROW,
                   OUTLOOK_ROW * sizeof(*s->row));
        }
        left++;
    }
    s->n = left;
}

/* ---- fitting ---- */

/* The loss of weights x on another set, without the penalty. */
static double loss_on(struct outlook_problem p, const struct outlook_set *set,
                      const double *x)
{
    double unused[OUTLOOK_OUTPUTS * OUTLOOK_ROW];
    p.set = set;
    p.penalty = 0;
    return set->n ? outlook_problem_loss(&p, x, unused) : 0;
}

/* From the strongest penalty to weaker ones, each from where the one before ended; the
   calibrating part, which is later, says which of them carries over. */
static int fit_weights(struct outlook_model *m, bool week, const struct outlook_set *set)
{
    static const double penalty[] = {0.1, 0.03, 0.01, 0.003, 0.001};
    struct outlook_problem p = {.set = &set[OUTLOOK_LEARNING], .exclusive = !week};
    double x[OUTLOOK_OUTPUTS * OUTLOOK_ROW] = {0}, least = INFINITY;
    const int from = outlook_first(week), to = outlook_end(week);
    for (int i = from; i < to; i++)
        if (!m->why[i])
            p.output[p.n_outputs++] = (uint8_t)i;
    const size_t n = (size_t)p.n_outputs * OUTLOOK_ROW;
    int rc = PENCHANT_OK;
    for (size_t i = 0; !rc && n && i < sizeof(penalty) / sizeof(*penalty); i++) {
        p.penalty = penalty[i];
        if (lbfgs_minimise(x, n, outlook_problem_loss, &p, ITERATIONS, TOLERANCE) < 0)
            rc = PENCHANT_ENOMEM;
        const double loss = rc ? INFINITY : loss_on(p, &set[OUTLOOK_CALIBRATING], x);
        if (!(loss < least))
            break;
        least = loss;
        for (size_t j = 0; j < n; j++)
            m->weight[p.output[j / OUTLOOK_ROW]][j % OUTLOOK_ROW] = (float)x[j];
    }
    return rc;
}

static int fit_curves(struct outlook_model *m, bool week, const struct outlook_set *set)
{
    const int from = outlook_first(week), to = outlook_end(week);
    double *p = malloc((set->n + 1) * sizeof(*p));
    bool *came = malloc((set->n + 1) * sizeof(*came));
    int rc = p && came ? PENCHANT_OK : PENCHANT_ENOMEM;
    for (int o = from; !rc && o < to; o++) {
        for (size_t i = 0; !m->why[o] && i < set->n; i++) {
            double all[OUTLOOK_OUTPUTS];
            outlook_raw(m, set->row + i * OUTLOOK_ROW, all);
            p[i] = all[o];
            came[i] = set->moment[i].came[o];
        }
        if (!m->why[o])
            rc = isotonic_curve(p, came, set->n, &m->curve[o]);
    }
    free(p);
    free(came);
    return rc;
}

/* Rates right after a first event, with half a moment more of each outcome so that none is
   impossible; of the moments of `room` when nobody came anew. Its moments are not needed
   any more. */
static void fit_newcomers(struct outlook_model *m, const struct outlook_question *q,
                          const struct outlook_times *t, struct outlook_set *room)
{
    const int from = outlook_first(q->week), to = outlook_end(q->week);
    const size_t n = outlook_newcomers(q, t, room->n, room->moment);
    double all = 0, came[OUTLOOK_OUTPUTS] = {0};
    room->n = n ? n : room->n;
    if (!q->week)
        fold(m, room);
    for (int o = from; o < to; o++) {
        for (size_t i = 0; i < room->n; i++)
            came[o] += room->moment[i].came[o];
        came[o] += 0.5;
        all += m->why[o] ? 0 : came[o];
    }
    for (int o = from; o < to; o++)
        m->newcomer[o] = m->why[o] ? 0
                         : q->week ? (float)(came[o] / ((double)room->n + 1))
                                   : (float)(came[o] / all);
}

/* ---- all of it ---- */

/* One question: what is next, or the week. */
static int fit_question(struct outlook_model *m, const struct outlook_question *q,
                        const struct outlook_times *t, struct rng *rng)
{
    static const size_t most[OUTLOOK_PARTS] = {
        OUTLOOK_LEARN_MOMENTS, OUTLOOK_OTHER_MOMENTS, OUTLOOK_OTHER_MOMENTS};
    static const double share[OUTLOOK_PARTS] = {1, 0.5, 0.5};
    struct outlook_set set[OUTLOOK_PARTS] = {{0}};
    bool reaches = true;
    int rc = PENCHANT_OK;
    for (int p = 0; !rc && p < OUTLOOK_PARTS; p++) {
        /* A part that is hardly longer than its horizon has next to no moments. */
        const int64_t span = t->at[p + 1] - t->at[p];
        reaches = reaches &&
                  span > outlook_horizon_us(q->week) + outlook_horizon_us(q->week) / 7;
        /* Of every event one moment on average, so that a few are not taken for many. */
        const size_t n = (size_t)fmin((double)most[p], share[p] * (double)q->history->n);
        rc = set_new(&set[p], n + 1);
        if (!rc)
            set[p].n = outlook_draw(q, t->at[p], t->at[p + 1], n, rng, set[p].moment);
        if (!rc)
            describe(q, &set[p]);
    }
    if (rc)
        goto out;
    decide(m, q, set, reaches);
    if (!q->week)
        for (int p = 0; p < OUTLOOK_PARTS; p++)
            fold(m, &set[p]);
    if (!set[OUTLOOK_LEARNING].n)
        goto out;
    if (!q->week) /* both questions are scaled by the moments of the first */
        find_scale(m, &set[OUTLOOK_LEARNING]);
    for (int p = 0; p < OUTLOOK_PARTS; p++)
        scale(m, q, &set[p]);
    rc = fit_weights(m, q->week, set);
    if (!rc)
        rc = fit_curves(m, q->week, &set[OUTLOOK_CALIBRATING]);
    if (!rc)
        rc = outlook_judge(m, q, set, 2, &set[OUTLOOK_REPORTING]);
    if (!rc)
        fit_newcomers(m, q, t, &set[OUTLOOK_CALIBRATING]);
out:
    for (int p = 0; p < OUTLOOK_PARTS; p++)
        set_free(&set[p]);
    return rc;
}

int outlook_fit(struct outlook_model *out, const struct history *history,
                const struct catalog *catalog, uint64_t seed)
{
    struct outlook_times times;
    struct rng rng;
    outlook_none(out, OUTLOOK_CLOCKLESS);
    if (!history->has_clock)
        return PENCHANT_OK;
    rng_init(&rng, seed, 0x6f75746cULL);
    int rc = outlook_divide(history, &times);
    for (int week = 0; !rc && week <= 1; week++) {
        const struct outlook_question q = {history, catalog, week};
        rc = fit_question(out, &q, &times, &rng);
    }
    return rc;
}

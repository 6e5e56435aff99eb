/* SPDX-License-Identifier: Apache-2.0 */
/* The outlook: its parts against slow definitions, on shoppers whose probabilities are
   known, and on real logs beside its peers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "behaviour/event.h"
#include "evaluate/probability.h"
#include "lab/dataset.h"
#include "learn/isotonic.h"
#include "learn/outlook_fit.h"
#include "near.h"

#define SECOND_US ((int64_t)1000000)
#define DAY_US    (86400 * SECOND_US)
#define BEGIN_US  ((int64_t)1600000000000000)

/* ---- isotonic regression ---- */

/* max over a <= i of min over b >= i of the mean of [a, b]. */
static double slow_isotonic(const double *y, const double *w, size_t n, size_t i)
{
    double best = -INFINITY;
    for (size_t a = 0; a <= i; a++) {
        double least = INFINITY, sum = 0, weight = 0;
        for (size_t b = a; b < n; b++) {
            sum += w[b] * y[b];
            weight += w[b];
            if (b >= i)
                least = fmin(least, sum / weight);
        }
        best = fmax(best, least);
    }
    return best;
}

static void test_outlook__pooling_is_isotonic_regression(void **state)
{
    struct rng rng;
    (void)state;
    rng_init(&rng, 5, 0);
    for (int round = 0; round < 400; round++) {
        double y[40], w[40], out[40];
        const size_t n = 1 + rng_below(&rng, 40);
        for (size_t i = 0; i < n; i++) {
            y[i] = round % 3 ? rng_double(&rng) + 0.02 * (double)i
                             : (double)rng_below(&rng, 2);
            w[i] = round % 2 ? 1 : 0.1 + rng_double(&rng);
        }
        assert_int_equal(isotonic_regress(y, w, n, out), 0);
        for (size_t i = 0; i < n; i++)
            assert_near(out[i], slow_isotonic(y, w, n, i), 1e-9);
    }
}

static void test_outlook__a_curve_finds_the_true_rates(void **state)
{
    enum { N = 20000 };
    double *p = malloc(N * sizeof(*p));
    bool *came = malloc(N * sizeof(*came));
    struct outlook_curve c;
    struct rng rng;
    (void)state;
    rng_init(&rng, 6, 0);
    for (size_t i = 0; i < N; i++) {
        p[i] = rng_double(&rng);
        came[i] = rng_double(&rng) < p[i] * p[i]; /* said too often */
    }
    assert_int_equal(isotonic_curve(p, came, N, &c), 0);
    assert_true(c.n > 10 && c.n <= OUTLOOK_KNOTS);
    for (double x = 0.05; x < 1; x += 0.05)
        assert_near((double)outlook_curve_at(&c, x), x * x, 0.05);
    for (uint32_t i = 0; i < c.n; i++) {
        assert_true(c.y[i] > 0 && c.y[i] < 1);
        assert_true(!i || (c.x[i] > c.x[i - 1] && c.y[i] >= c.y[i - 1]));
        assert_near((double)outlook_curve_at(&c, (double)c.x[i]), (double)c.y[i], 1e-6);
    }
    assert_near((double)outlook_curve_at(&c, -1), (double)c.y[0], 0);
    assert_near((double)outlook_curve_at(&c, 2), (double)c.y[c.n - 1], 0);
    /* What never came is rare and not impossible; one level is one knot. */
    for (size_t i = 0; i < 100; i++) {
        p[i] = 0.1;
        came[i] = false;
    }
    assert_int_equal(isotonic_curve(p, came, 100, &c), 0);
    assert_int_equal(c.n, 1);
    assert_true(c.y[0] > 0 && c.y[0] < 0.01F);
    free(p);
    free(came);
}

/* ---- judging ---- */

static void test_outlook__judging_follows_the_definitions(void **state)
{
    enum { N = 200 };
    double p[N], loss = 0, pairs = 0, right = 0;
    bool came[N];
    struct probability_quality q;
    struct rng rng;
    (void)state;
    rng_init(&rng, 7, 0);
    for (size_t i = 0; i < N; i++) {
        p[i] = 0.05 + 0.1 * rng_below(&rng, 10); /* with equal ones */
        came[i] = rng_double(&rng) < p[i];
        loss -= log(came[i] ? p[i] : 1 - p[i]);
    }
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < N; j++) {
            if (!came[i] || came[j])
                continue;
            pairs++;
            right += p[i] > p[j] ? 1 : p[i] < p[j] ? 0 : 0.5;
        }
    }
    assert_int_equal(probability_judge(p, came, N, &q), 0);
    assert_near(q.log_loss, loss / N, 1e-9);
    assert_near(q.auc, right / pairs, 1e-9);
    /* 15 bins of two: each is off by |2 * 0.3 - 1| of 30. */
    for (size_t i = 0; i < 30; i++) {
        p[i] = 0.3;
        came[i] = i % 2;
    }
    assert_int_equal(probability_judge(p, came, 30, &q), 0);
    assert_near(q.ece, 0.2, 1e-9);
    assert_near(q.rate, 0.5, 1e-12);
    assert_near(q.auc, 0.5, 1e-12);
    memset(came, 0, sizeof(came));
    assert_int_equal(probability_judge(p, came, 30, &q), 0);
    assert_true(isnan(q.auc));
    assert_near(probability_loss(0, true), -log(1e-6), 1e-9);
    assert_near(probability_loss(1, true), 0, 1e-5);
}

/* ---- the gradient ---- */

static void test_outlook__the_gradient_is_that_of_the_loss(void **state)
{
    enum { ROWS = 30 };
    static struct outlook_moment moment[ROWS];
    static float row[ROWS * OUTLOOK_ROW];
    static double x[OUTLOOK_NEXT * OUTLOOK_ROW], g[OUTLOOK_NEXT * OUTLOOK_ROW],
        unused[OUTLOOK_NEXT * OUTLOOK_ROW];
    struct outlook_set set = {ROWS, moment, row};
    struct rng rng;
    (void)state;
    rng_init(&rng, 8, 0);
    for (int exclusive = 0; exclusive < 2; exclusive++) {
        struct outlook_problem p = {
            .set = &set, .exclusive = exclusive, .n_outputs = 4, .penalty = 0.02};
        for (uint8_t o = 0; o < 4; o++)
            p.output[o] = exclusive ? (uint8_t)(o + o / 2) : OUTLOOK_NEXT + o;
        for (int i = 0; i < ROWS; i++) {
            memset(moment[i].came, 0, sizeof(moment[i].came));
            if (exclusive)
                moment[i].came[p.output[rng_below(&rng, 4)]] = true;
            for (int o = 0; !exclusive && o < 4; o++)
                moment[i].came[p.output[o]] = rng_below(&rng, 2);
            for (int j = 0; j < OUTLOOK_ROW; j++)
                row[i * OUTLOOK_ROW + j] = rng_normal(&rng);
        }
        for (int i = 0; i < 4 * OUTLOOK_ROW; i++)
            x[i] = 0.1 * (double)rng_normal(&rng);
        outlook_problem_loss(&p, x, g);
        for (int i = 0; i < 4 * OUTLOOK_ROW; i++) {
            const double at = x[i], step = 2e-3;
            x[i] = at + step;
            const double more = outlook_problem_loss(&p, x, unused);
            x[i] = at - step;
            const double less = outlook_problem_loss(&p, x, unused);
            x[i] = at;
            assert_near(g[i], (more - less) / (2 * step), 2e-4);
        }
    }
}

/* ---- features ---- */

static void test_outlook__features_are_of_the_newest_events(void **state)
{
    enum { N = 400 };
    uint32_t item[N];
    uint8_t type[N];
    int64_t ts[N];
    float a[OUTLOOK_FEATURES], b[OUTLOOK_FEATURES];
    struct rng rng;
    (void)state;
    rng_init(&rng, 9, 0);
    int64_t now = BEGIN_US;
    for (int i = 0; i < N; i++) {
        now += (int64_t)exp(14 + 12 * rng_double(&rng));
        ts[i] = now;
        item[i] = rng_below(&rng, 30);
        type[i] = (uint8_t)(EVENT_VIEW + rng_below(&rng, 6));
    }
    struct outlook_state s = {.item = item,
                              .type = type,
                              .ts_us = ts,
                              .n = N,
                              .total = 1000,
                              .first_us = BEGIN_US,
                              .now_us = now + 90 * SECOND_US};
    outlook_features(&s, a);
    for (int j = 0; j < OUTLOOK_FEATURES; j++)
        assert_true(isfinite(a[j]));
    s.item += N - OUTLOOK_EVENTS;
    s.type += N - OUTLOOK_EVENTS;
    s.ts_us += N - OUTLOOK_EVENTS;
    s.n = OUTLOOK_EVENTS;
    outlook_features(&s, b);
    assert_memory_equal(a, b, sizeof(a));
    /* 90 s lie between the knots at 30 and 120 s; the parts sum to 1. */
    double sum = 0;
    for (int j = 0; j < 12; j++)
        sum += (double)a[j];
    assert_near(sum, 1, 1e-6);
    assert_near((double)a[2], log(3) / log(4), 1e-6);
    assert_near((double)a[1], 1 - log(3) / log(4), 1e-6);
    assert_true(outlook_visiting(&s));
    s.now_us = now + 1801 * SECOND_US;
    assert_false(outlook_visiting(&s));
    s.n = 1; /* a single event, and one from the future */
    s.now_us = s.ts_us[0] - DAY_US;
    outlook_features(&s, b);
    for (int j = 0; j < OUTLOOK_FEATURES; j++)
        assert_true(isfinite(b[j]));
}

/* ---- shoppers whose probabilities are known ---- */

/*
 * Visits come at random, one in EVERY_DAYS on average, and begin with a view. 60 s after
 * each event comes the next one of the visit by this table, whatever was before.
 */
#define EVERY_DAYS 4.0
#define GAP_S      60

enum { AFTER_VIEW, AFTER_CART, AFTER_PURCHASE };

/* view, cart, purchase, other, leave */
static const double chance[3][OUTLOOK_NEXT] = {
    {0.56, 0.24, 0, 0, 0.20}, {0.30, 0, 0.50, 0, 0.20}, {0.30, 0, 0, 0, 0.70}};

static const uint8_t type_of[3] = {EVENT_VIEW, EVENT_CART, EVENT_PURCHASE};

static void visit(struct history_builder *b, struct rng *rng, uint32_t user, int64_t now,
                  int only)
{
    int at = AFTER_VIEW;
    while (at < 3) {
        const uint8_t type = only < 0 ? type_of[at] : type_of[only];
        assert_int_equal(history_builder_add(b, user, rng_below(rng, 50), type, now), 0);
        double r = rng_double(rng);
        int next = 0;
        while (next < OUTLOOK_NEXT_LEAVE && (r -= chance[at][next]) >= 0)
            next++;
        at = next;
        now += GAP_S * SECOND_US;
    }
}

/* `only`: all events are of this type; -1: as the table says. */
static void make_shop(struct history *h, uint32_t users, double days, int only,
                      uint64_t seed)
{
    struct history_builder b;
    struct rng rng;
    history_builder_init(&b);
    rng_init(&rng, seed, 0);
    for (uint32_t u = 0; u < users; u++) {
        double day = 0;
        while ((day -= EVERY_DAYS * log(1 - rng_double(&rng))) < days)
            visit(&b, &rng, u, BEGIN_US + (int64_t)(day * (double)DAY_US), only);
    }
    assert_int_equal(history_builder_finish(&b, users, 50, h, NULL), 0);
    history_builder_release(&b);
}

/* Sums over moments of one kind. */
struct mean {
    double p[OUTLOOK_OUTPUTS], off[OUTLOOK_OUTPUTS], n;
};

static void add(struct mean *m, const double *p, const double *truth)
{
    m->n++;
    for (int o = 0; o < OUTLOOK_OUTPUTS; o++) {
        m->p[o] += p[o];
        m->off[o] += isnan(truth[o]) ? 0 : fabs(p[o] - truth[o]);
    }
}

/* What is truly to come, 10 s after an event. */
static void truth_in_visit(int after, double truth[OUTLOOK_OUTPUTS])
{
    const double no_visit = exp(-7 / EVERY_DAYS);
    /* That no view, cart or purchase comes in the rest of this visit. */
    const double no_view[3] = {0.20 + 0.24 * 0.55, 0.20 + 0.5 * 0.7, 0.7};
    memcpy(truth, chance[after], OUTLOOK_NEXT * sizeof(*truth));
    truth[OUTLOOK_WEEK_VIEW] = 1 - no_visit * no_view[after];
    truth[OUTLOOK_WEEK_CART] = truth[OUTLOOK_WEEK_PURCHASE] = NAN;
    truth[OUTLOOK_WEEK_NOTHING] = no_visit * chance[after][OUTLOOK_NEXT_LEAVE];
}

static void ask(const struct outlook_model *m, const struct history *h, uint32_t user,
                uint64_t event, int64_t later_us, double p[OUTLOOK_OUTPUTS])
{
    const struct outlook_question q = {.history = h};
    const struct outlook_moment at = {.user = user, .now_us = h->ts_us[event] + later_us};
    const struct outlook_state s = outlook_known(&q, &at);
    outlook_predict(m, &s, p);
}

static void test_outlook__known_probabilities_are_found(void **state)
{
    struct history h, other;
    static struct outlook_model m;
    /* The recency is drawn through knots at 30 and 120 s, and at 60 s all changes: so the
       probabilities are met within a few percent and no nearer. */
    struct mean in_visit[3] = {{{0}, {0}, 0}}, away = {{0}, {0}, 0};
    (void)state;
    make_shop(&h, 500, 120, -1, 1);
    make_shop(&other, 300, 120, -1, 2); /* nobody that was learned from */
    assert_true(h.has_clock);
    assert_int_equal(outlook_fit(&m, &h, NULL, 1), 0);
    assert_int_equal(m.why[OUTLOOK_NEXT_OTHER], OUTLOOK_UNLOGGED);
    for (int o = 0; o < OUTLOOK_OUTPUTS; o++)
        if (o != OUTLOOK_NEXT_OTHER)
            assert_int_equal(m.why[o], OUTLOOK_GIVEN);
    for (uint32_t u = 0; u < other.n_users; u++) {
        for (uint64_t i = other.start[u] + 20; i < other.start[u + 1]; i += 7) {
            double p[OUTLOOK_OUTPUTS], truth[OUTLOOK_OUTPUTS], sum = 0;
            const int after = other.type[i] == EVENT_VIEW   ? AFTER_VIEW
                              : other.type[i] == EVENT_CART ? AFTER_CART
                                                            : AFTER_PURCHASE;
            ask(&m, &other, u, i, 10 * SECOND_US, p);
            assert_true(isnan(p[OUTLOOK_NEXT_OTHER]));
            p[OUTLOOK_NEXT_OTHER] = 0;
            for (int o = 0; o < OUTLOOK_NEXT; o++)
                sum += p[o];
            assert_near(sum, 1, 1e-9);
            assert_true(p[OUTLOOK_WEEK_NOTHING] + p[OUTLOOK_WEEK_VIEW] <= 1 + 1e-9);
            truth_in_visit(after, truth);
            add(&in_visit[after], p, truth);
            /* Long gone, unless a next visit has begun meanwhile. */
            if (i + 1 < other.start[u + 1] &&
                other.ts_us[i + 1] - other.ts_us[i] < DAY_US)
                continue;
            double gone[OUTLOOK_OUTPUTS];
            for (int o = 0; o < OUTLOOK_OUTPUTS; o++)
                gone[o] = NAN;
            gone[OUTLOOK_NEXT_LEAVE] = exp(-1800 / (EVERY_DAYS * 86400));
            gone[OUTLOOK_WEEK_NOTHING] = exp(-7 / EVERY_DAYS);
            gone[OUTLOOK_WEEK_VIEW] = 1 - gone[OUTLOOK_WEEK_NOTHING];
            ask(&m, &other, u, i, DAY_US / 2, p);
            p[OUTLOOK_NEXT_OTHER] = 0;
            add(&away, p, gone);
        }
    }
    for (int after = 0; after < 3; after++) {
        double truth[OUTLOOK_OUTPUTS];
        truth_in_visit(after, truth);
        assert_true(in_visit[after].n > 100);
        for (int o = 0; o < OUTLOOK_OUTPUTS; o++) {
            if (isnan(truth[o]))
                continue;
            assert_near(in_visit[after].p[o] / in_visit[after].n, truth[o], 0.06);
            assert_true(in_visit[after].off[o] / in_visit[after].n < 0.08);
        }
    }
    assert_true(away.n > 100);
    assert_near(away.p[OUTLOOK_NEXT_LEAVE] / away.n, 0.995, 0.004);
    assert_near(away.p[OUTLOOK_WEEK_NOTHING] / away.n, exp(-7 / EVERY_DAYS), 0.03);
    assert_true(away.off[OUTLOOK_WEEK_NOTHING] / away.n < 0.06);
    history_release(&h);
    history_release(&other);
}

static void test_outlook__it_is_better_than_its_peers_and_calibrated(void **state)
{
    struct history h;
    static struct outlook_model m;
    (void)state;
    make_shop(&h, 500, 120, -1, 3);
    assert_int_equal(outlook_fit(&m, &h, NULL, 1), 0);
    const struct outlook_figures *all = &m.figures[OUTLOOK_OUTPUTS];
    assert_int_equal((int)all->n, OUTLOOK_OTHER_MOMENTS);
    assert_true(all->log_loss < all->base && all->gain > 5 * all->gain_error);
    for (int o = 0; o < OUTLOOK_OUTPUTS; o++) {
        const struct outlook_figures *f = &m.figures[o];
        if (m.why[o])
            continue;
        assert_true(f->n > 5000 && f->rate > 0 && f->rate < 1);
        assert_true(f->log_loss < f->base + 0.002F);
        assert_true(f->log_loss < f->recency + 0.002F);
        assert_true(f->ece < 0.03F);
    }
    /* What recency and frequency cannot know: a cart is often followed by a purchase. */
    const struct outlook_figures *bought = &m.figures[OUTLOOK_NEXT_PURCHASE];
    assert_true(bought->gain > 5 * bought->gain_error && bought->auc > 0.9F);
    history_release(&h);
}

static void test_outlook__same_log_and_seed_give_the_same_bits(void **state)
{
    struct history h;
    static struct outlook_model a, b;
    (void)state;
    make_shop(&h, 100, 60, -1, 4);
    assert_int_equal(outlook_fit(&a, &h, NULL, 7), 0);
    assert_int_equal(outlook_fit(&b, &h, NULL, 7), 0);
    assert_memory_equal(&a, &b, sizeof(a));
    assert_int_equal(outlook_fit(&b, &h, NULL, 8), 0);
    assert_memory_not_equal(&a, &b, sizeof(a));
    history_release(&h);
}

/* ---- newcomers ---- */

static void test_outlook__newcomers_get_the_rates_after_a_first_event(void **state)
{
    struct history h;
    static struct outlook_model m;
    double p[OUTLOOK_OUTPUTS];
    const struct outlook_state nobody = {.now_us = BEGIN_US};
    (void)state;
    /* Most users' first visits lie at the beginning: then few are newcomers, but all of
       them have just begun a visit with a view. */
    make_shop(&h, 2000, 60, -1, 5);
    assert_int_equal(outlook_fit(&m, &h, NULL, 1), 0);
    outlook_predict(&m, &nobody, p);
    assert_near(p[OUTLOOK_NEXT_VIEW], 0.56, 0.04);
    assert_near(p[OUTLOOK_NEXT_CART], 0.24, 0.04);
    assert_near(p[OUTLOOK_NEXT_LEAVE], 0.20, 0.04);
    assert_true(p[OUTLOOK_NEXT_PURCHASE] > 0 && p[OUTLOOK_NEXT_PURCHASE] < 0.01);
    assert_true(isnan(p[OUTLOOK_NEXT_OTHER]));
    assert_near(p[OUTLOOK_WEEK_NOTHING], 0.2 * exp(-7 / EVERY_DAYS), 0.02);
    history_release(&h);
}

/* ---- what cannot be told ---- */

static void fit_and_expect(const struct history *h, const int why[OUTLOOK_OUTPUTS])
{
    static struct outlook_model m;
    double p[OUTLOOK_OUTPUTS];
    assert_int_equal(outlook_fit(&m, h, NULL, 1), 0);
    for (int o = 0; o < OUTLOOK_OUTPUTS; o++) {
        if (m.why[o] != why[o])
            fail_msg("%s: %s, not %s", outlook_names[o],
                     m.why[o] ? outlook_reason(m.why[o]) : "given",
                     why[o] ? outlook_reason((enum outlook_why)why[o]) : "given");
        assert_int_equal(outlook_reason(m.why[o]) == NULL, m.why[o] == OUTLOOK_GIVEN);
    }
    for (uint32_t u = 0; u < h->n_users && u < 50; u++) {
        if (h->start[u] == h->start[u + 1])
            continue;
        ask(&m, h, u, h->start[u], 100 * SECOND_US, p);
        for (int o = 0; o < OUTLOOK_OUTPUTS; o++)
            assert_int_equal(isnan(p[o]) != 0, why[o] != OUTLOOK_GIVEN);
    }
}

static void test_outlook__it_says_what_it_cannot_tell_and_why(void **state)
{
    enum {
        G = OUTLOOK_GIVEN,
        U = OUTLOOK_UNLOGGED,
        S = OUTLOOK_TOO_SHORT,
        C = OUTLOOK_CLOCKLESS
    };
    struct history h;
    (void)state;
    make_shop(&h, 300, 90, AFTER_PURCHASE, 1); /* only purchases */
    fit_and_expect(&h, (const int[]){U, U, G, U, G, U, U, G, G});
    history_release(&h);
    make_shop(&h, 1500, 20, -1, 1); /* too short for a week */
    fit_and_expect(&h, (const int[]){G, G, G, U, G, S, S, S, S});
    history_release(&h);
    make_shop(&h, 3, 3, AFTER_VIEW, 1); /* hardly anything at all */
    fit_and_expect(&h, (const int[]){S, U, U, U, S, S, U, U, S});
    h.has_clock = false;
    fit_and_expect(&h, (const int[]){C, C, C, C, C, C, C, C, C});
    history_release(&h);
    struct history none = {.start = (uint64_t[]){0}, .has_clock = true};
    fit_and_expect(&none, (const int[]){U, U, U, U, S, U, U, U, S});
}

/* A type that came up too late to be learned is not given, and counts as another event. */
static void test_outlook__types_that_are_not_given_are_other_events(void **state)
{
    struct history h;
    static struct outlook_model m;
    double p[OUTLOOK_OUTPUTS], sum = 0;
    (void)state;
    make_shop(&h, 300, 90, -1, 6);
    for (uint64_t i = 0; i < h.n; i++)
        if (h.type[i] == EVENT_PURCHASE && h.ts_us[i] < BEGIN_US + 70 * DAY_US)
            h.type[i] = EVENT_WISH;
    assert_int_equal(outlook_fit(&m, &h, NULL, 1), 0);
    assert_int_equal(m.why[OUTLOOK_NEXT_PURCHASE], OUTLOOK_TOO_FEW);
    assert_int_equal(m.why[OUTLOOK_NEXT_OTHER], OUTLOOK_GIVEN);
    assert_int_equal((int)m.figures[OUTLOOK_OUTPUTS].n, OUTLOOK_OTHER_MOMENTS);
    assert_true(m.figures[OUTLOOK_NEXT_OTHER].rate > 0.01F); /* all are purchases */
    ask(&m, &h, 5, h.start[5] + 10, 10 * SECOND_US, p);
    assert_true(isnan(p[OUTLOOK_NEXT_PURCHASE]));
    for (int o = 0; o < OUTLOOK_NEXT; o++)
        sum += o == OUTLOOK_NEXT_PURCHASE ? 0 : p[o];
    assert_near(sum, 1, 1e-9);
    history_release(&h);
}

/* Thirty purchases are too few, however often moments could be drawn beside them. */
static void test_outlook__a_few_events_are_not_taken_for_many(void **state)
{
    struct history h;
    static struct outlook_model m;
    uint64_t n = 0;
    (void)state;
    make_shop(&h, 25, 60, AFTER_VIEW, 8);
    for (uint64_t i = 2; i < h.n; i += h.n / 30)
        h.type[i] = (uint8_t)(n++, EVENT_PURCHASE);
    assert_true(h.n > 1000 && n >= 30 && n <= 32);
    assert_int_equal(outlook_fit(&m, &h, NULL, 1), 0);
    assert_int_equal(m.why[OUTLOOK_NEXT_VIEW], OUTLOOK_GIVEN);
    assert_int_equal(m.why[OUTLOOK_NEXT_PURCHASE], OUTLOOK_TOO_FEW);
    history_release(&h);
}

/* ---- checkpoints ---- */

static const char path[] = "test_outlook.safetensors";

static struct model *tiny_model(void)
{
    const struct model_config c = {.dim = 4,
                                   .blocks = 1,
                                   .heads = 1,
                                   .max_length = 4,
                                   .attention = MODEL_SOFTMAX,
                                   .n_items = 3};
    struct model *m;
    assert_int_equal(model_new(&m, &c, NULL, NULL, NULL), 0);
    model_initialise(m, 1);
    return m;
}

static void keep(const struct model *model, const struct outlook_model *m, size_t spoil)
{
    struct checkpoint_extra extra[OUTLOOK_EXTRAS];
    static struct outlook_kept kept;
    const size_t n = outlook_extras(m, &kept, extra);
    assert_int_equal(n, OUTLOOK_EXTRAS);
    if (spoil == 1)
        extra[2].rows--;
    if (spoil == 2)
        kept.facts[0][3] = OUTLOOK_WHYS;
    if (spoil == 3)
        kept.curve[0][0] = OUTLOOK_KNOTS + 1;
    if (spoil == 4)
        kept.curve[0][1 + OUTLOOK_KNOTS] = 0.9999F; /* then it falls */
    if (spoil == 5)
        kept.facts[1][2] = NAN;
    assert_int_equal(checkpoint_save(path, model, NULL, 0, extra, n, NULL), 0);
}

static void test_outlook__it_comes_back_from_a_checkpoint(void **state)
{
    struct history h;
    static struct outlook_model m, back;
    struct model *model = tiny_model();
    struct penchant_error err;
    (void)state;
    make_shop(&h, 200, 60, -1, 7);
    assert_int_equal(outlook_fit(&m, &h, NULL, 1), 0);
    keep(model, &m, 0);
    assert_int_equal(outlook_load(&back, path, &err), 0);
    assert_memory_equal(&m, &back, sizeof(m));
    keep(model, &m, 1); /* made by another version */
    assert_int_equal(outlook_load(&back, path, &err), 0);
    assert_int_equal(back.why[OUTLOOK_NEXT_VIEW], OUTLOOK_UNTRAINED);
    for (size_t spoil = 2; spoil <= 5; spoil++) {
        keep(model, &m, spoil);
        assert_int_equal(outlook_load(&back, path, &err), PENCHANT_ECORRUPT);
        assert_int_equal(back.why[OUTLOOK_NEXT_VIEW], OUTLOOK_UNTRAINED);
    }
    m.weight[3][3] = INFINITY;
    keep(model, &m, 0);
    assert_int_equal(outlook_load(&back, path, &err), PENCHANT_ECORRUPT);
    assert_int_equal(checkpoint_save(path, model, NULL, 0, NULL, 0, NULL), 0);
    assert_int_equal(outlook_load(&back, path, &err), 0);
    assert_int_equal(back.why[OUTLOOK_WEEK_NOTHING], OUTLOOK_UNTRAINED);
    unlink(path);
    model_free(model);
    history_release(&h);
}

/* ---- real logs ---- */

static void judge_log(const char *name, const int *outputs, size_t n)
{
    const char *data = getenv("PENCHANT_DATA");
    char events[512];
    struct dataset d;
    static struct outlook_model m;
    snprintf(events, sizeof(events), "%s/%s/events.csv", data ? data : "../shared/data",
             name);
    if (access(events, R_OK) != 0) {
        printf("SKIP %s is not there\n", events);
        return;
    }
    const struct dataset_options o = {.events = {events}};
    assert_int_equal(dataset_read(&d, &o, NULL), 0);
    assert_int_equal(outlook_fit(&m, &d.history, &d.catalog, 1), 0);
    for (size_t i = 0; i < n; i++) {
        const struct outlook_figures *f = &m.figures[outputs[i]];
        print_message(
            "%s %s: n %.0f, log loss %.4f, the rate %.4f, recency and frequency "
            "%.4f\n",
            name, outputs[i] < OUTLOOK_OUTPUTS ? outlook_names[outputs[i]] : "next",
            (double)f->n, (double)f->log_loss, (double)f->base, (double)f->recency);
        assert_true(f->n > 1000);
        assert_true(f->log_loss < f->base);
        assert_true(f->gain > 2 * f->gain_error);
    }
    dataset_release(&d);
}

static void test_outlook__it_is_better_than_its_peers_on_real_logs(void **state)
{
    (void)state;
    judge_log("taobao", (const int[]){OUTLOOK_OUTPUTS, OUTLOOK_NEXT_LEAVE}, 2);
    judge_log("jdata", (const int[]){OUTLOOK_OUTPUTS, OUTLOOK_NEXT_LEAVE}, 2);
    judge_log("online-retail", (const int[]){OUTLOOK_WEEK_PURCHASE, OUTLOOK_WEEK_NOTHING},
              2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outlook__pooling_is_isotonic_regression),
        cmocka_unit_test(test_outlook__a_curve_finds_the_true_rates),
        cmocka_unit_test(test_outlook__judging_follows_the_definitions),
        cmocka_unit_test(test_outlook__the_gradient_is_that_of_the_loss),
        cmocka_unit_test(test_outlook__features_are_of_the_newest_events),
        cmocka_unit_test(test_outlook__known_probabilities_are_found),
        cmocka_unit_test(test_outlook__it_is_better_than_its_peers_and_calibrated),
        cmocka_unit_test(test_outlook__same_log_and_seed_give_the_same_bits),
        cmocka_unit_test(test_outlook__newcomers_get_the_rates_after_a_first_event),
        cmocka_unit_test(test_outlook__it_says_what_it_cannot_tell_and_why),
        cmocka_unit_test(test_outlook__types_that_are_not_given_are_other_events),
        cmocka_unit_test(test_outlook__a_few_events_are_not_taken_for_many),
        cmocka_unit_test(test_outlook__it_comes_back_from_a_checkpoint),
        cmocka_unit_test(test_outlook__it_is_better_than_its_peers_on_real_logs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

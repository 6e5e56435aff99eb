/* SPDX-License-Identifier: Apache-2.0 */
/* The Gaussian posterior and the last layer on it, against batch solutions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "learn/last_layer.h"
#include "near.h"

enum { D = 5 };

static double dot(const double *w, const float *x)
{
    double z = 0;
    for (int i = 0; i < D; i++)
        z += w[i] * (double)x[i];
    return z;
}

static void draw(struct rng *r, float *x)
{
    x[0] = 1;
    for (int i = 1; i < D; i++)
        x[i] = rng_normal(r);
}

/* a w = b by Gaussian elimination; a (D, D) and b are spoilt. */
static void solve(double *a, double *b, double *w)
{
    for (int c = 0; c < D; c++)
        for (int r = c + 1; r < D; r++) {
            const double f = a[r * D + c] / a[c * D + c];
            for (int j = c; j < D; j++)
                a[r * D + j] -= f * a[c * D + j];
            b[r] -= f * b[c];
        }
    for (int r = D - 1; r >= 0; r--) {
        w[r] = b[r];
        for (int j = r + 1; j < D; j++)
            w[r] -= a[r * D + j] * w[j];
        w[r] /= a[r * D + r];
    }
}

static void begin(struct posterior_prior *prior, struct posterior *p, double sd)
{
    assert_int_equal(posterior_prior_init(prior, D, sd), 0);
    assert_int_equal(posterior_init(p, prior), 0);
}

static void test_posterior__is_ridge_regression_in_batch(void **state)
{
    (void)state;
    enum { N = 200 };
    const double truth[D] = {.5, -1, 2, 0, .3}, noise = .25;
    struct posterior_prior prior;
    struct posterior p;
    struct rng r;
    double a[D * D] = {0}, b[D] = {0}, w[D];
    rng_init(&r, 3, 0);
    begin(&prior, &p, 2);
    for (int n = 0; n < N; n++) {
        float x[D];
        draw(&r, x);
        const double y = dot(truth, x) + .5 * (double)rng_normal(&r);
        const double z = posterior_mean(&p, x);
        posterior_observe(&p, x, (y - z) / noise, 1 / noise);
        for (int i = 0; i < D; i++) {
            b[i] += (double)x[i] * y / noise;
            for (int j = 0; j < D; j++)
                a[i * D + j] += (double)x[i] * (double)x[j] / noise;
        }
    }
    for (int i = 0; i < D; i++)
        a[i * D + i] += 1 / 4.;
    double a2[D * D], unit[D], column[D];
    memcpy(a2, a, sizeof(a));
    solve(a, b, w);
    for (int i = 0; i < D; i++)
        assert_near(p.mean[i], w[i], 1e-9);
    for (int i = 0; i < D; i++) {
        memcpy(a, a2, sizeof(a));
        memset(unit, 0, sizeof(unit));
        unit[i] = 1;
        solve(a, unit, column);
        for (int j = 0; j < D; j++)
            assert_near(p.cov[i * D + j], column[j], 1e-9);
    }
    posterior_release(&p);
    posterior_prior_release(&prior);
}

/* Newton's maximum of the same posterior; the filter sees each click once. */
static void test_last_layer__clicks_come_near_newtons_solution(void **state)
{
    (void)state;
    enum { N = 4000 };
    static float x[N][D];
    static double y[N];
    const double truth[D] = {-1, 1, -.5, 0, .8};
    struct last_layer l;
    struct rng r;
    double w[D] = {0};
    rng_init(&r, 5, 0);
    assert_int_equal(
        last_layer_init(
            &l, &(struct last_layer_options){.dim = D, .logistic = true, .slow = 1}),
        0);
    for (int n = 0; n < N; n++) {
        draw(&r, x[n]);
        y[n] = rng_double(&r) < 1 / (1 + exp(-dot(truth, x[n])));
        last_layer_observe(
            &l, &(struct last_layer_seen){.phi = x[n], .y = y[n], .weight = 1});
    }
    for (int step = 0; step < 20; step++) {
        double a[D * D] = {0}, b[D] = {0}, by[D];
        for (int i = 0; i < D; i++) {
            a[i * D + i] = 1;
            b[i] = -w[i];
        }
        for (int n = 0; n < N; n++) {
            const double p = 1 / (1 + exp(-dot(w, x[n])));
            for (int i = 0; i < D; i++) {
                b[i] += (y[n] - p) * (double)x[n][i];
                for (int j = 0; j < D; j++)
                    a[i * D + j] += p * (1 - p) * (double)x[n][i] * (double)x[n][j];
            }
        }
        solve(a, b, by);
        for (int i = 0; i < D; i++)
            w[i] += by[i];
    }
    for (int i = 0; i < D; i++) {
        const double sd = sqrt(l.slow.cov[i * D + i]);
        assert_true(sd > .01 && sd < .1);
        assert_near(l.slow.mean[i], w[i], sd);
    }
    last_layer_release(&l);
}

static void test_posterior__what_is_seldom_looked_at_is_corrected_for(void **state)
{
    (void)state;
    struct posterior_prior prior;
    struct posterior p;
    struct rng r;
    rng_init(&r, 9, 0);
    begin(&prior, &p, 2);
    const float one[D] = {1};
    /* Half of what is looked at is clicked; a third is looked at. */
    for (int n = 0; n < 20000; n++) {
        const double y = rng_double(&r) < .5 / 3;
        double g, h;
        const double chance =
            posterior_click_slope(posterior_mean(&p, one), 1. / 3, y, 1, &g, &h);
        assert_true(chance > 0 && chance < 1. / 3 && h >= 0);
        posterior_observe(&p, one, g, h);
    }
    assert_near(posterior_mean(&p, one), 0, .15);
    posterior_release(&p);
    posterior_prior_release(&prior);
}

static void test_posterior__slopes_are_those_of_the_likelihood(void **state)
{
    (void)state;
    for (double z = -4; z <= 4; z += .5)
        for (double seen = .2; seen <= 1; seen += .4)
            for (int y = 0; y <= 1; y++) {
                double g, h, unused;
                const double by = 1e-5;
                const double up = posterior_click_slope(z + by, seen, y, 1, &unused, &h);
                const double down =
                    posterior_click_slope(z - by, seen, y, 1, &unused, &h);
                posterior_click_slope(z, seen, y, 1, &g, &h);
                const double slope = y ? (log(up) - log(down)) / (2 * by)
                                       : (log(1 - up) - log(1 - down)) / (2 * by);
                assert_near(g, slope, 1e-6);
            }
}

/* Forgetting grows the variance back, never past the prior's, and it stays a covariance
   over many updates of features that say the same. */
static void test_posterior__forgetting_is_bounded_by_the_prior(void **state)
{
    (void)state;
    struct posterior_prior prior;
    struct posterior p;
    struct rng r;
    rng_init(&r, 11, 0);
    begin(&prior, &p, 1.5);
    for (int n = 0; n < 60000; n++) {
        float x[D];
        draw(&r, x);
        x[2] = x[1];
        x[3] = x[4] = 0;
        posterior_forget(&p, .99, 0);
        posterior_observe(&p, x, .1 * (double)rng_normal(&r), .2);
        assert_true(posterior_variance(&p, x) < 3 * 2.25 * (D + 10));
    }
    for (int i = 0; i < D; i++) {
        assert_true(p.cov[i * D + i] > 0 && p.cov[i * D + i] <= 2.25 + 1e-9);
        for (int j = 0; j < D; j++)
            assert_true(p.cov[i * D + j] == p.cov[j * D + i]);
    }
    assert_near(p.cov[3 * D + 3], 2.25, 1e-9);
    p.mean[0] = 4;
    posterior_forget(&p, 1, .25);
    assert_near(p.mean[0], 3, 1e-12);
    posterior_release(&p);
    posterior_prior_release(&prior);
}

static double error_on(const struct last_layer *l, const double *truth, struct rng *r)
{
    double sum = 0;
    for (int n = 0; n < 200; n++) {
        float x[D];
        draw(r, x);
        sum += fabs(last_layer_mean(l, x) - dot(truth, x));
    }
    return sum / 200;
}

static void feed(struct last_layer *l, const double *truth, int n, struct rng *r)
{
    for (int i = 0; i < n; i++) {
        float x[D];
        draw(r, x);
        last_layer_observe(
            l, &(struct last_layer_seen){.phi = x,
                                         .y = dot(truth, x) + .3 * (double)rng_normal(r),
                                         .weight = 1});
    }
}

static void test_last_layer__the_twins_follow_a_change(void **state)
{
    (void)state;
    const double before[D] = {0, 1, -1, .5, 0}, after[D] = {1, -1, 1, 0, .5};
    struct last_layer l;
    struct rng r;
    rng_init(&r, 13, 0);
    assert_int_equal(last_layer_init(&l, &(struct last_layer_options){.dim = D}), 0);
    feed(&l, before, 5000, &r);
    assert_true(error_on(&l, before, &r) < .05);
    assert_true(last_layer_share_fast(&l) < .55); /* a world that stays */
    assert_int_equal(l.changes, 0);
    feed(&l, after, 60, &r);
    assert_int_equal(l.changes, 1); /* told at once */
    feed(&l, after, 240, &r);
    assert_true(last_layer_share_fast(&l) > .8);
    const double fast = l.fast.mean[1], slow = l.slow.mean[1];
    assert_true(fast < -.9 && slow > -.9); /* each at its own pace */
    assert_true(error_on(&l, after, &r) < 1.2);
    feed(&l, after, 2000, &r);
    assert_true(error_on(&l, after, &r) < .5);
    last_layer_release(&l);
}

static void test_last_layer__uncertainty_falls_where_it_has_seen(void **state)
{
    (void)state;
    struct last_layer l;
    const float seen[D] = {1, 0, 0, 0, 0}, unseen[D] = {0, 0, 0, 0, 1};
    struct last_layer_guess a, b;
    const struct last_layer_options o = {.dim = D, .logistic = true, .prior_sd = .5};
    assert_int_equal(last_layer_init(&l, &o), 0);
    for (int n = 0; n < 400; n++)
        last_layer_observe(
            &l, &(struct last_layer_seen){.phi = seen, .y = n % 2, .weight = 1});
    last_layer_guess(&l, seen, &a);
    last_layer_guess(&l, unseen, &b);
    assert_near(b.sd, .5, 1e-6);
    assert_true(a.sd < .25);
    assert_near(a.mean, 0, .2);
    double w[D];
    last_layer_weights(&l, w);
    assert_near(dot(w, seen), last_layer_mean(&l, seen), 1e-12);
    last_layer_release(&l);
}

static void test_last_layer__offset_is_known_beforehand(void **state)
{
    (void)state;
    struct last_layer l;
    const float one[D] = {1};
    assert_int_equal(
        last_layer_init(&l, &(struct last_layer_options){.dim = D, .logistic = true}), 0);
    /* Clicks as the offset says: nothing is left to learn. */
    for (int n = 0; n < 4000; n++)
        last_layer_observe(
            &l, &(struct last_layer_seen){
                    .phi = one, .y = n % 4 == 0, .weight = 1, .offset = log(1. / 3)});
    assert_near(last_layer_mean(&l, one), 0, .2);
    last_layer_release(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_posterior__is_ridge_regression_in_batch),
        cmocka_unit_test(test_posterior__what_is_seldom_looked_at_is_corrected_for),
        cmocka_unit_test(test_posterior__slopes_are_those_of_the_likelihood),
        cmocka_unit_test(test_posterior__forgetting_is_bounded_by_the_prior),
        cmocka_unit_test(test_last_layer__clicks_come_near_newtons_solution),
        cmocka_unit_test(test_last_layer__the_twins_follow_a_change),
        cmocka_unit_test(test_last_layer__uncertainty_falls_where_it_has_seen),
        cmocka_unit_test(test_last_layer__offset_is_known_beforehand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

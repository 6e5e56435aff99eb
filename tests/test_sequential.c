/* SPDX-License-Identifier: Apache-2.0 */
/* The sequential test against its formulas, and by simulation: looked at after every few
   users, it cries wolf no more often than it says, where the usual test does all the time. */
#include "evaluate/sequential.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "near.h"

/* R is 2 of 4, 0 of 1, 1 of 3. */
static void test_sequential__figures_are_those_of_the_formulas(void **state)
{
    (void)state;
    struct sequential_arm a = {0}, b = {0};
    struct sequential_options o;
    sequential_options_default(&o);
    o.least_users = 2;
    o.tight_users = 10;
    sequential_add(&a, 2, 4);
    sequential_add(&a, 0, 1);
    sequential_add(&a, 1, 3);
    sequential_add(&b, 3, 4);
    sequential_add(&b, 1, 4);
    const double l = -2 * log(.05), rho2 = (l + log(l) + 1) / 10, s = 3 * rho2;
    const double theta = 3 / 8.0;
    const double v =
        1.5 * (pow(2 - 4 * theta, 2) + pow(theta, 2) + pow(1 - 3 * theta, 2)) / 64;
    const struct sequential_answer one = sequential_of(&a, &o);
    assert_true(one.known);
    assert_near(one.value, theta, 1e-15);
    const double half = sqrt(v * 2 * (s + 1) / s * log(sqrt(s + 1) / .05));
    assert_near(one.high - one.value, half, 1e-12);
    assert_near(one.value - one.low, half, 1e-12);
    const double e = exp(s * theta * theta / v / (2 * (s + 1))) / sqrt(1 + s);
    assert_near(one.p, e > 1 ? 1 / e : 1, 1e-12);
    const struct sequential_answer d = sequential_difference(&a, &b, &o);
    const double w = 2 * (pow(3 - 2, 2) + pow(1 - 2, 2)) / 64, s5 = 5 * rho2;
    assert_near(d.value, .5 - theta, 1e-15);
    assert_near(d.high - d.value,
                sqrt((v + w) * 2 * (s5 + 1) / s5 * log(sqrt(s5 + 1) / .05)), 1e-12);
}

static void test_sequential__says_nothing_of_few_users_or_without_any_spread(void **state)
{
    (void)state;
    struct sequential_arm a = {0}, b = {0};
    struct sequential_options o;
    sequential_options_default(&o);
    for (int i = 0; i < 50; i++)
        sequential_add(&a, i % 2, 1);
    for (int i = 0; i < 49; i++)
        sequential_add(&b, i % 3, 1);
    assert_true(sequential_of(&a, &o).known);
    assert_false(sequential_of(&b, &o).known);
    assert_false(sequential_difference(&a, &b, &o).known);
    sequential_add(&b, 0, 1);
    assert_true(sequential_difference(&a, &b, &o).known);
    struct sequential_arm none = {0};
    for (int i = 0; i < 100; i++)
        sequential_add(&none, 0, 1);
    assert_false(sequential_of(&none, &o).known); /* no reward yet: no spread either */
    assert_true(isnan(sequential_of(&none, &o).value));
}

/* ---- looking all the time ---------------------------------------------------------- */

enum { RUNS = 400, USERS = 2000, LOOK = 20 };

/* Rewards of a shopper: rare and skewed, how rare differs between shoppers. */
struct shopper {
    double taste, rewards, trials;
    unsigned arm;
};

static double reward(struct rng *r, double taste)
{
    return rng_double(r) < taste ? 1 + (rng_double(r) < 0.1 ? 5 * rng_double(r) : 0) : 0;
}

static void gather(const struct shopper *s, size_t n, struct sequential_arm arm[2])
{
    memset(arm, 0, 2 * sizeof(*arm));
    for (size_t i = 0; i < n; i++)
        if (s[i].trials > 0)
            sequential_add(&arm[s[i].arm], s[i].rewards, s[i].trials);
}

/* How a run went whoever looked after every LOOK trials. */
struct looks {
    bool sequential, usual; /* was a difference ever claimed? */
    bool missed;            /* the true difference was ever outside the interval */
    size_t at;              /* users when it was claimed first */
};

/* `again`: the chance that the next trial is of a shopper who was there before. */
static struct looks run(uint64_t seed, double lift, double again)
{
    struct shopper *s = calloc(USERS, sizeof(*s));
    struct sequential_arm arm[2];
    struct sequential_options o;
    struct looks looks = {0};
    struct rng r;
    size_t n = 0;
    sequential_options_default(&o);
    rng_init(&r, seed, 0);
    for (size_t trial = 1; n < USERS; trial++) {
        size_t who = n;
        if (n && rng_double(&r) < again)
            who = rng_below(&r, (uint32_t)n);
        else
            s[n++] = (struct shopper){.taste = 0.05 + 0.3 * rng_double(&r),
                                      .arm = rng_below(&r, 2)};
        s[who].trials++;
        s[who].rewards += reward(&r, s[who].taste + (s[who].arm ? lift : 0));
        if (trial % LOOK)
            continue;
        gather(s, n, arm);
        const struct sequential_answer d = sequential_difference(&arm[0], &arm[1], &o);
        if (!d.known)
            continue;
        const double true_lift = lift * 1.25; /* a reward is 1.25 on the average */
        looks.missed |= true_lift < d.low || true_lift > d.high;
        if (!looks.sequential && (d.low > 0 || d.high < 0))
            looks.at = n;
        looks.sequential |= d.low > 0 || d.high < 0;
        /* The interval leaves 0 exactly where the p-value passes alpha. */
        if ((d.low > 0 || d.high < 0) != (d.p < o.alpha))
            fail_msg("p %g, interval %g to %g", d.p, d.low, d.high);
        /* The standard error, back from the interval. */
        const double l = -2 * log(o.alpha), q = (double)(arm[0].users + arm[1].users) *
                                                (l + log(l) + 1) / o.tight_users;
        const double se =
            (d.high - d.value) / sqrt(2 * (q + 1) / q * log(sqrt(q + 1) / o.alpha));
        looks.usual |= fabs(d.value) > 1.96 * se;
    }
    free(s);
    return looks;
}

static void check_no_difference(double again)
{
    unsigned sequential = 0, usual = 0;
    for (uint64_t seed = 0; seed < RUNS; seed++) {
        const struct looks l = run(1000 + seed, 0, again);
        sequential += l.sequential;
        usual += l.usual;
    }
    /* 5 % of 400 are 20; three standard errors more are 33. */
    assert_in_range(sequential, 0, 33);
    assert_true(usual > 80); /* who looks so often with the usual test is fooled */
}

static void test_sequential__cries_wolf_no_more_than_it_says(void **state)
{
    (void)state;
    check_no_difference(0);
}

static void test_sequential__nor_when_shoppers_come_back(void **state)
{
    (void)state;
    check_no_difference(0.7);
}

static void test_sequential__finds_a_difference_and_holds_the_truth(void **state)
{
    (void)state;
    unsigned found = 0, missed = 0, early = 0;
    for (uint64_t seed = 0; seed < RUNS / 2; seed++) {
        const struct looks l = run(5000 + seed, 0.12, 0.3);
        found += l.sequential;
        missed += l.missed;
        early += l.sequential && l.at < USERS / 2;
    }
    assert_true(found > RUNS / 2 * 95 / 100);
    assert_true(early > RUNS / 2 * 60 / 100); /* and before all users were there */
    assert_in_range(missed, 0, RUNS / 2 / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sequential__figures_are_those_of_the_formulas),
        cmocka_unit_test(
            test_sequential__says_nothing_of_few_users_or_without_any_spread),
        cmocka_unit_test(test_sequential__cries_wolf_no_more_than_it_says),
        cmocka_unit_test(test_sequential__nor_when_shoppers_come_back),
        cmocka_unit_test(test_sequential__finds_a_difference_and_holds_the_truth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

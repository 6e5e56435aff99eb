/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller alone, in front of a list-maker whose measures rise with their weight:
 * targets are met, slack ones let go, ones that cannot be met cost no more than the bound
 * and are let go as soon as they can; the state goes through text bit for bit.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "policy/balance.h"

enum { PLACES = 10, LISTS_AN_UPDATE = BALANCE_EVERY / PLACES };

#define ok(call) assert_int_equal((call), PENCHANT_OK)

/* A weight of w makes the share most (1 - exp(-(w + .1))) of the places diverse. */
struct maker {
    struct balance b;
    struct rng r;
    double most;
};

static void maker_init(struct maker *k, double most)
{
    balance_init(&k->b);
    rng_init(&k->r, 5, 0);
    k->most = most;
}

static void make_lists(struct maker *k, enum penchant_balance m, int updates)
{
    for (int i = 0; i < updates * LISTS_AN_UPDATE; i++) {
        double measured[PENCHANT_BALANCES];
        const double p = k->most * (1 - exp(-(k->b.lambda[m] + 0.1)));
        uint32_t got = 0;
        for (int j = 0; j < PLACES; j++)
            got += rng_double(&k->r) < p;
        for (int x = 0; x < PENCHANT_BALANCES; x++)
            measured[x] = NAN;
        measured[m] = (double)got / PLACES;
        balance_shown(&k->b, measured, PLACES);
    }
}

static void test_balance__targets_are_met(void **state)
{
    (void)state;
    for (int m = 0; m < PENCHANT_BALANCES; m++) {
        const enum penchant_balance which = (enum penchant_balance)m;
        struct maker k;
        maker_init(&k, 1);
        ok(balance_aim(&k.b, which, 0.6, NULL));
        make_lists(&k, which, 150);
        double worst = 0;
        for (int i = 0; i < 40; i++) {
            make_lists(&k, which, 5);
            worst = fmax(worst, fabs(balance_realised(&k.b, which) - 0.6));
        }
        assert_true(worst < 0.06);
        assert_true(fabs(k.b.lambda[m] - (-log(0.4) - 0.1)) < 0.25);
    }
}

static void test_balance__without_a_target_nothing_moves(void **state)
{
    (void)state;
    struct maker k;
    maker_init(&k, 1);
    make_lists(&k, PENCHANT_BALANCE_NOVELTY, 30);
    for (int m = 0; m < PENCHANT_BALANCES; m++)
        assert_true(k.b.lambda[m] == 0);
    assert_int_equal(k.b.updates, 30);
    assert_int_equal(k.b.impressions, 30 * BALANCE_EVERY);
    assert_true(isnan(balance_realised(&k.b, PENCHANT_BALANCE_VALUE)));
    assert_true(balance_realised(&k.b, PENCHANT_BALANCE_NOVELTY) > 0);
}

static void test_balance__a_slack_target_lets_go(void **state)
{
    (void)state;
    const enum penchant_balance m = PENCHANT_BALANCE_DIVERSITY;
    struct maker k;
    maker_init(&k, 1);
    ok(balance_aim(&k.b, m, 0.7, NULL));
    make_lists(&k, m, 200);
    assert_true(k.b.lambda[m] > 0.5);
    ok(balance_aim(&k.b, m, 0.05, NULL)); /* what lists have by themselves is .095 */
    make_lists(&k, m, 150);
    assert_true(k.b.lambda[m] == 0);
    ok(balance_aim(&k.b, m, 0.7, NULL));
    make_lists(&k, m, 10);
    assert_true(k.b.lambda[m] > 0);
    ok(balance_aim(&k.b, m, NAN, NULL));
    assert_true(k.b.lambda[m] == 0);
}

static void test_balance__what_cannot_be_reached_does_not_wind_up(void **state)
{
    (void)state;
    const enum penchant_balance m = PENCHANT_BALANCE_COVERAGE;
    struct maker one, other;
    maker_init(&one, 0.3);
    maker_init(&other, 0.3);
    ok(balance_aim(&one.b, m, 0.6, NULL));
    ok(balance_aim(&other.b, m, 0.6, NULL));
    make_lists(&one, m, 400);
    make_lists(&other, m, 4000); /* ten times as long out of reach */
    assert_true(one.b.lambda[m] == BALANCE_MOST);
    assert_true(other.b.lambda[m] == BALANCE_MOST);
    /* Now it can be reached. Once the mean has passed the target the multiplier falls with
       the first update, however long it stood at the bound. */
    one.most = other.most = 1;
    int updates = 0;
    for (; balance_realised(&other.b, m) <= 0.61 && updates < 50; updates++)
        make_lists(&other, m, 1);
    assert_true(updates < 12);
    make_lists(&other, m, 1);
    assert_true(other.b.lambda[m] < BALANCE_MOST);
    make_lists(&one, m, 400);
    make_lists(&other, m, 400);
    assert_true(fabs(balance_realised(&one.b, m) - 0.6) < 0.08);
    assert_true(fabs(balance_realised(&other.b, m) - 0.6) < 0.08);
}

static void test_balance__late_rewards_count_when_they_come(void **state)
{
    (void)state;
    const enum penchant_balance m = PENCHANT_BALANCE_ENGAGEMENT;
    struct balance b;
    double none[PENCHANT_BALANCES] = {0};
    balance_init(&b);
    for (int i = 0; i < 3000; i++) {
        balance_shown(&b, none, PLACES);
        if (i >= 100) /* of the list 100 ago: .2 for one place in ten */
            balance_earned(&b, m, 0.2);
    }
    assert_true(fabs(balance_realised(&b, m) - 0.02) < 0.0005);
    for (int i = 0; i < 200; i++) /* one horizon without anything */
        balance_shown(&b, none, PLACES);
    assert_true(fabs(balance_realised(&b, m) - 0.02 * exp(-1)) < 0.0005);
    balance_earned(&b, m, NAN);
    assert_true(isfinite(balance_realised(&b, m)));
}

static void test_balance__goes_through_text_bit_for_bit(void **state)
{
    (void)state;
    const enum penchant_balance m = PENCHANT_BALANCE_REVENUE;
    struct maker k;
    struct balance back;
    char text[BALANCE_TEXT], again[BALANCE_TEXT];
    maker_init(&k, 1);
    ok(balance_aim(&k.b, m, 1.0 / 3, NULL));
    make_lists(&k, m, 37);
    balance_shown(&k.b, (double[PENCHANT_BALANCES]){0}, 3);
    balance_save(&k.b, text);
    assert_true(strlen(text) + 1 < BALANCE_TEXT);
    ok(balance_load(&back, text, NULL));
    balance_save(&back, again);
    assert_string_equal(text, again);
    assert_true(back.lambda[m] == k.b.lambda[m] && back.far[m].sum == k.b.far[m].sum &&
                back.near[m].sum == k.b.near[m].sum);
    assert_int_equal(back.since, 3);
    /* Anything else is told and changes nothing. */
    const char *bad[] = {"", "2 1 1 1", "1 0 0 0", "1 0 0 999 nan 0 0 0", "words"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(balance_load(&back, bad[i], NULL), PENCHANT_ECORRUPT);
    char longer[BALANCE_TEXT + 2];
    snprintf(longer, sizeof longer, "%s 1", text);
    assert_int_equal(balance_load(&back, longer, NULL), PENCHANT_ECORRUPT);
    balance_save(&back, text);
    assert_string_equal(text, again);
}

static void test_balance__bad_targets_name_the_measure(void **state)
{
    (void)state;
    struct balance b;
    struct penchant_error err = {0};
    balance_init(&b);
    for (int m = 0; m < PENCHANT_BALANCES; m++) {
        const enum penchant_balance which = (enum penchant_balance)m;
        assert_int_equal(balance_find(balance_name(which)), m);
        assert_int_equal(balance_aim(&b, which, -1, &err), PENCHANT_EINVALID);
        assert_string_equal(err.field, balance_name(which));
        assert_int_equal(balance_aim(&b, which, INFINITY, NULL), PENCHANT_EINVALID);
        assert_true(isnan(b.target[m]));
    }
    assert_int_equal(balance_aim(&b, PENCHANT_BALANCE_DIVERSITY, 1.5, NULL),
                     PENCHANT_EINVALID);
    assert_int_equal(balance_find("beauty"), PENCHANT_BALANCES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_balance__targets_are_met),
        cmocka_unit_test(test_balance__without_a_target_nothing_moves),
        cmocka_unit_test(test_balance__a_slack_target_lets_go),
        cmocka_unit_test(test_balance__what_cannot_be_reached_does_not_wind_up),
        cmocka_unit_test(test_balance__late_rewards_count_when_they_come),
        cmocka_unit_test(test_balance__goes_through_text_bit_for_bit),
        cmocka_unit_test(test_balance__bad_targets_name_the_measure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

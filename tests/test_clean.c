/* SPDX-License-Identifier: Apache-2.0 */
#include "behaviour/clean.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/timestamps.h"

#define SECOND INT64_C(1000000)
#define NOON   (INT64_C(1600000000) * SECOND)

static int set_up(void **state)
{
    *state = cleaner_new();
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    cleaner_free(*state);
    return 0;
}

static uint32_t flags_of(struct cleaner *c, uint32_t user, uint32_t item, uint32_t type,
                         double value, int64_t ts_us)
{
    const struct event e = {.user = user,
                            .item = item,
                            .type = type,
                            .value = value,
                            .quantity = NAN,
                            .ts_us = ts_us};
    uint32_t flags = 99;
    assert_int_equal(cleaner_check(c, &e, &flags), 0);
    return flags;
}

static uint32_t click(struct cleaner *c, uint32_t user, uint32_t item, uint32_t type,
                      int64_t ts_us)
{
    return flags_of(c, user, item, type, NAN, ts_us);
}

static uint32_t buy(struct cleaner *c, uint32_t item, double price)
{
    static int64_t now = NOON;
    return flags_of(c, 0, item, EVENT_PURCHASE, price, now += 100 * SECOND);
}

static void test_clean__a_repetition_within_two_seconds_is_a_double_click(void **state)
{
    struct cleaner *c = *state;
    assert_int_equal(click(c, 1, 5, EVENT_VIEW, NOON), 0);
    assert_int_equal(click(c, 1, 5, EVENT_VIEW, NOON + 2 * SECOND), CLEAN_DOUBLE_CLICK);
    /* a third one counts from the second */
    assert_int_equal(click(c, 1, 5, EVENT_VIEW, NOON + 4 * SECOND), CLEAN_DOUBLE_CLICK);
    assert_int_equal(click(c, 1, 5, EVENT_VIEW, NOON + 6 * SECOND + 1), 0);
    /* others in between do not hide it, nor are they one */
    assert_int_equal(click(c, 2, 5, EVENT_VIEW, NOON + 6 * SECOND + 2), 0);
    assert_int_equal(click(c, 1, 6, EVENT_VIEW, NOON + 6 * SECOND + 2), 0);
    assert_int_equal(click(c, 1, 5, EVENT_CART, NOON + 6 * SECOND + 2), 0);
    assert_int_equal(click(c, 1, 5, EVENT_VIEW, NOON + 6 * SECOND + 3),
                     CLEAN_DOUBLE_CLICK);
}

static void test_clean__positions_are_no_double_clicks(void **state)
{
    struct cleaner *c = *state;
    for (int64_t i = 0; i < 1000; i++)
        assert_int_equal(click(c, 1, 5, EVENT_VIEW, i * SECOND), 0);
    assert_int_equal(click(c, 1, 5, EVENT_VIEW, EVENT_CLOCK_MIN_US), 0);
    assert_int_equal(click(c, 1, 5, EVENT_VIEW, EVENT_CLOCK_MIN_US), CLEAN_DOUBLE_CLICK);
    /* searches have no item */
    assert_int_equal(click(c, 1, NAMES_NONE, EVENT_SEARCH, NOON), 0);
    assert_int_equal(click(c, 1, NAMES_NONE, EVENT_SEARCH, NOON), 0);
}

static void test_clean__impossible_prices_are_outliers(void **state)
{
    struct cleaner *c = *state;
    /* Nothing is known before the fifth price. */
    const double first[] = {10, 1000, 10.5, 9.5, 11};
    for (int i = 0; i < 5; i++)
        assert_int_equal(buy(c, 3, first[i]), 0);
    assert_int_equal(buy(c, 3, 12), 0);
    assert_int_equal(buy(c, 3, 195), 0);
    assert_int_equal(buy(c, 3, 260), CLEAN_PRICE_OUTLIER);
    assert_int_equal(buy(c, 3, 0.4), CLEAN_PRICE_OUTLIER);
    assert_int_equal(buy(c, 3, 0.7), 0);
    assert_int_equal(buy(c, 3, 0), CLEAN_PRICE_OUTLIER);
    assert_int_equal(buy(c, 3, -10), CLEAN_PRICE_OUTLIER);
    /* of a purchase also where nothing is known */
    assert_int_equal(buy(c, 4, 0), CLEAN_PRICE_OUTLIER);
    assert_int_equal(buy(c, 3, NAN), 0);
    /* other items have their own prices, and ratings are none */
    assert_int_equal(buy(c, 4, 5000), 0);
    assert_int_equal(flags_of(c, 0, 3, EVENT_REVIEW, 4000, NOON), 0);
    assert_int_equal(flags_of(c, 0, 3, EVENT_VIEW, 4000, NOON), 0);
    assert_int_equal(flags_of(c, 0, 3, EVENT_CART, 4000, NOON), CLEAN_PRICE_OUTLIER);
    assert_int_equal(flags_of(c, 0, 3, EVENT_REFUND, 0, NOON), 0);
}

static void test_clean__a_new_price_is_learned_and_outliers_hardly_move_it(void **state)
{
    struct cleaner *c = *state;
    for (int i = 0; i < 100; i++)
        assert_int_equal(buy(c, 1, 10), 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(buy(c, 1, 1e6), CLEAN_PRICE_OUTLIER);
    assert_int_equal(buy(c, 1, 10), 0);
    assert_int_equal(buy(c, 1, 300), CLEAN_PRICE_OUTLIER);
    int flagged = 0;
    for (int i = 0; i < 400; i++)
        flagged += buy(c, 1, 1000) != 0;
    assert_in_range(flagged, 50, 200);
    assert_int_equal(buy(c, 1, 1000), 0);
}

static void test_clean__more_than_300_in_ten_minutes_is_a_bot(void **state)
{
    struct cleaner *c = *state;
    for (uint32_t i = 0; i < 300; i++)
        assert_int_equal(click(c, 7, i, EVENT_VIEW, NOON + i * SECOND), 0);
    assert_false(cleaner_is_bot(c, 7));
    assert_int_equal(click(c, 7, 300, EVENT_VIEW, NOON + 300 * SECOND), CLEAN_BOT);
    assert_true(cleaner_is_bot(c, 7));
    /* once and for all */
    assert_int_equal(click(c, 7, 1, EVENT_VIEW, NOON + 90000 * SECOND), CLEAN_BOT);
    assert_false(cleaner_is_bot(c, 6));
    assert_false(cleaner_is_bot(c, 4000000));
}

static void test_clean__more_than_5000_in_a_day_is_a_bot(void **state)
{
    struct cleaner *c = *state;
    uint32_t n = 0; /* one in 15 seconds: 40 in 10 minutes, 5,040 in 21 hours */
    while (n < 6000 && !(click(c, 2, n, EVENT_VIEW, NOON + n * 15 * SECOND) & CLEAN_BOT))
        n++;
    assert_in_range(n, 5000, 5760);
}

static void test_clean__nobody_within_the_limits_is_a_bot(void **state)
{
    struct cleaner *c = *state;
    struct rng rng;
    rng_init(&rng, 8, 0);
    /* 300 at once, and again as soon as ten minutes are over, eight times a day */
    for (int day = 0; day < 3; day++)
        for (int burst = 0; burst < 8; burst++)
            for (uint32_t i = 0; i < 300; i++)
                click(c, 1, i, EVENT_VIEW,
                      NOON + (day * INT64_C(86400) + burst * 601) * SECOND + i);
    assert_false(cleaner_is_bot(c, 1));
    /* a million positions */
    for (uint32_t i = 0; i < 1000000; i++)
        click(c, 2, i, EVENT_VIEW, i * SECOND);
    assert_false(cleaner_is_bot(c, 2));
    /* busy at random: 200 in every 10 minutes of 3 hours */
    for (uint32_t i = 0; i < 3600; i++)
        click(c, 3, i, EVENT_VIEW, NOON + i * 3 * SECOND + rng_below(&rng, 1000000));
    assert_false(cleaner_is_bot(c, 3));
}

static void test_clean__times_may_jump_back(void **state)
{
    struct cleaner *c = *state;
    for (uint32_t i = 0; i < 2000; i++)
        click(c, 1, i, EVENT_VIEW, NOON + (i % 2 ? 0 : 86400 * 300) * SECOND);
    assert_true(cleaner_is_bot(c, 1)); /* 1,000 at one moment */
    for (uint32_t i = 0; i < 400; i++)
        click(c, 2, i, EVENT_VIEW, NOON + (int64_t)(400 - i) * 86400 * SECOND);
    assert_false(cleaner_is_bot(c, 2));
    click(c, 3, 1, EVENT_VIEW, TIMESTAMP_MAX_US);
    assert_int_equal(click(c, 3, 1, EVENT_VIEW, TIMESTAMP_MAX_US), CLEAN_DOUBLE_CLICK);
}

static void test_clean__users_and_items_may_come_in_any_order(void **state)
{
    struct cleaner *c = *state;
    for (uint32_t i = 0; i < 300; i++) {
        const uint32_t n = 299 - i;
        assert_int_equal(flags_of(c, n * 1000, n * 777, EVENT_PURCHASE, 5, NOON), 0);
    }
    for (int i = 0; i < 4; i++)
        assert_int_equal(buy(c, 299 * 777, 5), 0);
    assert_int_equal(buy(c, 299 * 777, 500), CLEAN_PRICE_OUTLIER);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_clean__a_repetition_within_two_seconds_is_a_double_click),
        TEST(test_clean__positions_are_no_double_clicks),
        TEST(test_clean__impossible_prices_are_outliers),
        TEST(test_clean__a_new_price_is_learned_and_outliers_hardly_move_it),
        TEST(test_clean__more_than_300_in_ten_minutes_is_a_bot),
        TEST(test_clean__more_than_5000_in_a_day_is_a_bot),
        TEST(test_clean__nobody_within_the_limits_is_a_bot),
        TEST(test_clean__times_may_jump_back),
        TEST(test_clean__users_and_items_may_come_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

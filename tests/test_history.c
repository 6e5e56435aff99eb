/* SPDX-License-Identifier: Apache-2.0 */
#include "behaviour/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/names.h"
#include "base/rng.h"
#include "behaviour/event.h"

#define DAY  (86400 * INT64_C(1000000))
#define NOON (19000 * DAY) /* some day in 2022 */

struct row {
    uint32_t user, item, type;
    int64_t ts;
};

static struct history build(const struct row *row, size_t n, uint32_t users,
                            uint32_t items)
{
    struct history_builder b;
    struct history h;
    history_builder_init(&b);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(
            history_builder_add(&b, row[i].user, row[i].item, row[i].type, row[i].ts), 0);
    assert_int_equal(history_builder_finish(&b, users, items, &h, NULL), 0);
    assert_int_equal(b.n, 0);
    assert_null(b.item);
    return h;
}

#define BUILD(rows, users, items) build(rows, sizeof(rows) / sizeof(*rows), users, items)

static void test_history__users_stand_one_behind_the_other_in_time_order(void **state)
{
    (void)state;
    const struct row rows[] = {
        {2, 5, EVENT_VIEW, NOON + 9}, {0, 1, EVENT_VIEW, NOON + 3},
        {2, 4, EVENT_CART, NOON + 1}, {0, 2, EVENT_WISH, NOON + 2},
        {2, 3, EVENT_VIEW, NOON + 9},
    };
    struct history h = BUILD(rows, 4, 6);
    const uint64_t start[] = {0, 2, 2, 5, 5};
    const uint32_t item[] = {2, 1, 4, 5, 3};
    const uint8_t type[] = {EVENT_WISH, EVENT_VIEW, EVENT_CART, EVENT_VIEW, EVENT_VIEW};
    assert_int_equal(h.n, 5);
    assert_memory_equal(h.start, start, sizeof(start));
    assert_memory_equal(h.item, item, sizeof(item));
    assert_memory_equal(h.type, type, sizeof(type));
    assert_int_equal(h.ts_us[0], NOON + 2);
    assert_true(h.has_clock);
    history_release(&h);
}

static void test_history__only_wanted_events_with_an_item_are_kept(void **state)
{
    (void)state;
    const struct row rows[] = {
        {0, NAMES_NONE, EVENT_SEARCH, NOON}, {0, 0, EVENT_IMPRESSION, NOON + 1},
        {0, 1, EVENT_DISLIKE, NOON + 2},     {0, 2, EVENT_UNCART, NOON + 3},
        {0, 3, EVENT_KNOWN_TYPES, NOON + 4}, {0, NAMES_NONE, EVENT_VIEW, NOON + 5},
        {0, 3, EVENT_REFUND, NOON + 6},
    };
    struct history h = BUILD(rows, 1, 4);
    assert_int_equal(h.n, 1);
    assert_int_equal(h.item[0], 3);
    assert_int_equal(h.cancelled, 0);
    history_release(&h);
}

static void test_history__a_refund_takes_the_newest_earlier_purchase_out(void **state)
{
    (void)state;
    const struct row rows[] = {
        {0, 1, EVENT_REFUND, NOON + 50}, /* added first, but later in time */
        {0, 1, EVENT_PURCHASE, NOON + 10}, {0, 1, EVENT_PURCHASE, NOON + 20},
        {0, 1, EVENT_PURCHASE, NOON + 90}, /* after the refund: stays */
        {0, 2, EVENT_PURCHASE, NOON + 30}, {0, 1, EVENT_VIEW, NOON + 40},
        {0, 3, EVENT_REFUND, NOON + 60},   /* never bought: means nothing */
        {1, 1, EVENT_PURCHASE, NOON + 30}, /* another user's: stays */
        {1, 2, EVENT_REFUND, NOON + 10},   {1, 2, EVENT_PURCHASE, NOON + 20},
    };
    struct history h = BUILD(rows, 2, 4);
    const uint64_t start[] = {0, 4, 6};
    const uint32_t item[] = {1, 2, 1, 1, 2, 1};
    const int64_t ts[] = {NOON + 10, NOON + 30, NOON + 40,
                          NOON + 90, NOON + 20, NOON + 30};
    assert_int_equal(h.cancelled, 1);
    assert_int_equal(h.n, 6);
    assert_memory_equal(h.start, start, sizeof(start));
    assert_memory_equal(h.item, item, sizeof(item));
    assert_memory_equal(h.ts_us, ts, sizeof(ts));
    history_release(&h);
}

static void test_history__every_refund_takes_one_purchase(void **state)
{
    (void)state;
    const struct row rows[] = {
        {0, 0, EVENT_PURCHASE, NOON + 1}, {0, 0, EVENT_PURCHASE, NOON + 2},
        {0, 0, EVENT_REFUND, NOON + 3},   {0, 0, EVENT_REFUND, NOON + 4},
        {0, 0, EVENT_REFUND, NOON + 5},   {0, 1, EVENT_VIEW, NOON + 6},
    };
    struct history h = BUILD(rows, 1, 2);
    assert_int_equal(h.n, 1);
    assert_int_equal(h.item[0], 1);
    assert_int_equal(h.cancelled, 2);
    history_release(&h);
}

static bool clock_of(const struct row *row, size_t n)
{
    struct history h = build(row, n, 3, 8);
    const bool has_clock = h.has_clock;
    history_release(&h);
    return has_clock;
}

#define CLOCK(...)                                                                       \
    clock_of((const struct row[]){__VA_ARGS__},                                          \
             sizeof((const struct row[]){__VA_ARGS__}) / sizeof(struct row))

static void test_history__the_clock_is_found_out(void **state)
{
    (void)state;
    const uint32_t v = EVENT_VIEW;
    assert_true(CLOCK({0, 1, v, NOON}, {0, 2, v, NOON + 5}, {1, 1, v, NOON + 2}));
    /* a log of one live event */
    assert_true(CLOCK({0, 1, v, NOON}));
    /* a few events from before the span do not make a log timeless */
    assert_true(CLOCK({0, 1, v, 5}, {0, 2, v, NOON}, {1, 1, v, NOON + 2}));
    /* 1..n in seconds */
    assert_false(CLOCK({0, 1, v, 1000000}, {0, 2, v, 2000000}, {1, 1, v, 1000000}));
    /* 1..n in a unit that reaches beyond 1990 */
    const int64_t age = 20 * 365 * DAY;
    assert_false(CLOCK({0, 1, v, age}, {0, 2, v, 2 * age}, {1, 1, v, age}));
    assert_true(CLOCK({0, 1, v, age}, {0, 2, v, 2 * age}, {1, 1, v, 3 * age}));
    /* one constant for all */
    assert_false(CLOCK({0, 1, v, NOON}, {0, 2, v, NOON}, {1, 1, v, NOON}));
    assert_false(CLOCK({0, 1, v, 0}, {0, 2, v, 0}));
    /* nothing after 1990 */
    assert_false(CLOCK({0, 1, v, 3}, {0, 2, v, EVENT_CLOCK_MIN_US - 1}));
    assert_true(CLOCK({0, 1, v, 3}, {0, 2, v, EVENT_CLOCK_MIN_US}));
}

static void test_history__nothing_at_all_is_fine(void **state)
{
    (void)state;
    struct history h = build(NULL, 0, 0, 0);
    assert_int_equal(h.n, 0);
    assert_int_equal(h.start[0], 0);
    assert_false(h.has_clock);
    history_release(&h);
    h = build(NULL, 0, 3, 2);
    assert_int_equal(h.start[3], 0);
    history_release(&h);
}

static void test_history__numbers_out_of_range_are_refused(void **state)
{
    (void)state;
    struct history_builder b;
    struct history h;
    struct penchant_error err;
    history_builder_init(&b);
    assert_int_equal(history_builder_add(&b, 3, 0, EVENT_VIEW, NOON), 0);
    assert_int_equal(history_builder_finish(&b, 3, 1, &h, &err), PENCHANT_ECORRUPT);
    history_builder_init(&b);
    assert_int_equal(history_builder_add(&b, 0, 1, EVENT_VIEW, NOON), 0);
    assert_int_equal(history_builder_finish(&b, 3, 1, &h, &err), PENCHANT_ECORRUPT);
    assert_null(h.item);
}

/* The definition: insertion of each event behind the last one that is not later. */
static void test_history__large_shuffled_logs_equal_the_definition(void **state)
{
    (void)state;
    enum { USERS = 50, N = 20000 };
    struct rng rng;
    rng_init(&rng, 3, 0);
    struct history_builder b;
    history_builder_init(&b);
    static uint32_t order[USERS][N];
    static int64_t time[N];
    uint32_t len[USERS] = {0};
    for (uint32_t i = 0; i < N; i++) {
        const uint32_t u = rng_below(&rng, USERS);
        time[i] = NOON + rng_below(&rng, 300); /* many are equal */
        uint32_t at = len[u]++;
        for (; at && time[order[u][at - 1]] > time[i]; at--)
            order[u][at] = order[u][at - 1];
        order[u][at] = i;
        assert_int_equal(history_builder_add(&b, u, i, EVENT_VIEW, time[i]), 0);
    }
    struct history h;
    assert_int_equal(history_builder_finish(&b, USERS, N, &h, NULL), 0);
    assert_int_equal(h.n, N);
    for (uint32_t u = 0; u < USERS; u++) {
        assert_int_equal(h.start[u + 1] - h.start[u], len[u]);
        assert_memory_equal(h.item + h.start[u], order[u], len[u] * sizeof(uint32_t));
    }
    history_release(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_history__users_stand_one_behind_the_other_in_time_order),
        cmocka_unit_test(test_history__only_wanted_events_with_an_item_are_kept),
        cmocka_unit_test(test_history__a_refund_takes_the_newest_earlier_purchase_out),
        cmocka_unit_test(test_history__every_refund_takes_one_purchase),
        cmocka_unit_test(test_history__the_clock_is_found_out),
        cmocka_unit_test(test_history__nothing_at_all_is_fine),
        cmocka_unit_test(test_history__numbers_out_of_range_are_refused),
        cmocka_unit_test(test_history__large_shuffled_logs_equal_the_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

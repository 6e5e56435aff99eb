/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The joiner by itself: which list an event goes to, what a slot then earns, what is open,
 * ignored and left; bounded memory; that the newest lists and the log give the same state
 * as having been there.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "engine/feedback.h"

#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)
#define DAY    (1440 * MINUTE)
#define T0     INT64_C(1700000000000000)

#define ok(call) assert_int_equal((call), PENCHANT_OK)

static const char *const type_names[] = {"impression", "view",    "search",   "wish",
                                         "cart",       "uncart",  "purchase", "refund",
                                         "review",     "dislike", "share"};
enum { SHARE = EVENT_KNOWN_TYPES };

struct fixture {
    struct feedback *f;
    struct feedback_list list;
    uint64_t seq, slates;
};

static int set_up(void **state)
{
    struct fixture *x = calloc(1, sizeof *x);
    struct rewards r;
    rewards_default(&r);
    x->f = feedback_new(&r, 1 << 10, 1 << 13);
    *state = x;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *x = *state;
    feedback_free(x->f);
    free(x);
    return 0;
}

static void show_items(struct fixture *x, const char *id, uint32_t user, int64_t ts,
                       const uint32_t *items, uint32_t n)
{
    const struct store_slate s = {.seq = ++x->slates,
                                  .id = id,
                                  .after_event = x->seq,
                                  .ts_us = ts,
                                  .user = user,
                                  .n = n,
                                  .items = items};
    ok(feedback_slate(x->f, &s));
}

/* Items first, first + 1, first + 2. */
static void show(struct fixture *x, const char *id, uint32_t user, int64_t ts,
                 uint32_t first)
{
    const uint32_t items[] = {first, first + 1, first + 2};
    show_items(x, id, user, ts, items, 3);
}

static void happen(struct fixture *x, uint32_t user, uint32_t type, uint32_t item,
                   int64_t ts, const char *id, double value)
{
    const struct event e = {.seq = ++x->seq,
                            .ts_us = ts,
                            .user = user,
                            .item = item,
                            .type = type,
                            .value = value,
                            .quantity = NAN,
                            .recommendation = id};
    ok(feedback_event(x->f, &e, type_names[type]));
}

static const struct feedback_list *read_at(struct fixture *x, const char *id, int64_t now)
{
    if (!feedback_find(x->f, id, now, &x->list))
        fail_msg("%s is not found", id);
    return &x->list;
}

static double earned(struct fixture *x, const char *id, int64_t now, uint32_t j)
{
    const struct feedback_slot *s = &read_at(x, id, now)->slot[j];
    return s->reward[0] + s->reward[1] + s->reward[2];
}

static void near(double got, double want)
{
    if (!(fabs(got - want) < 1e-6))
        fail_msg("got %.9g, want %.9g", got, want);
}

static const double ignored[] = {-0.02, -0.02 * 0.6597539553864471,
                                 -0.02 * 0.5172818579717866}; /* (1 + j)^-.6 */

/* ---- which list ---- */

static void test_feedback__a_named_list_gets_its_event(void **state)
{
    struct fixture *x = *state;
    show(x, "a", 1, T0, 10);
    show(x, "b", 1, T0 + SECOND, 10);
    happen(x, 1, EVENT_VIEW, 11, T0 + MINUTE, "a", NAN);
    near(earned(x, "a", T0 + 2 * MINUTE, 1), 0.2);
    near(earned(x, "b", T0 + 2 * MINUTE, 1), ignored[1]);
    assert_int_equal(read_at(x, "a", T0 + MINUTE)->slot[1].outcome, 0);
    happen(x, 9, EVENT_VIEW, 12, T0 + MINUTE, "b", NAN); /* whoever it is by now */
    near(earned(x, "b", T0 + 2 * MINUTE, 2), 0.2);
}

static void test_feedback__else_the_newest_list_that_showed_it(void **state)
{
    struct fixture *x = *state;
    show(x, "a", 1, T0, 10);
    show(x, "b", 1, T0 + MINUTE, 10);
    show(x, "c", 1, T0 + 2 * MINUTE, 20);
    show(x, "d", 2, T0 + 3 * MINUTE, 10);
    happen(x, 1, EVENT_VIEW, 10, T0 + 4 * MINUTE, NULL, NAN);
    near(earned(x, "b", T0 + 5 * MINUTE, 0), 0.2);
    near(earned(x, "a", T0 + 5 * MINUTE, 0), ignored[0]);
    near(earned(x, "d", T0 + 5 * MINUTE, 0), 0);
    happen(x, 1, EVENT_VIEW, 21, T0 + 4 * MINUTE, NULL, NAN);
    near(earned(x, "c", T0 + 5 * MINUTE, 1), 0.2);
}

static void test_feedback__what_names_another_list_is_of_none(void **state)
{
    struct fixture *x = *state;
    show(x, "a", 1, T0, 10);
    show(x, "b", 1, T0 + MINUTE, 20);
    happen(x, 1, EVENT_VIEW, 21, T0 + 4 * MINUTE, "nobody's", NAN);
    happen(x, 1, EVENT_VIEW, 22, T0 + 4 * MINUTE, "a", NAN); /* which did not show it */
    near(earned(x, "b", T0 + 5 * MINUTE, 1), ignored[1]);
    near(earned(x, "b", T0 + 5 * MINUTE, 2), ignored[2]);
}

static void test_feedback__windows_end(void **state)
{
    struct fixture *x = *state;
    show(x, "a", 1, T0, 10);
    happen(x, 1, EVENT_VIEW, 10, T0 + 30 * MINUTE + 1, NULL, NAN);
    near(earned(x, "a", T0 + DAY, 0), ignored[0]);
    happen(x, 1, EVENT_VIEW, 10, T0 + 30 * MINUTE + 1, "a", NAN);
    near(earned(x, "a", T0 + DAY, 0), ignored[0]);
    happen(x, 1, EVENT_VIEW, 10, T0 + 30 * MINUTE, NULL, NAN);
    near(earned(x, "a", T0 + DAY, 0), 0.2);
    happen(x, 1, EVENT_PURCHASE, 11, T0 + 7 * DAY + 1, NULL, NAN);
    near(earned(x, "a", T0 + 8 * DAY, 1), ignored[1]);
    happen(x, 1, EVENT_PURCHASE, 11, T0 + 7 * DAY, NULL, NAN);
    near(earned(x, "a", T0 + 8 * DAY, 1), 1 + log(2) / 2);
    assert_true(read_at(x, "a", T0 + 7 * DAY - 1)->open);
    assert_false(read_at(x, "a", T0 + 7 * DAY)->open);
}

static void test_feedback__what_was_before_the_list_is_not_its_doing(void **state)
{
    struct fixture *x = *state;
    show(x, "a", 1, T0, 10);
    happen(x, 1, EVENT_VIEW, 10, T0 - 2 * SECOND, NULL, NAN); /* logged late */
    near(earned(x, "a", T0 + MINUTE, 0), 0);
    happen(x, 1, EVENT_VIEW, 10, T0 - SECOND / 2, NULL, NAN); /* a clock of seconds */
    near(earned(x, "a", T0 + MINUTE, 0), 0.2);
    /* A list that waits while events before it in the log are replayed. */
    const uint32_t items[] = {30};
    const struct store_slate s = {.seq = ++x->slates,
                                  .id = "later",
                                  .after_event = x->seq + 1,
                                  .ts_us = T0,
                                  .user = 1,
                                  .n = 1,
                                  .items = items};
    ok(feedback_slate(x->f, &s));
    happen(x, 1, EVENT_VIEW, 30, T0 + SECOND, "later", NAN);
    near(earned(x, "later", T0 + MINUTE, 0), 0);
    happen(x, 1, EVENT_VIEW, 30, T0 + SECOND, "later", NAN);
    near(earned(x, "later", T0 + MINUTE, 0), 0.2);
}

static void test_feedback__a_strangers_list_needs_its_name(void **state)
{
    struct fixture *x = *state;
    show(x, "a", NAMES_NONE, T0, 10);
    happen(x, 5, EVENT_VIEW, 10, T0 + MINUTE, NULL, NAN);
    near(earned(x, "a", T0 + MINUTE, 0), 0);
    happen(x, 5, EVENT_CART, 10, T0 + MINUTE, "a", NAN);
    near(earned(x, "a", T0 + MINUTE, 0), 0.5);
}

/* ---- what it earns ---- */

static void test_feedback__events_add_up_each_once(void **state)
{
    struct fixture *x = *state;
    show(x, "a", 1, T0, 10);
    for (int i = 0; i < 3; i++)
        happen(x, 1, EVENT_VIEW, 10, T0 + MINUTE, "a", NAN);
    happen(x, 1, EVENT_WISH, 10, T0 + MINUTE, "a", NAN);
    happen(x, 1, EVENT_CART, 10, T0 + MINUTE, NULL, NAN);
    happen(x, 1, SHARE, 10, T0 + MINUTE, NULL, NAN); /* no rule */
    const struct feedback_slot *s = &read_at(x, "a", T0 + MINUTE)->slot[0];
    near(s->reward[REWARD_ENGAGEMENT], 0.5);
    near(s->reward[REWARD_PURCHASE], 0.5);
    near(s->reward[REWARD_STAYING], 0);
    assert_int_equal(s->outcome, 2); /* the cart */
    happen(x, 1, EVENT_DISLIKE, 11, T0 + MINUTE, "a", NAN);
    near(earned(x, "a", T0 + MINUTE, 1), -1);
}

static void test_feedback__a_purchase_earns_by_the_median_so_far(void **state)
{
    struct fixture *x = *state;
    for (int i = 0; i < 9; i++)
        happen(x, 7, EVENT_PURCHASE, 99, T0, NULL, 64);
    show(x, "a", 1, T0, 10);
    happen(x, 1, EVENT_PURCHASE, 10, T0 + DAY, NULL, 64);
    const double median = 64 * exp2(0.5 / 8);
    near(earned(x, "a", T0 + DAY, 0), 1 + log1p(64 / median) / 2);
    happen(x, 1, EVENT_PURCHASE, 11, T0 + DAY, NULL, 1e6);
    near(earned(x, "a", T0 + DAY, 1), 2);
}

static void test_feedback__a_refund_takes_a_purchase_back(void **state)
{
    struct fixture *x = *state;
    show(x, "a", 1, T0, 10);
    show(x, "b", 1, T0 + MINUTE, 10);
    happen(x, 1, EVENT_VIEW, 10, T0 + 2 * MINUTE, "a", NAN);
    happen(x, 1, EVENT_PURCHASE, 10, T0 + 2 * MINUTE, "a", NAN);
    near(earned(x, "a", T0 + DAY, 0), 1.2 + log(2) / 2);
    happen(x, 1, EVENT_REFUND, 10, T0 + 20 * DAY, NULL, NAN); /* not of b */
    near(earned(x, "a", T0 + DAY, 0), 0.2);
    happen(x, 1, EVENT_REFUND, 10, T0 + 20 * DAY, NULL, NAN); /* there is none left */
    near(earned(x, "a", T0 + DAY, 0), 0.2);
    happen(x, 1, EVENT_PURCHASE, 10, T0 + 3 * DAY, "a", NAN);
    near(earned(x, "a", T0 + DAY, 0), 1.2 + log(2) / 2);
}

static void test_feedback__ignored_once_the_user_has_gone_on(void **state)
{
    struct fixture *x = *state;
    show(x, "a", 1, T0, 10);
    assert_int_equal(read_at(x, "a", T0 + MINUTE)->slot[0].outcome, FEEDBACK_OPEN);
    near(earned(x, "a", T0 + MINUTE, 0), 0);
    near(earned(x, "a", T0 + 30 * MINUTE, 0), ignored[0]);      /* nothing came */
    happen(x, 1, EVENT_IMPRESSION, 50, T0 + MINUTE, NULL, NAN); /* not their doing */
    near(earned(x, "a", T0 + MINUTE, 0), 0);
    happen(x, 1, EVENT_SEARCH, NAMES_NONE, T0 + MINUTE, NULL, NAN);
    for (uint32_t j = 0; j < 3; j++)
        near(earned(x, "a", T0 + MINUTE, j), ignored[j]);
    assert_int_equal(read_at(x, "a", T0 + MINUTE)->slot[2].outcome, FEEDBACK_IGNORED);
    happen(x, 1, EVENT_VIEW, 12, T0 + 2 * MINUTE, NULL, NAN); /* after all */
    near(earned(x, "a", T0 + 2 * MINUTE, 2), 0.2);
}

static void test_feedback__reported_impressions_tell_what_was_examined(void **state)
{
    struct fixture *x = *state;
    show(x, "a", 1, T0, 10);
    show(x, "b", 1, T0, 20);
    happen(x, 1, EVENT_IMPRESSION, 11, T0 + MINUTE, "a", NAN);
    happen(x, 1, EVENT_IMPRESSION, 12, T0 + MINUTE, NULL, NAN);
    assert_int_equal(read_at(x, "a", T0 + MINUTE)->slot[1].outcome, FEEDBACK_IGNORED);
    happen(x, 1, EVENT_IMPRESSION, 20, T0 + 31 * MINUTE, "b", NAN); /* long after */
    assert_int_equal(read_at(x, "b", T0 + MINUTE)->slot[1].outcome, FEEDBACK_OPEN);
    happen(x, 1, EVENT_VIEW, 12, T0 + 2 * MINUTE, "a", NAN);
    near(earned(x, "a", T0 + DAY, 0), 0);
    assert_int_equal(x->list.slot[0].outcome, FEEDBACK_UNSEEN);
    near(earned(x, "a", T0 + DAY, 1), -0.02);
    assert_int_equal(x->list.slot[1].outcome, FEEDBACK_IGNORED);
    near(earned(x, "a", T0 + DAY, 2), 0.2);
    near(earned(x, "b", T0 + DAY, 1), ignored[1]);
}

static void test_feedback__who_clicks_nothing_and_goes_has_left(void **state)
{
    struct fixture *x = *state;
    show(x, "clicked", 1, T0, 10);
    happen(x, 1, EVENT_VIEW, 10, T0 + MINUTE, NULL, NAN);
    show(x, "left", 1, T0 + 2 * MINUTE, 20);
    near(read_at(x, "left", T0 + 31 * MINUTE)->leave, 0);
    near(read_at(x, "left", T0 + 32 * MINUTE)->leave, -0.2);
    happen(x, 1, EVENT_VIEW, 99, T0 + 32 * MINUTE, NULL, NAN); /* the next visit */
    near(read_at(x, "left", T0 + DAY)->leave, -0.2);
    near(read_at(x, "clicked", T0 + DAY)->leave, 0);

    show(x, "paged", 2, T0, 10);
    show(x, "then", 2, T0 + MINUTE, 20);
    happen(x, 2, EVENT_VIEW, 99, T0 + 2 * MINUTE, NULL, NAN);
    near(read_at(x, "paged", T0 + DAY)->leave, 0);
    near(read_at(x, "then", T0 + DAY)->leave, 0);
    show(x, "stranger", NAMES_NONE, T0, 10);
    near(read_at(x, "stranger", T0 + DAY)->leave, 0); /* nobody can tell */
}

/* ---- bounds, erasure, replay ---- */

static void test_feedback__the_oldest_fall_out(void **state)
{
    struct fixture *x = *state;
    char id[16];
    for (uint32_t i = 0; i < 5000; i++) {
        snprintf(id, sizeof id, "s%u", i);
        show(x, id, i % 7, T0 + i * SECOND, i % 50);
        if (i % 3 == 0)
            happen(x, i % 7, EVENT_VIEW, i % 50, T0 + i * SECOND, NULL, NAN);
    }
    assert_false(feedback_find(x->f, "s0", T0, &x->list));
    assert_false(feedback_find(x->f, "s3975", T0, &x->list));
    assert_true(feedback_find(x->f, "s3976", T0, &x->list));
    near(earned(x, "s4998", T0 + DAY, 0), 0.2);
    uint32_t many[PENCHANT_MAX_K];
    for (uint32_t i = 0; i < PENCHANT_MAX_K; i++)
        many[i] = i;
    for (uint32_t i = 0; i < 8; i++) {
        snprintf(id, sizeof id, "m%u", i);
        show_items(x, id, 1, T0, many, PENCHANT_MAX_K);
    }
    assert_true(feedback_find(x->f, "m0", T0, &x->list));
    assert_true(feedback_find(x->f, "s4999", T0, &x->list)); /* 8,192 places are there */
    show_items(x, "m8", 1, T0, many, PENCHANT_MAX_K);
    assert_false(feedback_find(x->f, "m0", T0, &x->list));
    assert_false(feedback_find(x->f, "s4999", T0, &x->list));
    assert_true(feedback_find(x->f, "m1", T0, &x->list));
    assert_int_equal(x->list.slot[999].item, 999);
}

static void test_feedback__an_erased_user_is_gone_from_it(void **state)
{
    struct fixture *x = *state;
    show(x, "a", 1, T0, 10);
    show(x, "b", 2, T0, 10);
    happen(x, 1, EVENT_VIEW, 10, T0, NULL, NAN);
    happen(x, 2, EVENT_VIEW, 10, T0, NULL, NAN);
    feedback_erase_user(x->f, 1);
    assert_false(feedback_find(x->f, "a", T0, &x->list));
    near(earned(x, "b", T0, 0), 0.2);
    happen(x, 1, EVENT_VIEW, 11, T0, NULL, NAN);
    near(earned(x, "b", T0, 1), ignored[1]);
}

/* Whoever was there against whoever reads the newest lists and then the whole log. */
static void test_feedback__the_log_gives_the_same_again(void **state)
{
    struct fixture *x = *state;
    enum { STEPS = 6000, KEPT = 1 << 10 };
    struct event *log = calloc(STEPS, sizeof *log);
    struct store_slate *slate = calloc(STEPS, sizeof *slate);
    uint32_t(*item)[3] = calloc(STEPS, sizeof *item);
    char(*id)[16] = calloc(STEPS, sizeof *id);
    struct rng r;
    rng_init(&r, 8, 0);
    uint64_t n = 0, m = 0;
    for (uint32_t i = 0; i < STEPS; i++) {
        const int64_t ts = T0 + i * 30 * SECOND + rng_below(&r, 3) * MINUTE;
        if (rng_below(&r, 3) == 0) {
            snprintf(id[m], sizeof id[0], "s%u", (unsigned)m);
            for (uint32_t j = 0; j < 3; j++)
                item[m][j] = 3 * rng_below(&r, 8) + j;
            slate[m] = (struct store_slate){.seq = m + 1,
                                            .id = id[m],
                                            .after_event = n,
                                            .ts_us = ts,
                                            .user = rng_below(&r, 9) ? rng_below(&r, 9)
                                                                     : NAMES_NONE,
                                            .n = 1 + rng_below(&r, 3),
                                            .items = item[m]};
            ok(feedback_slate(x->f, &slate[m++]));
            continue;
        }
        log[n] = (struct event){
            .seq = n + 1,
            .ts_us = ts,
            .user = rng_below(&r, 9),
            .item = rng_below(&r, 24),
            .type = rng_below(&r, EVENT_KNOWN_TYPES),
            .value = rng_below(&r, 2) ? 10 * rng_double(&r) : NAN,
            .recommendation = m && rng_below(&r, 4) == 0
                                  ? id[m - 1 - rng_below(&r, (uint32_t)(m < 40 ? m : 40))]
                                  : NULL};
        ok(feedback_event(x->f, &log[n], type_names[log[n].type]));
        n++;
    }
    struct rewards rewards;
    rewards_default(&rewards);
    struct feedback *again = feedback_new(&rewards, KEPT, 1 << 13);
    for (uint64_t i = m - KEPT; i < m; i++)
        ok(feedback_slate(again, &slate[i]));
    for (uint64_t i = 0; i < n; i++)
        ok(feedback_event(again, &log[i], type_names[log[i].type]));
    struct feedback_list *other = calloc(1, sizeof *other);
    double all = 0;
    for (uint64_t i = m - KEPT; i < m; i++) {
        memset(other, 0, sizeof *other);
        memset(&x->list, 0, sizeof x->list);
        assert_true(feedback_find(again, id[i], T0 + DAY, other));
        assert_true(feedback_find(x->f, id[i], T0 + DAY, &x->list));
        assert_memory_equal(other, &x->list, sizeof *other);
        for (uint32_t j = 0; j < other->n; j++)
            all += fabs(other->slot[j].reward[REWARD_PURCHASE]);
    }
    assert_true(all > 100); /* there was something to compare */
    feedback_free(again);
    free(other);
    free(log);
    free(slate);
    free(item);
    free(id);
}

static void test_feedback__the_oldest_can_be_taken_out_one_by_one(void **state)
{
    struct fixture *x = *state;
    show(x, "a", 1, T0, 10);
    show(x, "b", 1, T0 + MINUTE, 20);
    happen(x, 1, EVENT_VIEW, 11, T0 + MINUTE, NULL, NAN);
    assert_true(feedback_has_room(x->f, 1000));
    assert_true(feedback_oldest(x->f, T0 + DAY, &x->list));
    assert_int_equal(x->list.seq, 1);
    near(x->list.slot[1].reward[REWARD_ENGAGEMENT], 0.2);
    feedback_drop_oldest(x->f);
    assert_true(feedback_oldest(x->f, T0 + DAY, &x->list));
    assert_int_equal(x->list.seq, 2);
    feedback_drop_oldest(x->f);
    assert_false(feedback_oldest(x->f, T0 + DAY, &x->list));
    feedback_drop_oldest(x->f);
    happen(x, 1, EVENT_VIEW, 11, T0 + MINUTE, "a", NAN);
    show(x, "c", 1, T0 + MINUTE, 20);
    happen(x, 1, EVENT_VIEW, 21, T0 + 2 * MINUTE, NULL, NAN);
    near(earned(x, "c", T0 + DAY, 1), 0.2);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_feedback__a_named_list_gets_its_event),
        T(test_feedback__else_the_newest_list_that_showed_it),
        T(test_feedback__what_names_another_list_is_of_none),
        T(test_feedback__windows_end),
        T(test_feedback__what_was_before_the_list_is_not_its_doing),
        T(test_feedback__a_strangers_list_needs_its_name),
        T(test_feedback__events_add_up_each_once),
        T(test_feedback__a_purchase_earns_by_the_median_so_far),
        T(test_feedback__a_refund_takes_a_purchase_back),
        T(test_feedback__ignored_once_the_user_has_gone_on),
        T(test_feedback__reported_impressions_tell_what_was_examined),
        T(test_feedback__who_clicks_nothing_and_goes_has_left),
        T(test_feedback__the_oldest_fall_out),
        T(test_feedback__an_erased_user_is_gone_from_it),
        T(test_feedback__the_log_gives_the_same_again),
        T(test_feedback__the_oldest_can_be_taken_out_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

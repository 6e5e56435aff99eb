/* SPDX-License-Identifier: Apache-2.0 */
#include "behaviour/event.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/timestamps.h"

static struct penchant_event good(void)
{
    return (struct penchant_event){.user_id = "u1",
                                   .item_id = "i1",
                                   .event = "view",
                                   .timestamp_us = 1600000000000000,
                                   .value = NAN,
                                   .quantity = NAN};
}

/* The field that event_check names, or NULL when it takes the event. */
static const char *refused(const struct penchant_event *e)
{
    static struct penchant_error err;
    memset(&err, 0, sizeof(err));
    const int rc = event_check(e, 7, &err);
    if (rc == PENCHANT_OK)
        return NULL;
    assert_int_equal(rc, PENCHANT_EINVALID);
    assert_int_equal(err.status, PENCHANT_EINVALID);
    assert_int_equal(err.index, 7);
    assert_true(err.text[0]);
    return err.field;
}

static void test_event__known_types_come_first_and_in_order(void **state)
{
    (void)state;
    struct names types;
    assert_int_equal(event_types_init(&types), 0);
    assert_int_equal(types.n, EVENT_KNOWN_TYPES);
    assert_string_equal(names_text(&types, EVENT_IMPRESSION), "impression");
    assert_string_equal(names_text(&types, EVENT_DISLIKE), "dislike");
    assert_int_equal(names_find(&types, "purchase", 8), EVENT_PURCHASE);
    assert_int_equal(names_add(&types, "like", 4), EVENT_KNOWN_TYPES);
    names_release(&types);
}

static void test_event__wanted_types_are_tokens_and_added_ones_too(void **state)
{
    (void)state;
    const uint32_t wanted[] = {EVENT_VIEW,     EVENT_WISH,   EVENT_CART,
                               EVENT_PURCHASE, EVENT_REVIEW, EVENT_KNOWN_TYPES};
    const uint32_t other[] = {EVENT_IMPRESSION, EVENT_SEARCH, EVENT_UNCART, EVENT_REFUND,
                              EVENT_DISLIKE};
    for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
        assert_true(event_type_wanted(wanted[i]));
    for (size_t i = 0; i < sizeof(other) / sizeof(*other); i++)
        assert_false(event_type_wanted(other[i]));
}

static void test_event__foreign_names_become_ours(void **state)
{
    (void)state;
    static const char *const pair[][2] = {
        {"view_item", "view"},
        {"select_item", "view"},
        {"view_item_list", "impression"},
        {"add_to_cart", "cart"},
        {"add_to_wishlist", "wish"},
        {"remove_from_cart", "uncart"},
        {"addtocart", "cart"},
        {"transaction", "purchase"},
        {"pv", "view"},
        {"fav", "wish"},
        {"buy", "purchase"},
        {"detail-page-view", "view"},
        {"purchase-complete", "purchase"},
        {"AddToCart", "cart"},
        {"Purchase", "purchase"},
        {"View", "view"},
        {"view_search_results", "search"},
        {"ratings", "review"},
        {"refund", "refund"},
        {"cartadditions", "cart"},
    };
    for (size_t i = 0; i < sizeof(pair) / sizeof(*pair); i++)
        assert_string_equal(event_name_canonical(pair[i][0]), pair[i][1]);
    assert_null(event_name_canonical("like"));
    assert_null(event_name_canonical(""));
    char longest[4096];
    memset(longest, 'v', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = 0;
    assert_null(event_name_canonical(longest));
}

static void test_event__good_events_pass(void **state)
{
    (void)state;
    struct penchant_event e = good();
    assert_null(refused(&e));
    e.user_id = NULL, e.session_id = "s";
    assert_null(refused(&e));
    e.event = "search", e.item_id = NULL, e.query = "红色 shoes\tsize 9";
    assert_null(refused(&e));
    e = good();
    e.event = "a.name-of_our0wn", e.value = -1.5, e.quantity = 0, e.timestamp_us = 0;
    assert_null(refused(&e));
    e.timestamp_us = TIMESTAMP_MAX_US;
    assert_null(refused(&e));
    char id[PENCHANT_ID_MAX + 1];
    memset(id, 'x', PENCHANT_ID_MAX);
    id[PENCHANT_ID_MAX] = 0;
    e.item_id = e.user_id = e.session_id = e.event_id = id;
    assert_null(refused(&e));
}

static void test_event__missing_fields_are_named(void **state)
{
    (void)state;
    struct penchant_event e = good();
    e.user_id = NULL;
    assert_string_equal(refused(&e), "user_id");
    e = good();
    e.item_id = NULL;
    assert_string_equal(refused(&e), "item_id");
    e = good();
    e.event = NULL;
    assert_string_equal(refused(&e), "event");
    e.event = "";
    assert_string_equal(refused(&e), "event");
}

static void test_event__bad_texts_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",         "a\nb",         "a\x01",
        "\x7f",     "a\xff",        "\xc3",
        "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
        "\xc2\x85", "\xe4\xb8",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct penchant_event e = good();
        e.user_id = bad[i];
        assert_string_equal(refused(&e), "user_id");
        e = good();
        e.item_id = bad[i];
        assert_string_equal(refused(&e), "item_id");
        e = good();
        e.session_id = bad[i];
        assert_string_equal(refused(&e), "session_id");
        e = good();
        e.recommendation_id = bad[i];
        assert_string_equal(refused(&e), "recommendation_id");
        e = good();
        e.event_id = bad[i];
        assert_string_equal(refused(&e), "event_id");
    }
    struct penchant_event e = good();
    e.query = "\xe4\xb8";
    assert_string_equal(refused(&e), "query");
    e.query = NULL, e.text = "bad \x1b[2J";
    assert_string_equal(refused(&e), "text");
    e = good();
    e.placement = "a\x02";
    assert_string_equal(refused(&e), "placement");
    char id[PENCHANT_ID_MAX + 2];
    memset(id, 'x', sizeof(id) - 1);
    id[sizeof(id) - 1] = 0;
    e = good();
    e.item_id = id;
    assert_string_equal(refused(&e), "item_id");
}

static void test_event__bad_names_of_events_are_refused(void **state)
{
    (void)state;
    char longest[EVENT_NAME_MAX + 2];
    memset(longest, 'v', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = 0;
    const char *const bad[] = {"View", "a b", "caf\xc3\xa9", "a/b", longest};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct penchant_event e = good();
        e.event = bad[i];
        assert_string_equal(refused(&e), "event");
    }
    struct penchant_event e = good();
    e.event = longest + 1;
    assert_null(refused(&e));
}

static void test_event__bad_numbers_are_refused(void **state)
{
    (void)state;
    struct penchant_event e = good();
    e.value = INFINITY;
    assert_string_equal(refused(&e), "value");
    e = good();
    e.quantity = -INFINITY;
    assert_string_equal(refused(&e), "quantity");
    e = good();
    e.timestamp_us = -1;
    assert_string_equal(refused(&e), "timestamp");
    e.timestamp_us = TIMESTAMP_MAX_US + 1;
    assert_string_equal(refused(&e), "timestamp");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_event__known_types_come_first_and_in_order),
        cmocka_unit_test(test_event__wanted_types_are_tokens_and_added_ones_too),
        cmocka_unit_test(test_event__foreign_names_become_ours),
        cmocka_unit_test(test_event__good_events_pass),
        cmocka_unit_test(test_event__missing_fields_are_named),
        cmocka_unit_test(test_event__bad_texts_are_refused),
        cmocka_unit_test(test_event__bad_names_of_events_are_refused),
        cmocka_unit_test(test_event__bad_numbers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

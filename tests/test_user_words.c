/* SPDX-License-Identifier: Apache-2.0 */
/* What shoppers wrote and said no to: order, bounds, and what it makes of their state. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/utf8.h"
#include "behaviour/extra.h"
#include "interest/user_state.h"

/* ---- words ---- */

static struct event search(const char *query, int64_t ts_us)
{
    return (struct event){
        .type = EVENT_SEARCH, .item = NAMES_NONE, .query = query, .ts_us = ts_us};
}

static void test_user_words__the_newest_searches_are_kept_in_time_order(void **state)
{
    (void)state;
    struct user_words w = {0};
    static const struct {
        const char *query;
        int64_t ts_us;
    } said[] = {{"c", 30}, {"a", 10}, {"b", 20}, {"b2", 20}, {"late", 5}, {"d", 40}};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        const struct event e = search(said[i].query, said[i].ts_us);
        user_words_add(&w, &e, 0);
    }
    static const char *const want[] = {"b", "b2", "c", "d"};
    assert_int_equal(w.n_queries, USER_WORDS_EACH);
    assert_int_equal(w.n_texts, 0);
    for (uint32_t i = 0; i < USER_WORDS_EACH; i++)
        assert_string_equal(w.query[i].text, want[i]);
    const struct event empty = search("", 50), none = search(NULL, 60);
    user_words_add(&w, &empty, 0);
    user_words_add(&w, &none, 0);
    assert_string_equal(w.query[3].text, "d");
}

static void test_user_words__long_texts_are_cut_at_a_character(void **state)
{
    (void)state;
    struct user_words w = {0};
    char text[USER_WORDS_BYTES + 40] = "a";
    for (size_t i = 1; i < USER_WORDS_BYTES + 30; i += 3)
        memcpy(text + i, "茶", 3);
    const struct event e = {
        .type = EVENT_REVIEW, .item = 1, .value = 2, .text = text, .ts_us = 1};
    user_words_add(&w, &e, 3);
    assert_int_equal(w.n_texts, 1);
    assert_int_equal(strlen(w.text[0].text), 1 + (USER_WORDS_BYTES - 1) / 3 * 3);
    assert_true(utf8_valid(w.text[0].text, strlen(w.text[0].text)));
    assert_true(w.text[0].liking == -0.5F);
    assert_int_equal(w.text[0].since, 3);
}

static void test_user_words__what_has_no_column_comes_back_from_the_log(void **state)
{
    (void)state;
    struct buf b;
    struct extra x;
    const char *json;
    char *text = calloc(1, EVENT_TEXT_MAX + 100);
    memset(text, 'x', EVENT_TEXT_MAX - 1);
    memcpy(text + EVENT_TEXT_MAX - 1, "茶茶",
           6); /* of which the first would cross the limit */
    struct penchant_event e = {
        .user_id = "u", .query = "\"red\" \\ 茶\n", .placement = "home", .text = text};
    buf_init(&b, 1 << 16);
    assert_int_equal(extra_write(&b, &e, &json, NULL), 0);
    assert_int_equal(extra_read(&x, json, NULL), 0);
    assert_string_equal(x.query, e.query);
    assert_string_equal(x.placement, "home");
    assert_int_equal(strlen(x.text), EVENT_TEXT_MAX - 1);
    assert_false(x.anonymous);
    extra_release(&x);
    e = (struct penchant_event){.text = "fine"};
    assert_int_equal(extra_write(&b, &e, &json, NULL), 0);
    assert_string_equal(json, "{\"text\":\"fine\",\"anonymous\":true}");
    e = (struct penchant_event){.user_id = "u"};
    assert_int_equal(extra_write(&b, &e, &json, NULL), 0);
    assert_null(json);
    assert_int_equal(extra_read(&x, json, NULL), 0);
    assert_null(x.text);
    static const char *const broken[] = {"", "[]", "{",
                                         "{\"text\":\"a\",\"text\":\"b\"}"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        assert_int_equal(extra_read(&x, broken[i], NULL), PENCHANT_ECORRUPT);
    buf_release(&b);
    free(text);
}

/* ---- likes ---- */

static void test_user_words__values_of_reviews_are_liking(void **state)
{
    (void)state;
    static const double value[] = {1, 2, 3, 4, 5, 4.5, 0.5, 5.5, 10, NAN};
    static const float want[] = {-1, -0.5F, 0, 0.5F, 1, 0.75F, 1, 1, 1, 1};
    for (size_t i = 0; i < sizeof value / sizeof *value; i++) {
        assert_true(event_liking(EVENT_REVIEW, value[i]) == want[i]);
        assert_int_equal(event_dislikes(EVENT_REVIEW, value[i]), i < 2);
        assert_int_equal(event_wanted(EVENT_REVIEW, value[i]), i >= 2);
        assert_int_equal(event_takes_back(EVENT_REVIEW, value[i]), i >= 2 && i < 6);
        assert_true(event_liking(EVENT_PURCHASE, value[i]) == 1);
        assert_false(event_dislikes(EVENT_VIEW, value[i]));
    }
    assert_true(event_liking(EVENT_DISLIKE, 5) == -1);
    assert_true(event_dislikes(EVENT_DISLIKE, NAN));
    assert_false(event_wanted(EVENT_DISLIKE, NAN) || event_wanted(EVENT_SEARCH, NAN));
    assert_false(event_takes_back(EVENT_VIEW, 5) || event_takes_back(EVENT_UNCART, 5));
}

static void test_user_words__the_newest_dislikes_are_kept(void **state)
{
    (void)state;
    struct user_likes l, copy;
    user_likes_init(&l);
    for (uint32_t i = 0; i < USER_LIKES_MAX + 10; i++)
        assert_int_equal(user_likes_add(&l, i, 100 + i, -1), 0);
    assert_int_equal(l.n, USER_LIKES_MAX);
    assert_null(user_likes_find(&l, 9));
    assert_non_null(user_likes_find(&l, 10));
    assert_int_equal(user_likes_add(&l, 5, 105, -1), 0); /* older than all */
    assert_null(user_likes_find(&l, 5));
    assert_int_equal(user_likes_add(&l, 20, 90, -0.5F), 0); /* older than what is said */
    assert_true(user_likes_find(&l, 20)->liking == -1);
    assert_int_equal(user_likes_add(&l, 20, 900, -0.5F), 0);
    assert_true(user_likes_find(&l, 20)->liking == -0.5F);
    assert_int_equal(l.disliked[l.n - 1].item, 20);
    assert_int_equal(l.n, USER_LIKES_MAX);
    assert_false(user_likes_take_back(&l, 20, 899)); /* it was said after that */
    assert_true(user_likes_take_back(&l, 20, 900));
    assert_false(user_likes_take_back(&l, 20, 901));
    assert_int_equal(user_likes_copy(&copy, &l), 0);
    assert_int_equal(copy.n, USER_LIKES_MAX - 1);
    for (uint32_t i = 0; i < l.n; i++) {
        assert_int_equal(copy.disliked[i].item, l.disliked[i].item);
        assert_true(!i || l.disliked[i - 1].ts_us <= l.disliked[i].ts_us);
    }
    user_likes_release(&copy);
    user_likes_release(&l);
}

/* ---- the state ---- */

static void no_encoder(void *encoder)
{
    (void)encoder;
}

static void take(struct user_states *s, uint32_t item, uint32_t type, double value,
                 int64_t ts_us)
{
    const struct event e = {.item = item,
                            .type = type,
                            .value = value,
                            .ts_us = ts_us,
                            .query = type == EVENT_SEARCH ? "tea" : NULL};
    assert_int_equal(user_states_apply(s, &e, NULL), 0);
}

static const struct user_state *peek(const struct user_states *s)
{
    return user_states_peek(s, 0);
}

enum { ITEMS = 6, EVENTS = 3000 };

/* In the order of time a user's opinion of an item is what they said of it last. */
static void test_user_words__the_last_word_on_an_item_counts(void **state)
{
    (void)state;
    struct user_states *s = user_states_new(0, 0, no_encoder);
    float opinion[ITEMS];
    bool no[ITEMS] = {false};
    uint32_t dislikes = 0, searches = 0, since = 0;
    struct rng r;
    rng_init(&r, 5, 0);
    for (int i = 0; i < ITEMS; i++)
        opinion[i] = 1;
    for (int64_t t = 1; t <= EVENTS; t++) {
        const uint32_t type = rng_below(&r, EVENT_KNOWN_TYPES);
        const uint32_t item = type == EVENT_SEARCH ? NAMES_NONE : rng_below(&r, ITEMS);
        const double value = rng_below(&r, 7); /* 0 and 6 mean nothing */
        if (type == EVENT_REFUND)
            continue;
        take(s, item, type, value, t);
        if (type == EVENT_SEARCH) {
            searches++;
            since = 0;
            continue;
        }
        const bool rated = type == EVENT_REVIEW && value >= 1 && value <= 5;
        const bool bad = type == EVENT_DISLIKE || (rated && value <= 2);
        const bool kept =
            type == EVENT_PURCHASE || type == EVENT_CART || type == EVENT_WISH;
        if (type == EVENT_DISLIKE)
            opinion[item] = -1;
        else if (rated)
            opinion[item] = (float)(value - 3) / 2;
        else if (kept && no[item])
            opinion[item] = 1;
        no[item] = bad || (no[item] && !kept && !rated);
        dislikes += bad;
        since += type != EVENT_IMPRESSION && type != EVENT_UNCART && !bad;
        const struct user_state *u = peek(s);
        for (uint32_t k = 0; k < u->n_recent; k++)
            assert_true(u->recent_liking[k] == opinion[u->recent[k]]);
        for (uint32_t k = 0; k < ITEMS; k++)
            assert_int_equal(user_likes_find(&u->likes, k) != NULL, no[k]);
        if (searches)
            assert_int_equal(u->words->query[u->words->n_queries - 1].since, since);
    }
    assert_true(dislikes > 100 && searches > 100);
    user_states_free(s);
}

static void test_user_words__a_bad_review_is_no_step_of_the_sequence(void **state)
{
    (void)state;
    struct user_states *s = user_states_new(0, 0, no_encoder);
    take(s, 1, EVENT_VIEW, NAN, 1);
    take(s, 1, EVENT_PURCHASE, NAN, 2);
    take(s, 2, EVENT_VIEW, NAN, 3);
    take(s, 1, EVENT_REVIEW, 1, 4);
    const struct user_state *u = peek(s);
    assert_int_equal(u->wanted, 3);
    assert_int_equal(u->events, 4);
    assert_true(u->recent_liking[0] == -1 && u->recent_liking[1] == -1);
    assert_true(u->recent_liking[2] == 1);
    take(s, 2, EVENT_REVIEW, 3, 5);
    assert_int_equal(peek(s)->wanted, 4);
    assert_true(peek(s)->recent_liking[2] == 0 && peek(s)->recent_liking[3] == 0);
    take(s, 1, EVENT_VIEW, NAN, 6); /* to look again is not to change one's mind */
    assert_true(peek(s)->recent_liking[4] == -1);
    assert_int_equal(peek(s)->likes.n, 1);
    user_states_free(s);
}

static void test_user_words__what_comes_in_late_stands_at_its_time(void **state)
{
    (void)state;
    struct user_states *s = user_states_new(0, 0, no_encoder);
    take(s, 1, EVENT_PURCHASE, NAN, 100);
    take(s, 1, EVENT_DISLIKE, NAN, 50); /* was taken back by the purchase */
    assert_int_equal(peek(s)->likes.n, 0);
    assert_true(peek(s)->recent_liking[0] == 1);
    take(s, 2, EVENT_DISLIKE, NAN, 200);
    take(s, 2, EVENT_PURCHASE, NAN, 150);
    assert_int_equal(peek(s)->likes.n, 1);
    assert_true(peek(s)->recent_liking[1] == -1);
    take(s, NAMES_NONE, EVENT_SEARCH, NAN, 120); /* one event has come after it */
    assert_int_equal(peek(s)->words->query[0].since, 1);
    take(s, 3, EVENT_VIEW, NAN, 110); /* and this one came before */
    assert_int_equal(peek(s)->words->query[0].since, 1);
    take(s, 3, EVENT_VIEW, NAN, 130);
    assert_int_equal(peek(s)->words->query[0].since, 2);
    user_states_erase(s, 0);
    assert_null(peek(s));
    user_states_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_user_words__the_newest_searches_are_kept_in_time_order),
        cmocka_unit_test(test_user_words__long_texts_are_cut_at_a_character),
        cmocka_unit_test(test_user_words__what_has_no_column_comes_back_from_the_log),
        cmocka_unit_test(test_user_words__values_of_reviews_are_liking),
        cmocka_unit_test(test_user_words__the_newest_dislikes_are_kept),
        cmocka_unit_test(test_user_words__the_last_word_on_an_item_counts),
        cmocka_unit_test(test_user_words__a_bad_review_is_no_step_of_the_sequence),
        cmocka_unit_test(test_user_words__what_comes_in_late_stands_at_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a user's words ask of a list: how they fade, and where they point. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/want_words.h"

#define MINUTE INT64_C(60000000)
#define NOW    (INT64_C(20000) * 24 * 60 * MINUTE)

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-5;
}

static void test_want_words__a_search_fades_by_events_and_time(void **state)
{
    (void)state;
    struct user_said said = {.ts_us = NOW};
    assert_true(want_words_fade(&said, NOW, true) == 1);
    said.ts_us = NOW - 5 * MINUTE;
    assert_true(want_words_fade(&said, NOW, true) == 1); /* the last minutes in full */
    said.ts_us = NOW - 35 * MINUTE;
    assert_true(near((double)want_words_fade(&said, NOW, true), 0.5));
    said.since = 2;
    assert_true(near((double)want_words_fade(&said, NOW, true), 0.5 * 0.75 * 0.75));
    assert_true(near((double)want_words_fade(&said, NOW, false), 0.75 * 0.75));
    said.ts_us = NOW + 100 * MINUTE; /* from the future: not stronger than now */
    said.since = 0;
    assert_true(want_words_fade(&said, NOW, true) == 1);
    said.ts_us = NOW - 300 * MINUTE;
    assert_true(want_words_fade(&said, NOW, true) == 0);
    said.ts_us = NOW;
    said.since = 4000000000U;
    assert_true(want_words_fade(&said, NOW, true) == 0);
}

/* ---- vectors ---- */

static const char *const titles[] = {
    "green tea leaves",   "black tea leaves",  "oolong tea leaves", "tea pot of glass",
    "running shoe light", "running shoe grip", "trail shoe grip",   "leather boot brown",
    "绿茶 茶叶 新茶",     "红茶 茶叶 礼盒",    "跑步鞋 轻便",       "跑步鞋 防滑",
};
enum { TITLES = sizeof titles / sizeof *titles };

static struct content_space *fit(void)
{
    struct content_text text[TITLES];
    struct content_space *space = NULL;
    struct penchant_error err = {0};
    struct pool *pool = pool_new(1);
    for (int i = 0; i < TITLES; i++)
        text[i] = (struct content_text){.title = titles[i], .price = NAN};
    if (content_fit(&space, text, TITLES, NULL, 0, 1, pool, &err))
        fail_msg("%s", err.text);
    pool_free(pool);
    assert_non_null(space);
    return space;
}

static double like_title(const struct content_space *space, const float *v, int title)
{
    const uint32_t dim = content_dim(space);
    const struct content_text text = {.title = titles[title], .price = NAN};
    float *item = malloc(dim * sizeof *item);
    double dot = 0;
    content_item(space, &text, NULL, item);
    for (uint32_t i = 0; i < dim; i++)
        dot += (double)v[i] * (double)item[i];
    free(item);
    return dot;
}

static void say(struct user_words *w, uint32_t type, const char *text, double value,
                int64_t ts_us, uint32_t since)
{
    const struct event e = {.type = type,
                            .ts_us = ts_us,
                            .value = value,
                            .query = type == EVENT_SEARCH ? text : NULL,
                            .text = type == EVENT_REVIEW ? text : NULL};
    user_words_add(w, &e, since);
}

static void test_want_words__searches_point_at_what_was_asked_for(void **state)
{
    (void)state;
    struct content_space *space = fit();
    struct user_words said = {0};
    struct want_words w;
    assert_int_equal(want_words_init(&w, &said, space, NOW, true), 0);
    assert_true(!w.asked && !w.asked_text && w.asked_weight == 0);
    say(&said, EVENT_SEARCH, "running shoe", NAN, NOW - 4 * MINUTE, 0);
    say(&said, EVENT_SEARCH, "茶叶", NAN, NOW - MINUTE, 0);
    assert_int_equal(want_words_init(&w, &said, space, NOW, true), 0);
    assert_true(w.asked_weight == 1);
    assert_string_equal(w.asked_text, "茶叶");
    double length = 0;
    for (uint32_t i = 0; i < content_dim(space); i++)
        length += (double)w.asked[i] * (double)w.asked[i];
    assert_true(near(length, 1));
    /* The newest most of all, the one before it too. */
    const double tea = like_title(space, w.asked, 9),
                 shoe = like_title(space, w.asked, 4);
    assert_true(tea > shoe && shoe > like_title(space, w.asked, 7) + 0.05);
    want_words_release(&w);
    /* Much later it is no longer asked for. */
    assert_int_equal(want_words_init(&w, &said, space, NOW + 600 * MINUTE, true), 0);
    assert_true(!w.asked && w.asked_weight == 0);
    want_words_release(&w);
    content_free(space);
}

static void test_want_words__unknown_words_have_no_vector(void **state)
{
    (void)state;
    struct content_space *space = fit();
    struct user_words said = {0};
    struct want_words w;
    say(&said, EVENT_SEARCH, "zzqxj", NAN, NOW, 0);
    assert_int_equal(want_words_init(&w, &said, space, NOW, true), 0);
    assert_null(w.asked);
    assert_string_equal(w.asked_text, "zzqxj"); /* for who looks for words as they are */
    want_words_release(&w);
    assert_int_equal(want_words_init(&w, &said, NULL, NOW, true), 0);
    assert_true(!w.asked && !w.told && w.asked_weight == 1);
    want_words_release(&w);
    content_free(space);
}

static void test_want_words__reviews_count_as_what_they_think(void **state)
{
    (void)state;
    struct content_space *space = fit();
    struct user_words said = {0};
    struct want_words w;
    say(&said, EVENT_REVIEW, "green tea", 5, NOW - 30 * 24 * 60 * MINUTE, 0);
    say(&said, EVENT_REVIEW, "leather boot", 1, NOW, 2);
    say(&said, EVENT_REVIEW, "trail shoe", 3, NOW, 0); /* neither yes nor no */
    say(&said, EVENT_REVIEW, "zzqxj", 5, NOW, 0);
    assert_int_equal(want_words_init(&w, &said, space, NOW, true), 0);
    assert_int_equal(w.n_told, 2);
    assert_true(near((double)w.told_liking[0], 0.5));
    assert_true(near((double)w.told_liking[1], -0.95 * 0.95));
    assert_true(like_title(space, w.told, 0) > 0.3);
    assert_true(like_title(space, w.told + content_dim(space), 7) > 0.3);
    assert_true(!w.asked && w.asked_weight == 0);
    want_words_release(&w);
    content_free(space);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_want_words__a_search_fades_by_events_and_time),
        cmocka_unit_test(test_want_words__searches_point_at_what_was_asked_for),
        cmocka_unit_test(test_want_words__unknown_words_have_no_vector),
        cmocka_unit_test(test_want_words__reviews_count_as_what_they_think),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Content and searches as evidence, against slow direct computation. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "behaviour/event.h"
#include "evidence/content_source.h"
#include "evidence/sources.h"
#include "model/content.h"

#define MINUTE 60000000LL

enum { ITEMS = 700, INDEXED = 640, RECENT = 30 };

#define DIM ((size_t)20)

struct shop {
    float *vectors; /* (ITEMS, DIM) */
    struct topk_index *index;
    struct words *words;
    struct evidence_content content;
    struct evidence_query q;
    uint32_t recent[RECENT];
    uint8_t type[RECENT];
    int64_t us[RECENT];
    float liking[RECENT];
    uint32_t disliked[3];
    float asked[DIM];
    uint32_t items[ITEMS];
};

static void unit(struct rng *rng, float *x)
{
    double square = 0;
    for (size_t j = 0; j < DIM; j++) {
        x[j] = rng_normal(rng);
        square += (double)x[j] * (double)x[j];
    }
    for (size_t j = 0; j < DIM; j++)
        x[j] = (float)((double)x[j] / sqrt(square));
}

/* Every tenth item has no vector; the last sixty are too new for the index. */
static struct shop *shop_new(uint64_t seed)
{
    struct shop *s = calloc(1, sizeof(*s));
    struct rng rng;
    rng_init(&rng, seed, 0);
    s->vectors = calloc(ITEMS * DIM, sizeof(*s->vectors));
    s->words = words_new();
    for (uint32_t i = 0; i < ITEMS; i++) {
        char text[64];
        const char *const title = text;
        if (i % 10 != 3)
            unit(&rng, s->vectors + i * DIM);
        snprintf(text, sizeof(text), "common w%u r%u", i % 20, i);
        assert_int_equal(words_put(s->words, i, &title, 1), PENCHANT_OK);
        s->items[i] = i;
    }
    assert_int_equal(topk_index_new(&s->index, s->vectors, INDEXED, (uint32_t)DIM, NULL),
                     PENCHANT_OK);
    s->content = (struct evidence_content){.vectors = s->vectors,
                                           .index = s->index,
                                           .n = ITEMS,
                                           .n_indexed = INDEXED,
                                           .dim = (uint32_t)DIM,
                                           .words = s->words};
    for (int i = 0; i < RECENT; i++) {
        s->recent[i] = rng_below(&rng, ITEMS);
        s->type[i] = rng_below(&rng, 2) ? EVENT_VIEW : EVENT_PURCHASE;
        s->us[i] = i * 10 * MINUTE + (i / 4) * 100 * MINUTE; /* sessions of four */
        s->liking[i] = rng_below(&rng, 4) ? 1.0F : 0.5F * (float)rng_below(&rng, 5) - 1;
    }
    unit(&rng, s->asked);
    s->q = (struct evidence_query){.recent = s->recent,
                                   .recent_type = s->type,
                                   .recent_us = s->us,
                                   .n_recent = RECENT,
                                   .now_us = s->us[RECENT - 1] + MINUTE,
                                   .content = &s->content,
                                   .n_items = ITEMS};
    return s;
}

static void shop_free(struct shop *s)
{
    topk_index_free(s->index);
    words_free(s->words);
    free(s->vectors);
    free(s);
}

static double cosine(const struct shop *s, const float *x, uint32_t item)
{
    double sum = 0;
    for (size_t j = 0; j < DIM; j++)
        sum += (double)x[j] * (double)s->vectors[item * DIM + j];
    return sum;
}

static bool has_vector(const struct shop *s, uint32_t item)
{
    return item < s->content.n && item % 10 != 3;
}

/* ---- content, slowly ---- */

/* The formula of content_source.c. */
static double direct(const struct shop *s, uint32_t item)
{
    const struct evidence_query *q = &s->q;
    double sum = 0, shares = 0, worst = 0, nearest = 0;
    int place = 0, sessions = 0;
    for (uint32_t i = q->n_recent; i-- > 0 && place < CONTENT_RECENT;) {
        const int64_t later = i + 1 < q->n_recent ? q->recent_us[i + 1] : q->now_us;
        sessions += later - q->recent_us[i] > 30 * MINUTE;
        if (!has_vector(s, q->recent[i]))
            continue;
        const double like = q->recent_liking ? (double)q->recent_liking[i] : 1;
        const double at = cosine(s, s->vectors + q->recent[i] * DIM, item);
        if (like > -1) {
            const double share = (1 + like) / 2 *
                                 (q->recent_type[i] == EVENT_PURCHASE ? 3 : 1) *
                                 pow((double)CONTENT_DECAY, place++) *
                                 pow((double)CONTENT_SESSION, sessions);
            sum += share * exp((double)CONTENT_KAPPA * at);
            shares += share;
            nearest = like >= 0 ? fmax(nearest, at) : nearest;
        } else {
            worst = fmax(worst, at);
        }
    }
    for (uint32_t i = 0; i < q->n_disliked; i++)
        if (has_vector(s, q->disliked[i]))
            worst = fmax(worst, cosine(s, s->vectors + q->disliked[i] * DIM, item));
    for (uint32_t i = q->n_told;
         i-- > (q->n_told > CONTENT_TOLD ? q->n_told - CONTENT_TOLD : 0);) {
        const double like = (double)q->told_liking[i];
        const double at = cosine(s, q->told + i * DIM, item);
        if (like > 0) {
            sum += (double)CONTENT_SAYING * like * exp((double)CONTENT_KAPPA * at);
            shares += (double)CONTENT_SAYING * like;
            nearest = fmax(nearest, at);
        } else {
            worst = fmax(worst, -like * at);
        }
    }
    return (shares > 0 ? log(sum / shares) : 0) -
           (double)CONTENT_AVERSION * fmax(0, worst - nearest);
}

static void check_scores(const struct shop *s)
{
    float got[ITEMS];
    evidence_content.score(NULL, &s->q, s->items, ITEMS, got);
    for (uint32_t i = 0; i < ITEMS; i++)
        if (!(fabs((double)got[i] - direct(s, i)) < 1e-4))
            fail_msg("item %u scores %g, not %g", i, (double)got[i], direct(s, i));
}

static void test_content_source__scores_are_the_mixture(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed < 6; seed++) {
        struct shop *s = shop_new(seed);
        check_scores(s);
        s->q.recent_liking = s->liking;
        check_scores(s);
        s->disliked[0] = s->recent[RECENT - 1];
        s->disliked[1] = 13; /* without a vector */
        s->disliked[2] = ITEMS + 5;
        s->q.disliked = s->disliked;
        s->q.n_disliked = 3;
        check_scores(s);
        s->q.n_recent = 1;
        check_scores(s);
        shop_free(s);
    }
}

static void test_content_source__what_reviews_say_counts_beside_the_items(void **unused)
{
    (void)unused;
    static const float liking[] = {1, -1, 0.5F, 0, -0.25F, 0.75F, 1, -0.5F, 0.125F, -1};
    float before[ITEMS], after[ITEMS];
    uint32_t item[ITEMS];
    for (uint64_t seed = 1; seed < 4; seed++) {
        struct shop *s = shop_new(seed);
        s->q.told = s->vectors + 20 * DIM; /* of items 20, 21, .. */
        s->q.told_liking = liking;
        for (uint32_t n = 0; n <= 10; n += 5) { /* more than are looked at, at last */
            s->q.n_told = n;
            check_scores(s);
        }
        s->q.n_recent = 0; /* nothing else is known */
        check_scores(s);
        /* Towards what was praised, away from what was not. */
        s->q.n_recent = 3;
        s->q.n_told = 0;
        evidence_content.score(NULL, &s->q, s->items, ITEMS, before);
        s->q.told = s->vectors + 50 * DIM;
        s->q.n_told = 1; /* item 50 praised */
        evidence_content.score(NULL, &s->q, s->items, ITEMS, after);
        assert_true(after[50] - before[50] > 0.05F);
        s->q.n_told = 2; /* and 51 not */
        evidence_content.score(NULL, &s->q, s->items, ITEMS, after);
        assert_true(before[51] - after[51] > 0.5F);
        s->q.n_recent = 0;
        s->q.n_told = 1;
        assert_true(evidence_content.candidates(NULL, &s->q, 10, item) == 10);
        assert_int_equal(item[0], 50);
        shop_free(s);
    }
}

static void test_content_source__scores_do_not_depend_on_company(void **unused)
{
    (void)unused;
    struct shop *s = shop_new(7);
    float all[ITEMS], one, again[ITEMS];
    s->q.recent_liking = s->liking;
    evidence_content.score(NULL, &s->q, s->items, ITEMS, all);
    evidence_content.score(NULL, &s->q, s->items, ITEMS, again);
    assert_memory_equal(all, again, sizeof(all));
    for (uint32_t i = 0; i < ITEMS; i++) {
        evidence_content.score(NULL, &s->q, &s->items[i], 1, &one);
        assert_true(one == all[i]);
    }
    shop_free(s);
}

static void test_content_source__what_was_disliked_counts_against(void **unused)
{
    (void)unused;
    struct shop *s = shop_new(8);
    float before[ITEMS], after[ITEMS];
    s->q.n_recent = 5;
    evidence_content.score(NULL, &s->q, s->items, ITEMS, before);
    s->disliked[0] = 100;
    s->q.disliked = s->disliked;
    s->q.n_disliked = 1;
    evidence_content.score(NULL, &s->q, s->items, ITEMS, after);
    assert_true(after[100] < before[100] - 0.25F);
    int lower = 0;
    for (uint32_t i = 0; i < ITEMS; i++) {
        double nearest = 0;
        for (uint32_t j = 0; j < 5; j++)
            if (has_vector(s, s->q.recent[j]))
                nearest = fmax(nearest, cosine(s, s->vectors + s->q.recent[j] * DIM, i));
        const double more = cosine(s, s->vectors + 100 * DIM, i) - nearest;
        if (fabs(more) > 1e-6) /* more like it than like what they turned to */
            assert_true(more > 0 ? after[i] < before[i] : after[i] == before[i]);
        lower += after[i] < before[i];
    }
    assert_in_range(lower, ITEMS / 20, ITEMS / 2);
    shop_free(s);
}

static void test_content_source__the_newest_count_most(void **unused)
{
    (void)unused;
    struct shop *s = shop_new(9);
    struct content_taste t;
    memset(s->type, EVENT_VIEW, sizeof(s->type));
    content_taste(&s->q, &t);
    assert_int_equal(t.n, CONTENT_RECENT);
    double sum = 0;
    for (uint32_t j = 0; j < t.n; j++) {
        sum += (double)t.share[j];
        if (j)
            assert_true(t.share[j] < t.share[j - 1]);
    }
    assert_true(fabs(sum - 1) < 1e-5);
    const float same_day = t.share[0];
    s->q.now_us += 100 * 24 * 60 * MINUTE; /* all fade alike: it is one pause */
    content_taste(&s->q, &t);
    assert_true(fabsf(t.share[0] - same_day) < 1e-5F);
    s->type[RECENT - 1] = EVENT_PURCHASE;
    content_taste(&s->q, &t);
    assert_true(t.item[0] != s->recent[RECENT - 1] || t.share[0] > 1.5F * same_day);
    s->q.recent_us = NULL; /* without times, positions alone */
    s->q.recent_type = NULL;
    content_taste(&s->q, &t);
    assert_true(fabsf(t.share[1] / t.share[0] - CONTENT_DECAY) < 1e-5F);
    shop_free(s);
}

static void test_content_source__nothing_known_is_nothing_said(void **unused)
{
    (void)unused;
    struct shop *s = shop_new(10);
    float got[ITEMS], zero[ITEMS] = {0};
    uint32_t item[ITEMS];
    const uint32_t blank[2] = {3, 13}; /* without vectors */
    struct evidence_query q = s->q;
    q.content = NULL;
    evidence_content.score(NULL, &q, s->items, ITEMS, got);
    assert_memory_equal(got, zero, sizeof(got));
    assert_int_equal(evidence_content.candidates(NULL, &q, 10, item), 0);
    q = s->q;
    q.n_recent = 0;
    evidence_content.score(NULL, &q, s->items, ITEMS, got);
    assert_memory_equal(got, zero, sizeof(got));
    assert_int_equal(evidence_content.candidates(NULL, &q, 10, item), 0);
    q.recent = blank;
    q.n_recent = 2;
    evidence_content.score(NULL, &q, s->items, ITEMS, got);
    assert_memory_equal(got, zero, sizeof(got));
    assert_int_equal(evidence_content.candidates(NULL, &q, 10, item), 0);
    q = s->q; /* items past the vectors, and those without one, score 0 */
    s->content.n = s->content.n_indexed = 500;
    evidence_content.score(NULL, &q, s->items, ITEMS, got);
    for (uint32_t i = 0; i < ITEMS; i++)
        assert_true((fabsf(got[i]) < 1e-5F) == !has_vector(s, i));
    assert_int_equal(evidence_content.candidates(NULL, &q, 0, item), 0);
    shop_free(s);
}

/* ---- candidates ---- */

/* Marks the k items nearest to x among [0, n) that q->skip lets pass. */
static void mark_nearest(const struct shop *s, const double *x, uint32_t n, uint32_t k,
                         bool *mark)
{
    bool taken[ITEMS] = {false};
    for (uint32_t round = 0; round < k; round++) {
        uint32_t best = ITEMS;
        double top = -9;
        for (uint32_t i = 0; i < n; i++) {
            double at = 0;
            for (size_t j = 0; j < DIM; j++)
                at += x[j] * (double)s->vectors[i * DIM + j];
            if (!taken[i] && at > top && !evidence_skips(&s->q, i)) {
                top = at;
                best = i;
            }
        }
        if (best == ITEMS)
            return;
        taken[best] = mark[best] = true;
    }
}

/* The k best by score of those marked, in order. */
static void check_best(const struct shop *s, const bool *mark, const float *score,
                       const uint32_t *item, size_t n, uint32_t k)
{
    bool left[ITEMS];
    uint32_t total = 0;
    memcpy(left, mark, sizeof(left));
    for (uint32_t i = 0; i < ITEMS; i++)
        total += mark[i];
    assert_int_equal(n, total < k ? total : k);
    for (size_t place = 0; place < n; place++) {
        uint32_t best = ITEMS;
        for (uint32_t i = 0; i < ITEMS; i++)
            if (left[i] && (best == ITEMS || score[i] > score[best]))
                best = i;
        assert_int_equal(item[place], best);
        assert_false(evidence_skips(&s->q, best));
        left[best] = false;
    }
}

static void test_content_source__candidates_are_exact(void **unused)
{
    (void)unused;
    for (uint64_t seed = 11; seed < 17; seed++) {
        struct shop *s = shop_new(seed);
        struct rng rng;
        uint64_t skip[ITEMS / 64 + 1];
        struct content_taste t;
        bool mark[ITEMS] = {false};
        uint32_t item[ITEMS];
        float score[ITEMS];
        double x[DIM];
        const uint32_t k = seed % 2 ? 40 : seed % 4 ? 7 : 100;
        const uint32_t from_index = k < CONTENT_CANDIDATES ? k : CONTENT_CANDIDATES;
        memset(x, 0, sizeof(x));
        rng_init(&rng, seed, 1);
        for (size_t i = 0; i < ITEMS / 64 + 1; i++)
            skip[i] = rng_u64(&rng) & rng_u64(&rng);
        s->q.skip = seed % 3 ? skip : NULL;
        content_taste(&s->q, &t);
        for (uint32_t j = 0; j < t.n; j++)
            for (size_t d = 0; d < DIM; d++)
                x[d] += (double)t.share[j] * (double)s->vectors[t.item[j] * DIM + d];
        mark_nearest(s, x, INDEXED, from_index, mark);
        for (uint32_t i = INDEXED; i < ITEMS; i++)
            mark[i] = !evidence_skips(&s->q, i);
        evidence_content.score(NULL, &s->q, s->items, ITEMS, score);
        check_best(s, mark, score, item,
                   evidence_content.candidates(NULL, &s->q, k, item), k);
        s->content.index = NULL; /* the tail alone */
        memset(mark, 0, INDEXED * sizeof(*mark));
        check_best(s, mark, score, item,
                   evidence_content.candidates(NULL, &s->q, k, item), k);
        shop_free(s);
    }
}

/* ---- searches ---- */

static void test_search__scores_are_words_and_likeness(void **unused)
{
    (void)unused;
    struct shop *s = shop_new(20);
    struct words_query asked;
    float got[ITEMS], exact[ITEMS];
    s->q.asked = s->asked;
    s->q.asked_text = "common w7 r47";
    s->q.asked_weight = 0.5F;
    words_ask(&asked, s->q.asked_text);
    words_score(s->words, &asked, s->items, ITEMS, exact);
    evidence_search.score(NULL, &s->q, s->items, ITEMS, got);
    for (uint32_t i = 0; i < ITEMS; i++) {
        const double want =
            0.5 * (10 * (double)exact[i] + 3 * fmax(0, cosine(s, s->asked, i)));
        assert_true(fabs((double)got[i] - want) < 1e-4);
    }
    float one;
    for (uint32_t i = 0; i < ITEMS; i++) {
        evidence_search.score(NULL, &s->q, &s->items[i], 1, &one);
        assert_true(one == got[i]);
    }
    shop_free(s);
}

static void test_search__rare_words_come_first(void **unused)
{
    (void)unused;
    struct shop *s = shop_new(21);
    uint32_t item[ITEMS];
    s->q.asked = s->asked;
    s->q.asked_weight = 1;
    s->q.asked_text = "common w7 r47";
    assert_int_equal(evidence_search.candidates(NULL, &s->q, 30, item), 30);
    assert_int_equal(item[0], 47);
    for (int i = 0; i < 30; i++) /* 34 others have w7 */
        assert_int_equal(item[i] % 20, 7);
    s->q.asked_text = "r655"; /* one that the vectors' index does not have */
    assert_int_equal(evidence_search.candidates(NULL, &s->q, 30, item), 30);
    assert_int_equal(item[0], 655);
    shop_free(s);
}

static void test_search__candidates_are_exact(void **unused)
{
    (void)unused;
    for (uint64_t seed = 22; seed < 28; seed++) {
        struct shop *s = shop_new(seed);
        struct rng rng;
        uint64_t skip[ITEMS / 64 + 1];
        bool mark[ITEMS] = {false};
        uint32_t item[ITEMS];
        float score[ITEMS];
        double x[DIM];
        const uint32_t k = 12;
        struct words_query asked;
        struct topk_hit hit[12];
        rng_init(&rng, seed, 1);
        for (size_t i = 0; i < ITEMS / 64 + 1; i++)
            skip[i] = rng_u64(&rng) & rng_u64(&rng);
        s->q.skip = seed % 3 ? skip : NULL;
        s->q.asked = s->asked;
        s->q.asked_text = seed % 2 ? seed % 3 ? "w7 r47" : "r47 r648" : NULL;
        s->q.asked_weight = 1;
        for (size_t j = 0; j < DIM; j++)
            x[j] = (double)s->asked[j];
        mark_nearest(s, x, INDEXED, k, mark);
        for (uint32_t i = INDEXED; i < ITEMS; i++)
            mark[i] = !evidence_skips(&s->q, i);
        words_ask(&asked, s->q.asked_text);
        const int64_t n = words_search(s->words, &asked, k, ITEMS, s->q.skip, hit);
        assert_int_equal(n == k, seed % 2 && seed % 3);
        if (n == k) /* items that have the words leave no room for others */
            memset(mark, 0, sizeof(mark));
        for (int64_t h = 0; h < n; h++)
            mark[hit[h].row] = true;
        evidence_search.score(NULL, &s->q, s->items, ITEMS, score);
        for (uint32_t i = 0; i < ITEMS; i++)
            mark[i] &= score[i] > 0;
        check_best(s, mark, score, item, evidence_search.candidates(NULL, &s->q, k, item),
                   k);
        shop_free(s);
    }
}

static void test_search__without_a_search_it_says_nothing(void **unused)
{
    (void)unused;
    struct shop *s = shop_new(30);
    float got[ITEMS], zero[ITEMS] = {0};
    uint32_t item[ITEMS];
    struct evidence_query none[4];
    for (int i = 0; i < 4; i++) {
        none[i] = s->q;
        none[i].asked = s->asked;
        none[i].asked_text = "common";
        none[i].asked_weight = 1;
    }
    none[0].asked_weight = 0;
    none[1].asked = NULL;
    none[1].asked_text = NULL;
    none[2].content = NULL;
    none[3].asked = NULL;
    none[3].asked_text = "nobody has this";
    for (int i = 0; i < 4; i++) {
        evidence_search.score(NULL, &none[i], s->items, ITEMS, got);
        assert_memory_equal(got, zero, sizeof(got));
        assert_int_equal(evidence_search.candidates(NULL, &none[i], 10, item), 0);
    }
    shop_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_content_source__scores_are_the_mixture),
        cmocka_unit_test(test_content_source__scores_do_not_depend_on_company),
        cmocka_unit_test(test_content_source__what_was_disliked_counts_against),
        cmocka_unit_test(test_content_source__what_reviews_say_counts_beside_the_items),
        cmocka_unit_test(test_content_source__the_newest_count_most),
        cmocka_unit_test(test_content_source__nothing_known_is_nothing_said),
        cmocka_unit_test(test_content_source__candidates_are_exact),
        cmocka_unit_test(test_search__scores_are_words_and_likeness),
        cmocka_unit_test(test_search__rare_words_come_first),
        cmocka_unit_test(test_search__candidates_are_exact),
        cmocka_unit_test(test_search__without_a_search_it_says_nothing),
    };
    return cmocka_run_group_tests_name("content_source", tests, NULL, NULL);
}

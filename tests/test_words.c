/* SPDX-License-Identifier: Apache-2.0 */
/* The inverted index against a slow reading of all texts. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "retrieval/words.h"

enum { ITEMS = 400, VOCABULARY = 60 };

/* The texts as they are now; "" is an item without any. */
struct shelf {
    char text[ITEMS][2][200];
    struct words *words;
};

/* Frequent words have low numbers. */
static void write_text(struct rng *rng, char *to, size_t n, uint32_t max_words)
{
    to[0] = '\0';
    for (uint32_t i = rng_below(rng, max_words + 1); i > 0; i--)
        snprintf(to + strlen(to), n - strlen(to), "w%u ",
                 rng_below(rng, 1 + rng_below(rng, VOCABULARY)));
}

static void put(struct shelf *s, uint32_t item)
{
    const char *const text[] = {s->text[item][0], NULL, s->text[item][1]};
    assert_int_equal(words_put(s->words, item, text, 3), PENCHANT_OK);
}

/* Puts all items, replaces half of them and empties some, in a wild order. */
static struct shelf *shelf_new(uint64_t seed)
{
    struct shelf *s = calloc(1, sizeof(*s));
    struct rng rng;
    rng_init(&rng, seed, 0);
    s->words = words_new();
    for (int i = 0; i < 3 * ITEMS; i++) {
        const uint32_t item =
            i < ITEMS ? (uint32_t)i * 7 % ITEMS : rng_below(&rng, ITEMS);
        write_text(&rng, s->text[item][0], sizeof(s->text[item][0]),
                   rng_below(&rng, 10) ? 12 : 0);
        write_text(&rng, s->text[item][1], sizeof(s->text[item][1]), 2);
        put(s, item);
    }
    return s;
}

static void shelf_free(struct shelf *s)
{
    words_free(s->words);
    free(s);
}

static uint32_t occurrences(const struct shelf *s, uint32_t item, const char *word,
                            uint32_t *length)
{
    uint32_t n = 0;
    *length = 0;
    for (int part = 0; part < 2; part++)
        for (const char *at = s->text[item][part]; *at;) {
            const size_t len = strcspn(at, " ");
            n += len == strlen(word) && memcmp(at, word, len) == 0;
            (*length)++;
            at += len + 1;
        }
    return n;
}

/* The formula of words.h, word by word and item by item. */
static double direct(const struct shelf *s, const char *const *word, int n, uint32_t item)
{
    double present = 0, total = 0, sum = 0, full = 0;
    uint32_t length;
    for (uint32_t i = 0; i < ITEMS; i++) {
        occurrences(s, i, "", &length);
        present += length > 0;
        total += length;
    }
    for (int w = 0; w < n; w++) {
        double df = 0;
        for (uint32_t i = 0; i < ITEMS; i++)
            df += occurrences(s, i, word[w], &length) > 0;
        const double idf = log(1 + (present - df + 0.5) / (df + 0.5));
        const double tf = occurrences(s, item, word[w], &length);
        full += idf;
        sum += idf * tf * 2.2 / (tf + 1.2 * (0.5 + 0.5 * length * present / total));
    }
    return sum / full;
}

static void test_words__scores_are_bm25(void **unused)
{
    (void)unused;
    static const char *const queries[][3] = {
        {"w0", "w7", "w30"}, {"w55", "w1", "w2"}, {"w3", "nowhere", "w40"}};
    struct shelf *s = shelf_new(1);
    for (int q = 0; q < 3; q++) {
        char text[100];
        struct words_query asked;
        uint32_t item[ITEMS + 50];
        float got[ITEMS + 50];
        snprintf(text, sizeof(text), "%s %s  %s, %s", queries[q][0], queries[q][1],
                 queries[q][2], queries[q][0]); /* a repeat changes nothing */
        words_ask(&asked, text);
        assert_int_equal(asked.n, 3);
        for (uint32_t i = 0; i < ITEMS + 50; i++)
            item[i] = i;
        words_score(s->words, &asked, item, ITEMS + 50, got);
        for (uint32_t i = 0; i < ITEMS; i++)
            assert_true(fabs((double)got[i] - direct(s, queries[q], 3, i)) < 1e-5);
        for (uint32_t i = ITEMS; i < ITEMS + 50; i++)
            assert_true(got[i] == 0);
    }
    shelf_free(s);
}

static void test_words__search_gives_the_k_best(void **unused)
{
    (void)unused;
    struct shelf *s = shelf_new(2);
    struct rng rng;
    rng_init(&rng, 3, 0);
    for (int run = 0; run < 300; run++) {
        char text[200];
        uint64_t skip[ITEMS / 64 + 1];
        struct words_query asked;
        struct topk_hit hit[ITEMS];
        uint32_t item[ITEMS], n_items = run % 3 ? ITEMS : 1 + rng_below(&rng, ITEMS);
        float score[ITEMS];
        for (size_t i = 0; i < ITEMS / 64 + 1; i++)
            skip[i] = run % 2 ? rng_u64(&rng) & rng_u64(&rng) : 0;
        write_text(&rng, text, sizeof(text), 5);
        words_ask(&asked, text);
        for (uint32_t i = 0; i < ITEMS; i++)
            item[i] = i;
        words_score(s->words, &asked, item, ITEMS, score);
        const uint32_t k = 1 + rng_below(&rng, 40);
        const int64_t n = words_search(s->words, &asked, k, n_items, skip, hit);
        struct topk_hit all[ITEMS]; /* nothing is passed over while there is room */
        words_search(s->words, &asked, ITEMS, n_items, skip, all);
        for (int64_t h = 0; h < n; h++)
            assert_true(hit[h].row == all[h].row && hit[h].score == all[h].score);
        uint32_t want = 0;
        for (uint32_t i = 0; i < n_items; i++)
            want += score[i] > 0 && !(skip[i / 64] >> i % 64 & 1);
        assert_int_equal(n, want < k ? want : k);
        for (int64_t h = 0; h < n; h++) {
            const uint32_t row = hit[h].row;
            assert_true((float)hit[h].score == score[row] && score[row] > 0);
            assert_true(row < n_items && !(skip[row / 64] >> row % 64 & 1));
            score[row] = -1; /* each once */
            if (h)
                assert_true(hit[h - 1].score > hit[h].score ||
                            (hit[h - 1].score == hit[h].score && hit[h - 1].row < row));
        }
        for (uint32_t i = 0; n == k && i < n_items; i++)
            if (!(skip[i / 64] >> i % 64 & 1))
                assert_true(score[i] <= (float)hit[n - 1].score);
    }
    shelf_free(s);
}

/* What was put and replaced before leaves no trace. */
static void test_words__replacing_leaves_no_trace(void **unused)
{
    (void)unused;
    struct shelf *s = shelf_new(4);
    struct shelf *fresh = calloc(1, sizeof(*fresh));
    fresh->words = words_new();
    memcpy(fresh->text, s->text, sizeof(s->text));
    for (uint32_t i = 0; i < ITEMS; i++)
        put(fresh, i);
    uint32_t item[ITEMS];
    for (uint32_t i = 0; i < ITEMS; i++)
        item[i] = i;
    for (int w = 0; w < VOCABULARY; w++) {
        char text[40];
        struct words_query asked;
        float a[ITEMS], b[ITEMS];
        snprintf(text, sizeof(text), "w%d w%d", w, w / 2);
        words_ask(&asked, text);
        words_score(s->words, &asked, item, ITEMS, a);
        words_score(fresh->words, &asked, item, ITEMS, b);
        assert_memory_equal(a, b, sizeof(a));
    }
    for (uint32_t i = 0; i < ITEMS; i++)
        assert_int_equal(words_put(s->words, i, NULL, 0), PENCHANT_OK);
    struct words_query asked;
    struct topk_hit hit[4];
    words_ask(&asked, "w0 w1 w2");
    assert_int_equal(words_search(s->words, &asked, 4, ITEMS, NULL, hit), 0);
    shelf_free(s);
    shelf_free(fresh);
}

static void test_words__any_script_is_searched(void **unused)
{
    (void)unused;
    static const char *const titles[] = {"明前龙井绿茶礼盒", "手机保护壳透明",
                                         "Crème brûlée torches", "Чайник электрический"};
    static const char *const queries[] = {"绿茶", "手机", "creme TORCH", "чайник"};
    struct words *w = words_new();
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(words_put(w, i, &titles[i], 1), PENCHANT_OK);
    for (uint32_t i = 0; i < 4; i++) {
        struct words_query asked;
        struct topk_hit hit[4];
        words_ask(&asked, queries[i]);
        assert_int_equal(words_search(w, &asked, 4, 4, NULL, hit), 1);
        assert_int_equal(hit[0].row, i);
        assert_true(hit[0].score > 0.5);
    }
    struct words_query asked;
    struct topk_hit hit[4];
    words_ask(&asked, " ,. ");
    assert_int_equal(asked.n, 0);
    assert_int_equal(words_search(w, &asked, 4, 4, NULL, hit), 0);
    words_free(w);
    w = words_new();
    words_ask(&asked, "anything");
    assert_int_equal(words_search(w, &asked, 4, 4, NULL, hit), 0);
    assert_int_equal(words_search(w, &asked, 0, 4, NULL, hit), 0);
    words_free(w);
}

static void *keep_asking(void *arg)
{
    const struct shelf *s = arg;
    struct words_query asked;
    struct topk_hit hit[10];
    words_ask(&asked, "w0 w5 w20");
    for (int i = 0; i < 3000; i++) {
        const int64_t n = words_search(s->words, &asked, 10, ITEMS, NULL, hit);
        for (int64_t h = 0; h < n; h++)
            if (!(hit[h].score > 0) || hit[h].row >= ITEMS)
                return arg;
    }
    return NULL;
}

static void test_words__searches_run_beside_a_writer(void **unused)
{
    (void)unused;
    struct shelf *s = shelf_new(5);
    pthread_t reader;
    void *failed;
    struct rng rng;
    rng_init(&rng, 6, 0);
    assert_int_equal(pthread_create(&reader, NULL, keep_asking, s), 0);
    for (int i = 0; i < 3000; i++) {
        const uint32_t item = rng_below(&rng, ITEMS);
        write_text(&rng, s->text[item][0], sizeof(s->text[item][0]), 12);
        put(s, item);
    }
    pthread_join(reader, &failed);
    assert_null(failed);
    shelf_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words__scores_are_bm25),
        cmocka_unit_test(test_words__search_gives_the_k_best),
        cmocka_unit_test(test_words__replacing_leaves_no_trace),
        cmocka_unit_test(test_words__any_script_is_searched),
        cmocka_unit_test(test_words__searches_run_beside_a_writer),
    };
    return cmocka_run_group_tests_name("words", tests, NULL, NULL);
}

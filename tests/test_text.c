/* SPDX-License-Identifier: Apache-2.0 */
/* Folding, features and words of texts in many scripts. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "behaviour/text.h"
#include "behaviour/text_fold.h"
#include "behaviour/text_rules.h"

/* A code point as UTF-8. */
static size_t encode(char *to, uint32_t c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    const size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; c >>= 6)
        to[i] = (char)(0x80 | (c & 0x3F));
    to[0] = (char)((n == 2 ? 0xC0U : n == 3 ? 0xE0U : 0xF0U) | c);
    return n;
}

static const char *folded(const char *text)
{
    static char out[4 * TEXT_MAX_BYTES + 1];
    static uint32_t letter[TEXT_MAX_BYTES];
    const size_t n = text_fold(text, strlen(text), letter);
    size_t at = 0;
    for (size_t i = 0; i < n; i++)
        at += encode(out + at, letter[i]);
    out[at] = '\0';
    return out;
}

/* ---- folding ---- */

static void test_text__what_looks_alike_folds_alike(void **unused)
{
    (void)unused;
    static const char *const pairs[][2] = {
        {"Crème BRÛLÉE", "creme brulee"},
        {"Cre\u0300me", "creme"}, /* a combining accent */
        {"Straße ÆSIR œuvre", "strasse aesir oeuvre"},
        {"Łódź Şişli Čapek Ångström", "lodz sisli capek angstrom"},
        {"Điện thoại ĐẸP", "dien thoai dep"},
        {"ΆΝΘΡΩΠΟΣ άνθρωπος ἄνθρωπος", "ανθρωποσ ανθρωποσ ανθρωποσ"},
        {"ЁЛКА ёлка ЙОГУРТ", "елка елка иогурт"},
        {"Їжак Ґанок", "іжак ґанок"},
        {"ＦＵＬＬ　ｗｉｄｔｈ１２", "full width12"},
        {"ﾊﾞﾅﾅ バナナ", "バナナ バナナ"},
        {"ﾎﾟｽﾄ", "ポスト"},
        {"ヴ ｳ", "ヴ ウ"},
        {"ﬁne oﬃce", "fine office"},
        {"١٢٣ ۴۵۶", "123 456"},
        {"كِتَاب أحمد", "كتاب احمد"},
        {"Children's Aubrey’s", "childrens aubreys"},
        {"a-b/c,d.e", "a b c d e"},
        {"  two   words  ", "two words"},
        {"m² ™ ©", "m2"},
        {"绿茶 ，好！", "绿茶 好"},
        {"soft\u00ADhyphen zero\u200Bwidth", "softhyphen zerowidth"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
        assert_string_equal(folded(pairs[i][0]), pairs[i][1]);
}

static void test_text__entities_are_what_they_stand_for(void **unused)
{
    (void)unused;
    assert_string_equal(folded("Caf&eacute; &amp; Th&#233; &#xC9;t&Eacute;"),
                        "cafe the ete");
    assert_string_equal(folded("Caf&amp;eacute;"), "cafe");
    assert_string_equal(folded("L&#39;eau&nbsp;d&rsquo;or"), "leau dor");
    assert_string_equal(folded("&#9733;star&#9733;"), "star");
    assert_string_equal(folded("AT&T R&D & co; &unknown; &#; &#x; &#xZZ; &#99999999;"),
                        "at t r d co unknown x xzz 99999999");
    assert_string_equal(folded("&amp"), "amp");
    assert_string_equal(folded("&"), "");
}

static void test_text__the_table_of_rules_is_in_order(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < text_n_rules; i++) {
        assert_true(text_rules[i].first <= text_rules[i].last);
        if (i)
            assert_true(text_rules[i - 1].last < text_rules[i].first);
    }
}

/* Folding what is folded changes nothing, for every code point there is. */
static void test_text__folding_is_idempotent(void **unused)
{
    (void)unused;
    for (uint32_t c = 1; c <= 0x10FFFF; c++) {
        if (c >= 0xD800 && c < 0xE000)
            continue;
        char text[16];
        uint32_t once[8], twice[8];
        const size_t n = encode(text, c), got = text_fold(text, n, once);
        assert_in_range(got, 0, n);
        size_t len = 0;
        char again[16];
        for (size_t i = 0; i < got; i++)
            len += encode(again + len, once[i]);
        if (text_fold(again, len, twice) != got ||
            memcmp(once, twice, got * sizeof(*once)) != 0)
            fail_msg("U+%04X folds to what folds on", c);
    }
}

static void test_text__broken_bytes_only_separate(void **unused)
{
    (void)unused;
    assert_string_equal(folded("ab\xFF"
                               "cd\xC3"),
                        "ab cd");
    assert_string_equal(folded("\xE7\xBB"), "");
    struct rng rng;
    rng_init(&rng, 5, 0);
    for (int run = 0; run < 2000; run++) {
        char text[300];
        uint32_t letter[300];
        const size_t n = rng_below(&rng, sizeof(text));
        for (size_t i = 0; i < n; i++)
            text[i] = (char)(1 + rng_below(&rng, 255));
        char *copy = malloc(n + 1); /* exactly n bytes: a reader past them is caught */
        memcpy(copy, text, n);
        const size_t got = text_fold(copy, n, letter);
        assert_in_range(got, 0, n);
        for (size_t i = 0; i < got; i++)
            assert_true(letter[i] != ' ' ||
                        (i > 0 && i + 1 < got && letter[i - 1] != ' '));
        free(copy);
    }
}

/* ---- features ---- */

static double dot(const struct text_features *a, const struct text_features *b)
{
    double sum = 0;
    for (uint32_t i = 0, j = 0; i < a->n && j < b->n;) {
        if (a->bucket[i] < b->bucket[j]) {
            i++;
        } else if (a->bucket[i] > b->bucket[j]) {
            j++;
        } else {
            sum += (double)a->count[i++] * (double)b->count[j++];
        }
    }
    return sum;
}

static double likeness(const char *a, const char *b)
{
    struct text_features x, y;
    text_features_init(&x);
    text_features_init(&y);
    text_features_add(&x, a, 1);
    text_features_add(&y, b, 1);
    return dot(&x, &y) / sqrt(dot(&x, &x) * dot(&y, &y) + 1e-30);
}

static void test_text__features_are_ordered_distinct_and_bounded(void **unused)
{
    (void)unused;
    struct text_features f;
    char *text = malloc(20001);
    struct rng rng;
    rng_init(&rng, 6, 0);
    for (int run = 0; run < 200; run++) {
        const size_t n = run < 100 ? rng_below(&rng, 100) : 20000;
        for (size_t i = 0; i < n; i++)
            text[i] = (char)(rng_below(&rng, 6) ? 'a' + (int)rng_below(&rng, 26) : ' ');
        text[n] = '\0';
        text_features_init(&f);
        for (size_t part = 0; part < 3; part++) { /* other words each time */
            text_features_add(&f, text + n / 3 * part, 0.5F);
            text_features_add_field(&f, "brand", text, 1);
            assert_in_range(f.n, 0, TEXT_MAX_FEATURES);
            for (uint32_t i = 0; i < f.n; i++) {
                assert_in_range(f.bucket[i], 0, TEXT_BUCKETS - 1);
                assert_true(isfinite(f.count[i]));
                if (i)
                    assert_true(f.bucket[i - 1] < f.bucket[i]);
            }
        }
    }
    free(text);
    text_features_init(&f);
    text_features_add(&f, NULL, 1);
    text_features_add(&f, "", 1);
    text_features_add(&f, " .,- ", 1);
    text_features_add_field(&f, "brand", NULL, 1);
    text_features_add_field(&f, "brand", "", 1);
    assert_int_equal(f.n, 0);
}

/* The features of "ab" and "ab cd", by hand: words, the pair, no n-grams below three. */
static void test_text__words_pairs_and_grams_are_counted(void **unused)
{
    (void)unused;
    struct text_features f;
    text_features_init(&f);
    text_features_add(&f, "ab", 2);
    assert_int_equal(f.n, 1);
    assert_true(fabsf(f.count[0]) == 2);
    text_features_add(&f, "AB", 1);
    assert_int_equal(f.n, 1);
    assert_true(fabsf(f.count[0]) == 3);
    text_features_init(&f);
    text_features_add(&f, "ab cd", 1);
    assert_int_equal(f.n, 3);
    assert_true(fabs(dot(&f, &f) - (1 + 1 + .25)) < 1e-6);
    text_features_init(&f);
    text_features_add(&f, "abc", 1); /* the word; <ab abc bc>; <abc abc> */
    assert_int_equal(f.n, 6);
    assert_true(fabs(dot(&f, &f) - (1 + 1)) < 1e-6);
    text_features_init(&f);
    text_features_add(&f, "绿茶", 1); /* two characters and their pair */
    assert_int_equal(f.n, 3);
    assert_true(fabs(dot(&f, &f) - (1 + 2 * .25)) < 1e-6);
}

static void test_text__alike_texts_share_features(void **unused)
{
    (void)unused;
    assert_true(fabs(likeness("Crème Brûlée", "creme brulee") - (1)) < 1e-6);
    assert_true(likeness("shampoo", "shampoos") > 0.8); /* plural */
    assert_true(likeness("shampoo", "shampo") > 0.25);  /* by its n-grams */
    assert_true(likeness("green tea", "tea green") > 0.7);
    assert_true(fabs(likeness("green tea", "dog collar")) < 0.05);
    assert_true(likeness("绿茶茶叶礼盒", "礼盒装绿茶") > 0.4);
    assert_true(fabs(likeness("绿茶茶叶礼盒", "手机保护壳")) < 0.05);
    assert_true(likeness("한국 녹차", "녹차 세트") > 0.2);
    assert_true(likeness("ชาเขียวญี่ปุ่น", "ชาเขียว") > 0.5);
}

static void test_text__a_field_is_one_value_and_not_its_letters(void **unused)
{
    (void)unused;
    struct text_features a, b, c, d;
    text_features_init(&a);
    text_features_init(&b);
    text_features_init(&c);
    text_features_init(&d);
    text_features_add_field(&a, "category", "c123", 1);
    text_features_add_field(&b, "category", "c124", 1);
    text_features_add_field(&c, "brand", "c123", 1);
    text_features_add(&d, "category c123", 1);
    assert_int_equal(a.n, 1);
    assert_true(dot(&a, &a) == 1 && dot(&a, &b) == 0 && dot(&a, &c) == 0 &&
                dot(&a, &d) == 0);
}

/* Stored spaces rest on these numbers: a change of the hashing is a new version. */
static void test_text__hashes_stay_as_they_are(void **unused)
{
    (void)unused;
    struct text_features f;
    uint64_t sum = 0, word[8];
    text_features_init(&f);
    text_features_add(&f, "Crème brûlée 绿茶 tea", 1);
    text_features_add_field(&f, "brand", "Acme", 1);
    for (uint32_t i = 0; i < f.n; i++)
        sum = rng_mix(sum ^ f.bucket[i] ^ (f.count[i] < 0 ? 1ULL << 40 : 0));
    assert_int_equal(text_words("Crème 绿茶", word, 8), 4);
    assert_int_equal(f.n, 33);
    assert_true(sum == 0xa7b6652e4c8845a3);
    assert_true(word[0] == 0x773a345c41c5cffe);
}

/* ---- words ---- */

static void test_text__words_for_exact_search(void **unused)
{
    (void)unused;
    uint64_t a[TEXT_MAX_WORDS], b[TEXT_MAX_WORDS];
    assert_int_equal(text_words("Green TEAS", a, 8), 2);
    assert_int_equal(text_words("tea of green", b, 8), 3);
    assert_true(a[0] == b[2] && a[1] == b[0] && a[0] != a[1]);
    assert_int_equal(text_words("绿茶", a, 8), 3); /* 绿, 绿茶, 茶 */
    assert_int_equal(text_words("茶", b, 8), 1);
    assert_true(a[2] == b[0]);
    assert_int_equal(text_words("glass bus is as", a, 8), 4);
    assert_int_equal(text_words("glas bu i a", b, 8), 4);
    for (int i = 0; i < 4; i++)
        assert_true(a[i] != b[i]); /* these have no plural s */
    assert_int_equal(text_words("boxes dresses brushes torches shoes", a, 8), 5);
    assert_int_equal(text_words("box dress brush torch shoe", b, 8), 5);
    assert_memory_equal(a, b, 5 * sizeof(*a));
    assert_int_equal(text_words("a b c d e", a, 3), 3);
    assert_int_equal(text_words(NULL, a, 8), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text__what_looks_alike_folds_alike),
        cmocka_unit_test(test_text__entities_are_what_they_stand_for),
        cmocka_unit_test(test_text__the_table_of_rules_is_in_order),
        cmocka_unit_test(test_text__folding_is_idempotent),
        cmocka_unit_test(test_text__broken_bytes_only_separate),
        cmocka_unit_test(test_text__features_are_ordered_distinct_and_bounded),
        cmocka_unit_test(test_text__words_pairs_and_grams_are_counted),
        cmocka_unit_test(test_text__alike_texts_share_features),
        cmocka_unit_test(test_text__a_field_is_one_value_and_not_its_letters),
        cmocka_unit_test(test_text__hashes_stay_as_they_are),
        cmocka_unit_test(test_text__words_for_exact_search),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "behaviour/text.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "behaviour/text_fold.h"

/* What a feature is; part of its hash. */
enum kind { WORD = 1, PAIR, GRAM, SIGN, SIGNS, FIELD };

#define PAIR_WEIGHT 0.5F
#define SIGN_WEIGHT 0.5F
/* The length of all n-grams of a word together, where the word's is 1. */
#define GRAMS_WEIGHT 1.0F

static uint64_t hash_letters(enum kind kind, const uint32_t *letter, size_t n)
{
    uint64_t h = rng_mix((uint64_t)kind << 32 | n);
    for (size_t i = 0; i < n; i++)
        h = rng_mix(h ^ letter[i]);
    return h;
}

/* ---- adding ---------------------------------------------------------------------- */

void text_features_init(struct text_features *f)
{
    f->n = 0;
}

/* Features found so far, repeats and all; the room is what the bag has left. */
struct found {
    uint32_t n, room;
    uint32_t bucket[TEXT_MAX_FEATURES];
    float count[TEXT_MAX_FEATURES];
};

static void find(struct found *f, uint64_t hash, float weight)
{
    if (f->n == f->room)
        return;
    f->bucket[f->n] = (uint32_t)(hash % TEXT_BUCKETS);
    f->count[f->n++] = hash >> 63 ? -weight : weight;
}

static int compare_keys(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Merges what was found into the bag. Equal buckets are summed in order of appearance. */
static void merge(struct text_features *f, const struct found *found)
{
    uint64_t key[TEXT_MAX_FEATURES];
    struct text_features old;
    for (uint32_t i = 0; i < found->n; i++)
        key[i] = (uint64_t)found->bucket[i] << 32 | i;
    qsort(key, found->n, sizeof(*key), compare_keys);
    old.n = f->n;
    memcpy(old.bucket, f->bucket, f->n * sizeof(*f->bucket));
    memcpy(old.count, f->count, f->n * sizeof(*f->count));
    f->n = 0;
    for (uint32_t i = 0, j = 0; i < old.n || j < found->n;) {
        const uint32_t next = j < found->n ? (uint32_t)(key[j] >> 32) : UINT32_MAX;
        const bool from_old = i < old.n && old.bucket[i] <= next;
        const uint32_t bucket = from_old ? old.bucket[i] : next;
        const float count = from_old ? old.count[i++] : found->count[(uint32_t)key[j++]];
        if (f->n && f->bucket[f->n - 1] == bucket) {
            f->count[f->n - 1] += count;
        } else {
            f->bucket[f->n] = bucket;
            f->count[f->n++] = count;
        }
    }
}

/* ---- the features of letters ----------------------------------------------------- */

/* The next word in letter[*at..n): consecutive letters of one kind of script. */
static bool next_word(const uint32_t *letter, size_t n, size_t *at, size_t *first,
                      bool *unspaced)
{
    size_t i = *at;
    while (i < n && letter[i] == ' ')
        i++;
    *first = i;
    *unspaced = i < n && text_unspaced(letter[i]);
    while (i < n && letter[i] != ' ' && text_unspaced(letter[i]) == *unspaced)
        i++;
    *at = i;
    return i > *first;
}

/*
 * The length of a word without an English plural (after Harman 1991): "s" goes unless it
 * comes after s or u, "es" after ch, sh, x and ss, and only from words of four letters on.
 * "ies" is left to the n-grams.
 */
static size_t stem(const uint32_t *letter, size_t n)
{
    if (n < 4 || letter[n - 1] != 's' || letter[n - 2] == 's' || letter[n - 2] == 'u')
        return n;
    for (size_t i = 0; i < n; i++)
        if (letter[i] < 'a' || letter[i] > 'z')
            return n;
    const uint32_t last = letter[n - 3], before = letter[n - 4];
    const bool hisses = last == 'x' ||
                        (last == 'h' && (before == 'c' || before == 's')) ||
                        (last == 's' && before == 's');
    return letter[n - 2] == 'e' && hisses ? n - 2 : n - 1;
}

static void find_signs(struct found *f, const uint32_t *letter, size_t n, float weight)
{
    for (size_t i = 0; i < n; i++) {
        find(f, hash_letters(SIGN, letter + i, 1), weight * SIGN_WEIGHT);
        if (i + 1 < n)
            find(f, hash_letters(SIGNS, letter + i, 2), weight);
    }
}

static void find_words(struct found *f, const uint32_t *letter, size_t n, float weight)
{
    uint64_t last = 0;
    bool unspaced;
    for (size_t at = 0, first; next_word(letter, n, &at, &first, &unspaced);) {
        if (unspaced) {
            find_signs(f, letter + first, at - first, weight);
            last = 0;
            continue;
        }
        const uint64_t word =
            hash_letters(WORD, letter + first, stem(letter + first, at - first));
        find(f, word, weight);
        if (last)
            find(f, rng_mix(last ^ rng_mix(word ^ PAIR)), weight * PAIR_WEIGHT);
        last = word;
    }
}

/* 3- and 4-grams of "<word>"; a shorter one is whole already. */
static void find_grams(struct found *f, const uint32_t *letter, size_t n, float weight)
{
    enum { LONGEST = 32 };
    uint32_t word[LONGEST + 2];
    bool unspaced;
    for (size_t at = 0, first; next_word(letter, n, &at, &first, &unspaced);) {
        const size_t len = at - first < LONGEST ? at - first : LONGEST;
        if (unspaced || len < 3)
            continue;
        word[0] = '<';
        memcpy(word + 1, letter + first, len * sizeof(*word));
        word[len + 1] = '>';
        const float each = weight * GRAMS_WEIGHT / sqrtf((float)(2 * len - 1));
        for (size_t i = 0; i + 3 <= len + 2; i++) {
            find(f, hash_letters(GRAM, word + i, 3), each);
            if (i + 4 <= len + 2)
                find(f, hash_letters(GRAM, word + i, 4), each);
        }
    }
}

static size_t fold(const char *text, uint32_t letter[TEXT_MAX_BYTES])
{
    return text ? text_fold(text, strnlen(text, TEXT_MAX_BYTES), letter) : 0;
}

void text_features_add(struct text_features *f, const char *text, float weight)
{
    uint32_t letter[TEXT_MAX_BYTES];
    const size_t n = fold(text, letter);
    struct found found;
    found.n = 0;
    found.room = TEXT_MAX_FEATURES - f->n;
    find_words(&found, letter, n, weight);
    find_grams(&found, letter, n, weight);
    merge(f, &found);
}

static uint64_t hash_text(uint64_t h, const char *text)
{
    for (size_t i = 0; i < TEXT_MAX_BYTES && text[i]; i++)
        h = rng_mix(h ^ (unsigned char)text[i]);
    return rng_mix(h ^ 0x100);
}

void text_features_add_field(struct text_features *f, const char *field,
                             const char *value, float weight)
{
    struct found found;
    if (!value || !value[0])
        return;
    found.n = 0;
    found.room = TEXT_MAX_FEATURES - f->n;
    find(&found, hash_text(hash_text(rng_mix(FIELD), field), value), weight);
    merge(f, &found);
}

size_t text_words(const char *text, uint64_t *word, size_t max)
{
    uint32_t letter[TEXT_MAX_BYTES];
    const size_t n = fold(text, letter);
    size_t found = 0;
    bool unspaced;
    for (size_t at = 0, first; next_word(letter, n, &at, &first, &unspaced);) {
        const size_t len = at - first;
        if (!unspaced && found < max)
            word[found++] = hash_letters(WORD, letter + first, stem(letter + first, len));
        for (size_t i = 0; unspaced && i < len; i++) {
            if (found < max)
                word[found++] = hash_letters(SIGN, letter + first + i, 1);
            if (i + 1 < len && found < max)
                word[found++] = hash_letters(SIGNS, letter + first + i, 2);
        }
    }
    return found;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words without a vocabulary: a text becomes a sparse bag of hashed features, the same for
 * every language (Weinberger et al. 2009). Letters are folded (text_fold.h); features are
 * whole words, pairs of neighbouring words, character 3- and 4-grams within a word with
 * its ends marked, and, for scripts without spaces (Chinese, Japanese, Korean, Thai),
 * single characters and pairs of them. HTML entities are read as what they stand for.
 * Deterministic: the same bits on every machine.
 */
#ifndef BEHAVIOUR_TEXT_H
#define BEHAVIOUR_TEXT_H

#include <stddef.h>
#include <stdint.h>

enum {
    TEXT_BUCKETS = 1 << 18,
    TEXT_MAX_FEATURES = 1024,
    TEXT_MAX_BYTES = 4096, /* of a text; what follows is left out */
    TEXT_MAX_WORDS = 256
};

struct text_features {
    uint32_t n;
    uint32_t bucket[TEXT_MAX_FEATURES]; /* ascending, distinct, below TEXT_BUCKETS */
    float count[TEXT_MAX_FEATURES];     /* signed by the hash: collisions cancel */
};

void text_features_init(struct text_features *f);

/*
 * Adds the features of a text: a whole word counts `weight`, a pair of words or a
 * character of a script without spaces half of it, an n-gram less the longer its word.
 * Words come before n-grams where the room ends; broken UTF-8 is passed over. NULL is an
 * empty text.
 */
void text_features_add(struct text_features *f, const char *text, float weight);

/* Adds one feature for a whole value of a field ("brand", "Acme"), never its letters:
   for attributes whose spelling means nothing. */
void text_features_add_field(struct text_features *f, const char *field,
                             const char *value, float weight);

/*
 * The words of a text as hashes, in order and with repeats, for exact search: each word
 * (without an English plural s) and, for scripts without spaces, each character and each
 * pair of them. At most `max`; returns how many.
 */
size_t text_words(const char *text, uint64_t *word, size_t max);

#endif

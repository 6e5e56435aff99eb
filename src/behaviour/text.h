/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words without a vocabulary: a text becomes a sparse bag of hashed features, the same for
 * every language. Letters are folded (case, width, common accents); features are whole
 * words, pairs of neighbouring words, character 3- and 4-grams within a word, and, for
 * scripts without spaces (Chinese, Japanese, Thai), single characters and pairs of them.
 * HTML entities are read as what they stand for. Deterministic on every machine.
 */
#ifndef BEHAVIOUR_TEXT_H
#define BEHAVIOUR_TEXT_H

#include <stddef.h>
#include <stdint.h>

enum { TEXT_BUCKETS = 1 << 16, TEXT_MAX_FEATURES = 1024, TEXT_MAX_BYTES = 4096 };

struct text_features {
    uint32_t n;
    uint32_t bucket[TEXT_MAX_FEATURES]; /* ascending, distinct, below TEXT_BUCKETS */
    float count[TEXT_MAX_FEATURES];     /* signed by the hash: collisions cancel */
};

void text_features_init(struct text_features *f);

/*
 * Adds the features of a text; bytes past TEXT_MAX_BYTES and features past the maximum
 * are left out, broken UTF-8 is passed over. NULL is an empty text.
 */
void text_features_add(struct text_features *f, const char *text, float weight);

/* Adds one feature for a whole value of a field ("brand", "Acme"), never its letters:
   for attributes whose spelling means nothing. */
void text_features_add_field(struct text_features *f, const char *field,
                             const char *value, float weight);

#endif

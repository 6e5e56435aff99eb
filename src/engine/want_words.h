/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a user's words ask of a list: searches and the texts of reviews as vectors of the
 * shop's content space (model/content.h).
 *
 * A search counts in full while it is the last thing that happened and a few minutes old:
 *
 *   fade = QUERY_PER_EVENT^events since * 2^-(max(0, age - QUERY_FULL) / QUERY_HALF)
 *
 * (age only with a clock), is not looked at below QUERY_LEAST, and each older search counts
 * half of what it would as the newest one. `asked` is the direction of the weighted sum.
 * The text of a review fades by TEXT_PER_EVENT and TEXT_HALF and counts as what the review
 * thinks of the item: towards what was written, or away from it.
 */
#ifndef ENGINE_WANT_WORDS_H
#define ENGINE_WANT_WORDS_H

#include "evidence/evidence.h"
#include "interest/user_words.h"
#include "model/content.h"

#define QUERY_PER_EVENT 0.75F
#define QUERY_FULL_US   (300 * INT64_C(1000000))  /* 5 minutes */
#define QUERY_HALF_US   (1800 * INT64_C(1000000)) /* half an hour */
#define QUERY_LEAST     0.05F
#define TEXT_PER_EVENT  0.95F
#define TEXT_HALF_US    (30 * INT64_C(86400000000)) /* 30 days */

struct want_words {
    float asked_weight;     /* (0, 1]; 0: no search is active */
    const char *asked_text; /* the search that counts most, or NULL */
    const float *asked;     /* (dim) of length 1, or NULL: none of its words is known */
    uint32_t n_told;        /* texts of reviews with a known word: */
    const float *told;      /* (n_told, dim) of length 1 each */
    float told_liking[USER_WORDS_EACH]; /* in [-1, 1], faded */
    /* private */
    float *vectors;
};

/* How much of a search is left. */
float want_words_fade(const struct user_said *query, int64_t now_us, bool has_clock);

/*
 * `words` is borrowed as long as *w is used; space may be NULL: then there are no vectors.
 * 0 or PENCHANT_ENOMEM.
 */
int want_words_init(struct want_words *w, const struct user_words *words,
                    const struct content_space *space, int64_t now_us, bool has_clock);
void want_words_release(struct want_words *w);

/* The query's part of it, borrowed. */
void want_words_ask(const struct want_words *w, struct evidence_query *q);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exact search by words: an inverted index from the words of the items' texts
 * (behaviour/text.h) to the items, scored by BM25 (Robertson and Zaragoza 2009):
 *
 *   bm25(i) = sum over the query's words w of
 *             idf(w) tf (K + 1) / (tf + K (1 - B + B length(i) / mean length))
 *   idf(w) = log(1 + (n - df + 1/2) / (df + 1/2))
 *
 * given as a share of what an item of mean length with every word once would get, so that
 * 1 is a full answer. Projected vectors (model/content.h) blur rare words; this does not.
 *
 * Memory: 18 bytes for each distinct word of each item, of which at most TEXT_MAX_WORDS
 * are kept, 16 for each item, and about 80 for each word that any item ever had.
 *
 * Threads: one at a time may put or remove; others may search meanwhile.
 */
#ifndef RETRIEVAL_WORDS_H
#define RETRIEVAL_WORDS_H

#include <stddef.h>
#include <stdint.h>

#include "behaviour/text.h"
#include "retrieval/topk.h"

struct words;

/* The distinct words of a query. */
struct words_query {
    uint32_t n;
    uint64_t word[TEXT_MAX_WORDS]; /* ascending */
};

struct words *words_new(void); /* NULL when out of memory */
void words_free(struct words *w);

/* Replaces the words of an item by those of n texts (NULL ones are passed over). 0 or
   PENCHANT_ENOMEM, and then nothing has changed. Without any text the item is removed. */
int words_put(struct words *w, uint32_t item, const char *const *text, size_t n);

void words_ask(struct words_query *q, const char *text);

/* bm25 of item[n] as a share into out[n]; 0 without a word of the query. */
void words_score(const struct words *w, const struct words_query *q, const uint32_t *item,
                 size_t n, float *out);

/*
 * The k best of the items below n_items that have a word of the query, into out[k], equal
 * ones by number; skip as in topk.h. Returns how many.
 */
int64_t words_search(const struct words *w, const struct words_query *q, uint32_t k,
                     uint32_t n_items, const uint64_t *skip, struct topk_hit *out);

#endif

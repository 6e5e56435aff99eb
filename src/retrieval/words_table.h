/* SPDX-License-Identifier: Apache-2.0 */
/* What words.c keeps and words_search.c reads; private to src/retrieval. */
#ifndef RETRIEVAL_WORDS_TABLE_H
#define RETRIEVAL_WORDS_TABLE_H

#include <pthread.h>

#include "retrieval/words.h"

struct posting {
    uint32_t item, count;
};

struct list {
    uint64_t word;      /* 0: an empty slot of the table */
    struct posting *at; /* (n) ascending items */
    uint32_t n, room;
    uint32_t most;     /* no posting counts more */
    uint32_t shortest; /* no item of the list is shorter */
};

/* What stands in the lists of an item: word[n] and then count[n] in one block. */
struct entry {
    uint64_t *word; /* (n) distinct, ascending */
    uint32_t n, length;
};

struct words {
    pthread_rwlock_t lock;
    struct list *table; /* (slots) by linear probing */
    uint64_t slots, used;
    struct entry *entry; /* (n_entries) by item */
    uint32_t n_entries;
    uint32_t n_items; /* with any word */
    uint64_t total;   /* words of all items */
};

/* How often the item has each of its words. */
static inline uint16_t *entry_counts(const struct entry *e)
{
    return (uint16_t *)(e->word + e->n);
}

/* The list of a word, or NULL. */
struct list *words_list(const struct words *w, uint64_t word);

/* The distinct words of some texts, ascending, with their counts. */
struct words_counted {
    uint64_t word[TEXT_MAX_WORDS];
    uint16_t count[TEXT_MAX_WORDS];
    uint32_t n, length;
};

void words_count(struct words_counted *c, const char *const *text, size_t n);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The lists of the words: putting and removing items. Searching is in words_search.c. */
#include "retrieval/words_table.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct words *words_new(void)
{
    struct words *w = calloc(1, sizeof(*w));
    if (w && pthread_rwlock_init(&w->lock, NULL)) {
        free(w);
        return NULL;
    }
    return w;
}

void words_free(struct words *w)
{
    if (!w)
        return;
    for (uint64_t i = 0; i < w->slots; i++)
        free(w->table[i].at);
    for (uint32_t i = 0; i < w->n_entries; i++)
        free(w->entry[i].word);
    free(w->table);
    free(w->entry);
    pthread_rwlock_destroy(&w->lock);
    free(w);
}

/* ---- the table --------------------------------------------------------------------- */

static struct list *slot_of(struct list *table, uint64_t slots, uint64_t word)
{
    uint64_t i = word & (slots - 1);
    while (table[i].word && table[i].word != word)
        i = (i + 1) & (slots - 1);
    return &table[i];
}

struct list *words_list(const struct words *w, uint64_t word)
{
    struct list *l = w->slots ? slot_of(w->table, w->slots, word) : NULL;
    return l && l->word ? l : NULL;
}

/* Room for n more words. */
static bool grow_table(struct words *w, uint64_t n)
{
    if (2 * (w->used + n) <= w->slots)
        return true;
    uint64_t slots = w->slots ? w->slots : 1024;
    while (slots < 2 * (w->used + n))
        slots *= 2;
    struct list *table = calloc(slots, sizeof(*table));
    if (!table)
        return false;
    for (uint64_t i = 0; i < w->slots; i++)
        if (w->table[i].word)
            *slot_of(table, slots, w->table[i].word) = w->table[i];
    free(w->table);
    w->table = table;
    w->slots = slots;
    return true;
}

static bool grow_entries(struct words *w, uint32_t item)
{
    if (item < w->n_entries)
        return true;
    uint64_t n = w->n_entries ? w->n_entries : 256;
    while (n <= item)
        n *= 2;
    n = n < UINT32_MAX ? n : UINT32_MAX;
    struct entry *entry = reallocarray(w->entry, n, sizeof(*entry));
    if (!entry)
        return false;
    memset(entry + w->n_entries, 0, (n - w->n_entries) * sizeof(*entry));
    w->entry = entry;
    w->n_entries = (uint32_t)n;
    return true;
}

/* Makes room for one posting in the list of each word. */
static bool reserve(struct words *w, const uint64_t *word, uint32_t n)
{
    if (!grow_table(w, n))
        return false;
    for (uint32_t i = 0; i < n; i++) {
        struct list *l = slot_of(w->table, w->slots, word[i]);
        if (l->n < l->room)
            continue;
        const uint32_t room = l->room ? 2 * l->room : 1;
        struct posting *at = reallocarray(l->at, room, sizeof(*at));
        if (!at)
            return false;
        w->used += l->word == 0;
        l->word = word[i];
        l->at = at;
        l->room = room;
    }
    return true;
}

/* Where an item stands in a list, or would. */
static uint32_t place(const struct list *l, uint32_t item)
{
    uint32_t low = 0, high = l->n;
    if (high && l->at[high - 1].item < item)
        return high;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (l->at[middle].item < item)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- putting ----------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

void words_count(struct words_counted *c, const char *const *text, size_t n)
{
    uint64_t word[TEXT_MAX_WORDS];
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += text_words(text[i], word + total, TEXT_MAX_WORDS - total);
    qsort(word, total, sizeof(*word), compare);
    c->n = 0;
    c->length = (uint32_t)total;
    for (size_t i = 0; i < total; i++) {
        const uint64_t one = word[i] ? word[i] : 1; /* 0 marks an empty slot */
        if (c->n && c->word[c->n - 1] == one) {
            c->count[c->n - 1]++;
        } else {
            c->word[c->n] = one;
            c->count[c->n++] = 1;
        }
    }
}

static void drop(struct words *w, uint32_t item)
{
    struct entry *e = &w->entry[item];
    for (uint32_t i = 0; i < e->n; i++) {
        struct list *l = words_list(w, e->word[i]);
        const uint32_t at = place(l, item);
        l->n--;
        memmove(l->at + at, l->at + at + 1, (l->n - at) * sizeof(*l->at));
    }
    w->total -= e->length;
    w->n_items -= e->n > 0;
    free(e->word);
    *e = (struct entry){0};
}

static void insert(struct words *w, uint32_t item, const struct words_counted *c,
                   uint64_t *word)
{
    for (uint32_t i = 0; i < c->n; i++) {
        struct list *l = words_list(w, c->word[i]);
        const uint32_t at = place(l, item);
        memmove(l->at + at + 1, l->at + at, (l->n - at) * sizeof(*l->at));
        l->at[at] = (struct posting){item, c->count[i]};
        l->most = l->n && l->most > c->count[i] ? l->most : c->count[i];
        l->shortest = l->n && l->shortest < c->length ? l->shortest : c->length;
        l->n++;
    }
    memcpy(word, c->word, c->n * sizeof(*word));
    w->entry[item] = (struct entry){word, c->n, c->length};
    memcpy(entry_counts(&w->entry[item]), c->count, c->n * sizeof(*c->count));
    w->total += c->length;
    w->n_items++;
}

int words_put(struct words *w, uint32_t item, const char *const *text, size_t n)
{
    struct words_counted c;
    words_count(&c, text, n);
    uint64_t *word = c.n ? malloc(c.n * (sizeof(*word) + sizeof(*c.count))) : NULL;
    pthread_rwlock_wrlock(&w->lock);
    const bool room = (!c.n || word) && grow_entries(w, item) && reserve(w, c.word, c.n);
    if (room) {
        drop(w, item);
        if (c.n)
            insert(w, item, &c, word);
    }
    pthread_rwlock_unlock(&w->lock);
    if (!room)
        free(word);
    return room ? PENCHANT_OK : PENCHANT_ENOMEM;
}

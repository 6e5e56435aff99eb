/* SPDX-License-Identifier: Apache-2.0 */
#include "retrieval/words.h"

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "retrieval/best.h"

#define K 1.2
#define B 0.5

struct posting {
    uint32_t item, count;
};

struct list {
    uint64_t word;      /* 0: an empty slot of the table */
    struct posting *at; /* (n) ascending items */
    uint32_t n, room;
};

/* What stands in the lists of an item. */
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

static struct list *find(const struct words *w, uint64_t word)
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

/* The distinct words of some texts, ascending, with their counts. */
struct counted {
    uint64_t word[TEXT_MAX_WORDS];
    uint32_t count[TEXT_MAX_WORDS];
    uint32_t n, length;
};

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void count_words(struct counted *c, const char *const *text, size_t n)
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
        struct list *l = find(w, e->word[i]);
        const uint32_t at = place(l, item);
        l->n--;
        memmove(l->at + at, l->at + at + 1, (l->n - at) * sizeof(*l->at));
    }
    w->total -= e->length;
    w->n_items -= e->n > 0;
    free(e->word);
    *e = (struct entry){0};
}

static void insert(struct words *w, uint32_t item, const struct counted *c,
                   uint64_t *word)
{
    for (uint32_t i = 0; i < c->n; i++) {
        struct list *l = find(w, c->word[i]);
        const uint32_t at = place(l, item);
        memmove(l->at + at + 1, l->at + at, (l->n - at) * sizeof(*l->at));
        l->at[at] = (struct posting){item, c->count[i]};
        l->n++;
    }
    memcpy(word, c->word, c->n * sizeof(*word));
    w->entry[item] = (struct entry){word, c->n, c->length};
    w->total += c->length;
    w->n_items++;
}

int words_put(struct words *w, uint32_t item, const char *const *text, size_t n)
{
    struct counted c;
    count_words(&c, text, n);
    uint64_t *word = c.n ? malloc(c.n * sizeof(*word)) : NULL;
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

/* ---- searching --------------------------------------------------------------------- */

void words_ask(struct words_query *q, const char *text)
{
    struct counted c;
    count_words(&c, &text, 1);
    q->n = c.n;
    memcpy(q->word, c.word, c.n * sizeof(*q->word));
}

/* The query's words as they stand in the index. */
struct asked {
    uint32_t n;
    const struct list *list[TEXT_MAX_WORDS];
    double idf[TEXT_MAX_WORDS];
    double full; /* what an item of mean length with every word once gets, at least */
    double mean; /* length of an item */
};

static void look_up(const struct words *w, const struct words_query *q, struct asked *a)
{
    a->n = 0;
    a->full = 0;
    a->mean = w->n_items ? (double)w->total / w->n_items : 1;
    for (uint32_t i = 0; i < q->n; i++) {
        const struct list *l = find(w, q->word[i]);
        const double df = l ? l->n : 0;
        const double idf = log1p((w->n_items - df + 0.5) / (df + 0.5));
        a->full += idf;
        if (!df)
            continue; /* but a word that no item has keeps answers from being full */
        a->list[a->n] = l;
        a->idf[a->n++] = idf;
    }
}

static double part(const struct words *w, const struct asked *a, uint32_t i,
                   const struct posting *p)
{
    const double length = w->entry[p->item].length;
    const double tf = p->count;
    return a->idf[i] * tf * (K + 1) / (tf + K * (1 - B + B * length / a->mean)) / a->full;
}

static double score(const struct words *w, const struct asked *a, uint32_t item)
{
    double sum = 0;
    for (uint32_t i = 0; i < a->n; i++) {
        const uint32_t at = place(a->list[i], item);
        if (at < a->list[i]->n && a->list[i]->at[at].item == item)
            sum += part(w, a, i, &a->list[i]->at[at]);
    }
    return sum;
}

void words_score(const struct words *w, const struct words_query *q, const uint32_t *item,
                 size_t n, float *out)
{
    struct asked a;
    pthread_rwlock_rdlock((pthread_rwlock_t *)(uintptr_t)&w->lock);
    look_up(w, q, &a);
    for (size_t i = 0; i < n; i++)
        out[i] = (float)score(w, &a, item[i]);
    pthread_rwlock_unlock((pthread_rwlock_t *)(uintptr_t)&w->lock);
}

static bool skips(const uint64_t *skip, uint32_t item)
{
    return skip && (skip[item / 64] >> item % 64 & 1);
}

/* Offers every item of the lists once: all of them are walked side by side. */
static void walk(const struct words *w, const struct asked *a, uint32_t n_items,
                 const uint64_t *skip, struct best *best)
{
    uint32_t at[TEXT_MAX_WORDS] = {0};
    for (;;) {
        uint32_t next = UINT32_MAX;
        for (uint32_t i = 0; i < a->n; i++)
            if (at[i] < a->list[i]->n && a->list[i]->at[at[i]].item < next)
                next = a->list[i]->at[at[i]].item;
        if (next >= n_items)
            return;
        double sum = 0;
        for (uint32_t i = 0; i < a->n; i++)
            if (at[i] < a->list[i]->n && a->list[i]->at[at[i]].item == next)
                sum += part(w, a, i, &a->list[i]->at[at[i]++]);
        if (!skips(skip, next))
            best_offer(best, sum, next);
    }
}

int64_t words_search(const struct words *w, const struct words_query *q, uint32_t k,
                     uint32_t n_items, const uint64_t *skip, struct topk_hit *out)
{
    struct best best = {.hit = out, .k = k};
    struct asked a;
    if (!k)
        return 0;
    pthread_rwlock_rdlock((pthread_rwlock_t *)(uintptr_t)&w->lock);
    look_up(w, q, &a);
    walk(w, &a, n_items, skip, &best);
    pthread_rwlock_unlock((pthread_rwlock_t *)(uintptr_t)&w->lock);
    best_sort(&best);
    return best.n;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Searching by words. The k best are found by MaxScore (Turtle and Flood 1995): what a
 * list can add at most is known, and once k items score as much as the least of the lists
 * together can, those are not walked any more but looked into, for items that the other
 * lists name. So a word that nearly all items have costs little.
 *
 * The bounds hold with every rounding: an item's parts are added in the order of the
 * lists, and so are the bounds of the parts. Rounding keeps order, so a sum of bounds is
 * never below a sum of parts.
 */
#include "retrieval/words_table.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "retrieval/best.h"

#define K 1.2
#define B 0.5

/* tf / (tf + norm) grows with tf, but for rounding, which is far below this. */
#define SLACK (1 + 1e-12)

void words_ask(struct words_query *q, const char *text)
{
    struct words_counted c;
    words_count(&c, &text, 1);
    q->n = c.n;
    memcpy(q->word, c.word, c.n * sizeof(*q->word));
}

/* The query's words as they stand in the index, ascending. */
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
        const struct list *l = words_list(w, q->word[i]);
        const double df = l ? l->n : 0;
        const double idf = log1p((w->n_items - df + 0.5) / (df + 0.5));
        a->full += idf;
        if (!df)
            continue; /* but a word that no item has keeps answers from being full */
        a->list[a->n] = l;
        a->idf[a->n++] = idf;
    }
}

/* What the length of an item does to its parts: the longer it is, the larger. */
static double norm_of(const struct asked *a, uint32_t length)
{
    return K * (1 - B + B * length / a->mean);
}

/* What `count` occurrences of word i are worth. */
static double part(const struct asked *a, uint32_t i, uint32_t count, double norm)
{
    const double tf = count;
    return a->idf[i] * tf * (K + 1) / (tf + norm) / a->full;
}

/* The most that any item with this norm or a larger one has of word i. */
static double most(const struct asked *a, uint32_t i, double norm)
{
    const uint32_t count = a->list[i]->most;
    return part(a, i, count, norm) * (count > 1 ? SLACK : 1);
}

/* ---- scores of given items --------------------------------------------------------- */

/* Both the item's words and the query's ascend. */
static double score(const struct words *w, const struct asked *a, uint32_t item)
{
    double sum = 0;
    if (item >= w->n_entries)
        return 0;
    const struct entry *e = &w->entry[item];
    const uint16_t *count = entry_counts(e);
    const double norm = norm_of(a, e->length);
    for (uint32_t i = 0, j = 0; i < a->n && j < e->n;) {
        if (a->list[i]->word == e->word[j])
            sum += part(a, i, count[j], norm);
        const bool next = a->list[i]->word <= e->word[j];
        j += a->list[i]->word >= e->word[j];
        i += next;
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

/* ---- the k best -------------------------------------------------------------------- */

struct walk {
    const struct words *w;
    const struct asked *a;
    uint32_t at[TEXT_MAX_WORDS];    /* how far each list is read */
    double most[TEXT_MAX_WORDS];    /* what it can add */
    uint32_t order[TEXT_MAX_WORDS]; /* of the lists, by that */
    bool quiet[TEXT_MAX_WORDS]; /* without the others its items cannot be in the answer */
    uint32_t n_quiet;           /* the first ones of `order` */
    struct best best;
};

static void walk_init(struct walk *k, const struct words *w, const struct asked *a)
{
    k->w = w;
    k->a = a;
    k->n_quiet = 0;
    for (uint32_t i = 0; i < a->n; i++) {
        uint32_t to = i;
        k->at[i] = 0;
        k->quiet[i] = false;
        k->most[i] = most(a, i, norm_of(a, a->list[i]->shortest));
        for (; to > 0 && k->most[k->order[to - 1]] > k->most[i]; to--)
            k->order[to] = k->order[to - 1];
        k->order[to] = i;
    }
}

/* Items come in ascending order: at the same score a later one is not taken. */
static bool is_too_low(const struct walk *k, double bound)
{
    return k->best.n == k->best.k && bound <= k->best.hit[0].score;
}

/* Silences lists as long as all that are quiet cannot bring an item in by themselves. */
static void silence(struct walk *k)
{
    while (k->n_quiet < k->a->n) {
        const uint32_t next = k->order[k->n_quiet];
        double sum = 0;
        for (uint32_t i = 0; i < k->a->n; i++)
            if (k->quiet[i] || i == next)
                sum += k->most[i];
        if (!is_too_low(k, sum))
            return;
        k->quiet[next] = true;
        k->n_quiet++;
    }
}

/* The first place from `from` on whose item is not before this one. */
static uint32_t seek(const struct list *l, uint32_t from, uint32_t item)
{
    uint32_t low = from, step = 1;
    while (low < l->n && l->at[low].item < item && l->n - low > step &&
           l->at[low + step].item < item) {
        low += step;
        step *= 2;
    }
    uint32_t high = l->n - low > step ? low + step + 1 : l->n;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (l->at[middle].item < item)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The next item of the lists that are not quiet; UINT32_MAX: there is none. */
static uint32_t next_item(const struct walk *k)
{
    uint32_t next = UINT32_MAX;
    for (uint32_t o = k->n_quiet; o < k->a->n; o++) {
        const uint32_t i = k->order[o];
        const struct list *l = k->a->list[i];
        if (k->at[i] < l->n && l->at[k->at[i]].item < next)
            next = l->at[k->at[i]].item;
    }
    return next;
}

/* Passes the item in the lists that are walked, and offers it if it may be taken. */
static void visit(struct walk *k, uint32_t item, bool skipped)
{
    const struct asked *a = k->a;
    const double norm = norm_of(a, k->w->entry[item].length);
    double parts[TEXT_MAX_WORDS], bound = 0, sum = 0;
    for (uint32_t i = 0; i < a->n; i++) {
        const struct list *l = a->list[i];
        const bool here = !k->quiet[i] && k->at[i] < l->n && l->at[k->at[i]].item == item;
        parts[i] = here ? part(a, i, l->at[k->at[i]].count, norm) : 0;
        bound += k->quiet[i] ? most(a, i, norm) : parts[i];
        k->at[i] += here;
    }
    if (skipped || is_too_low(k, bound))
        return;
    for (uint32_t i = 0; i < a->n; i++) {
        const struct list *l = a->list[i];
        if (k->quiet[i]) {
            k->at[i] = seek(l, k->at[i], item);
            if (k->at[i] < l->n && l->at[k->at[i]].item == item)
                parts[i] = part(a, i, l->at[k->at[i]].count, norm);
        }
        sum += parts[i];
    }
    best_offer(&k->best, sum, item);
    silence(k);
}

int64_t words_search(const struct words *w, const struct words_query *q, uint32_t k,
                     uint32_t n_items, const uint64_t *skip, struct topk_hit *out)
{
    struct asked a;
    struct walk walk;
    if (!k)
        return 0;
    walk.best = (struct best){.hit = out, .k = k};
    pthread_rwlock_rdlock((pthread_rwlock_t *)(uintptr_t)&w->lock);
    look_up(w, q, &a);
    walk_init(&walk, w, &a);
    for (uint32_t item = next_item(&walk); item < n_items; item = next_item(&walk))
        visit(&walk, item, topk_skips(skip, item));
    pthread_rwlock_unlock((pthread_rwlock_t *)(uintptr_t)&w->lock);
    best_sort(&walk.best);
    return walk.best.n;
}

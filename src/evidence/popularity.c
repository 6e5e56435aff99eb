/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decayed popularity: each event counts 1, a wish or cart 2, a purchase 3, and all of it
 * fades with a half-life (evidence/decay.h). score(i) = log((n_i + 1/2) / (N + 1)), n_i
 * the decayed count and N the sum of all.
 *
 * The TOP most popular items are kept in order. Decay does not change their order and an
 * event raises one item only, so the list is always exact and costs one move an event.
 */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "evidence/decay.h"
#include "evidence/sources.h"
#include "retrieval/best.h"

enum { TOP = 2048 };

struct popularity {
    pthread_rwlock_t lock; /* readers: requests; writer: observe */
    struct decay decay;
    double *count; /* (cap) in the unit of its time */
    uint32_t cap;
    double total;
    uint32_t top[TOP]; /* (n_top) most popular first, equal ones by number */
    uint32_t n_top;
};

/* ---- taking events in ---- */

static int grow_table(struct popularity *s, uint32_t item)
{
    if (item < s->cap)
        return 0;
    size_t cap = s->cap ? s->cap : 1024;
    while (cap <= item)
        cap *= 2;
    double *count = cap > UINT32_MAX ? NULL : reallocarray(s->count, cap, sizeof *count);
    if (!count)
        return PENCHANT_ENOMEM;
    memset(count + s->cap, 0, (cap - s->cap) * sizeof *count);
    s->count = count;
    s->cap = (uint32_t)cap;
    return 0;
}

static bool before(double count, uint32_t item, double other_count, uint32_t other)
{
    return count > other_count || (count == other_count && item < other);
}

/* How many of top[0..n) stand before an item with this count. */
static uint32_t place(const struct popularity *s, uint32_t n, double count, uint32_t item)
{
    uint32_t low = 0;
    while (low < n) {
        uint32_t middle = low + (n - low) / 2, other = s->top[middle];
        if (before(s->count[other], other, count, item))
            low = middle + 1;
        else
            n = middle;
    }
    return low;
}

/* Moves `item` to where it belongs after its count has risen from `old`. */
static void raise_item(struct popularity *s, uint32_t item, double old)
{
    double count = s->count[item];
    s->count[item] = old;
    uint32_t from = place(s, s->n_top, old, item);
    s->count[item] = count;
    if (from == s->n_top || s->top[from] != item) { /* it was not in the list */
        if (s->n_top < TOP)
            from = s->n_top++;
        else if (before(count, item, s->count[s->top[TOP - 1]], s->top[TOP - 1]))
            from = TOP - 1;
        else
            return;
    }
    uint32_t to = place(s, from, count, item);
    memmove(&s->top[to + 1], &s->top[to], (from - to) * sizeof *s->top);
    s->top[to] = item;
}

/* Restores the order of equal counts: shrinking may have rounded small ones to zero. */
static void halve_all(struct popularity *s, int shift)
{
    double by = ldexp(1.0, -shift);
    for (uint32_t i = 0; i < s->cap; i++)
        s->count[i] *= by;
    s->total *= by;
    uint32_t n = s->n_top;
    s->n_top = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t item = s->top[i];
        uint32_t to = place(s, s->n_top, s->count[item], item);
        memmove(&s->top[to + 1], &s->top[to], (s->n_top++ - to) * sizeof *s->top);
        s->top[to] = item;
    }
}

static int observe(void *state, const struct evidence_event *e)
{
    struct popularity *s = state;
    pthread_rwlock_wrlock(&s->lock);
    int shift, rc = grow_table(s, e->item);
    if (!rc) {
        double w = decay_unit(&s->decay, e->ts_us, &shift);
        w *= (double)evidence_type_weight(e->type);
        if (shift)
            halve_all(s, shift);
        double old = s->count[e->item];
        s->count[e->item] += w;
        s->total += w;
        raise_item(s, e->item, old);
    }
    pthread_rwlock_unlock(&s->lock);
    return rc;
}

/* ---- answering ---- */

/* All that were ever counted, when the list of the most popular was not enough. */
static size_t scan(const struct popularity *s, const struct evidence_query *q, size_t k,
                   uint32_t *item)
{
    uint32_t n = q->n_items < s->cap ? q->n_items : s->cap;
    struct best best = {.k = (uint32_t)(k < n ? k : n)};
    best.hit = best.k ? malloc(best.k * sizeof *best.hit) : NULL;
    if (!best.hit)
        return 0;
    for (uint32_t i = 0; i < n; i++)
        if (s->count[i] > 0 && !evidence_skips(q, i))
            best_offer(&best, s->count[i], i);
    size_t got = evidence_take(&best, item);
    free(best.hit);
    return got;
}

static size_t candidates(void *state, const struct evidence_query *q, size_t k,
                         uint32_t *item)
{
    struct popularity *s = state;
    size_t n = 0;
    pthread_rwlock_rdlock(&s->lock);
    for (uint32_t i = 0; i < s->n_top && n < k; i++)
        if (s->top[i] < q->n_items && !evidence_skips(q, s->top[i]))
            item[n++] = s->top[i];
    if (n < k && s->n_top == TOP)
        n = scan(s, q, k, item);
    pthread_rwlock_unlock(&s->lock);
    return n;
}

static void score(void *state, const struct evidence_query *q, const uint32_t *item,
                  size_t n, float *out)
{
    (void)q;
    struct popularity *s = state;
    pthread_rwlock_rdlock(&s->lock);
    double present = decay_present(&s->decay), total = s->total / present + 1.0;
    for (size_t i = 0; i < n; i++) {
        double count = item[i] < s->cap ? s->count[item[i]] / present : 0.0;
        out[i] = logf((float)((count + 0.5) / total));
    }
    pthread_rwlock_unlock(&s->lock);
}

/* ---- the row of the table ---- */

static void *create(const struct evidence_options *o)
{
    struct popularity *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    if (evidence_lock_init(&s->lock)) {
        free(s);
        return NULL;
    }
    decay_init(&s->decay, o->has_clock, o->half_life_days);
    return s;
}

static void destroy(void *state)
{
    struct popularity *s = state;
    free(s->count);
    pthread_rwlock_destroy(&s->lock);
    free(s);
}

const struct evidence_source evidence_popularity = {
    .name = "popularity",
    .create = create,
    .destroy = destroy,
    .observe = observe,
    .candidates = candidates,
    .score = score,
};

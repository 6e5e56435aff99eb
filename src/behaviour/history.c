/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows are dealt out to their users by a counting sort and then, where a user's times are
 * not already in order, sorted by a stable merge: a log of 100 million events in time
 * order costs two passes.
 */
#include "behaviour/history.h"

#include <stdlib.h>
#include <string.h>

#include "behaviour/event.h"

void history_release(struct history *h)
{
    free(h->start);
    free(h->item);
    free(h->type);
    free(h->ts_us);
    *h = (struct history){0};
}

void history_builder_init(struct history_builder *b)
{
    *b = (struct history_builder){0};
}

void history_builder_release(struct history_builder *b)
{
    free(b->user);
    free(b->item);
    free(b->type);
    free(b->ts_us);
    history_builder_init(b);
}

static int grow_array(void *array, uint64_t n, size_t size)
{
    void **p = array;
    void *grown = n <= SIZE_MAX / size ? realloc(*p, n * size) : NULL;
    if (!grown)
        return PENCHANT_ENOMEM;
    *p = grown;
    return PENCHANT_OK;
}

static int grow(struct history_builder *b)
{
    const uint64_t cap = b->cap ? b->cap + b->cap / 2 : 4096;
    if (grow_array(&b->user, cap, sizeof(*b->user)) != 0 ||
        grow_array(&b->item, cap, sizeof(*b->item)) != 0 ||
        grow_array(&b->type, cap, sizeof(*b->type)) != 0 ||
        grow_array(&b->ts_us, cap, sizeof(*b->ts_us)) != 0)
        return PENCHANT_ENOMEM;
    b->cap = cap;
    return PENCHANT_OK;
}

int history_builder_add(struct history_builder *b, uint32_t user, uint32_t item,
                        uint32_t type, int64_t ts_us)
{
    if (item == NAMES_NONE || (!event_type_wanted(type) && type != EVENT_REFUND))
        return PENCHANT_OK;
    if (b->n == b->cap && grow(b) != 0)
        return PENCHANT_ENOMEM;
    b->user[b->n] = user;
    b->item[b->n] = item;
    b->type[b->n] = (uint8_t)type;
    b->ts_us[b->n] = ts_us;
    b->n++;
    return PENCHANT_OK;
}

/* One event while its user's events are being sorted. */
struct entry {
    int64_t ts_us;
    uint32_t item;
    uint8_t type;
    bool gone; /* a refund, or the purchase that it undoes */
};

/* One user's events and room to sort them in; (longest history) each. */
struct bench {
    struct entry *entry, *spare;
    uint32_t *order, *spare_order; /* of entries by item, for refunds */
    uint32_t *stack;               /* purchases of an item not yet undone */
};

static void bench_release(struct bench *w)
{
    free(w->entry);
    free(w->spare);
    free(w->order);
    free(w->spare_order);
    free(w->stack);
}

static int bench_init(struct bench *w, uint64_t longest)
{
    *w = (struct bench){0};
    const size_t n = longest ? (size_t)longest : 1;
    w->entry = calloc(n, sizeof(*w->entry));
    w->spare = calloc(n, sizeof(*w->spare));
    w->order = calloc(n, sizeof(*w->order));
    w->spare_order = calloc(n, sizeof(*w->spare_order));
    w->stack = calloc(n, sizeof(*w->stack));
    if (w->entry && w->spare && w->order && w->spare_order && w->stack)
        return PENCHANT_OK;
    bench_release(w);
    return PENCHANT_ENOMEM;
}

/* Bottom-up and stable; the result is in w->entry. */
static void sort_by_time(struct bench *w, size_t n)
{
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t lo = 0; lo < n; lo += 2 * width) {
            const size_t mid = lo + width < n ? lo + width : n;
            const size_t hi = mid + width < n ? mid + width : n;
            size_t a = lo, b = mid;
            for (size_t out = lo; out < hi; out++) {
                const bool left =
                    a < mid && (b == hi || w->entry[a].ts_us <= w->entry[b].ts_us);
                w->spare[out] = w->entry[left ? a++ : b++];
            }
        }
        struct entry *swap = w->entry;
        w->entry = w->spare;
        w->spare = swap;
    }
}

/* The same over w->order, by item; entries are in time order and stay so within an item. */
static void order_by_item(struct bench *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        w->order[i] = (uint32_t)i;
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t lo = 0; lo < n; lo += 2 * width) {
            const size_t mid = lo + width < n ? lo + width : n;
            const size_t hi = mid + width < n ? mid + width : n;
            size_t a = lo, b = mid;
            for (size_t out = lo; out < hi; out++) {
                const bool left = a < mid && (b == hi || w->entry[w->order[a]].item <=
                                                             w->entry[w->order[b]].item);
                w->spare_order[out] = w->order[left ? a++ : b++];
            }
        }
        uint32_t *swap = w->order;
        w->order = w->spare_order;
        w->spare_order = swap;
    }
}

/* Marks refunds and the purchases they undo as gone; returns how many purchases. */
static uint64_t cancel_refunded(struct bench *w, size_t n)
{
    uint64_t cancelled = 0;
    size_t height = 0;
    order_by_item(w, n);
    for (size_t i = 0; i < n; i++) {
        struct entry *e = &w->entry[w->order[i]];
        if (i && e->item != w->entry[w->order[i - 1]].item)
            height = 0;
        if (e->type == EVENT_PURCHASE) {
            w->stack[height++] = w->order[i];
        } else if (e->type == EVENT_REFUND) {
            e->gone = true;
            if (height) {
                w->entry[w->stack[--height]].gone = true;
                cancelled++;
            }
        }
    }
    return cancelled;
}

/*
 * Brings one user's events, which stand at [from, to) of the arrays, into order and moves
 * them to `at` <= from, without refunds. Returns the place behind them.
 */
static uint64_t settle_user(struct history *h, struct bench *w, uint64_t from,
                            uint64_t to, uint64_t at)
{
    const size_t n = (size_t)(to - from);
    bool sorted = true, refunds = false;
    for (uint64_t i = from; i < to; i++) {
        sorted = sorted && (i == from || h->ts_us[i - 1] <= h->ts_us[i]);
        refunds = refunds || h->type[i] == EVENT_REFUND;
    }
    if (sorted && !refunds) {
        if (at != from) {
            memmove(h->item + at, h->item + from, n * sizeof(*h->item));
            memmove(h->type + at, h->type + from, n * sizeof(*h->type));
            memmove(h->ts_us + at, h->ts_us + from, n * sizeof(*h->ts_us));
        }
        return at + n;
    }
    for (size_t i = 0; i < n; i++)
        w->entry[i] = (struct entry){.ts_us = h->ts_us[from + i],
                                     .item = h->item[from + i],
                                     .type = h->type[from + i]};
    if (!sorted)
        sort_by_time(w, n);
    if (refunds)
        h->cancelled += cancel_refunded(w, n);
    for (size_t i = 0; i < n; i++) {
        if (w->entry[i].gone)
            continue;
        h->ts_us[at] = w->entry[i].ts_us;
        h->item[at] = w->entry[i].item;
        h->type[at] = w->entry[i].type;
        at++;
    }
    return at;
}

/* Whether the events of every user are at step, 2 step, 3 step, .. */
static bool positions_only(const struct history *h)
{
    const int64_t step = h->ts_us[0];
    if (step <= 0)
        return false;
    for (uint32_t u = 0; u < h->n_users; u++) {
        int64_t expected = step;
        for (uint64_t i = h->start[u]; i < h->start[u + 1]; i++, expected += step)
            if (h->ts_us[i] != expected)
                return false;
    }
    return true;
}

bool history_finds_clock(const struct history *h)
{
    bool real = false, constant = h->n > 1;
    for (uint64_t i = 0; i < h->n; i++) {
        real = real || h->ts_us[i] >= EVENT_CLOCK_MIN_US;
        constant = constant && h->ts_us[i] == h->ts_us[0];
    }
    return h->n && real && !constant && (h->n == 1 || !positions_only(h));
}

/* The counting sort: start[] and the arrays, users' events still in the order of adding. */
static int deal_out(struct history *h, const struct history_builder *b, uint64_t *longest,
                    struct penchant_error *err)
{
    const size_t n = b->n ? (size_t)b->n : 1;
    h->start = calloc((size_t)h->n_users + 2, sizeof(*h->start));
    h->item = malloc(n * sizeof(*h->item));
    h->type = malloc(n * sizeof(*h->type));
    h->ts_us = malloc(n * sizeof(*h->ts_us));
    if (!h->start || !h->item || !h->type || !h->ts_us)
        return error_memory(err);
    /* One place further on, so that start[u + 1] can be the cursor of u while dealing. */
    for (uint64_t i = 0; i < b->n; i++)
        h->start[b->user[i] + 2]++;
    *longest = 0;
    for (uint32_t u = 0; u < h->n_users; u++) {
        if (h->start[u + 2] > *longest)
            *longest = h->start[u + 2];
        h->start[u + 2] += h->start[u + 1];
    }
    for (uint64_t i = 0; i < b->n; i++) {
        const uint64_t at = h->start[b->user[i] + 1]++;
        h->item[at] = b->item[i];
        h->type[at] = b->type[i];
        h->ts_us[at] = b->ts_us[i];
    }
    return PENCHANT_OK;
}

static int check_numbers(const struct history_builder *b, uint32_t n_users,
                         uint32_t n_items, struct penchant_error *err)
{
    for (uint64_t i = 0; i < b->n; i++)
        if (b->user[i] >= n_users || b->item[i] >= n_items)
            return error_set(err, PENCHANT_ECORRUPT,
                             "event %llu names a user or an item that does not exist",
                             (unsigned long long)i + 1);
    return PENCHANT_OK;
}

int history_builder_finish(struct history_builder *b, uint32_t n_users, uint32_t n_items,
                           struct history *h, struct penchant_error *err)
{
    uint64_t longest = 0;
    *h = (struct history){.n_users = n_users, .n_items = n_items};
    struct bench w = {0};
    int rc = check_numbers(b, n_users, n_items, err);
    if (rc == 0)
        rc = deal_out(h, b, &longest, err);
    history_builder_release(b);
    if (rc == 0 && (longest > UINT32_MAX || bench_init(&w, longest) != 0))
        rc = error_memory(err);
    if (rc != 0) {
        history_release(h);
        return rc;
    }
    uint64_t from = 0;
    for (uint32_t u = 0; u < n_users; u++) {
        const uint64_t to = h->start[u + 1];
        h->start[u + 1] = settle_user(h, &w, from, to, h->start[u]);
        from = to;
    }
    h->n = h->start[n_users];
    h->has_clock = history_finds_clock(h);
    bench_release(&w);
    return PENCHANT_OK;
}

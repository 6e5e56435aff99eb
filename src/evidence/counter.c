/* SPDX-License-Identifier: Apache-2.0 */
/* Counts, and the order of the largest. */
#include "evidence/counter.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evidence/sources.h"

void counter_release(struct counter *c)
{
    free(c->count);
    *c = (struct counter){0};
}

static bool before(double count, uint32_t item, double other_count, uint32_t other)
{
    return count > other_count || (count == other_count && item < other);
}

/* How many of top[0..n) stand before an item with this count. */
static uint32_t place(const struct counter *c, uint32_t n, double count, uint32_t item)
{
    uint32_t low = 0;
    while (low < n) {
        uint32_t middle = low + (n - low) / 2, other = c->top[middle];
        if (before(c->count[other], other, count, item))
            low = middle + 1;
        else
            n = middle;
    }
    return low;
}

/* Moves `item` to where it belongs after its count has risen from `old`. */
static void raise_item(struct counter *c, uint32_t item, double old)
{
    const double count = c->count[item];
    c->count[item] = old;
    uint32_t from = place(c, c->n_top, old, item);
    c->count[item] = count;
    if (from == c->n_top || c->top[from] != item) { /* it was not in the list */
        const uint32_t last = c->n_top ? c->top[c->n_top - 1] : 0;
        if (c->n_top < COUNTER_TOP)
            from = c->n_top++;
        else if (before(count, item, c->count[last], last))
            from = COUNTER_TOP - 1;
        else
            return;
    }
    uint32_t to = place(c, from, count, item);
    memmove(&c->top[to + 1], &c->top[to], (from - to) * sizeof *c->top);
    c->top[to] = item;
}

/* Restores the order of equal counts: shrinking may have rounded small ones to zero. */
static void halve_all(struct counter *c, int shift)
{
    const double by = ldexp(1.0, -shift);
    for (uint32_t i = 0; i < c->cap; i++)
        c->count[i] *= by;
    c->total *= by;
    const uint32_t n = c->n_top;
    c->n_top = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t item = c->top[i];
        uint32_t to = place(c, c->n_top, c->count[item], item);
        memmove(&c->top[to + 1], &c->top[to], (c->n_top++ - to) * sizeof *c->top);
        c->top[to] = item;
    }
}

int counter_add(struct counter *c, uint32_t item, double weight, int64_t ts_us)
{
    int shift;
    double *count = evidence_grow(c->count, &c->cap, sizeof *count, item);
    if (!count)
        return PENCHANT_ENOMEM;
    c->count = count;
    const double w = decay_unit(&c->decay, ts_us, &shift) * weight;
    if (shift)
        halve_all(c, shift);
    const double old = c->count[item];
    c->count[item] += w;
    c->total += w;
    raise_item(c, item, old);
    return 0;
}

double counter_count(const struct counter *c, uint32_t item)
{
    return item < c->cap ? c->count[item] / decay_present(&c->decay) : 0.0;
}

double counter_share(const struct counter *c, uint32_t item)
{
    return item < c->cap && c->total > 0 ? c->count[item] / c->total : 0.0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded heap of hits. */
#include "retrieval/best.h"

static bool worse(const struct topk_hit *a, const struct topk_hit *b)
{
    return best_before(b->score, b->row, a);
}

/* Puts `h` into the hole at i of a heap of n, moving it down as far as it must go. */
static void sink(struct topk_hit *heap, uint32_t n, uint32_t i, struct topk_hit h)
{
    for (;;) {
        uint64_t child = 2 * (uint64_t)i + 1;
        if (child >= n)
            break;
        if (child + 1 < n && worse(&heap[child + 1], &heap[child]))
            child++;
        if (!worse(&heap[child], &h))
            break;
        heap[i] = heap[child];
        i = (uint32_t)child;
    }
    heap[i] = h;
}

void best_offer(struct best *b, double score, uint32_t row)
{
    struct topk_hit h = {.score = score, .row = row};
    if (b->n == b->k) {
        if (best_before(score, row, &b->hit[0]))
            sink(b->hit, b->n, 0, h);
        return;
    }
    uint32_t i = b->n++;
    while (i > 0 && worse(&h, &b->hit[(i - 1) / 2])) {
        b->hit[i] = b->hit[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    b->hit[i] = h;
}

void best_sort(struct best *b)
{
    for (uint32_t n = b->n; n > 1; n--) {
        struct topk_hit last = b->hit[n - 1];
        b->hit[n - 1] = b->hit[0];
        sink(b->hit, n - 1, 0, last);
    }
}

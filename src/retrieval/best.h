/* SPDX-License-Identifier: Apache-2.0 */
/* The k best hits so far, a heap in the caller's array with the worst of them on top. */
#ifndef RETRIEVAL_BEST_H
#define RETRIEVAL_BEST_H

#include <stdbool.h>
#include <stdint.h>

#include "retrieval/topk.h"

struct best {
    struct topk_hit *hit; /* (k), the caller's */
    uint32_t n, k;
};

/* Higher scores first, equal scores by row number: a total order. */
static inline bool best_before(double score, uint32_t row, const struct topk_hit *b)
{
    return score > b->score || (score == b->score && row < b->row);
}

/* Takes the hit if it is among the k best so far; k > 0. */
void best_offer(struct best *b, double score, uint32_t row);

/* Best first; the heap is gone after it. */
void best_sort(struct best *b);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exact top-k by inner product over the rows of a matrix. Small codes with certified
 * error bounds find the few rows that can be in the answer, exact re-scoring decides.
 *
 * The truth (topk_scan): score(q, e) = sum over i of (double)q[i] * (double)e[i], kept in
 * eight lanes (lane i % 8, in order of i) that are added as ((0+1)+(2+3))+((4+5)+(6+7)).
 * Products of two floats are exact in double, so every instruction set gives the same
 * bits. Higher scores come first; equal scores are ordered by row number, smaller first.
 * topk_search returns exactly what topk_scan returns, for every size and instruction set.
 *
 * How: clusters, rotated residuals in four-bit codes, bounds by Cauchy and Schwarz that
 * hold with every rounding (index.h derives them). Memory beyond the rows: dim / 2 bytes
 * of codes and about 6 bytes a row (1,000,000 x 64: 38 MB, 15 % of the rows); 9 bytes a
 * row more while it is built. Building takes one thread about 2 s for 1,000,000 x 64, and
 * grows with n * dim * dim up to 256 dimensions; above, rows are not rotated. A search
 * takes 8 bytes for every 100 rows or so on the heap. Speed depends on the rows: all
 * codes are read when they are as random as can be, few when their spectrum decays or
 * they are alike.
 */
#ifndef RETRIEVAL_TOPK_H
#define RETRIEVAL_TOPK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define TOPK_MAX_DIM 4096 /* longer rows: PENCHANT_ELIMIT */

struct topk_index;

struct topk_hit {
    double score;
    uint32_t row;
};

/*
 * Builds an index over rows (n, dim). The rows are borrowed: they must stay unchanged
 * while the index lives. NaN or infinite values: PENCHANT_EINVALID with the row in
 * err->index. An index is immutable; searches may run on several threads.
 */
int topk_index_new(struct topk_index **out, const float *rows, uint32_t n, uint32_t dim,
                   struct penchant_error *err);
/*
 * An index over `rows` (the same n and dim) that differ from those of `from` in the rows
 * `changed` (n_changed) at most. Those are coded where they stand, by the centres and axes
 * of `from`, and the bounds of their cells grow as far as they must: exact like any other,
 * about 3 us a changed row and a copy of the codes instead of 20 us for every row (64
 * dimensions), but a little slower to search with every change. After four changes a row
 * on average it is built anew. `from` may be freed afterwards.
 */
int topk_index_update(struct topk_index **out, const struct topk_index *from,
                      const float *rows, const uint32_t *changed, uint32_t n_changed,
                      struct penchant_error *err);
void topk_index_free(struct topk_index *index);

/* Whether `skip` excludes a row: bit row % 64 of skip[row / 64]; NULL excludes none. */
static inline bool topk_skips(const uint64_t *skip, uint32_t row)
{
    return skip && (skip[row / 64] >> (row % 64) & 1);
}

/*
 * The k best rows that `skip` does not exclude into out[k]. Returns how many there are (fewer than k only when rows run
 * out), or a negative status: PENCHANT_EINVALID for a query with NaN or infinity,
 * PENCHANT_ENOMEM.
 */
int64_t topk_search(const struct topk_index *index, const float *query, uint32_t k,
                    const uint64_t *skip, struct topk_hit *out);

/* The definition, by a full scan; same arguments. */
int64_t topk_scan(const float *rows, uint32_t n, uint32_t dim, const float *query,
                  uint32_t k, const uint64_t *skip, struct topk_hit *out);

#endif

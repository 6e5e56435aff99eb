/* SPDX-License-Identifier: Apache-2.0 */
/* Exact top-k. */
#include "retrieval/topk.h"

#include <math.h>

#include "kernels/scan.h"
#include "retrieval/best.h"

struct topk_index {
    const float *rows;
    uint32_t n, dim;
};

static bool all_finite(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}

static bool skipped(const uint64_t *skip, uint32_t row)
{
    return skip && (skip[row / 64] >> (row % 64) & 1);
}

int64_t topk_scan(const float *rows, uint32_t n, uint32_t dim, const float *query,
                  uint32_t k, const uint64_t *skip, struct topk_hit *out)
{
    if (!all_finite(query, dim))
        return PENCHANT_EINVALID;
    if (k == 0)
        return 0;
    const struct scan_kernels *scan = scan_kernels();
    struct best best = {.hit = out, .k = k};
    for (uint32_t row = 0; row < n; row++)
        if (!skipped(skip, row))
            best_offer(&best, scan->exact(query, rows + (size_t)row * dim, dim), row);
    best_sort(&best);
    return best.n;
}

int topk_index_new(struct topk_index **out, const float *rows, uint32_t n, uint32_t dim,
                   struct penchant_error *err)
{
    *out = NULL;
    for (uint32_t row = 0; row < n; row++)
        if (!all_finite(rows + (size_t)row * dim, dim))
            return error_field(err, PENCHANT_EINVALID, row, "rows",
                               "row %u holds a NaN or an infinity", row);
    struct topk_index *index = malloc(sizeof(*index));
    if (!index)
        return error_memory(err);
    *index = (struct topk_index){.rows = rows, .n = n, .dim = dim};
    *out = index;
    return PENCHANT_OK;
}

void topk_index_free(struct topk_index *index)
{
    free(index);
}

int64_t topk_search(const struct topk_index *index, const float *query, uint32_t k,
                    const uint64_t *skip, struct topk_hit *out)
{
    return topk_scan(index->rows, index->n, index->dim, query, k, skip, out);
}

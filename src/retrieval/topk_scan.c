/* SPDX-License-Identifier: Apache-2.0 */
/* The definition of exact top-k: every row is scored. */
#include "retrieval/topk.h"

#include "retrieval/best.h"
#include "retrieval/index.h"

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
        if (!topk_skips(skip, row))
            best_offer(&best, scan->exact(query, rows + (size_t)row * dim, dim), row);
    best_sort(&best);
    return best.n;
}

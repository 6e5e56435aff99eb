/* SPDX-License-Identifier: Apache-2.0 */
/* What the items of a dataset say of themselves, as content vectors. */
#include <stdlib.h>

#include "engine/describe.h"
#include "lab/dataset.h"

int dataset_describe(struct dataset *d, uint32_t n_fit, struct pool *pool,
                     struct penchant_error *err)
{
    const uint32_t n = d->history.n_items;
    struct content_text *text = malloc(((size_t)n + 1) * sizeof(*text));
    if (!text)
        return error_memory(err);
    for (uint32_t i = 0; i < n; i++)
        text[i] = describe_text(&d->catalog.item[d->catalog_of[i]]);
    int status = describe_fit(&d->space, text, n_fit < n ? n_fit : n, NULL, pool, err);
    if (!status && d->space) {
        d->content_dim = content_dim(d->space);
        d->content = malloc(((size_t)n + 1) * d->content_dim * sizeof(*d->content));
        if (d->content)
            content_items(d->space, text, n, NULL, 0, pool, d->content);
        else
            status = error_memory(err);
    }
    free(text);
    return status;
}

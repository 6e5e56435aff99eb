/* SPDX-License-Identifier: Apache-2.0 */
/* What the items of a dataset say of themselves, as content vectors. */
#include <stdlib.h>

#include "lab/dataset.h"
#include "model/content.h"

static const uint64_t space_seed = 1; /* as a shop's */

static struct content_text text_of(const struct dataset *d, uint32_t item)
{
    const struct catalog_item *it = &d->catalog.item[d->catalog_of[item]];
    return (struct content_text){.title = it->title,
                                 .category = it->category,
                                 .brand = it->brand,
                                 .price = it->price};
}

int dataset_describe(struct dataset *d, uint32_t n_fit, struct pool *pool,
                     struct penchant_error *err)
{
    const uint32_t n = d->history.n_items;
    struct content_text *text = malloc(((size_t)n + 1) * sizeof(*text));
    if (!text)
        return error_memory(err);
    for (uint32_t i = 0; i < n; i++)
        text[i] = text_of(d, i);
    int status = content_fit(&d->space, text, n_fit < n ? n_fit : n, NULL, 0, space_seed,
                             pool, err);
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

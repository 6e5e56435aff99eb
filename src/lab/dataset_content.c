/* SPDX-License-Identifier: Apache-2.0 */
/* What the items of a dataset say of themselves, as content vectors. */
#include <stdlib.h>

#include "lab/dataset.h"
#include "model/content.h"

static const uint64_t space_seed = 1; /* as a shop's */

struct describing {
    const struct dataset *d;
    const struct content_text *text; /* (n) */
    float *out;
    uint32_t n, tasks;
};

static struct content_text text_of(const struct dataset *d, uint32_t item)
{
    const struct catalog_item *it = &d->catalog.item[d->catalog_of[item]];
    return (struct content_text){.title = it->title,
                                 .category = it->category,
                                 .brand = it->brand,
                                 .price = it->price};
}

static void describe_share(void *arg, uint32_t i)
{
    const struct describing *w = arg;
    const uint32_t first = (uint32_t)((uint64_t)w->n * i / w->tasks);
    const uint32_t end = (uint32_t)((uint64_t)w->n * (i + 1) / w->tasks);
    for (uint32_t k = first; k < end; k++)
        content_item(w->d->space, &w->text[k], NULL,
                     w->out + (size_t)k * w->d->content_dim);
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
        struct describing w = {d, text, d->content, n, 4 * pool_threads(pool)};
        if (d->content)
            pool_run(pool, describe_share, &w, w.tasks);
        else
            status = error_memory(err);
    }
    free(text);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the items of a dataset say of themselves, as the evidence reads it. */
#include <stdlib.h>

#include "lab/protocol_run.h"

int run_content_init(struct run *r, struct penchant_error *err)
{
    const struct dataset *d = r->p->data;
    const uint32_t n = d->history.n_items;
    if (!d->content)
        return PENCHANT_OK;
    struct words *words = r->words = words_new();
    r->content = (struct evidence_content){.vectors = d->content,
                                           .n = n,
                                           .n_indexed = n,
                                           .dim = d->content_dim,
                                           .words = words};
    if (!words)
        return error_memory(err);
    for (uint32_t i = 0; i < n; i++) {
        const struct catalog_item *it = &d->catalog.item[d->catalog_of[i]];
        const char *const text[] = {it->title, it->brand, it->category};
        if (words_put(words, i, text, 3))
            return error_memory(err);
    }
    const int status =
        topk_index_new(&r->content_index, d->content, n, d->content_dim, err);
    r->content.index = r->content_index;
    return status;
}

void run_content_release(struct run *r)
{
    topk_index_free(r->content_index);
    words_free(r->words);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/describe.h"

static const uint64_t space_seed = 1;

struct content_text describe_text(const struct catalog_item *item)
{
    return (struct content_text){.title = item->title,
                                 .category = item->category,
                                 .brand = item->brand,
                                 .price = item->price};
}

int describe_fit(struct content_space **out, const struct content_text *text, uint32_t n,
                 const struct modalities *m, struct pool *pool,
                 struct penchant_error *err)
{
    /* Items that came after the vectors were read have none there. */
    const uint32_t most = m && m->n && m->n_items < n ? m->n_items : n;
    return content_fit(out, text, most, m ? m->modality : NULL, m ? m->n : 0, space_seed,
                       pool, err);
}

void describe_item(const struct content_space *s, const struct content_text *text,
                   const struct modalities *m, uint32_t item, float *out)
{
    const float *own[CONTENT_MAX_MODALITIES], *imported[CONTENT_MAX_MODALITIES] = {NULL};
    const uint32_t has = modalities_of_item(m, item, own);
    for (uint32_t j = 0; has && j < m->n; j++) {
        const int at = content_modality_index(s, m->modality[j].name);
        if (at >= 0 && content_modality_dim(s, at) == m->modality[j].dim)
            imported[at] = own[j];
    }
    content_item(s, text, imported, out);
}

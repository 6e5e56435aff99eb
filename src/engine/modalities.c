/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/modalities.h"

#include <stdlib.h>
#include <string.h>

/* Space for writing what everybody else only reads. */
struct reading {
    struct modalities *m;
    float *vectors[CONTENT_MAX_MODALITIES];
    uint64_t *has[CONTENT_MAX_MODALITIES];
    uint32_t present; /* whose vectors are being read */
    struct penchant_error *err;
};

static int add_modality(void *cookie, const struct store_modality *row)
{
    struct reading *r = cookie;
    const uint32_t at = r->m->n;
    if (at == CONTENT_MAX_MODALITIES || !row->dim || row->dim > CONTENT_MAX_DIM ||
        strlen(row->name) >= sizeof r->m->modality[0].name || !(row->weight > 0))
        return error_set(r->err, PENCHANT_ECORRUPT, "the vectors \"%.40s\" cannot be",
                         row->name);
    struct content_modality *out = &r->m->modality[at];
    r->vectors[at] = calloc(r->m->n_items + (size_t)1, row->dim * sizeof(float));
    r->has[at] = calloc(r->m->n_items / 64 + (size_t)1, sizeof(uint64_t));
    out->dim = row->dim;
    out->weight = (float)row->weight;
    out->vectors = r->vectors[at];
    out->has = r->has[at];
    memcpy(out->name, row->name, strlen(row->name) + 1);
    r->m->n++;
    return out->vectors && out->has ? PENCHANT_OK : error_memory(r->err);
}

static int add_vector(void *cookie, uint32_t item, const float *v)
{
    struct reading *r = cookie;
    const size_t dim = r->m->modality[r->present].dim;
    if (item >= r->m->n_items)
        return PENCHANT_OK;
    memcpy(r->vectors[r->present] + item * dim, v, dim * sizeof *v);
    r->has[r->present][item / 64] |= UINT64_C(1) << item % 64;
    return PENCHANT_OK;
}

int modalities_read(struct modalities **out, struct store *store, uint32_t n_items,
                    struct penchant_error *err)
{
    struct penchant_error detail = {0};
    *out = NULL;
    struct reading r = {.m = calloc(1, sizeof *r.m), .err = err ? err : &detail};
    if (!r.m)
        return error_memory(err);
    r.m->n_items = n_items;
    r.m->users = 1;
    int rc = store->ops->scan_modalities(store, add_modality, &r, r.err);
    for (; rc == PENCHANT_OK && r.present < r.m->n; r.present++)
        rc = store->ops->scan_vectors(store, r.m->modality[r.present].name, add_vector,
                                      &r, r.err);
    if (rc != PENCHANT_OK || !r.m->n)
        modalities_release(r.m);
    else
        *out = r.m;
    return rc;
}

struct modalities *modalities_share(struct modalities *m)
{
    if (m)
        m->users++;
    return m;
}

void modalities_release(struct modalities *m)
{
    if (!m || --m->users)
        return;
    for (uint32_t i = 0; i < m->n; i++) {
        free((float *)(uintptr_t)m->modality[i].vectors);
        free((uint64_t *)(uintptr_t)m->modality[i].has);
    }
    free(m);
}

uint32_t modalities_of_item(const struct modalities *m, uint32_t item,
                            const float *v[CONTENT_MAX_MODALITIES])
{
    uint32_t n = 0;
    for (uint32_t i = 0; m && i < m->n; i++) {
        const struct content_modality *of = &m->modality[i];
        const bool has = item < m->n_items && (of->has[item / 64] >> item % 64 & 1);
        v[i] = has ? of->vectors + (size_t)item * of->dim : NULL;
        n += has;
    }
    return n;
}

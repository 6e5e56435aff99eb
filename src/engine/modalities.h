/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The imported vectors of a shop in memory, by the names they were imported under. Immutable
 * and counted: who wants to read them without holding p->lock takes a reference under it.
 * Memory: 4 dim bytes for each item of the shop and modality.
 */
#ifndef ENGINE_MODALITIES_H
#define ENGINE_MODALITIES_H

#include <stdatomic.h>

#include "model/content.h"
#include "store/store.h"

struct modalities {
    uint32_t n, n_items; /* items numbered n_items and up have no vector */
    struct content_modality modality[CONTENT_MAX_MODALITIES]; /* in order of name */
    /* private */
    atomic_uint users;
};

/*
 * Reads all of a store's; NULL (and PENCHANT_OK) when there are none. Items at n_items and
 * past it are left out. PENCHANT_ECORRUPT for rows that an import cannot have written.
 */
int modalities_read(struct modalities **out, struct store *store, uint32_t n_items,
                    struct penchant_error *err);

/* One more user; NULL is fine for both. The last one to release frees. */
struct modalities *modalities_share(struct modalities *m);
void modalities_release(struct modalities *m);

/* The item's vector in every modality into v[m->n], NULL where it has none; how many it
   has. m may be NULL. */
uint32_t modalities_of_item(const struct modalities *m, uint32_t item,
                            const float *v[CONTENT_MAX_MODALITIES]);

#endif

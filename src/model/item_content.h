/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Item vectors that stand on what the items say of themselves: e_i = c_i + d_i (and the
 * attributes), c_i the frozen content vector at length 1, d_i the row of the item table,
 * |d_i| <= MODEL_DELTA ("Let It Go? Not Quite", RecSys 2025). The bound keeps e_i within
 * cos >= sqrt(1 - MODEL_DELTA^2) = .866 of c_i, so that an item that nobody has seen yet,
 * with d_i = 0, stands where the model expects it. An item without content has c_i = 0 and
 * a free d_i.
 *
 * c_i is z_i M at length 1, z_i the item's vector in the content space (content.h) and M
 * an orthonormal map that is made once: as wide as the space or wider, a random rotation
 * keeps all angles; narrower, the leading right singular vectors of the catalogue's z by
 * subspace iteration (Halko, Martinsson and Tropp 2011) keep the most of them. The map
 * belongs to the model, so that an item that comes later has its place too.
 *
 * Memory: (n_items + space) * d floats beside the parameters, and while a map is made up
 * to 64 MB more.
 */
#ifndef MODEL_ITEM_CONTENT_H
#define MODEL_ITEM_CONTENT_H

#include "model/model.h"

#define MODEL_DELTA 0.5f

/* Makes the map of a model with config.content from z (n_items, config.content) and sets
   the content vectors. The same z give the same map, whatever the seed of the model. */
int item_content_fit(struct model *m, const float *z, struct penchant_error *err);

/* Sets the content vectors under the map that the model has. */
void item_content_set(struct model *m, const float *z);

/* The content vector of one item: z (config.content) into c (d). The bits are those of the
   two above. False and all zero when z says nothing. */
bool item_content_vector(const struct model *m, const float *z, float *c);

/* Whether item i has content. */
bool item_content_has(const struct model *m, uint32_t i);

/* The vector of item i, as scores use it, if nobody had seen it yet: without its own row of
   the table. All zero where it has no content. */
void item_content_unseen(const struct model *m, uint32_t i, float *scored);

/* Brings row i of the item table back inside the bound. */
void item_content_bound(struct model *m, uint32_t i);

/*
 * The vector of an item that is not in the model, from z and those of its attributes that
 * the model knows: without normalisation into token (d), as scores use it into scored (d).
 * False and all zero when z says nothing or the model has no content: attributes alone do
 * not tell where an item stands.
 */
bool item_content_new_item(const struct model *m, const float *z, const uint32_t *attr,
                           uint32_t n_attr, float *token, float *scored);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Items of a shop in a content space: their texts and the vectors imported for them. */
#ifndef ENGINE_DESCRIBE_H
#define ENGINE_DESCRIBE_H

#include "base/pool.h"
#include "behaviour/catalog.h"
#include "engine/modalities.h"
#include "model/content.h"

/* What an item says, borrowed from the catalogue. */
struct content_text describe_text(const struct catalog_item *item);

/* The space of n items whose texts these are; *out NULL: none, they say nothing. The same
   items give the same space. m may be NULL. */
int describe_fit(struct content_space **out, const struct content_text *text, uint32_t n,
                 const struct modalities *m, struct pool *pool,
                 struct penchant_error *err);

/* The vector of item number `item` in the space. Modalities that the space does not know,
   or knows with another number of dimensions, are passed over. */
void describe_item(const struct content_space *s, const struct content_text *text,
                   const struct modalities *m, uint32_t item, float *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the items of an open shop say of themselves, kept ready for its lists: the content
 * space, the vector of every item in it (model/content.h), and for items that came after
 * the model the vectors that it makes of them (model/item_content.h). So an item that was
 * put a moment ago is in the next list on its merits.
 *
 * The space is the one that stands in the model's checkpoint. A shop without a model fits
 * one on its catalogue: at opening when the items are few (open.c), else on the watcher's
 * thread about a second later, and again when the catalogue has grown by an eighth (of
 * more than 4096 items: doubled) or its imported vectors have changed; so it depends on
 * how large the catalogue was.
 *
 * Everything in here is under p->lock: held for writing by shop_content_put() and while
 * something new is handed over, for reading by all others. What takes long, describing a
 * whole catalogue or making an index, happens beside the shop; items that are put meanwhile
 * are remembered and described again.
 *
 * Memory: growing.h for the items (a space has at most 96 dimensions, and as many for
 * every imported modality), 8 * dim bytes for each item that came after the model; twice
 * that and the texts while all are described anew.
 */
#ifndef ENGINE_SHOP_CONTENT_H
#define ENGINE_SHOP_CONTENT_H

#include "engine/engine.h"
#include "engine/snapshot.h"

struct shop_content;

/* NULL: no memory. */
struct shop_content *shop_content_new(void);
void shop_content_free(struct shop_content *c);

/* Item `item` of the catalogue is new or says something else. 0 or PENCHANT_ENOMEM. */
int shop_content_put(struct penchant *p, uint32_t item);

/* The query's part that comes from content. `s` is the model that the request goes by, or
   NULL. */
void shop_content_query(struct evidence_query *q, const struct penchant *p,
                        const struct snapshot *s);

/* The vector of an item that came after this model, (s->dim) as tokens use it; NULL: it has
   none. Valid while p->lock is held. */
const float *shop_content_token(const struct penchant *p, const struct snapshot *s,
                                uint32_t item);

/* Counts up when such a vector of an item that somebody may have seen has changed, so that
   encoder states that were made with it are worthless. */
uint32_t shop_content_epoch(const struct penchant *p);

/* The content vector of an item, or NULL when nothing is known. */
const float *shop_content_vector(const struct penchant *p, uint32_t item);

/* The space, or NULL: there is none yet. */
const struct content_space *shop_content_space(const struct penchant *p);

/*
 * Describes all items anew without holding p->lock, which the caller must not hold either.
 * With hand_over, a new model `s` with its space (NULL: it has none): hand_over() is called
 * with p->lock held for writing, as one change with the new content. Without, s is the
 * model in use or NULL, and the space is kept when it is the model's, else fitted. Takes
 * the space. On failure nothing has changed.
 */
int shop_content_renew(struct penchant *p, struct content_space *space,
                       struct snapshot *s,
                       void (*hand_over)(struct penchant *p, struct snapshot *s),
                       struct penchant_error *err);

/* What is due: a first space, a better one, an index. The watcher's. */
void shop_content_tend(struct penchant *p);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of shop_content.c and how a whole catalogue is described beside the shop. */
#ifndef ENGINE_SHOP_CONTENT_BULK_H
#define ENGINE_SHOP_CONTENT_BULK_H

#include "base/pool.h"
#include "engine/describe.h"
#include "engine/shop_content.h"
#include "retrieval/growing.h"

enum { SHOP_CONTENT_MAX_MODEL = 1024 }; /* widest model, see model.c */

struct shop_content {
    struct content_space *space; /* NULL: none yet, or no item says anything */
    bool of_model;               /* it is not to be fitted anew */
    uint32_t fitted;             /* items of the catalogue when it was made */
    uint64_t vectors_version;    /* the shop's imported vectors that it knows of */
    struct growing items;        /* (catalogue, dim of the space) */
    /* Items from the model's n_items on, as tokens and as scores use them. */
    struct growing tokens, scored;
    struct words *words; /* the items' words; NULL: not yet */
    uint64_t version;    /* base of the snapshot whose they are; 0: no model */
    uint32_t epoch;
    struct evidence_content view, newcomers; /* the same, for queries */
    bool renewing;                           /* all are described anew beside the shop */
    uint32_t *late;                          /* (n_late) items put meanwhile */
    uint32_t n_late, cap_late;
};

/* The words of an item by which a search finds it. 0 or PENCHANT_ENOMEM. */
int shop_content_put_words(struct words *w, uint32_t item,
                           const struct content_text *text);

/* A copy of what the items say. */
struct bulk {
    uint32_t n, first;             /* items; the first one after the model */
    struct content_text *text;     /* (n) */
    char *bytes;                   /* their texts */
    struct modalities *modalities; /* their imported vectors, shared */
    uint64_t vectors_version;
    uint32_t *attr_start, *attr; /* (n - first + 1) the model's attributes as CSR */
};

/* Takes p->lock for reading. s may be NULL. */
int bulk_copy(struct bulk *b, struct penchant *p, const struct snapshot *s);
void bulk_release(struct bulk *b);

/* A space for these items into c; none when nobody says anything. */
int bulk_fit(const struct bulk *b, struct shop_content *c, struct pool *pool,
             struct penchant_error *err);

/* Fills c's words and, with a space, its items, their index and what the model makes of
   those after it. */
int bulk_describe(const struct bulk *b, struct shop_content *c, const struct snapshot *s,
                  struct pool *pool, struct penchant_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A behaviour log read into memory for an experiment: who wanted what in which order, and
 * what is known of the items. Keeps no names of users.
 *
 * Items are numbered at first as the files name them. dataset_number() numbers those that
 * occur in the log anew, by chance: the order in which a log names its items tells how
 * new each is, and neither a model's tie-breaks nor its random start may profit from
 * that.
 */
#ifndef LAB_DATASET_H
#define LAB_DATASET_H

#include "base/pool.h"
#include "behaviour/catalog.h"
#include "behaviour/history.h"

enum { DATASET_STAGES = 3 };

struct dataset_options {
    const char *events[2]; /* one file, or a second one whose users are others */
    const char *items;     /* NULL: none */
    const char *map;       /* as in penchant_import_options */
    bool by_session; /* a history is a session; else a user, if the file names them */
    penchant_progress_fn *progress;
    penchant_complaint_fn *complain;
    void *cookie;
};

struct dataset {
    struct history history;
    struct catalog catalog; /* numbered as read, also after dataset_number() */
    uint32_t n_first;       /* users of the first file: [0, n_first) */
    uint32_t n_types;       /* numbers of event types; 0 when there is only one */
    /* By dataset_number(): items whose first stage is s are [n_items[s - 1],
       n_items[s]). */
    uint32_t n_items[DATASET_STAGES];
    uint32_t *attr_start, *attr; /* (n_items + 1) attributes as CSR; NULL without any */
    uint32_t n_attributes;
    char **attribute_name; /* (n_attributes) the texts are the catalogue's */
    uint32_t *catalog_of;  /* (n_items) the number of each in the catalogue */
    /* By dataset_describe(); NULL when no item says anything. */
    struct content_space *space;
    float *content; /* (n_items, content_dim) model/content.h */
    uint32_t content_dim;
};

/* On failure *d is empty. The result is the caller's to release. */
int dataset_read(struct dataset *d, const struct dataset_options *o,
                 struct penchant_error *err);
void dataset_release(struct dataset *d);

/* Takes the events with keep[i] false out of the history, and what was concluded from
   them: the number of types, the clock. */
void dataset_keep(struct dataset *d, const bool *keep);

/*
 * Numbers the items that occur in the history: first those of events with stage 0, then
 * those that come with stage 1, then 2, by chance within each; stage (history.n). Lays
 * out their attributes. Once only.
 */
int dataset_number(struct dataset *d, const uint8_t *stage, uint64_t seed,
                   struct penchant_error *err);

/*
 * Fits a content space on the texts of the items [0, n_fit), as they are numbered now, and
 * describes all items in it. Once only.
 */
int dataset_describe(struct dataset *d, uint32_t n_fit, struct pool *pool,
                     struct penchant_error *err);

#endif

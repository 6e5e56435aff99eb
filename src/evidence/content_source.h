/* SPDX-License-Identifier: Apache-2.0 */
/* What the content source makes of a user; content_source.c tells the method. */
#ifndef EVIDENCE_CONTENT_SOURCE_H
#define EVIDENCE_CONTENT_SOURCE_H

#include "evidence/evidence.h"

enum {
    CONTENT_RECENT = 20,        /* items of a user that count */
    CONTENT_MOST_DISLIKED = 20, /* items that count against */
    CONTENT_TOLD = 8,           /* texts of reviews, of either kind */
    CONTENT_TASTES = CONTENT_RECENT + CONTENT_TOLD,
    CONTENT_AVERSIONS = CONTENT_MOST_DISLIKED + CONTENT_TOLD,
    CONTENT_CANDIDATES = 64, /* from the index, which is slower for more */
    CONTENT_MAX_VECTOR = 4096
};

/* Chosen on validation data: docs/experiments.md. */
#define CONTENT_KAPPA    2.0F
#define CONTENT_DECAY    0.7F /* from an item to the one before it */
#define CONTENT_SESSION  0.8F /* from a session to the one before it */
#define CONTENT_AVERSION 1.0F /* at KAPPA 2; more turns lists against whole shelves */
#define CONTENT_SAYING   0.5F /* what a review says beside an item of the same liking */

struct content_taste {
    uint32_t n, n_items, n_disliked;     /* the n_items first of n are items */
    uint32_t item[CONTENT_RECENT];       /* newest first */
    const float *vector[CONTENT_TASTES]; /* theirs, then what reviews said */
    float share[CONTENT_TASTES];         /* above 0, sum 1 */
    bool fond[CONTENT_TASTES];           /* of a liking that is not below 0 */
    const float *disliked[CONTENT_AVERSIONS];
    float against[CONTENT_AVERSIONS]; /* (0, 1]: how strongly */
};

/* The user's taste; n is 0 where nothing is known of it. */
void content_taste(const struct evidence_query *q, struct content_taste *t);

#endif

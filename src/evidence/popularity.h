/* SPDX-License-Identifier: Apache-2.0 */
/* The source of popularity (see popularity.c): its experts, and what it takes. */
#ifndef EVIDENCE_POPULARITY_H
#define EVIDENCE_POPULARITY_H

#include "evidence/evidence.h"

enum {
    POPULARITY_LIVES = 4, /* half-lives, the shortest first */
    POPULARITY_STARTS = POPULARITY_LIVES,
    POPULARITY_PART,    /* of the day and week */
    POPULARITY_UNIFORM, /* any item alike */
    POPULARITY_EXPERTS,
    POPULARITY_PARTS = 8
};

/* Who asks. */
enum popularity_who {
    POPULARITY_NEWCOMER,  /* without any history */
    POPULARITY_RETURNING, /* after a pause that ends a session */
    POPULARITY_PRESENT,   /* within a session, or without a clock */
    POPULARITY_WHO
};

/* What each expert weighs with each of them, a copy; rows add up to 1. */
void popularity_weights(void *state, double out[POPULARITY_WHO][POPULARITY_EXPERTS]);

/* Memory held, in bytes; not beside observe(). */
size_t popularity_bytes(const void *state);

#endif

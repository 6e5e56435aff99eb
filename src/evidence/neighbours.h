/* SPDX-License-Identifier: Apache-2.0 */
/* The source of neighbouring sessions (see neighbours.c): its bounds, what it takes. */
#ifndef EVIDENCE_NEIGHBOURS_H
#define EVIDENCE_NEIGHBOURS_H

#include "evidence/evidence.h"

enum {
    NEIGHBOURS_SESSIONS = 1 << 18, /* the newest ones are kept */
    NEIGHBOURS_LENGTH = 64,        /* items of one session, then the next one begins */
    NEIGHBOURS_POSTINGS = 512,     /* newest sessions an item is looked for in */
    NEIGHBOURS_QUERY = 5,          /* items of the present session that are asked for */
    NEIGHBOURS_SAMPLE = 2000,      /* newest matching sessions that are compared */
    NEIGHBOURS_NEAREST = 200       /* of them speak */
};

/* Chosen on the validation events of six public logs (reviews and ratings, anonymous
   sessions, purchases); all of them are flat around their optimum. */
#define NEIGHBOURS_AGE      0.7F
#define NEIGHBOURS_MATCH    0.6F
#define NEIGHBOURS_RARE     0.4F
#define NEIGHBOURS_NEAR     0.4F
#define NEIGHBOURS_BACKWARD 0.4F
#define NEIGHBOURS_SHRINK   1.0F
#define NEIGHBOURS_EPSILON  1e-4F

/* Memory held, in bytes; not beside observe(). */
size_t neighbours_bytes(const void *state);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The source of neighbouring sessions (see neighbours.c): its bounds, what it takes. */
#ifndef EVIDENCE_NEIGHBOURS_H
#define EVIDENCE_NEIGHBOURS_H

#include "evidence/evidence.h"

enum {
    NEIGHBOURS_SESSIONS = 1 << 18, /* the newest ones are kept */
    NEIGHBOURS_LENGTH = 64,        /* items of one session, then the next one begins */
    NEIGHBOURS_POSTINGS = 512      /* newest sessions an item is looked for in */
};

/* Memory held, in bytes; not beside observe(). */
size_t neighbours_bytes(const void *state);

#endif

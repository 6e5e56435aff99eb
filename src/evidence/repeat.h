/* SPDX-License-Identifier: Apache-2.0 */
/* The source of repeats (see repeat.c): its bounds. */
#ifndef EVIDENCE_REPEAT_H
#define EVIDENCE_REPEAT_H

#include "evidence/evidence.h"

enum {
    REPEAT_EVENTS = 128, /* of a user, the newest, that are looked at */
    REPEAT_ITEMS = 50    /* distinct ones among them, the newest */
};

#define REPEAT_LEVEL  4.0   /* hits that the level above counts for */
#define REPEAT_OWN    4.0F  /* hits that an average item counts for */
#define REPEAT_GAPS   3.0F  /* intervals that those of all items count for */
#define REPEAT_MOST   0.98F /* of the probability goes to the past */
#define REPEAT_RARELY 1e-3  /* hazard before anything was seen */

/* Memory held, in bytes; not beside observe(). */
size_t repeat_bytes(const void *state);

#endif

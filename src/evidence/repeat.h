/* SPDX-License-Identifier: Apache-2.0 */
/* The source of repeats (see repeat.c): its bounds. */
#ifndef EVIDENCE_REPEAT_H
#define EVIDENCE_REPEAT_H

#include "evidence/evidence.h"

enum {
    REPEAT_EVENTS = 128, /* of a user, the newest, that are looked at */
    REPEAT_ITEMS = 50    /* distinct ones among them, the newest */
};

/* Memory held, in bytes; not beside observe(). */
size_t repeat_bytes(const void *state);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an event says that has no column of its own in the log: a small JSON object with
 * its query, placement, the text of a review, and whether it came without a user_id.
 */
#ifndef BEHAVIOUR_EXTRA_H
#define BEHAVIOUR_EXTRA_H

#include <jansson.h>

#include "base/buf.h"
#include "base/status.h"

/*
 * Writes the object into `out` (emptied first); *text is it, or NULL when there is nothing
 * to say. A text longer than EVENT_TEXT_MAX bytes is cut there, at a whole character.
 * PENCHANT_ENOMEM.
 */
int extra_write(struct buf *out, const struct penchant_event *e, const char **text,
                struct penchant_error *err);

/* The object taken apart; strings point into it and are NULL when they were not given. */
struct extra {
    json_t *json;
    const char *query, *placement, *text;
    bool anonymous;
};

/* NULL is an object without anything; PENCHANT_ECORRUPT for what extra_write() cannot have
   written. */
int extra_read(struct extra *x, const char *text, struct penchant_error *err);
void extra_release(struct extra *x);

#endif

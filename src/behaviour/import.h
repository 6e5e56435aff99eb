/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads behaviour logs and item lists: CSV with a header or JSON lines (told apart by the
 * first byte), plain, .gz or .zst (told apart by their magic), "-" for standard input.
 * Knows no store: what it reads goes to a sink. Memory does not depend on the file's
 * size.
 */
#ifndef BEHAVIOUR_IMPORT_H
#define BEHAVIOUR_IMPORT_H

#include "base/status.h"

/* Gets every good line, checked as event_check() and catalog_check() do. What the
   pointers show is valid during the call only. A timestamp of 0 is 1970 here, not "now".
   A negative status stops the import and is its result. */
struct import_sink {
    int (*event)(void *cookie, const struct penchant_event *e,
                 struct penchant_error *err);
    int (*item)(void *cookie, const struct penchant_item *item,
                struct penchant_error *err);
    void *cookie;
};

/*
 * Reads o->items and then o->events into the sink; bad lines go to o->complain, are
 * counted in out->errors, and past o->max_errors the result is PENCHANT_ELIMIT. Fills
 * `lines`, `events`, `items` (of the item file), `errors` and `has_clock` of *out.
 * o->check has no meaning here: what is kept is the sink's.
 */
int import_read(const struct penchant_import_options *o, const struct import_sink *sink,
                struct penchant_import_report *out, struct penchant_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line of a file as texts by field, and the event or item that it means. Both CSV and
 * JSON come through here, so that both take the same values and give the same reasons.
 */
#ifndef BEHAVIOUR_RECORD_H
#define BEHAVIOUR_RECORD_H

#include <stdint.h>

#include "behaviour/columns.h"
#include "behaviour/event.h"

struct record {
    const char *value[COLUMNS]; /* NULL: not given, also when it was empty */
};

/* Names of events that have been met, with their names here; a memo, not a limit. */
enum { RECORD_EVENT_NAMES = 32 };

struct record_rules {
    const char *event; /* of a file that does not say; NULL: a line must say */
    uint32_t n_names;
    struct {
        char theirs[EVENT_NAME_MAX + 1], ours[EVENT_NAME_MAX + 1];
    } name[RECORD_EVENT_NAMES];
    char spelled[EVENT_NAME_MAX + 1]; /* the last name that is in no memo */
};

/*
 * The event that a record means, checked; it borrows from the record and the rules. A
 * time of 0 is the beginning of 1970 here, not "now". PENCHANT_EINVALID names the field.
 */
int record_event(const struct record *r, struct record_rules *rules,
                 struct penchant_event *e, struct penchant_error *err);

int record_item(const struct record *r, struct penchant_item *item,
                struct penchant_error *err);

#endif

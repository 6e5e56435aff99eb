/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON lines as records. Keys are found as CSV columns are (see columns.h); numbers may
 * be written as strings and ids as whole numbers; a category may be an array. Lines of a
 * Google Analytics 4 export hold several items in "items" and give one record for each;
 * their "event_params" may hold the session and the search term.
 */
#ifndef BEHAVIOUR_JSONL_H
#define BEHAVIOUR_JSONL_H

#include <jansson.h>

#include "base/buf.h"
#include "behaviour/record.h"

enum { JSONL_NUMBER = 32, JSONL_KEYS = 256, JSONL_TEXT_MAX = 1 << 20 };

struct jsonl {
    struct column_map *map; /* the caller's */
    enum columns_kind kind;
    struct names keys; /* the first JSONL_KEYS keys that were met, and what they mean */
    struct column_match match[JSONL_KEYS];

    /* The line that was parsed last. */
    json_t *line;
    const json_t *items;  /* its array of items, or NULL */
    bool ratings;         /* its value is a rating */
    size_t n;             /* records in it: 0 when it is not about an item */
    struct record common; /* what all its records share */
    char number[COLUMNS][JSONL_NUMBER];
    struct buf joined;   /* an array of categories, by '|' */
    struct buf event_id; /* of one item of several */
};

void jsonl_init(struct jsonl *j, struct column_map *map, enum columns_kind kind);
void jsonl_release(struct jsonl *j);

/* Parses a line; PENCHANT_EINVALID names the field, or "line" when it is no JSON object. */
int jsonl_parse(struct jsonl *j, const char *text, size_t len,
                struct penchant_error *err);

/* Record i < j->n of the line; valid until the next call of either function. */
int jsonl_record(struct jsonl *j, size_t i, struct record *r, struct penchant_error *err);

#endif

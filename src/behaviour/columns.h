/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which column of a file, or key of a JSON object, is which of our fields: by the names
 * that logs usually have (columns.c lists them), or as --map says. Names are compared in
 * lower case and without '_', '-', ' ' and '.'. Where several columns could be a field,
 * the one whose name is more certain is first, and an empty value falls through to the
 * next.
 */
#ifndef BEHAVIOUR_COLUMNS_H
#define BEHAVIOUR_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/names.h"
#include "base/status.h"

/* our name, in an event file, in an item file */
#define COLUMN_MAP(X)                                                                    \
    X(USER_ID, "user_id", true, false)                                                   \
    X(ITEM_ID, "item_id", true, true)                                                    \
    X(EVENT, "event", true, false)                                                       \
    X(TIMESTAMP, "timestamp", true, false)                                               \
    X(VALUE, "value", true, false)                                                       \
    X(QUANTITY, "quantity", true, false)                                                 \
    X(SESSION_ID, "session_id", true, false)                                             \
    X(RECOMMENDATION_ID, "recommendation_id", true, false)                               \
    X(EVENT_ID, "event_id", true, false)                                                 \
    X(QUERY, "query", true, false)                                                       \
    X(PLACEMENT, "placement", true, false)                                               \
    X(TEXT, "text", true, false)                                                         \
    X(TITLE, "title", false, true)                                                       \
    X(CATEGORY, "category", false, true)                                                 \
    X(BRAND, "brand", false, true)                                                       \
    X(PRICE, "price", false, true)                                                       \
    X(AVAILABLE, "available", false, true)

enum column {
#define X(id, name, in_events, in_items) COLUMN_##id,
    COLUMN_MAP(X)
#undef X
        COLUMNS,
    COLUMN_NONE = COLUMNS
};

enum columns_kind { COLUMNS_EVENTS, COLUMNS_ITEMS };

const char *column_name(enum column c);

/* Where a name leads; rank 0 is the map's word, and a more usual name has a lower rank. */
struct column_match {
    enum column column;
    uint32_t rank;
};

enum { COLUMN_NAME_MAX = 256 };

/* --map, taken apart. */
struct column_map {
    uint32_t n;
    struct {
        enum column ours;
        char theirs[COLUMN_NAME_MAX + 1];
        bool seen; /* some file has had it */
    } entry[COLUMNS];
};

/* `text` may be NULL. Unknown names of ours, and the same name twice, are errors. */
int column_map_parse(struct column_map *m, const char *text, struct penchant_error *err);

/* What has not been seen in any file is an error that names it. */
int column_map_check_seen(const struct column_map *m, struct penchant_error *err);

/* Marks an entry of the map as seen. COLUMN_NONE for a name that means nothing to us. */
struct column_match columns_find(struct column_map *m, enum columns_kind kind,
                                 const char *name);

/* The fields of one CSV header. */
enum { COLUMN_CHOICES = 4 };

struct columns {
    size_t n_fields; /* that a record must have */
    uint32_t n[COLUMNS];
    uint32_t field[COLUMNS][COLUMN_CHOICES]; /* of the record, best first */
    uint32_t rank[COLUMNS][COLUMN_CHOICES];
    bool ratings; /* the value is a rating, not a price */
};

/* Reads a header; that a required field is missing is an error that says what was
   sought. */
int columns_match(struct columns *c, struct column_map *m, enum columns_kind kind,
                  char *const *header, size_t n, struct penchant_error *err);

/* Whether a column of that name holds ratings ("rating", "stars"), of reviews then. */
bool column_is_rating(const char *name);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes events and items as the CSV that import reads, row by row, in two passes: the
 * first finds out what the file must hold (struct export_shape), the second writes it.
 * Columns that no row uses are left out, and times are whole seconds if they all are,
 * else milliseconds, else microseconds (import tells them apart by size), else RFC 3339.
 * An event that came in without a user_id must come here without one. event_id is not
 * part of the log.
 */
#ifndef BEHAVIOUR_EXPORT_H
#define BEHAVIOUR_EXPORT_H

#include "base/buf.h"
#include "base/timestamps.h"
#include "behaviour/columns.h"

struct export_shape {
    enum columns_kind kind;
    bool used[COLUMNS];
    bool unit[TIMESTAMP_UNITS]; /* whether all times may be written in it */
};

/* What every file has; then each row is shown to it. */
void export_shape_init(struct export_shape *s, enum columns_kind kind);
void export_shape_event(struct export_shape *s, const struct penchant_event *e);
void export_shape_item(struct export_shape *s, const struct penchant_item *item);

struct exporter {
    struct export_shape shape;
    int fd; /* the caller's, open for writing */
    struct buf out;
};

/* Begins with the header. Functions return 0, PENCHANT_EIO or PENCHANT_ENOMEM. */
int exporter_init(struct exporter *x, int fd, const struct export_shape *shape,
                  struct penchant_error *err);
int exporter_event(struct exporter *x, const struct penchant_event *e,
                   struct penchant_error *err);
int exporter_item(struct exporter *x, const struct penchant_item *item,
                  struct penchant_error *err);

/* Writes what is still in memory; exporter_release() alone does not. */
int exporter_finish(struct exporter *x, struct penchant_error *err);
void exporter_release(struct exporter *x);

#endif

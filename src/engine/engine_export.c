/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shop's log and catalogue back into files. Runs with the store to itself, in two
 * scans: the first finds out what the file must hold, the second writes it. A file
 * appears whole or not at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "behaviour/export.h"
#include "behaviour/extra.h"
#include "engine/engine.h"

struct exporting {
    struct penchant *p;
    const char *events, *items; /* paths; NULL: not wanted */
    struct export_shape shape;
    struct exporter exporter;
    bool writing;       /* the second scan */
    struct extra extra; /* of the present event; owns its query, placement and text */
    struct penchant_error *err;
    struct penchant_error why; /* what write_file() failed with, under files_replace() */
};

/* ---- rows ---- */

/* The event as it came in, from the row. */
static int restore_event(struct exporting *x, const struct event *e,
                         struct penchant_event *out)
{
    const struct penchant *p = x->p;
    extra_release(&x->extra);
    if (extra_read(&x->extra, e->extra, NULL) || e->user >= p->users.n ||
        e->type >= p->types.n || (e->item != NAMES_NONE && e->item >= p->catalog.ids.n))
        return error_set(x->err, PENCHANT_ECORRUPT, "event %llu cannot be",
                         (unsigned long long)e->seq);
    *out = (struct penchant_event){
        .user_id = x->extra.anonymous ? NULL : names_text(&p->users, e->user),
        .item_id = e->item == NAMES_NONE ? NULL : names_text(&p->catalog.ids, e->item),
        .event = names_text(&p->types, e->type),
        .timestamp_us = e->ts_us,
        .value = e->value,
        .quantity = e->quantity,
        .session_id = e->session,
        .recommendation_id = e->recommendation,
        .query = x->extra.query,
        .placement = x->extra.placement,
        .text = x->extra.text,
    };
    return PENCHANT_OK;
}

static int export_event(void *cookie, const struct event *row)
{
    struct exporting *x = cookie;
    struct penchant_event e;
    const int status = restore_event(x, row, &e);
    if (status != PENCHANT_OK)
        return status;
    if (x->writing)
        return exporter_event(&x->exporter, &e, x->err);
    export_shape_event(&x->shape, &e);
    return PENCHANT_OK;
}

static int export_item(void *cookie, uint32_t id, const struct store_item *row)
{
    struct exporting *x = cookie;
    (void)id;
    if (row->deleted)
        return PENCHANT_OK;
    const struct penchant_item item = engine_item_of_row(row);
    if (x->writing)
        return exporter_item(&x->exporter, &item, x->err);
    export_shape_item(&x->shape, &item);
    return PENCHANT_OK;
}

/* ---- files ---- */

static int scan(struct exporting *x)
{
    struct store *store = x->p->store;
    const int status = x->shape.kind == COLUMNS_ITEMS
                           ? store->ops->scan_items(store, export_item, x, x->err)
                           : store->ops->scan_events(store, 0, export_event, x, x->err);
    extra_release(&x->extra);
    return status;
}

/* For files_replace(). */
static int write_file(void *arg, int fd)
{
    struct exporting *x = arg;
    x->writing = true;
    x->err = &x->why;
    int status = exporter_init(&x->exporter, fd, &x->shape, x->err);
    if (status == PENCHANT_OK)
        status = scan(x);
    if (status == PENCHANT_OK)
        status = exporter_finish(&x->exporter, x->err);
    exporter_release(&x->exporter);
    return status;
}

/* Into what is there and cannot be replaced: a terminal, a pipe, a device. */
static int write_stream(struct exporting *x, const char *path)
{
    const bool standard = strcmp(path, "-") == 0;
    const int fd = standard ? STDOUT_FILENO : open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(&x->why, PENCHANT_EIO, "cannot open %s: %s", path,
                         strerror(errno));
    const int status = write_file(x, fd);
    if (!standard)
        close(fd);
    return status;
}

static int export_file(struct exporting *x, const char *path, enum columns_kind kind,
                       struct penchant_error *err)
{
    x->writing = false;
    x->err = err;
    export_shape_init(&x->shape, kind);
    int status = scan(x);
    if (status != PENCHANT_OK)
        return status;
    struct stat st;
    const bool stream =
        strcmp(path, "-") == 0 || (stat(path, &st) == 0 && !S_ISREG(st.st_mode));
    x->why = (struct penchant_error){0};
    status = stream ? write_stream(x, path) : files_replace(path, write_file, x, err);
    if (status == PENCHANT_OK || x->why.status == PENCHANT_OK)
        return status;
    *err = x->why; /* it knows better than files_replace() */
    return err->status;
}

static int export_alone(struct penchant *p, void *arg, struct penchant_error *err)
{
    struct exporting *x = arg;
    (void)p;
    int status = PENCHANT_OK;
    if (x->items)
        status = export_file(x, x->items, COLUMNS_ITEMS, err);
    if (status == PENCHANT_OK && x->events)
        status = export_file(x, x->events, COLUMNS_EVENTS, err);
    return status;
}

int penchant_export(struct penchant *p, const char *events, const char *items,
                    struct penchant_error *err)
{
    struct exporting x = {.p = p, .events = events, .items = items};
    if (!events && !items)
        return error_set(err, PENCHANT_EINVALID, "there is no file to export to");
    return engine_with_store(p, export_alone, &x, err);
}

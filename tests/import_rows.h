/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of import and export: a sink that writes every row down as one line of text. */
#ifndef TESTS_IMPORT_ROWS_H
#define TESTS_IMPORT_ROWS_H

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "behaviour/event.h"
#include "behaviour/import.h"

struct rows {
    struct buf text; /* "user item event ts value quantity session rec id query at;" */
    struct buf complaints; /* one a line */
    int stop_after;        /* rows, then the sink refuses; 0: never */
    int n;
    struct penchant_import_report report;
    struct penchant_error err;
};

static void rows_add(struct buf *b, const char *s)
{
    buf_printf(b, "%s ", s ? s : "-");
}

static void rows_add_number(struct buf *b, double v)
{
    if (isnan(v))
        buf_puts(b, "- ");
    else
        buf_printf(b, "%.17g ", v);
}

static int rows_event(void *cookie, const struct penchant_event *e,
                      struct penchant_error *err)
{
    struct rows *r = cookie;
    assert_int_equal(event_check(e, 0, NULL), 0);
    if (r->stop_after && ++r->n > r->stop_after)
        return error_set(err, PENCHANT_EIO, "the disk is full");
    rows_add(&r->text, e->user_id);
    rows_add(&r->text, e->item_id);
    rows_add(&r->text, e->event);
    buf_printf(&r->text, "%lld ", (long long)e->timestamp_us);
    rows_add_number(&r->text, e->value);
    rows_add_number(&r->text, e->quantity);
    rows_add(&r->text, e->session_id);
    rows_add(&r->text, e->recommendation_id);
    rows_add(&r->text, e->event_id);
    rows_add(&r->text, e->query);
    rows_add(&r->text, e->placement);
    if (e->text)
        rows_add(&r->text, e->text);
    r->text.data[r->text.len - 1] = '\n';
    return 0;
}

static int rows_item(void *cookie, const struct penchant_item *item,
                     struct penchant_error *err)
{
    struct rows *r = cookie;
    (void)err;
    rows_add(&r->text, item->item_id);
    rows_add(&r->text, item->title);
    rows_add(&r->text, item->category);
    rows_add(&r->text, item->brand);
    rows_add_number(&r->text, item->price);
    buf_puts(&r->text, item->available ? "yes\n" : "no\n");
    return 0;
}

static void rows_complain(void *cookie, const char *line)
{
    struct rows *r = cookie;
    buf_printf(&r->complaints, "%s\n", line);
}

static void rows_release(struct rows *r)
{
    buf_release(&r->text);
    buf_release(&r->complaints);
}

/* Imports files (NULL: none) with `map` and max_errors; the caller releases *r. */
static int rows_read_with(struct rows *r, const char *events, const char *items,
                          const char *map, uint64_t max_errors)
{
    const struct import_sink sink = {rows_event, rows_item, r};
    const struct penchant_import_options o = {.events = events,
                                              .items = items,
                                              .map = map,
                                              .max_errors = max_errors,
                                              .complain = rows_complain,
                                              .cookie = r};
    const int stop_after = r->stop_after;
    *r = (struct rows){.stop_after = stop_after};
    buf_init(&r->text, 1 << 28);
    buf_init(&r->complaints, 1 << 24);
    return import_read(&o, &sink, &r->report, &r->err);
}

/* Writes bytes into a new file; its path is good until the next call. */
static const char *rows_file(const void *bytes, size_t n)
{
    static char path[] = "/tmp/penchant-import-XXXXXX";
    memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), n);
    close(fd);
    return path;
}

static const char *rows_text_file(const char *text)
{
    return rows_file(text, strlen(text));
}

#endif

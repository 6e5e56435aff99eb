/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop over lines: reader.c finds them, csv.c or jsonl.c take them apart, record.c
 * makes events and items of them, and here is counted, complained and handed on.
 */
#include "behaviour/import.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "behaviour/csv.h"
#include "behaviour/jsonl.h"
#include "behaviour/reader.h"

enum { PROGRESS_LINES = 8192, COMPLAINT_MAX = 8192 };

struct import {
    const struct penchant_import_options *o;
    const struct import_sink *sink;
    struct penchant_import_report *out;
    struct penchant_error *err;
    struct column_map map;
    int64_t first_us, last_us; /* the earliest and the latest time */

    /* The file being read. */
    const char *path;
    enum columns_kind kind;
    bool last; /* no other file follows */
    struct reader *reader;
    struct record_rules rules;
};

/* Gives an error the file that it is about. */
static int fail(struct import *im, const struct penchant_error *why)
{
    return error_field(im->err, why->status, 0, why->field, "%s: %s", im->path,
                       why->text);
}

/* Counts a bad line and tells the caller: "file:line: field: reason". */
static int complain(struct import *im, uint64_t line, const struct penchant_error *why)
{
    const char *field = why->field[0] ? why->field : "line", *reason = why->text;
    const size_t len = strlen(field);
    if (strncmp(reason, field, len) == 0 && reason[len] == ' ')
        reason += len + 1; /* the sentence begins with the field */
    struct buf text;
    buf_init(&text, COMPLAINT_MAX);
    buf_printf(&text, "%s:%llu: %s: %s", im->path, (unsigned long long)line, field,
               reason);
    im->out->errors++;
    if (im->o->complain && !text.failed)
        im->o->complain(im->o->cookie, text.data);
    int rc = PENCHANT_OK;
    if (im->out->errors > im->o->max_errors)
        rc = error_field(im->err, PENCHANT_ELIMIT, 0, why->field,
                         "more than %llu bad lines; the last one is %s",
                         (unsigned long long)im->o->max_errors, text.data);
    buf_release(&text);
    return rc;
}

static int complain_line(struct import *im, uint64_t line, const char *problem)
{
    struct penchant_error why = {0};
    error_field(&why, PENCHANT_EINVALID, 0, "line", "%s", problem);
    return complain(im, line, &why);
}

/* Hands one record on; a bad one is complained about. */
static int deliver(struct import *im, const struct record *r, uint64_t line)
{
    struct penchant_error why;
    int rc;
    if (im->kind == COLUMNS_ITEMS) {
        struct penchant_item item;
        if (record_item(r, &item, &why) != 0)
            return complain(im, line, &why);
        rc = im->sink->item(im->sink->cookie, &item, im->err);
        im->out->items += rc == 0;
        return rc;
    }
    struct penchant_event e;
    if (record_event(r, &im->rules, &e, &why) != 0)
        return complain(im, line, &why);
    if (e.timestamp_us < im->first_us)
        im->first_us = e.timestamp_us;
    if (e.timestamp_us > im->last_us)
        im->last_us = e.timestamp_us;
    rc = im->sink->event(im->sink->cookie, &e, im->err);
    im->out->events += rc == 0;
    return rc;
}

static int show_progress(struct import *im)
{
    if (!im->o->progress)
        return PENCHANT_OK;
    char detail[64];
    snprintf(detail, sizeof(detail), "%llu lines", (unsigned long long)im->out->lines);
    const char *what = im->kind == COLUMNS_ITEMS ? "items" : "events";
    if (im->o->progress(im->o->cookie, what, reader_done(im->reader),
                        reader_total(im->reader), detail) != 0)
        return error_set(im->err, PENCHANT_EINTERRUPTED, "stopped on request");
    return PENCHANT_OK;
}

/* The next line that can be used: 1, 0 at the end, or a negative status. */
static int next_line(struct import *im, char delimiter, struct reader_line *line)
{
    for (;;) {
        int rc = reader_next(im->reader, delimiter, line, im->err);
        if (rc <= 0)
            return rc;
        /* Between JSON lines white space means nothing. */
        if (strspn(line->text, delimiter ? "" : " \t") == line->len && !line->problem)
            continue;
        if (im->out->lines++ % PROGRESS_LINES == 0 && (rc = show_progress(im)) != 0)
            return rc;
        if (!line->problem)
            return 1;
        if ((rc = complain_line(im, line->number, line->problem)) != 0)
            return rc;
    }
}

static void pick_fields(const struct columns *c, char *const *field, struct record *r)
{
    for (int f = 0; f < COLUMNS; f++) {
        r->value[f] = NULL;
        for (uint32_t i = 0; i < c->n[f] && !r->value[f]; i++)
            if (field[c->field[f][i]][0])
                r->value[f] = field[c->field[f][i]];
    }
}

/* Reads the header, which also tells the delimiter. */
static int read_header(struct import *im, struct columns *c, char *delimiter,
                       char *field[CSV_MAX_FIELDS])
{
    struct reader_line line;
    struct penchant_error why = {.status = PENCHANT_EINVALID};
    int rc;
    do
        rc = reader_next(im->reader, ',', &line, im->err);
    while (rc == 1 && !line.len && !line.problem);
    if (rc < 0)
        return rc;
    const char *problem = rc == 0 ? "the file is empty" : line.problem;
    if (!problem) {
        *delimiter = csv_delimiter(line.text);
        const size_t n = csv_split(line.text, line.len, *delimiter, field, &problem);
        rc = n ? columns_match(c, &im->map, im->kind, field, n, &why) : 0;
        if (n && rc == 0 && im->last)
            rc = column_map_check_seen(&im->map, &why);
    }
    if (problem)
        rc = error_set(&why, PENCHANT_EINVALID, "the header cannot be read: %s", problem);
    return rc == 0 ? PENCHANT_OK : fail(im, &why);
}

static int read_csv(struct import *im)
{
    char *field[CSV_MAX_FIELDS];
    char delimiter = ',';
    struct columns columns;
    struct reader_line line;
    struct record r;
    int rc = read_header(im, &columns, &delimiter, field);
    if (rc != 0)
        return rc;
    if (!columns.n[COLUMN_EVENT])
        im->rules.event = columns.ratings ? "review" : "view";
    while (rc == 0 && (rc = next_line(im, delimiter, &line)) == 1) {
        const char *problem = NULL;
        char wrong[80];
        const size_t n = csv_split(line.text, line.len, delimiter, field, &problem);
        if (n && n != columns.n_fields) {
            snprintf(wrong, sizeof(wrong), "has %zu fields, the header has %zu", n,
                     columns.n_fields);
            problem = wrong;
        }
        if (problem) {
            rc = complain_line(im, line.number, problem);
        } else {
            pick_fields(&columns, field, &r);
            rc = deliver(im, &r, line.number);
        }
    }
    return rc;
}

static int deliver_json(struct import *im, struct jsonl *j,
                        const struct reader_line *line, bool *first)
{
    struct penchant_error why;
    if (jsonl_parse(j, line->text, line->len, &why) != 0)
        return complain(im, line->number, &why);
    /* Whether a file says what happened is settled by its first good line. */
    if (*first && !j->common.value[COLUMN_EVENT])
        im->rules.event = j->ratings ? "review" : "view";
    *first = false;
    int rc = PENCHANT_OK;
    for (size_t i = 0; i < j->n && rc == 0; i++) {
        struct record r;
        if (jsonl_record(j, i, &r, &why) != 0)
            rc = complain(im, line->number, &why);
        else
            rc = deliver(im, &r, line->number);
    }
    return rc;
}

static int read_jsonl(struct import *im)
{
    struct jsonl j;
    struct reader_line line;
    jsonl_init(&j, &im->map, im->kind);
    bool first = true;
    int rc = PENCHANT_OK;
    while (rc == 0 && (rc = next_line(im, 0, &line)) == 1)
        rc = deliver_json(im, &j, &line, &first);
    if (rc == 0 && im->last) {
        struct penchant_error why;
        if (column_map_check_seen(&im->map, &why) != 0)
            rc = fail(im, &why);
    }
    jsonl_release(&j);
    return rc;
}

static int read_file(struct import *im, const char *path, enum columns_kind kind,
                     bool last)
{
    char byte;
    im->path = path;
    im->kind = kind;
    im->last = last;
    im->rules = (struct record_rules){0};
    int rc = reader_open(&im->reader, path, im->err);
    if (rc == 0)
        rc = reader_peek(im->reader, &byte, im->err);
    if (rc == 0 && byte == '[') {
        struct penchant_error why = {0};
        error_set(&why, PENCHANT_EINVALID,
                  "is one JSON array; one object a line is needed");
        rc = fail(im, &why);
    } else if (rc == 0) {
        rc = byte == '{' ? read_jsonl(im) : read_csv(im);
    }
    if (rc == 0)
        rc = show_progress(im);
    reader_close(im->reader);
    im->reader = NULL;
    return rc;
}

int import_read(const struct penchant_import_options *o, const struct import_sink *sink,
                struct penchant_import_report *out, struct penchant_error *err)
{
    struct import im = {.o = o,
                        .sink = sink,
                        .out = out,
                        .err = err,
                        .first_us = INT64_MAX,
                        .last_us = INT64_MIN};
    out->lines = out->events = out->items = out->errors = 0;
    if (!o->events && !o->items)
        return error_set(err, PENCHANT_EINVALID, "there is no file to import");
    int rc = column_map_parse(&im.map, o->map, err);
    if (rc == 0 && o->items)
        rc = read_file(&im, o->items, COLUMNS_ITEMS, !o->events);
    if (rc == 0 && o->events)
        rc = read_file(&im, o->events, COLUMNS_EVENTS, true);
    out->has_clock = out->events && im.last_us >= EVENT_CLOCK_MIN_US &&
                     (out->events == 1 || im.first_us != im.last_us);
    return rc;
}

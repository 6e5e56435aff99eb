/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /v1/events: one event, an array of them, or one a line (NDJSON). All are checked
 * first; if one is bad nothing is handed to the shop. Otherwise the connection sleeps
 * until the commit.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <microhttpd.h>

#include "base/status.h"
#include "server/json_input.h"
#include "server/parse_event.h"
#include "server/routes.h"
#include "server/server_state.h"

enum { MAX_EVENTS = 10000 };

struct batch {
    json_t *keep; /* an array of what the events' strings point into */
    struct penchant_event *events;
    size_t n, cap;
    bool syntax; /* some line could not even be read */
};

static bool batch_init(struct batch *b)
{
    *b = (struct batch){.keep = json_array()};
    return b->keep != NULL;
}

static void batch_release(struct batch *b)
{
    json_decref(b->keep);
    free(b->events);
}

/* Takes the next event: checks it and notes its fault, if any. Steals nothing. */
static void batch_take(struct batch *b, struct request *r, const json_t *json,
                       size_t index, size_t line)
{
    struct penchant_error err = {0};
    if (b->n == b->cap) {
        const size_t cap = b->cap ? b->cap * 2 : 16;
        struct penchant_event *events = realloc(b->events, cap * sizeof(*events));
        if (!events) {
            request_problem(r, 500, "out of memory");
            return;
        }
        b->events = events;
        b->cap = cap;
    }
    struct penchant_event *e = &b->events[b->n++];
    if (parse_event(json, e, &err) || penchant_check_event(e, &err))
        request_fault(r, index, line, err.field, err.text);
}

static void too_many(struct request *r)
{
    request_problem(r, 413, "more than %d events in one request", MAX_EVENTS);
}

static void read_lines(struct batch *b, struct request *r)
{
    size_t at = 0, line = 0, index = 0, length;
    const char *start;
    char why[JSON_INPUT_WHY];
    while (!r->status &&
           json_input_next_line(r->body.data, r->body.len, &at, &line, &start, &length)) {
        if (index == MAX_EVENTS) {
            too_many(r);
            return;
        }
        json_t *json = json_input_load(start, length, why);
        if (!json) {
            b->syntax = true;
            request_fault(r, index, line, "", why);
        } else if (json_array_append_new(b->keep, json)) {
            request_problem(r, 500, "out of memory");
        } else {
            batch_take(b, r, json, index, line);
        }
        index++;
    }
}

static void read_value(struct batch *b, struct request *r)
{
    json_t *json = request_object(r);
    if (!json)
        return;
    if (json_array_append_new(b->keep, json)) {
        request_problem(r, 500, "out of memory");
    } else if (!json_is_array(json)) {
        batch_take(b, r, json, 0, 0);
    } else if (json_array_size(json) > MAX_EVENTS) {
        too_many(r);
    } else {
        for (size_t i = 0; i < json_array_size(json) && !r->status; i++)
            batch_take(b, r, json_array_get(json, i), i, 0);
    }
}

static bool says_lines(const struct request *r)
{
    static const char *const types[] = {"application/x-ndjson", "application/ndjson",
                                        "application/jsonl", "application/x-jsonlines"};
    const char *type = MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND,
                                                   MHD_HTTP_HEADER_CONTENT_TYPE);
    for (size_t i = 0; type && i < sizeof(types) / sizeof(types[0]); i++) {
        const size_t n = strlen(types[i]);
        if (!strncasecmp(type, types[i], n) && strchr("; \t", type[n]))
            return true;
    }
    return false;
}

/* On the shop's writing thread. */
static void on_added(void *cookie, int status, const struct penchant_accepted *out)
{
    struct request *r = cookie;
    r->commit_status = status;
    if (!status && out)
        r->accepted = *out;
    server_resume(r);
}

static void submit(struct request *r, const struct batch *b)
{
    struct penchant_error err = {0};
    if (!b->n) {
        events_committed(r);
        return;
    }
    if (!server_suspend(r)) {
        request_problem(r, 503, "the server is stopping");
        return;
    }
    if (penchant_submit_events(r->server->shop, b->events, b->n, on_added, r, &err)) {
        request_failed(r, &err);
        server_resume(r);
    }
}

void route_add_events(struct request *r)
{
    struct batch b;
    if (!request_no_params(r))
        return;
    if (!batch_init(&b)) {
        request_problem(r, 500, "out of memory");
        return;
    }
    if (says_lines(r) || json_input_is_lines(r->body.data, r->body.len))
        read_lines(&b, r);
    else
        read_value(&b, r);
    if (!r->status && r->problems.n)
        request_problem(r, b.syntax ? 400 : 422,
                        "%zu of the events cannot be taken; "
                        "nothing was changed",
                        r->problems.n);
    if (!r->status)
        submit(r, &b);
    batch_release(&b);
}

void events_committed(struct request *r)
{
    if (r->commit_status) {
        struct penchant_error err;
        /* All fields were checked before; what is left is the number of event names. */
        if (r->commit_status == PENCHANT_EINVALID)
            error_field(&err, PENCHANT_EINVALID, 0, "event",
                        "an event has a new name, and there are too many already");
        else
            error_set(&err, r->commit_status, "the events could not be written");
        request_failed(r, &err);
        return;
    }
    http_metrics_events(&r->server->metrics, r->accepted.accepted,
                        r->accepted.duplicates);
    struct json_writer w = request_json(r, 200);
    json_begin_object(&w);
    json_key_uint(&w, "accepted", r->accepted.accepted);
    json_key_uint(&w, "duplicates", r->accepted.duplicates);
    json_end_object(&w);
}

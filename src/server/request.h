/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One HTTP request from its first line to its answer: the URL, the body, what the handler
 * answers. A request belongs to one connection and is touched by one thread at a time:
 * the connection's, or, while it is suspended, the writer that commits its events.
 */
#ifndef SERVER_REQUEST_H
#define SERVER_REQUEST_H

#include <jansson.h>

#include "base/buf.h"
#include "base/json_writer.h"
#include "server/url.h"

enum {
    REQUEST_MAX_BODY = 1 << 20,
    REQUEST_MAX_ANSWER = 64 << 20,
    REQUEST_MAX_PROBLEMS = 100, /* faults listed in one answer */
};

struct route;
struct server;
struct MHD_Connection;

enum request_phase {
    REQUEST_NEW,     /* headers are being read */
    REQUEST_READING, /* the body is */
    REQUEST_WAITING, /* suspended until the commit */
    REQUEST_DONE,    /* answered */
};

/* Faults found so far, written as the elements of the answer's "errors". */
struct problems {
    struct buf json;
    struct json_writer w;
    size_t n; /* also those past REQUEST_MAX_PROBLEMS, which are not listed */
};

struct request {
    struct server *server;
    struct MHD_Connection *connection;
    const struct route *route; /* NULL: none fits */
    enum request_phase phase;
    int64_t began_ns;

    struct url url;
    struct penchant_error url_error; /* .status: whether the URL could be read */
    struct buf body;                 /* at most REQUEST_MAX_BODY */
    uint64_t body_seen;              /* bytes that came, kept or not */

    unsigned status; /* HTTP; 0: not answered yet */
    const char *content_type;
    struct buf answer;
    char allow[64]; /* for the Allow header of a 405; "" */
    struct problems problems;

    /* what the writer reported of the events */
    int commit_status;
    struct penchant_accepted accepted;
};

struct request *request_new(struct server *s, const char *target);
void request_free(struct request *r);

/* ---- answers ------------------------------------------------------------------- */

/* Begins a JSON answer of that HTTP status; write into the returned writer. */
struct json_writer request_json(struct request *r, unsigned status);

/* problem+json (RFC 9457) with the problems found so far. Replaces what was written. */
void request_problem(struct request *r, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Notes a fault; line 0: not an input of lines, field "": none is at fault. */
void request_fault(struct request *r, size_t index, size_t line, const char *field,
                   const char *reason);

/* The answer to a call of the library that failed; logs what is not the caller's fault. */
void request_failed(struct request *r, const struct penchant_error *err);

/* Reason phrase of the statuses that are used here. */
const char *request_phrase(unsigned status);

/* ---- input --------------------------------------------------------------------- */

/* The body as one JSON object, or NULL after a 400. The caller's reference. */
json_t *request_object(struct request *r);

/*
 * The query parameter's value, or NULL when it is absent. Names in `known` (ends with
 * NULL) are looked up by request_known(), which answers 400 for any other and for a
 * repeated one (except `repeats`) and returns false.
 */
const char *request_param(const struct request *r, const char *name);
bool request_known(struct request *r, const char *const *known, const char *repeats);

/* The same for a route that takes no query parameters. */
bool request_no_params(struct request *r);

/* k from the query, 10 when it is absent; false after a 400. */
bool request_k(struct request *r, size_t *k);

#endif

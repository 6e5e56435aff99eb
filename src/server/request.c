/* SPDX-License-Identifier: Apache-2.0 */
#include "server/request.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/timing.h"
#include "server/json_input.h"
#include "server/server_state.h"

enum { DEFAULT_K = 10 };

struct request *request_new(struct server *s, const char *target)
{
    struct request *r = calloc(1, sizeof(*r));
    if (!r)
        return NULL;
    r->server = s;
    r->began_ns = timing_steady_ns();
    buf_init(&r->body, REQUEST_MAX_BODY);
    buf_init(&r->answer, REQUEST_MAX_ANSWER);
    buf_init(&r->problems.json, REQUEST_MAX_ANSWER);
    json_init(&r->problems.w, &r->problems.json);
    if (url_parse(&r->url, target, &r->url_error) == PENCHANT_ENOMEM) {
        request_free(r);
        return NULL;
    }
    return r;
}

void request_free(struct request *r)
{
    if (!r)
        return;
    url_release(&r->url);
    buf_release(&r->body);
    buf_release(&r->answer);
    buf_release(&r->problems.json);
    free(r);
}

struct json_writer request_json(struct request *r, unsigned status)
{
    struct json_writer w;
    r->status = status;
    r->content_type = "application/json";
    buf_clear(&r->answer);
    json_init(&w, &r->answer);
    return w;
}

const char *request_phrase(unsigned status)
{
    switch (status) {
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 413:
        return "Content Too Large";
    case 422:
        return "Unprocessable Content";
    case 503:
        return "Service Unavailable";
    default:
        return "Internal Server Error";
    }
}

void request_problem(struct request *r, unsigned status, const char *format, ...)
{
    char detail[512];
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof(detail), format, args);
    va_end(args);
    struct json_writer w = request_json(r, status);
    r->content_type = "application/problem+json";
    json_begin_object(&w);
    json_key_string(&w, "type", "about:blank");
    json_key_string(&w, "title", request_phrase(status));
    json_key_uint(&w, "status", status);
    json_key_string(&w, "detail", detail);
    if (r->problems.n) {
        json_key(&w, "errors");
        json_begin_array(&w);
        buf_add(&r->answer, r->problems.json.data, r->problems.json.len);
        json_end_array(&w);
    }
    json_end_object(&w);
}

void request_fault(struct request *r, size_t index, size_t line, const char *field,
                   const char *reason)
{
    struct json_writer *w = &r->problems.w;
    if (++r->problems.n > REQUEST_MAX_PROBLEMS)
        return;
    json_begin_object(w);
    json_key_uint(w, "index", index);
    if (line)
        json_key_uint(w, "line", line);
    json_key_string(w, "field", field);
    json_key_string(w, "reason", reason);
    json_end_object(w);
}

void request_failed(struct request *r, const struct penchant_error *err)
{
    const bool too_much = err->status == PENCHANT_ELIMIT && err->field[0];
    if (err->status == PENCHANT_EINVALID || too_much) {
        request_fault(r, err->index, 0, err->field, err->text);
        request_problem(r, 422, "%s", err->text);
    } else if (err->status == PENCHANT_ENOTFOUND || err->status == PENCHANT_ENOMODEL) {
        request_problem(r, 404, "%s", err->text);
    } else {
        const bool later =
            err->status == PENCHANT_ECLOSED || err->status == PENCHANT_EIO ||
            err->status == PENCHANT_ELOCKED || err->status == PENCHANT_ELIMIT;
        server_log(r->server, PENCHANT_ERROR, "request_failed route=%s status=%s",
                   server_route_name(r->route), penchant_status_name(err->status));
        request_problem(r, later ? 503 : 500, "%s", penchant_status_text(err->status));
    }
}

json_t *request_object(struct request *r)
{
    char why[JSON_INPUT_WHY];
    if (!r->body.len) {
        request_problem(r, 400, "the body is empty; a JSON object was expected");
        return NULL;
    }
    json_t *json = json_input_load(r->body.data, r->body.len, why);
    if (!json)
        request_problem(r, 400, "the body is not JSON as it should be: %s", why);
    return json;
}

const char *request_param(const struct request *r, const char *name)
{
    for (size_t i = 0; i < r->url.n_params; i++)
        if (!strcmp(r->url.param[i].name, name))
            return r->url.param[i].value;
    return NULL;
}

static bool is_listed(const char *name, const char *const *known)
{
    for (; *known; known++)
        if (!strcmp(name, *known))
            return true;
    return false;
}

/* Answers 400 for a query parameter at fault. */
static bool bad_param(struct request *r, const char *name, const char *reason)
{
    request_fault(r, 0, 0, name, reason);
    request_problem(r, 400, "query parameter %.64s: %s", name, reason);
    return false;
}

bool request_known(struct request *r, const char *const *known, const char *repeats)
{
    for (size_t i = 0; i < r->url.n_params; i++) {
        const char *name = r->url.param[i].name;
        if (!is_listed(name, known))
            return bad_param(r, name, "is not known here");
        if (request_param(r, name) != r->url.param[i].value &&
            (!repeats || strcmp(name, repeats) != 0))
            return bad_param(r, name, "is given more than once");
    }
    return true;
}

bool request_no_params(struct request *r)
{
    return request_known(r, (const char *const[]){NULL}, NULL);
}

bool request_k(struct request *r, size_t *k)
{
    const char *s = request_param(r, "k");
    *k = DEFAULT_K;
    if (!s)
        return true;
    char *end;
    errno = 0;
    const unsigned long v = strtoul(s, &end, 10);
    if (*s < '0' || *s > '9' || *end || errno || v < 1 || v > PENCHANT_MAX_K)
        return bad_param(r, "k", "must be a whole number from 1 to 1000");
    *k = v;
    return true;
}

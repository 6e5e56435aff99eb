/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An open load of GET (or POST) requests: every connection sends at times set in advance, one
 * request at a time, and a latency counts from the intended time, so that a slow answer
 * makes the next ones late and is not hidden (coordinated omission). One thread a
 * connection.
 */
#ifndef LAB_HTTP_LOAD_H
#define LAB_HTTP_LOAD_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { HTTP_PATH_MAX = 128, HTTP_BODY_MAX = 512 };

/* Writes the path of request number `i` of the whole load, "/v1/..". */
typedef void http_path_fn(void *cookie, uint64_t i, char path[HTTP_PATH_MAX]);

/* Writes the body of request number `i`, JSON. */
typedef void http_body_fn(void *cookie, uint64_t i, char body[HTTP_BODY_MAX]);

struct http_load {
    uint16_t port; /* on 127.0.0.1 */
    uint32_t connections;
    double rate, seconds; /* requests a second in total, for how long */
    double skip_seconds;  /* not counted at the beginning */
    http_path_fn *path;   /* called from several threads */
    http_body_fn *body;   /* the same; NULL: GET */
    void *cookie;
    /* results; ms is the caller's to free */
    double *ms; /* (n) latencies of requests answered 200 */
    size_t n, failed;
};

/* Runs several loads at the same time and returns when all are done. */
int http_load_run(struct http_load *load, size_t n, struct penchant_error *err);

#endif

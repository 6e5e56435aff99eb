/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shop over HTTP: the routes of docs/http.md on libmicrohttpd (epoll, a few threads).
 * The server borrows the shop, which must outlive it. Events are answered after their
 * commit: the connection is suspended meanwhile and no thread waits.
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "penchant.h"

#define SERVER_DEFAULT_LISTEN "127.0.0.1:7700"

struct server;

struct server_options {
    struct penchant *shop;
    const char *listen;  /* "127.0.0.1:7700", "[::1]:0"; port 0: any. NULL: the default */
    const char *api_key; /* asked for as `Authorization: Bearer KEY`; NULL: none */
    bool insecure;       /* listen beyond loopback without a key */
    unsigned threads;    /* that serve; 0: 2 */
    penchant_log_fn
        *log; /* lifecycle and failures; never ids, keys or bodies. NULL: silent */
    void *log_cookie;
};

/* Listens and serves until server_stop(). On failure *out is NULL and nothing is left. */
int server_start(struct server **out, const struct server_options *o,
                 struct penchant_error *err);

/* The port that it listens on. */
uint16_t server_port(const struct server *s);

/*
 * Stops and clears the caller's pointer: /readyz says 503, no new connection is taken,
 * requests under way are answered (for at most 10 s), every event that was handed to the
 * shop is committed and, while its client listens, acknowledged. Call it before the shop
 * is closed. NULL is fine.
 */
void server_stop(struct server **s);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What all requests of one server share. Inside src/server only. */
#ifndef SERVER_SERVER_STATE_H
#define SERVER_SERVER_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "server/http_metrics.h"
#include "server/request.h"
#include "server/server.h"

struct MHD_Daemon;

struct server {
    struct penchant *shop;
    char *api_key; /* NULL: none is asked for */
    penchant_log_fn *log;
    void *log_cookie;
    struct MHD_Daemon *daemon;
    int listening; /* the socket */
    uint16_t port;
    struct http_metrics metrics;

    atomic_bool draining; /* stopping: answers close their connections */
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t changed;
    size_t in_flight; /* requests between their first line and the end of their answer */
    size_t suspended; /* of them, those that wait for a commit */
    bool closed;      /* no more may be suspended */
};

void server_log(struct server *s, int level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* How logs and metrics name a route; "unmatched" for NULL. */
const char *server_route_name(const struct route *route);

/*
 * Suspends the request's connection until server_resume(); false when the server is
 * closing (nothing was done). After server_resume() the caller may not touch the request.
 */
bool server_suspend(struct request *r);
void server_resume(struct request *r);

#endif

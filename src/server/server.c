/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon: its life, and the way of a request through it. Parsing of URLs and bodies
 * is url.c and request.c, what is answered are the *_route.c files.
 */
#include "server/server.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include <microhttpd.h>

#include "base/status.h"
#include "base/timing.h"
#include "server/listen.h"
#include "server/routes.h"
#include "server/server_state.h"

enum {
    DEFAULT_THREADS = 2,
    MAX_THREADS = 64,
    MAX_CONNECTIONS = 1024,
    CONNECTION_MEMORY = 32 * 1024, /* holds request line and headers */
    IDLE_SECONDS = 30,
    DRAIN_SECONDS = 10,
    /* A body past the limit is read and dropped up to here, so that its sender gets to
       see the answer; a longer one is answered at once and the connection closed. */
    MAX_DROPPED_BODY = 16 << 20,
};

/* ---- logging ------------------------------------------------------------------- */

void server_log(struct server *s, int level, const char *format, ...)
{
    char line[512];
    va_list args;
    if (!s->log)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    s->log(s->log_cookie, level, line);
}

/* What the library has to say (sockets and limits; it never sees more than headers). */
__attribute__((format(printf, 2, 0))) static void
on_library_log(void *cookie, const char *format, va_list args)
{
    char text[256];
    vsnprintf(text, sizeof(text), format, args);
    text[strcspn(text, "\r\n")] = 0;
    server_log(cookie, PENCHANT_DEBUG, "http_library message=\"%s\"", text);
}

/* ---- waiting for commits ------------------------------------------------------- */

bool server_suspend(struct request *r)
{
    struct server *s = r->server;
    pthread_mutex_lock(&s->lock);
    const bool go = !s->closed;
    if (go)
        s->suspended++;
    pthread_mutex_unlock(&s->lock);
    if (go) {
        r->phase = REQUEST_WAITING;
        MHD_suspend_connection(r->connection);
    }
    return go;
}

void server_resume(struct request *r)
{
    struct server *s = r->server;
    MHD_resume_connection(r->connection);
    pthread_mutex_lock(&s->lock);
    s->suspended--;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* ---- one request --------------------------------------------------------------- */

static void *on_target(void *cookie, const char *target,
                       struct MHD_Connection *connection)
{
    struct server *s = cookie;
    (void)connection;
    struct request *r = request_new(s, target);
    if (!r)
        return NULL;
    pthread_mutex_lock(&s->lock);
    s->in_flight++;
    pthread_mutex_unlock(&s->lock);
    return r;
}

static void on_completed(void *cookie, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode how)
{
    struct server *s = cookie;
    (void)connection;
    (void)how;
    if (!*context)
        return;
    request_free(*context);
    *context = NULL;
    pthread_mutex_lock(&s->lock);
    s->in_flight--;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* Takes as long for a wrong key as for the right one of the same length. */
static bool same_key(const char *a, const char *b)
{
    const size_t n = strlen(a);
    unsigned char differ = strlen(b) != n;
    if (differ)
        return false;
    for (size_t i = 0; i < n; i++)
        differ = (unsigned char)(differ | (a[i] ^ b[i]));
    return !differ;
}

static bool has_key(const struct request *r)
{
    static const char scheme[] = "Bearer ";
    const char *given = MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND,
                                                    MHD_HTTP_HEADER_AUTHORIZATION);
    if (!given || strncasecmp(given, scheme, sizeof(scheme) - 1) != 0)
        return false;
    given += sizeof(scheme) - 1;
    return same_key(r->server->api_key, given + strspn(given, " "));
}

/* Finds the route, and answers what can be refused before the body is read. */
static void begin(struct request *r, const char *method)
{
    if (!r->url_error.status)
        r->route = routes_find(&r->url, method, r->allow);
    const bool open = r->route && r->route->open;
    if (r->server->api_key && !open && !has_key(r))
        request_problem(r, 401, "an API key is needed: Authorization: Bearer KEY");
    else if (r->url_error.status)
        request_problem(r, 400, "%s", r->url_error.text);
    else if (!r->route && r->allow[0])
        request_problem(r, 405, "this path does not know the method %.32s", method);
    else if (!r->route)
        request_problem(r, 404, "there is nothing at this path");
}

static void refuse_size(struct request *r)
{
    request_problem(r, 413, "the body is larger than %d bytes", REQUEST_MAX_BODY);
}

/* What Content-Length announces; 0 when it does not. */
static uint64_t announced(const struct request *r)
{
    const char *s = MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND,
                                                MHD_HTTP_HEADER_CONTENT_LENGTH);
    return s ? strtoull(s, NULL, 10) : 0;
}

/* Keeps a piece of the body; false when the connection is to be cut. */
static bool take_body(struct request *r, const char *data, size_t n)
{
    r->body_seen += n;
    if (!r->status) {
        buf_add(&r->body, data, n);
        if (r->body.failed && r->body_seen > REQUEST_MAX_BODY)
            refuse_size(r);
        else if (r->body.failed)
            request_problem(r, 500, "out of memory");
    }
    return r->body_seen <= MAX_DROPPED_BODY;
}

static void add_headers(struct request *r, struct MHD_Response *response)
{
    if (r->content_type)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, r->content_type);
    if (r->status == 401)
        MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
                                "Bearer realm=\"penchant\"");
    if (r->status == 405)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, r->allow);
    if (r->status == 503)
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1");
    if (atomic_load(&r->server->draining))
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
}

/* Hands the answer to the library, which sends it. */
static enum MHD_Result send_answer(struct request *r)
{
    struct server *s = r->server;
    if (r->answer.failed)
        request_problem(r, 500, "the answer is too large");
    struct MHD_Response *response = MHD_create_response_from_buffer(
        r->answer.len, r->answer.data, MHD_RESPMEM_MUST_COPY);
    if (!response)
        return MHD_NO;
    add_headers(r, response);
    const enum MHD_Result queued = MHD_queue_response(r->connection, r->status, response);
    MHD_destroy_response(response);
    r->phase = REQUEST_DONE;
    http_metrics_count(&s->metrics, r->route ? (size_t)(r->route - routes) : routes_n,
                       r->status, timing_steady_ns() - r->began_ns);
    return queued;
}

static enum MHD_Result on_request(void *cookie, struct MHD_Connection *connection,
                                  const char *url, const char *method,
                                  const char *version, const char *data, size_t *n,
                                  void **context)
{
    struct request *r = *context;
    (void)cookie;
    (void)url;
    (void)version;
    if (!r)
        return MHD_NO;
    switch (r->phase) {
    case REQUEST_NEW:
        r->connection = connection;
        r->phase = REQUEST_READING;
        begin(r, method);
        if (announced(r) <= MAX_DROPPED_BODY)
            return MHD_YES;
        if (!r->status)
            refuse_size(r);
        return send_answer(r);
    case REQUEST_READING:
        if (*n) {
            const bool go_on = take_body(r, data, *n);
            *n = 0;
            return go_on ? MHD_YES : MHD_NO;
        }
        if (!r->status)
            r->route->run(r);
        return r->phase == REQUEST_WAITING ? MHD_YES : send_answer(r);
    case REQUEST_WAITING:
        if (!r->status)
            events_committed(r);
        return send_answer(r);
    case REQUEST_DONE:
        break;
    }
    return MHD_NO;
}

/* ---- life ---------------------------------------------------------------------- */

static void server_free(struct server *s)
{
    if (!s)
        return;
    if (s->listening >= 0)
        close(s->listening);
    if (s->api_key)
        explicit_bzero(s->api_key, strlen(s->api_key));
    free(s->api_key);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static struct server *server_new(const struct server_options *o)
{
    struct server *s = calloc(1, sizeof(*s));
    pthread_condattr_t steady;
    if (!s)
        return NULL;
    s->shop = o->shop;
    s->log = o->log;
    s->log_cookie = o->log_cookie;
    s->listening = -1;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &steady);
    pthread_condattr_destroy(&steady);
    s->api_key = o->api_key ? strdup(o->api_key) : NULL;
    if (o->api_key && !s->api_key) {
        server_free(s);
        return NULL;
    }
    return s;
}

static int open_socket(struct server *s, const struct server_options *o,
                       struct penchant_error *err)
{
    struct sockaddr_storage address;
    socklen_t len;
    const char *text = o->listen ? o->listen : SERVER_DEFAULT_LISTEN;
    const int status = listen_parse(text, &address, &len, err);
    if (status)
        return status;
    if (o->api_key && !*o->api_key)
        return error_field(err, PENCHANT_EINVALID, 0, "api_key",
                           "the API key (PENCHANT_API_KEY) is empty");
    if (!listen_is_loopback(&address) && !o->api_key && !o->insecure)
        return error_field(
            err, PENCHANT_EINVALID, 0, "listen",
            "%.100s can be reached by other machines: set PENCHANT_API_KEY, "
            "or say --insecure",
            text);
    return listen_open(&address, len, &s->listening, &s->port, err);
}

int server_start(struct server **out, const struct server_options *o,
                 struct penchant_error *err)
{
    *out = NULL;
    struct server *s = server_new(o);
    if (!s)
        return error_memory(err);
    const int status = open_socket(s, o, err);
    if (status) {
        server_free(s);
        return status;
    }
    unsigned threads = o->threads ? o->threads : DEFAULT_THREADS;
    if (threads > MAX_THREADS)
        threads = MAX_THREADS;
    s->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0,
        NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, on_library_log, s,
        MHD_OPTION_LISTEN_SOCKET, s->listening, MHD_OPTION_URI_LOG_CALLBACK, on_target, s,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_THREAD_POOL_SIZE,
        threads, MHD_OPTION_CONNECTION_LIMIT, (unsigned)MAX_CONNECTIONS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS, MHD_OPTION_END);
    if (!s->daemon) {
        server_free(s);
        return error_set(err, PENCHANT_EIO, "the HTTP server cannot start: %s",
                         strerror(errno));
    }
    server_log(s, PENCHANT_INFO, "server_listening port=%u threads=%u key=%s", s->port,
               threads, s->api_key ? "asked" : "none");
    *out = s;
    return PENCHANT_OK;
}

uint16_t server_port(const struct server *s)
{
    return s->port;
}

/*
 * Requests under way may finish within DRAIN_SECONDS; then none may be suspended any
 * more, and those that are get their commit, however long it takes: MHD_stop_daemon()
 * aborts the process if it meets a suspended connection.
 */
static void drain(struct server *s)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += DRAIN_SECONDS;
    pthread_mutex_lock(&s->lock);
    while (s->in_flight && !pthread_cond_timedwait(&s->changed, &s->lock, &until))
        continue;
    s->closed = true;
    while (s->suspended)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

void server_stop(struct server **out)
{
    struct server *s = *out;
    if (!s)
        return;
    *out = NULL;
    server_log(s, PENCHANT_INFO, "server_draining port=%u", s->port);
    atomic_store(&s->draining, true);
    MHD_quiesce_daemon(s->daemon);
    drain(s);
    MHD_stop_daemon(s->daemon);
    server_log(s, PENCHANT_INFO, "server_stopped port=%u", s->port);
    server_free(s);
}

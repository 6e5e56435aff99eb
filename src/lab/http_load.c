/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/http_load.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/timing.h"

enum { ANSWER_MAX = 1 << 16, MOST_CONNECTIONS = 64 };

struct connection {
    struct http_load *load;
    uint32_t number;
    int fd;
    int64_t began_ns;
    double *ms;
    size_t n, failed;
    pthread_t thread;
    bool started;
    char answer[ANSWER_MAX];
};

static int connect_to(uint16_t port)
{
    const int one = 1;
    const struct timeval patience = {.tv_sec = 10};
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons(port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
        return fd;
    close(fd);
    return -1;
}

/* The length of the whole answer, or 0 while its head is not complete. */
static size_t answer_length(const char *answer)
{
    const char *end = strstr(answer, "\r\n\r\n");
    const char *length = strcasestr(answer, "\r\nContent-Length:");
    if (!end || !length || length > end)
        return 0;
    return (size_t)(end + 4 - answer) + strtoul(length + 17, NULL, 10);
}

/* One request and its answer; false unless it is a complete 200. */
static bool ask(struct connection *c, const char *path, const char *body)
{
    char request[HTTP_PATH_MAX + HTTP_BODY_MAX + 128];
    size_t got = 0, whole = 0;
    const int n = body ? snprintf(request, sizeof(request),
                                  "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                                  "application/json\r\nContent-Length: %zu\r\n\r\n%s",
                                  path, strlen(body), body)
                       : snprintf(request, sizeof(request),
                                  "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    if (c->fd < 0 || send(c->fd, request, (size_t)n, MSG_NOSIGNAL) != n)
        return false;
    while (!whole || got < whole) {
        const ssize_t more = recv(c->fd, c->answer + got, ANSWER_MAX - 1 - got, 0);
        if (more <= 0)
            return false;
        got += (size_t)more;
        c->answer[got] = 0;
        whole = whole ? whole : answer_length(c->answer);
    }
    return strncmp(c->answer, "HTTP/1.1 200", 12) == 0;
}

static void wait_until(int64_t ns)
{
    const struct timespec at = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) != 0)
        ;
}

static void *run_connection(void *arg)
{
    struct connection *c = arg;
    const struct http_load *load = c->load;
    const double step_ns = 1e9 / load->rate;
    const uint64_t total = (uint64_t)(load->rate * load->seconds);
    const uint64_t skipped = (uint64_t)(load->rate * load->skip_seconds);
    char path[HTTP_PATH_MAX], body[HTTP_BODY_MAX];
    prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0); /* else sleeps end up to 50 us late */
    for (uint64_t i = c->number; i < total; i += load->connections) {
        const int64_t intended = c->began_ns + (int64_t)((double)i * step_ns);
        load->path(load->cookie, i, path);
        if (load->body)
            load->body(load->cookie, i, body);
        wait_until(intended);
        const bool answered = ask(c, path, load->body ? body : NULL);
        const int64_t late_ns = timing_steady_ns() - intended;
        if (!answered) {
            c->failed++;
            close(c->fd);
            c->fd = connect_to(load->port);
        } else if (i >= skipped) {
            c->ms[c->n++] = (double)late_ns / 1e6;
        }
    }
    return NULL;
}

static int collect(struct http_load *load, struct connection *const *c, size_t n,
                   struct penchant_error *err)
{
    load->n = load->failed = 0;
    load->ms = malloc(((size_t)(load->rate * load->seconds) + 1) * sizeof(double));
    if (!load->ms)
        return error_memory(err);
    for (size_t i = 0; i < n; i++) {
        if (c[i]->load != load)
            continue;
        memcpy(load->ms + load->n, c[i]->ms, c[i]->n * sizeof(double));
        load->n += c[i]->n;
        load->failed += c[i]->failed;
    }
    return PENCHANT_OK;
}

static struct connection *connection_new(struct http_load *load, uint32_t number,
                                         int64_t began_ns)
{
    struct connection *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->load = load;
    c->number = number;
    c->began_ns = began_ns;
    c->fd = connect_to(load->port);
    c->ms = malloc(((size_t)(load->rate * load->seconds) / load->connections + 2) *
                   sizeof(double));
    return c;
}

int http_load_run(struct http_load *load, size_t n, struct penchant_error *err)
{
    struct connection *c[MOST_CONNECTIONS];
    const int64_t began_ns = timing_steady_ns() + 50000000;
    size_t opened = 0;
    int status = PENCHANT_OK;
    for (size_t l = 0; l < n; l++) {
        for (uint32_t i = 0; i < load[l].connections && opened < MOST_CONNECTIONS; i++) {
            c[opened] = connection_new(&load[l], i, began_ns);
            if (!c[opened])
                status = error_memory(err);
            else if (!c[opened]->ms)
                status = error_memory(err);
            else if (c[opened]->fd < 0)
                status = error_set(err, PENCHANT_EIO, "nothing listens on port %u",
                                   load[l].port);
            opened += c[opened] != NULL;
        }
    }
    for (size_t i = 0; i < opened && !status; i++) {
        c[i]->started = pthread_create(&c[i]->thread, NULL, run_connection, c[i]) == 0;
        if (!c[i]->started)
            status = error_set(err, PENCHANT_ENOMEM, "no thread can be started");
    }
    for (size_t i = 0; i < opened; i++)
        if (c[i]->started)
            pthread_join(c[i]->thread, NULL);
    for (size_t l = 0; l < n && !status; l++)
        status = collect(&load[l], c, opened, err);
    for (size_t i = 0; i < opened; i++) {
        if (c[i]->fd >= 0)
            close(c[i]->fd);
        free(c[i]->ms);
        free(c[i]);
    }
    return status;
}

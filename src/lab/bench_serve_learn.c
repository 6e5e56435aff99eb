/* SPDX-License-Identifier: Apache-2.0 */
/*
 * penchant bench serve --learn: what it costs those who ask that the model learns on. The
 * same open load of lists and events goes to a server without a learner and to one with,
 * in turn over one shop, and the median p99 over the rounds of each is compared. Users go
 * on along their shelf by other steps than training has seen.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/rng.h"
#include "lab/bench_serve.h"

enum { MOST_ROUNDS = 100, LISTS = 0, EVENTS = 1 };

/* Of one round. */
struct round {
    double p50, p99, events_p99;
    size_t requests, failed;
    double learned, publications, rollbacks, publish_seconds, to_network;
};

static void event_path(void *cookie, uint64_t i, char path[HTTP_PATH_MAX])
{
    (void)cookie;
    (void)i;
    snprintf(path, HTTP_PATH_MAX, "/v1/events");
}

static void event_body(void *cookie, uint64_t i, char body[HTTP_BODY_MAX])
{
    const struct serve_bench *b = cookie;
    const uint64_t user = rng_mix(i ^ 0xE7E47) % b->users, shelves = b->items / 50;
    const uint64_t item = rng_mix(user) % (shelves ? shelves : 1) * SERVE_BENCH_SHELF +
                          i / b->users * 11 % 50;
    snprintf(body, HTTP_BODY_MAX,
             "{\"user_id\":\"u%llu\",\"event\":\"view\",\"item_id\":\"i%llu\"}",
             (unsigned long long)user, (unsigned long long)(item % b->items));
}

/* ---- what the server says of itself ---------------------------------------------- */

static size_t fetch(uint16_t port, const char *path, char *text, size_t most)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons(port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char request[HTTP_PATH_MAX + 80];
    size_t got = 0;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int n =
        snprintf(request, sizeof request,
                 "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof to) == 0 &&
        send(fd, request, (size_t)n, MSG_NOSIGNAL) == n)
        for (ssize_t more = 1;
             more > 0 && got<most - 1; got += more> 0 ? (size_t)more : 0)
            more = recv(fd, text + got, most - 1 - got, 0);
    text[got] = 0;
    if (fd >= 0)
        close(fd);
    return got;
}

static double metric(const char *text, const char *name)
{
    char line[96];
    snprintf(line, sizeof line, "\n%s ", name);
    const char *at = strstr(text, line);
    return at ? strtod(at + strlen(line), NULL) : 0;
}

static int read_metrics(uint16_t port, struct round *r, struct penchant_error *err)
{
    char *text = malloc(SERVE_BENCH_METRICS);
    if (!text)
        return error_memory(err);
    fetch(port, "/metrics", text, SERVE_BENCH_METRICS);
    r->learned = metric(text, "penchant_learning_events_total");
    r->publications = metric(text, "penchant_learning_publications_total");
    r->rollbacks = metric(text, "penchant_learning_rollbacks_total");
    r->publish_seconds = metric(text, "penchant_learning_publish_seconds");
    const double n = metric(text, "penchant_event_to_network_seconds_count");
    r->to_network = n > 0 ? metric(text, "penchant_event_to_network_seconds_sum") / n : 0;
    free(text);
    return PENCHANT_OK;
}

/* ---- rounds ---------------------------------------------------------------------- */

static int one_round(struct serve_bench *b, bool learning, struct round *r,
                     struct penchant_error *err)
{
    struct serve_bench_server server = {0};
    b->learning = learning;
    int status = serve_bench_start(b, &server, err);
    struct http_load load[2] = {{.port = server.port,
                                 .connections = b->connections,
                                 .rate = b->rate,
                                 .seconds = b->seconds,
                                 .skip_seconds = b->seconds / 5,
                                 .path = serve_bench_list,
                                 .cookie = b}};
    load[EVENTS] = load[LISTS];
    load[EVENTS].rate = b->events;
    load[EVENTS].path = event_path;
    load[EVENTS].body = event_body;
    if (!status)
        status = http_load_run(load, 2, err);
    if (!status)
        status = read_metrics(server.port, r, err);
    serve_bench_stop(&server);
    r->requests = load[LISTS].n;
    r->failed = load[LISTS].failed + load[EVENTS].failed;
    r->p50 = status ? 0 : bench_quantile(load[LISTS].ms, load[LISTS].n, 0.5);
    r->p99 = status ? 0 : bench_quantile(load[LISTS].ms, load[LISTS].n, 0.99);
    r->events_p99 = status ? 0 : bench_quantile(load[EVENTS].ms, load[EVENTS].n, 0.99);
    free(load[LISTS].ms);
    free(load[EVENTS].ms);
    return status;
}

static double median(const struct round *r, uint32_t n, size_t offset)
{
    double v[MOST_ROUNDS];
    for (uint32_t i = 0; i < n; i++)
        v[i] = *(const double *)(const void *)((const char *)&r[i] + offset);
    return bench_quantile(v, n, 0.5);
}

#define MEDIAN(r, field) median(r, b->rounds, offsetof(struct round, field))

int serve_bench_learn(int argc, char **argv, struct serve_bench *b, bool json,
                      const char *csv, struct penchant_error *err)
{
    static struct round off[MOST_ROUNDS], on[MOST_ROUNDS];
    double failed = 0, rollbacks = 0;
    for (uint32_t i = 0; i < b->rounds; i++) {
        if (one_round(b, false, &off[i], err) || one_round(b, true, &on[i], err))
            return -1;
        failed += (double)(off[i].failed + on[i].failed);
        rollbacks += on[i].rollbacks;
    }
    const struct bench_figure figure[] = {
        {"items", b->items},
        {"users", b->users},
        {"history", b->history},
        {"lists_per_s", b->rate},
        {"events_per_s", b->events},
        {"rounds", b->rounds},
        {"failed", failed},
        {"p50_ms", MEDIAN(off, p50)},
        {"p99_ms", MEDIAN(off, p99)},
        {"learning_p50_ms", MEDIAN(on, p50)},
        {"learning_p99_ms", MEDIAN(on, p99)},
        {"learning_p99_over_p99", MEDIAN(on, p99) / MEDIAN(off, p99)},
        {"events_p99_ms", MEDIAN(off, events_p99)},
        {"learning_events_p99_ms", MEDIAN(on, events_p99)},
        {"learned_events", MEDIAN(on, learned)},
        {"publications", MEDIAN(on, publications)},
        {"rollbacks", rollbacks},
        {"publish_ms", 1000 * MEDIAN(on, publish_seconds)},
        {"event_to_network_s", MEDIAN(on, to_network)},
    };
    return bench_print(argc, argv, figure, sizeof figure / sizeof figure[0], json, csv);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What bench_serve.c and bench_serve_learn.c share: the shop and the server over it. */
#ifndef LAB_BENCH_SERVE_H
#define LAB_BENCH_SERVE_H

#include <stdbool.h>
#include <sys/types.h>

#include "lab/bench.h"
#include "lab/http_load.h"
#include "lab/temp_dir.h"

enum {
    SERVE_BENCH_PATH = TEMP_DIR_SIZE + 32,
    SERVE_BENCH_SHELF = 50, /* items that are looked at one after the other */
    SERVE_BENCH_METRICS = 1 << 20
};

struct serve_bench {
    uint32_t items, users, history, connections, dim, blocks, threads;
    double rate, seconds, train_seconds;
    bool quiet;
    /* With `learn` alone. */
    bool learn;
    uint32_t rounds;
    double events;  /* a second */
    bool learning;  /* of the server that is started next */
    uint32_t heard; /* sources that said something of some list */
    char dir[TEMP_DIR_SIZE], shop[SERVE_BENCH_PATH], log[SERVE_BENCH_PATH];
    char catalogue[SERVE_BENCH_PATH];
};

/* A server, a process of its own. */
struct serve_bench_server {
    pid_t pid;
    int hold; /* closing it asks the server to stop */
    uint16_t port;
};

int serve_bench_start(const struct serve_bench *b, struct serve_bench_server *s,
                      struct penchant_error *err);
void serve_bench_stop(struct serve_bench_server *s);

/* A list for some user. */
void serve_bench_list(void *cookie, uint64_t i, char path[HTTP_PATH_MAX]);

/* Measures without and with a learner and prints; an exit status, or -1 with err. */
int serve_bench_learn(int argc, char **argv, struct serve_bench *b, bool json,
                      const char *csv, struct penchant_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * penchant bench serve: recommendations over HTTP under an open load. Makes a shop with
 * many items and long histories, trains it briefly (the weights' quality has no part in
 * the time of an answer), serves it from a process of its own, and asks at a fixed rate;
 * /healthz is asked at the same time from connections of its own, as the idle route. Items
 * have titles and every fifth request brings a search, so that every source has to speak.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/progress.h"
#include "base/rng.h"
#include "base/timing.h"
#include "cli/cli.h"
#include "lab/bench_serve.h"
#include "server/server.h"

static const char COMMAND[] = "bench serve";
enum { SHELF = SERVE_BENCH_SHELF, LEAP = 10, SEARCHES = 5 };

/* Walks along shelves of SHELF items, so that the model has something to learn. */
static int write_log(const struct serve_bench *b, struct penchant_error *err)
{
    FILE *f = fopen(b->log, "w");
    struct rng rng;
    if (!f)
        return error_set(err, PENCHANT_EIO, "%s: %s", b->log, strerror(errno));
    rng_init(&rng, 1, 0);
    fputs("user_id,event,item_id,timestamp\n", f);
    for (uint32_t i = 0; i < b->items; i++) /* every item occurs */
        fprintf(f, "all%u,view,i%u,%lld\n", i / b->history, i, 1700000000LL + i);
    for (uint32_t u = 0; u < b->users; u++) {
        long long at = 1700000000 + rng_below(&rng, 1000000);
        uint32_t item = rng_below(&rng, b->items);
        for (uint32_t i = 0; i < b->history; i++) {
            item = rng_below(&rng, LEAP) ? item / SHELF * SHELF + (item * 7 + 3) % SHELF
                                         : rng_below(&rng, b->items);
            item = item < b->items ? item : 0;
            at += 1 + rng_below(&rng, 3600);
            fprintf(f, "u%u,%s,i%u,%lld\n", u, rng_below(&rng, 20) ? "view" : "purchase",
                    item, at);
        }
    }
    return fclose(f) ? error_set(err, PENCHANT_EIO, "%s cannot be written", b->log)
                     : PENCHANT_OK;
}

/* A word of three syllables. */
static const char *word(uint64_t n, char out[8])
{
    static const char *const syllable[] = {"ba", "de", "fi", "go", "lu", "ma",
                                           "ne", "ri", "so", "tu", "va", "we",
                                           "xi", "yo", "zu", "ka"};
    n = rng_mix(n);
    snprintf(out, 8, "%s%s%s", syllable[n % 16], syllable[n / 16 % 16],
             syllable[n / 256 % 16]);
    return out;
}

/* Titles of six words, three of which a shelf shares; a category a shelf. */
static int write_catalogue(const struct serve_bench *b, struct penchant_error *err)
{
    FILE *f = fopen(b->catalogue, "w");
    if (!f)
        return error_set(err, PENCHANT_EIO, "%s: %s", b->catalogue, strerror(errno));
    fputs("item_id,title,category,brand,price\n", f);
    for (uint32_t i = 0; i < b->items; i++) {
        const uint64_t shelf = i / SHELF;
        char w[6][8];
        fprintf(f, "i%u,%s %s %s %s %s %s,shelf %u,%s,%u\n", i, word(shelf, w[0]),
                word(shelf + 7, w[1]), word(shelf / 20 + 1000000, w[2]),
                word(i + 2000000ULL, w[3]), word(i % 97 + 3000000, w[4]),
                word(i % 13 + 4000000, w[5]), (uint32_t)shelf, w[2], 5 + i % 200);
    }
    return fclose(f) ? error_set(err, PENCHANT_EIO, "%s cannot be written", b->catalogue)
                     : PENCHANT_OK;
}

static int open_shop(const struct serve_bench *b, struct penchant **shop,
                     struct penchant_error *err)
{
    static int level = PENCHANT_WARN;
    struct penchant_options o;
    penchant_options_default(&o);
    o.dir = b->shop;
    o.learn = b->learning;
    o.log = cli_log;
    o.log_cookie = &level;
    return penchant_open(shop, &o, err);
}

static int make_shop(const struct serve_bench *b, struct penchant_error *err)
{
    struct penchant *shop = NULL;
    struct progress progress;
    struct penchant_import_options import;
    struct penchant_import_report imported;
    struct penchant_train_options train;
    struct penchant_train_report trained;
    progress_init(&progress, b->quiet, &cli_stop);
    penchant_import_options_default(&import);
    import.events = b->log;
    import.items = b->catalogue;
    import.progress = progress_show;
    import.cookie = &progress;
    penchant_train_options_default(&train);
    train.dir = b->shop;
    train.preset = "hstu";
    train.dim = b->dim;
    train.blocks = b->blocks;
    train.heads = 1;
    train.loss = "sampled";
    train.minutes = b->train_seconds / 60;
    train.progress = progress_show;
    train.cookie = &progress;
    int status = open_shop(b, &shop, err);
    if (status == PENCHANT_OK)
        status = penchant_import(shop, &import, &imported, err);
    penchant_close(&shop);
    if (status == PENCHANT_OK)
        status = penchant_train(&train, &trained, err);
    progress_end(&progress);
    return status;
}

/* Which sources have a say in a few users' lists, with a search: the time of a list is
   that of all of them only if they all have. */
static int listen_to_sources(struct serve_bench *b, struct penchant_error *err)
{
    struct penchant *shop = NULL;
    uint32_t heard = 0;
    int status = open_shop(b, &shop, err);
    for (uint32_t u = 0; u < 8 && u < b->users && status == PENCHANT_OK; u++) {
        struct penchant_request r;
        struct penchant_list *list = NULL;
        char user[16], w[8];
        snprintf(user, sizeof user, "u%u", u);
        penchant_request_default(&r);
        r.user_id = user;
        r.query = word(u, w);
        r.explain = true;
        status = penchant_recommend(shop, &r, &list, err);
        for (size_t i = 0; status == PENCHANT_OK && i < list->n; i++)
            for (size_t j = 0; j < list->items[i].n_evidence; j++)
                if (list->items[i].evidence[j].contribution != 0)
                    heard |= 1U << j;
        penchant_list_free(list);
    }
    penchant_close(&shop);
    b->heard = (uint32_t)__builtin_popcount(heard);
    return status;
}

/* ---- the server, a process of its own ------------------------------------------ */

static int serve(const struct serve_bench *b, int tell, int hold)
{
    static int level = PENCHANT_WARN;
    struct penchant *shop = NULL;
    struct server *server = NULL;
    struct penchant_error err = {0};
    char byte;
    struct server_options o = {.listen = "127.0.0.1:0",
                               .threads = b->threads,
                               .log = cli_log,
                               .log_cookie = &level};
    if (open_shop(b, &shop, &err))
        return cli_fail_error(COMMAND, &err);
    o.shop = shop;
    if (server_start(&server, &o, &err)) {
        penchant_close(&shop);
        return cli_fail_error(COMMAND, &err);
    }
    const uint16_t port = server_port(server);
    if (write(tell, &port, sizeof(port)) == sizeof(port))
        while (read(hold, &byte, 1) < 0 && errno == EINTR)
            ;
    server_stop(&server);
    penchant_close(&shop);
    return CLI_OK;
}

int serve_bench_start(const struct serve_bench *b, struct serve_bench_server *other,
                      struct penchant_error *err)
{
    int tell[2], hold[2];
    if (pipe(tell))
        return error_set(err, PENCHANT_EIO, "no pipe: %s", strerror(errno));
    if (pipe(hold)) {
        close(tell[0]);
        close(tell[1]);
        return error_set(err, PENCHANT_EIO, "no pipe: %s", strerror(errno));
    }
    other->pid = fork();
    if (other->pid == 0) {
        close(tell[0]);
        close(hold[1]);
        _exit(serve(b, tell[1], hold[0]));
    }
    close(tell[1]);
    close(hold[0]);
    other->hold = hold[1];
    const ssize_t got = read(tell[0], &other->port, sizeof(other->port));
    close(tell[0]);
    return other->pid > 0 && got == (ssize_t)sizeof(other->port)
               ? PENCHANT_OK
               : error_set(err, PENCHANT_EIO, "the server did not start");
}

void serve_bench_stop(struct serve_bench_server *other)
{
    if (other->pid <= 0)
        return;
    close(other->hold);
    while (waitpid(other->pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* ---- the load ------------------------------------------------------------------ */

void serve_bench_list(void *cookie, uint64_t i, char path[HTTP_PATH_MAX])
{
    const struct serve_bench *b = cookie;
    const unsigned long long user = rng_mix(i) % b->users;
    char w[2][8];
    if (i % SEARCHES)
        snprintf(path, HTTP_PATH_MAX, "/v1/recommend?user_id=u%llu&k=10", user);
    else
        snprintf(path, HTTP_PATH_MAX, "/v1/recommend?user_id=u%llu&k=10&query=%s%%20%s",
                 user, word(rng_mix(i) % b->items / SHELF, w[0]),
                 word(i % 13 + 4000000, w[1]));
}

static void idle_path(void *cookie, uint64_t i, char path[HTTP_PATH_MAX])
{
    (void)cookie;
    (void)i;
    snprintf(path, HTTP_PATH_MAX, "/healthz");
}

static int measure(struct serve_bench *b, struct http_load load[2],
                   struct penchant_error *err)
{
    struct serve_bench_server other = {0};
    int status = serve_bench_start(b, &other, err);
    load[0] = (struct http_load){.port = other.port,
                                 .connections = b->connections,
                                 .rate = b->rate,
                                 .seconds = b->seconds,
                                 .skip_seconds = b->seconds / 5,
                                 .path = serve_bench_list,
                                 .cookie = b};
    load[1] = load[0];
    load[1].connections = 1; /* as busy as each of the others */
    load[1].rate = b->rate / b->connections;
    load[1].path = idle_path;
    if (status == PENCHANT_OK)
        status = http_load_run(load, 2, err);
    serve_bench_stop(&other);
    return status;
}

static int report(int argc, char **argv, const struct serve_bench *b,
                  const struct http_load load[2], bool json, const char *csv)
{
    const struct http_load *list = &load[0], *idle = &load[1];
    const double p99 = bench_quantile(list->ms, list->n, 0.99);
    const double idle_p99 = bench_quantile(idle->ms, idle->n, 0.99);
    const struct bench_figure figure[] = {
        {"items", b->items},
        {"users", b->users},
        {"history", b->history},
        {"sources_heard", b->heard},
        {"requests", (double)list->n},
        {"failed", (double)(list->failed + idle->failed)},
        {"p50_ms", bench_quantile(list->ms, list->n, 0.5)},
        {"p99_ms", p99},
        {"idle_p50_ms", bench_quantile(idle->ms, idle->n, 0.5)},
        {"idle_p99_ms", idle_p99},
        {"p99_over_idle_p99", p99 / idle_p99},
    };
    return bench_print(argc, argv, figure, sizeof(figure) / sizeof(figure[0]), json, csv);
}

int bench_serve(int argc, char **argv)
{
    struct serve_bench b = {.items = 100000,
                            .users = 1000,
                            .history = 200,
                            .connections = 8,
                            .dim = 64,
                            .blocks = 2,
                            .threads = 2,
                            .rate = 500,
                            .seconds = 20,
                            .train_seconds = 15,
                            .rounds = 3,
                            .events = 500};
    struct http_load load[2] = {0};
    struct penchant_error err = {0};
    const char *csv = NULL;
    bool json = false;
    const struct cli_option options[] = {
        {"items", 0, CLI_U32, &b.items, "N", NULL, 100, 1e7, "items"},
        {"users", 0, CLI_U32, &b.users, "N", NULL, 1, 1e6, "users who are asked for"},
        {"history", 0, CLI_U32, &b.history, "N", NULL, 1, 4096, "events of each"},
        {"connections", 0, CLI_U32, &b.connections, "N", NULL, 1, 60, "connections"},
        {"rate", 0, CLI_DOUBLE, &b.rate, "N", NULL, 1, 1e5, "lists a second in total"},
        {"seconds", 0, CLI_DOUBLE, &b.seconds, "N", NULL, 1, 3600, "of load"},
        {"train-seconds", 0, CLI_DOUBLE, &b.train_seconds, "N", NULL, 1, 3600,
         "of training"},
        {"dim", 0, CLI_U32, &b.dim, "N", NULL, 8, 1024, "width of the model"},
        {"blocks", 0, CLI_U32, &b.blocks, "N", NULL, 1, 16, "blocks"},
        {"threads", 0, CLI_U32, &b.threads, "N", NULL, 1, 64, "of the server"},
        {"learn", 0, CLI_FLAG, &b.learn, NULL, NULL, 0, 0,
         "with events too, and without and with a model that learns on"},
        {"events", 0, CLI_DOUBLE, &b.events, "N", NULL, 1, 1e5,
         "events a second, with --learn"},
        {"rounds", 0, CLI_U32, &b.rounds, "N", NULL, 1, 100,
         "of both in turn, with --learn"},
        CLI_JSON(&json),
        CLI_QUIET(&b.quiet),
        BENCH_CSV(&csv),
    };
    const struct cli_spec spec = {COMMAND, "recommendations over HTTP under an open load",
                                  "Latencies count from the intended time of sending.",
                                  options, sizeof(options) / sizeof(options[0])};
    int status = cli_parse(&spec, argc, argv);
    if (status != CLI_CONTINUE)
        return status;
    cli_catch_stop();
    int failed = temp_dir_make(b.dir, &err);
    snprintf(b.shop, sizeof(b.shop), "%s/shop", b.dir);
    snprintf(b.log, sizeof(b.log), "%s/events.csv", b.dir);
    snprintf(b.catalogue, sizeof(b.catalogue), "%s/items.csv", b.dir);
    if (!failed)
        failed = write_log(&b, &err);
    if (!failed)
        failed = write_catalogue(&b, &err);
    if (!failed)
        failed = make_shop(&b, &err);
    if (!failed)
        failed = listen_to_sources(&b, &err);
    if (!failed && b.learn)
        failed = (status = serve_bench_learn(argc, argv, &b, json, csv, &err)) < 0;
    else if (!failed)
        failed = measure(&b, load, &err);
    temp_dir_remove(b.dir);
    if (failed)
        status = cli_fail_error(COMMAND, &err);
    else if (!b.learn)
        status = report(argc, argv, &b, load, json, csv);
    free(load[0].ms);
    free(load[1].ms);
    return status;
}

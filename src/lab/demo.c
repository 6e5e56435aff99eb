/* SPDX-License-Identifier: Apache-2.0 */
/* penchant demo: a made-up shop from nothing to answering over HTTP. Starts threads. */
#include "lab/demo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/timing.h"
#include "cli/cli.h"
#include "lab/lab.h"
#include "server/server.h"

static const char COMMAND[] = "demo";

static int make_world(struct demo *demo)
{
    struct penchant_error err = {0};
    const struct shop_world_options o = {.items = 2400,
                                         .shoppers = 3200,
                                         .days = 60,
                                         .now_us = timing_now_us(),
                                         .seed = demo->seed};
    if (shop_world_new(&demo->world, &o, &err))
        return cli_fail_error(COMMAND, &err);
    return CLI_OK;
}

/* A server on the address asked for; by default on any port when the usual one is taken. */
static int start_server(const struct demo *demo, struct penchant *shop,
                        struct server **out)
{
    static int level = PENCHANT_WARN;
    struct penchant_error err = {0};
    struct server_options o = {.shop = shop,
                               .listen =
                                   demo->listen ? demo->listen : SERVER_DEFAULT_LISTEN,
                               .api_key = getenv("PENCHANT_API_KEY"),
                               .insecure = demo->insecure,
                               .log = cli_log,
                               .log_cookie = &level};
    int status = server_start(out, &o, &err);
    if (status == PENCHANT_EIO && !demo->listen) {
        o.listen = "127.0.0.1:0";
        status = server_start(out, &o, &err);
    }
    return status ? cli_fail_error(COMMAND, &err) : CLI_OK;
}

static void print_lines_to_try(const struct demo *demo, const struct server *server)
{
    const char *listen = demo->listen ? demo->listen : SERVER_DEFAULT_LISTEN;
    const char *colon = strrchr(listen, ':');
    const char *key = getenv("PENCHANT_API_KEY")
                          ? " -H \"Authorization: Bearer $PENCHANT_API_KEY\""
                          : "";
    const struct shop_item *item = &demo->world->item[demo->world->n_items / 3];
    char at[128];
    snprintf(at, sizeof(at), "http://%.*s:%u", colon ? (int)(colon - listen) : 9, listen,
             server_port(server));
    printf("\nServing on %s. Try, in another terminal:\n\n"
           "  curl -s%s '%s/v1/recommend?user_id=you&k=5'\n"
           "  curl -s%s '%s/v1/events' -d "
           "'{\"user_id\":\"you\",\"event\":\"view\",\"item_id\":\"%s\"}'\n"
           "  curl -s%s '%s/v1/recommend?user_id=you&k=5'\n"
           "  curl -s%s '%s/v1/items/%s'\n"
           "  curl -s%s '%s/v1/items/%s/similar?k=5'\n"
           "  curl -s%s '%s/v1/users/u1'\n\n"
           "The event makes the second list differ from the first.%s\n\n",
           at, key, at, key, at, item->id, key, at, key, at, item->id, key, at, item->id,
           key, at, demo->seconds ? "" : " Ctrl-C ends the demo.");
    fflush(stdout);
}

static int tell(struct demo *demo)
{
    struct penchant *shop = NULL;
    struct server *server = NULL;
    struct penchant_error err = {0};
    int status = make_world(demo);
    if (status)
        return status;
    int failed = demo_make_shop(demo, &shop, &err);
    if (!failed) {
        status = start_server(demo, shop, &server); /* a wrong address is told at once */
        if (status)
            goto out;
        failed = demo_learn(demo, shop, &err);
    }
    if (!failed && !cli_stop)
        failed = demo_words(demo, shop, &err);
    if (!failed && !cli_stop) {
        print_lines_to_try(demo, server);
        failed = demo_live(demo, shop, &err);
    }
    if (failed && failed != PENCHANT_EINTERRUPTED)
        status = cli_fail_error(COMMAND, &err);
out:
    progress_end(&demo->progress);
    server_stop(&server);
    penchant_close(&shop);
    return status;
}

int cmd_demo(int argc, char **argv)
{
    struct penchant_error err = {0};
    struct demo demo = {.seed = 1, .began_ns = timing_steady_ns()};
    const struct cli_option options[] = {
        {"seconds", 0, CLI_U32, &demo.seconds, "N", "until Ctrl-C", 5, 86400,
         "how long the whole demo takes"},
        {"listen", 'l', CLI_STRING, &demo.listen, "ADDRESS:PORT", SERVER_DEFAULT_LISTEN,
         0, 0, "where to listen; port 0: any"},
        {"insecure", 0, CLI_FLAG, &demo.insecure, NULL, NULL, 0, 0,
         "listen beyond this machine without an API key"},
        {"seed", 0, CLI_U64, &demo.seed, "S", NULL, 0, 0,
         "another seed makes another shop"},
        CLI_QUIET(&demo.quiet),
    };
    const struct cli_spec spec = {
        COMMAND, "a shop made up within seconds: trained, served, shopped in",
        "Everything is kept in a temporary folder, which is removed at the end.", options,
        sizeof(options) / sizeof(options[0])};
    int status = cli_parse(&spec, argc, argv);
    if (status != CLI_CONTINUE)
        return status;
    cli_catch_stop();
    signal(SIGPIPE, SIG_IGN);
    progress_init(&demo.progress, demo.quiet, &cli_stop);
    if (temp_dir_make(demo.dir, &err))
        return cli_fail_error(COMMAND, &err);
    status = tell(&demo);
    temp_dir_remove(demo.dir);
    shop_world_free(demo.world);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* `penchant serve`: answers over HTTP until SIGTERM or SIGINT, then drains. Starts
 * threads. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "server/server.h"

static int serve(const struct server_options *o, const sigset_t *stop)
{
    struct server *server = NULL;
    struct penchant_error err = {0};
    int number;
    if (server_start(&server, o, &err))
        return cli_fail_error("serve", &err);
    const char *colon = strrchr(o->listen, ':');
    fprintf(stderr, "penchant: listening on http://%.*s:%u\n", (int)(colon - o->listen),
            o->listen, server_port(server));
    sigwait(stop, &number);
    fputs("penchant: stopping, when what is under way is done\n", stderr);
    pthread_sigmask(SIG_UNBLOCK, stop, NULL); /* a second signal ends it at once */
    server_stop(&server);
    return CLI_OK;
}

int cmd_serve(int argc, char **argv)
{
    static int level = PENCHANT_WARN;
    const char *dir = CLI_DEFAULT_DIR;
    struct server_options o = {.listen = SERVER_DEFAULT_LISTEN,
                               .log = cli_log,
                               .log_cookie = &level,
                               .api_key = getenv("PENCHANT_API_KEY")};
    const char *learn = "off";
    uint32_t threads = 2;
    struct penchant *shop = NULL;
    sigset_t stop;
    const struct cli_option options[] = {
        CLI_DIR(&dir),
        {"listen", 'l', CLI_STRING, &o.listen, "ADDRESS:PORT", NULL, 0, 0,
         "where to listen; port 0: any"},
        {"insecure", 0, CLI_FLAG, &o.insecure, NULL, NULL, 0, 0,
         "listen beyond this machine without an API key"},
        {"threads", 't', CLI_U32, &threads, "N", NULL, 1, 64, "threads that answer"},
        {"learn", 0, CLI_STRING, &learn, "on|off", NULL, 0, 0,
         "whether the model learns on from the events that come"},
    };
    const struct cli_spec spec = {
        "serve", "answer over HTTP",
        "With PENCHANT_API_KEY in the environment every request needs it:\n"
        "`Authorization: Bearer KEY`. SIGTERM and Ctrl-C finish what is under way.",
        options, sizeof(options) / sizeof(options[0])};
    int status = cli_parse(&spec, argc, argv);
    if (status != CLI_CONTINUE)
        return status;
    if (strcmp(learn, "on") != 0 && strcmp(learn, "off") != 0)
        return cli_fail(CLI_USAGE, "serve", "--learn is on or off, not \"%s\"", learn);
    /* Before any thread starts, so that all of them leave these signals to sigwait(). */
    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &stop, NULL);
    signal(SIGPIPE, SIG_IGN);
    status =
        cli_open_shop(&shop, "serve", dir,
                      strcmp(learn, "on") == 0 ? CLI_OPEN_CREATE_LEARN : CLI_OPEN_CREATE);
    if (status != CLI_OK)
        return status;
    o.shop = shop;
    o.threads = threads;
    status = serve(&o, &stop);
    penchant_close(&shop);
    return status;
}

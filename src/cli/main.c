/* SPDX-License-Identifier: Apache-2.0 */
/* The program's entry: finds the command in the table and runs it. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "lab/lab.h"

static int cmd_help(int argc, char **argv);

const struct cli_command cli_commands[] = {
    {"demo", "a shop made up within seconds: trained, served, shopped in", cmd_demo},
    {"import", "read a behaviour log, items and their vectors into a shop", cmd_import},
    {"train", "learn the sequence model and the weighting of the sources", cmd_train},
    {"evaluate", "how well a trained shop predicts what its users did last",
     cmd_evaluate},
    {"serve", "answer over HTTP", cmd_serve},
    {"recommend", "the list for a user", cmd_recommend},
    {"similar", "what goes with an item", cmd_similar},
    {"interests", "what a user is interested in, long-term and now", cmd_interests},
    {"next", "what a user will do next and within a week", cmd_next},
    {"segments", "groups of users who want alike things", cmd_segments},
    {"balance", "what lists come to, and targets that are held", cmd_balance},
    {"status", "what a shop holds and how its model is doing", cmd_status},
    {"export", "write a shop's events, items and vectors back", cmd_export},
    {"benchmark", "train afresh and report by a published protocol", cmd_benchmark},
    {"agent", "the engine for a simulator: JSON lines in, lists out", cmd_agent},
    {"simulate", "policies in closed loop with simulated people", cmd_simulate},
    {"ope", "what another policy would have earned, from a log with propensities",
     cmd_ope},
    {"bench", "measure speed against peers", cmd_bench},
    {"help", "what a command does and takes", cmd_help},
    {NULL, NULL, NULL},
};

static const struct cli_command *find(const char *name)
{
    for (const struct cli_command *c = cli_commands; c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

static void print_help(FILE *to)
{
    fputs("penchant: a real-time recommendation engine for shops\n\n"
          "usage: penchant COMMAND [OPTIONS]\n\n",
          to);
    for (const struct cli_command *c = cli_commands; c->name; c++)
        fprintf(to, "  %-11s %s\n", c->name, c->help);
    fputs("\n`penchant help COMMAND` shows a command's options; `penchant --version` the "
          "version.\n",
          to);
}

static int unknown(const char *name)
{
    const char *names[sizeof(cli_commands) / sizeof(cli_commands[0])];
    size_t n = 0;
    for (const struct cli_command *c = cli_commands; c->name; c++)
        names[n++] = c->name;
    const char *near = cli_nearest(name, names, n);
    if (near)
        fprintf(stderr, "penchant: no command is called %s; did you mean %s?\n", name,
                near);
    else
        fprintf(stderr, "penchant: no command is called %s; see penchant help\n", name);
    return CLI_USAGE;
}

static int cmd_help(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "help") == 0 || argv[1][0] == '-') {
        print_help(stdout);
        return CLI_OK;
    }
    const struct cli_command *c = find(argv[1]);
    if (!c)
        return unknown(argv[1]);
    char *help[] = {argv[1], (char[]){"--help"}, NULL};
    return c->run(2, help);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("penchant %s\n", penchant_version());
        return CLI_OK;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        return CLI_OK;
    }
    const struct cli_command *c = find(argv[1]);
    return c ? c->run(argc - 1, argv + 1) : unknown(argv[1]);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* penchant agent: the engine behind JSON lines on standard input and output. */
#include <errno.h>
#include <stdio.h>

#include "cli/cli.h"
#include "lab/agent.h"
#include "lab/lab.h"

static const char COMMAND[] = "agent";

static bool blank(const char *line, ssize_t n)
{
    for (ssize_t i = 0; i < n; i++)
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r' && line[i] != '\n')
            return false;
    return true;
}

/* Bad lines are told and passed over; a program at the other end that is gone ends it. */
static int converse(struct agent *a)
{
    struct buf answer;
    struct penchant_error err;
    char *line = NULL;
    size_t cap = 0, number = 0;
    ssize_t n;
    bool end = false;
    int status = CLI_OK;
    buf_init(&answer, 1 << 20);
    while (!end && status == CLI_OK && (n = getline(&line, &cap, stdin)) >= 0) {
        number++;
        if (blank(line, n))
            continue;
        err = (struct penchant_error){0};
        buf_clear(&answer);
        const int said = agent_line(a, line, (size_t)n, &answer, &end, &err);
        if (said == PENCHANT_ENOMEM)
            status = cli_fail(CLI_FAILED, COMMAND, "line %zu: out of memory", number);
        else if (said)
            cli_fail(CLI_OK, COMMAND, "line %zu: %s", number, err.text);
        else if (answer.len &&
                 (fwrite(answer.data, 1, answer.len, stdout) != answer.len ||
                  fflush(stdout)))
            status = cli_fail(CLI_FAILED, COMMAND, "cannot write: %s", strerror(errno));
    }
    if (status == CLI_OK && ferror(stdin))
        status = cli_fail(CLI_FAILED, COMMAND, "cannot read: %s", strerror(errno));
    free(line);
    buf_release(&answer);
    return status;
}

int cmd_agent(int argc, char **argv)
{
    uint64_t seed = 1;
    uint32_t slate = 10;
    const struct cli_option options[] = {
        {"seed", 0, CLI_U64, &seed, "N", NULL, 0, 0, "of what it draws by chance"},
        {"slate", 0, CLI_U32, &slate, "K", NULL, 1, ACTOR_MOST_SLATE,
         "how many items a list has where the stream does not say"},
    };
    const struct cli_spec spec = {
        "agent", "the engine for a simulator: JSON lines in, lists out",
        "Reads operations from standard input, a JSON object a line, and answers each\n"
        "`recommend` on standard output; it begins knowing nothing and learns from what\n"
        "it reads. docs/agent.md has the operations.",
        options, sizeof(options) / sizeof(options[0])};
    const int status = cli_parse(&spec, argc, argv);
    if (status != CLI_CONTINUE)
        return status;
    const struct actor_ops *engine = actor_find("engine");
    struct agent *a = engine ? agent_new(engine, seed, slate) : NULL;
    if (!a)
        return cli_fail(CLI_FAILED, COMMAND, "out of memory");
    const int done = converse(a);
    agent_free(a);
    return done;
}

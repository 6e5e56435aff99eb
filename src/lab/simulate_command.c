/* SPDX-License-Identifier: Apache-2.0 */
/* penchant simulate: policies meet the simulated people of a world. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/progress.h"
#include "base/status.h"
#include "cli/cli.h"
#include "lab/lab.h"
#include "lab/simulate_report.h"

static const char COMMAND[] = "simulate";

enum { MOST_TEXT = 1 << 24, MOST_NAMES = 64 };

struct asked {
    const char *world, *policies, *plot;
    uint64_t seed;
    uint32_t seeds, episodes, threads;
    bool json, quiet, list;
};

static int parse(struct asked *a, int argc, char **argv)
{
    const struct cli_option options[] = {
        {"world", 0, CLI_STRING, &a->world, "W", NULL, 0, 0, "whom to meet; see --list"},
        {"policy", 0, CLI_STRING, &a->policies, "P", NULL, 0, 0,
         "who decides, by comma; the others are compared with the first"},
        {"seed", 0, CLI_U64, &a->seed, "S", NULL, 0, 0, "the first seed"},
        {"seeds", 0, CLI_U32, &a->seeds, "N", NULL, 1, SIMULATE_MOST_SEEDS,
         "how many seeds, one after the other"},
        {"episodes", 0, CLI_U32, &a->episodes, "N", "the world's", 1, 10000000,
         "users or sessions in each seed"},
        {"threads", 0, CLI_U32, &a->threads, "N", NULL, 1, 256,
         "runs that go side by side; the figures are the same"},
        {"plot", 0, CLI_STRING, &a->plot, "F", NULL, 0, 0,
         "write reward against time there, as SVG"},
        {"list", 0, CLI_FLAG, &a->list, NULL, NULL, 0, 0,
         "print the worlds and the policies"},
        CLI_JSON(&a->json),
        CLI_QUIET(&a->quiet),
    };
    const struct cli_spec spec = {
        COMMAND, "policies in closed loop with simulated people",
        "Every policy meets the same people with the same luck; nothing is kept.",
        options, sizeof(options) / sizeof(options[0])};
    return cli_parse(&spec, argc, argv);
}

/* ---- the list of what there is --------------------------------------------------- */

static void list_json(struct buf *out)
{
    struct json_writer w;
    json_init(&w, out);
    json_begin_object(&w);
    json_key(&w, "worlds");
    json_begin_object(&w);
    for (const struct world_ops *const *i = worlds; *i; i++)
        json_key_string(&w, (*i)->name, (*i)->help);
    json_end_object(&w);
    json_key(&w, "policies");
    json_begin_object(&w);
    for (const struct actor_ops *const *i = actors; *i; i++)
        json_key_string(&w, (*i)->name, (*i)->help);
    json_key_string(&w, "oracle", "knows everything; of the worlds that have one");
    json_end_object(&w);
    json_end_object(&w);
}

static void list_text(struct buf *out)
{
    buf_puts(out, "worlds:");
    for (const struct world_ops *const *w = worlds; *w; w++)
        buf_printf(out, "\n  %-20s %s", (*w)->name, (*w)->help);
    buf_puts(out, "\npolicies:");
    for (const struct actor_ops *const *a = actors; *a; a++)
        buf_printf(out, "\n  %-20s %s", (*a)->name, (*a)->help);
    buf_printf(out, "\n  %-20s %s", "oracle",
               "knows everything; of the worlds that have one");
}

static int list(const struct asked *a)
{
    struct buf out;
    buf_init(&out, MOST_TEXT);
    if (a->json)
        list_json(&out);
    else
        list_text(&out);
    const int status = cli_print(COMMAND, &out);
    buf_release(&out);
    return status;
}

/* ---- names ----------------------------------------------------------------------- */

static int unknown(const char *what, const char *name, const char *const *names, size_t n)
{
    const char *near = cli_nearest(name, names, n);
    if (near)
        return cli_fail(CLI_USAGE, COMMAND, "no %s is called %s; did you mean %s?", what,
                        name, near);
    return cli_fail(CLI_USAGE, COMMAND,
                    "no %s is called %s; see penchant simulate --list", what, name);
}

static int unknown_world(const char *name)
{
    const char *names[MOST_NAMES];
    size_t n = 0;
    for (const struct world_ops *const *w = worlds; *w && n < MOST_NAMES; w++)
        names[n++] = (*w)->name;
    return unknown("world", name, names, n);
}

static int unknown_policy(const char *name, const struct world_ops *world)
{
    const char *names[MOST_NAMES] = {"oracle"};
    size_t n = 1;
    if (strcmp(name, "oracle") == 0)
        return cli_fail(CLI_USAGE, COMMAND, "%s has no oracle", world->name);
    for (const struct actor_ops *const *a = actors; *a && n < MOST_NAMES; a++)
        names[n++] = (*a)->name;
    return unknown("policy", name, names, n);
}

static int find_policies(struct simulate_policy *policy, const char *const *name,
                         size_t n, const struct world_ops *world)
{
    if (n > SIMULATE_MOST_POLICIES)
        return cli_fail(CLI_USAGE, COMMAND, "at most %d policies at once",
                        SIMULATE_MOST_POLICIES);
    for (size_t i = 0; i < n; i++) {
        if (!simulate_policy_find(&policy[i], world, name[i]))
            return unknown_policy(name[i], world);
        for (size_t j = 0; j < i; j++)
            if (strcmp(name[i], name[j]) == 0)
                return cli_fail(CLI_USAGE, COMMAND, "%s is named twice", name[i]);
    }
    return CLI_OK;
}

/* ---- the work -------------------------------------------------------------------- */

static int write_bytes(void *arg, int fd)
{
    const struct buf *b = arg;
    return files_write_all(fd, b->data, b->len);
}

static int write_plot(const struct simulation *s, const char *path,
                      struct penchant_error *err)
{
    struct buf svg;
    buf_init(&svg, MOST_TEXT);
    simulate_plot(&svg, s);
    const int status =
        svg.failed ? error_memory(err) : files_replace(path, write_bytes, &svg, err);
    buf_release(&svg);
    return status;
}

static int report(const struct simulation *s, const struct asked *a)
{
    struct penchant_error err = {0};
    struct buf out;
    if (a->plot && write_plot(s, a->plot, &err))
        return cli_fail_error(COMMAND, &err);
    buf_init(&out, MOST_TEXT);
    if (a->json)
        simulate_json(&out, s);
    else
        simulate_text(&out, s);
    const int status = cli_print(COMMAND, &out);
    buf_release(&out);
    return status;
}

static int run(const struct asked *a, const struct world_ops *world,
               const char *const *name, size_t n)
{
    struct simulate_policy policy[SIMULATE_MOST_POLICIES];
    struct penchant_error err = {0};
    struct progress progress;
    struct simulation s;
    int status = find_policies(policy, name, n, world);
    if (status != CLI_OK)
        return status;
    progress_init(&progress, a->quiet, &cli_stop);
    cli_catch_stop();
    const struct simulate_options o = {.world = world,
                                       .policy = policy,
                                       .n_policies = (uint32_t)n,
                                       .seed = a->seed,
                                       .seeds = a->seeds,
                                       .episodes = a->episodes,
                                       .threads = a->threads,
                                       .progress = progress_show,
                                       .cookie = &progress};
    status = simulate(&s, &o, &err);
    progress_end(&progress);
    if (status)
        return cli_fail_error(COMMAND, &err);
    status = report(&s, a);
    simulation_release(&s);
    return status;
}

int cmd_simulate(int argc, char **argv)
{
    struct asked a = {.seed = 1, .seeds = 5, .threads = 1};
    int status = parse(&a, argc, argv);
    if (status != CLI_CONTINUE)
        return status;
    if (a.list)
        return list(&a);
    if (!a.world || !a.policies)
        return cli_fail(CLI_USAGE, COMMAND,
                        "takes --world W and --policy P; see penchant simulate --list");
    const struct world_ops *world = world_find(a.world);
    if (!world)
        return unknown_world(a.world);
    size_t n = 0;
    char *copy = NULL;
    const char **name = cli_split(a.policies, &n, &copy);
    if (!name)
        return cli_fail(CLI_FAILED, COMMAND, "out of memory");
    status = run(&a, world, name, n);
    free(name);
    free(copy);
    return status;
}

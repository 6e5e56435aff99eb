/* SPDX-License-Identifier: Apache-2.0 */
/* penchant bench: the table of benchmarks, and how their figures are kept. */
#include "lab/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json_writer.h"
#include "base/timing.h"
#include "cli/cli.h"
#include "lab/lab.h"

static const struct cli_command benchmarks[] = {
    {"train", "training steps: positions per second, large catalogues", bench_train},
    {"topk", "exact top-k against a vectorised scan and OpenBLAS", bench_topk},
    {"ingest", "import to disk against SQLite alone", bench_ingest},
    {"serve", "recommendations over HTTP under an open load", bench_serve},
    {"append", "one event into a user's state against encoding anew", bench_append},
    {"evidence", "one event into all counting sources, and a request", bench_evidence},
};
enum { N_BENCHMARKS = sizeof(benchmarks) / sizeof(benchmarks[0]) };

int cmd_bench(int argc, char **argv)
{
    const bool help =
        argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0;
    const char *names[N_BENCHMARKS];
    for (size_t i = 0; !help && i < N_BENCHMARKS; i++) {
        names[i] = benchmarks[i].name;
        if (strcmp(argv[1], names[i]) == 0)
            return benchmarks[i].run(argc - 1, argv + 1);
    }
    if (!help) {
        const char *near = cli_nearest(argv[1], names, N_BENCHMARKS);
        return cli_fail(CLI_USAGE, "bench", "no benchmark is called %s%s%s", argv[1],
                        near ? "; did you mean " : "", near ? near : "");
    }
    FILE *to = argc < 2 ? stderr : stdout;
    fputs("penchant bench: measure speed against peers\n\n"
          "usage: penchant bench NAME [OPTIONS]\n\n",
          to);
    for (size_t i = 0; i < N_BENCHMARKS; i++)
        fprintf(to, "  %-9s %s\n", benchmarks[i].name, benchmarks[i].help);
    fputs(
        "\nEach takes --help, --json, and --csv FILE to append its figures to a file.\n",
        to);
    return argc < 2 ? CLI_USAGE : CLI_OK;
}

/* ---- where a figure comes from ------------------------------------------------- */

/* The first line that a shell command prints, or "unknown". */
static void first_line(const char *command, char *text, size_t size)
{
    FILE *p = popen(command, "r");
    text[0] = 0;
    if (p) {
        if (!fgets(text, (int)size, p))
            text[0] = 0;
        pclose(p);
    }
    text[strcspn(text, "\n")] = 0;
    if (!text[0])
        snprintf(text, size, "unknown");
}

static void processor(char *text, size_t size)
{
    FILE *f = fopen("/proc/cpuinfo", "r");
    char line[256];
    snprintf(text, size, "unknown");
    while (f && fgets(line, sizeof(line), f)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon) {
            snprintf(text, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
            break;
        }
    }
    if (f)
        fclose(f);
}

static void command_line(int argc, char **argv, struct buf *b)
{
    buf_puts(b, "penchant bench");
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--csv") == 0 || strcmp(argv[i], "--json") == 0) {
            i += argv[i][2] == 'c';
            continue;
        }
        buf_putc(b, ' ');
        buf_puts(b, argv[i]);
    }
}

static void header(const struct bench_figure *figure, size_t n, struct buf *b)
{
    buf_puts(b, "date,commit,cpu,threads,command");
    for (size_t i = 0; i < n; i++)
        buf_printf(b, ",%s", figure[i].name);
    buf_putc(b, '\n');
}

static void row(int argc, char **argv, const struct bench_figure *figure, size_t n,
                struct buf *b)
{
    char date[CLI_TIME_SIZE], commit[64], cpu[128];
    first_line("git describe --always --dirty --abbrev=12 2>/dev/null", commit,
               sizeof(commit));
    processor(cpu, sizeof(cpu));
    buf_printf(b, "%s,%s,\"%s\",%ld,\"", cli_time(timing_now_us(), date), commit, cpu,
               sysconf(_SC_NPROCESSORS_ONLN));
    command_line(argc, argv, b);
    buf_putc(b, '"');
    for (size_t i = 0; i < n; i++)
        buf_printf(b, ",%.6g", figure[i].value);
    buf_putc(b, '\n');
}

/* Appends; a file with other columns is refused, so that a column means one thing. */
static int append(const char *path, const struct buf *head, const struct buf *line)
{
    FILE *f = fopen(path, "a+");
    char *found = NULL;
    size_t cap = 0;
    if (!f)
        return cli_fail(CLI_FAILED, "bench", "%s cannot be written", path);
    rewind(f);
    const bool empty = getline(&found, &cap, f) < 0;
    const bool same = empty || strcmp(found, head->data) == 0;
    free(found);
    if (same)
        fprintf(f, "%s%s", empty ? head->data : "", line->data);
    if (fclose(f) || !same)
        return cli_fail(CLI_FAILED, "bench",
                        same ? "%s cannot be written" : "%s has other columns", path);
    return CLI_OK;
}

static void figures_json(const struct bench_figure *figure, size_t n, struct buf *b)
{
    struct json_writer w;
    json_init(&w, b);
    json_begin_object(&w);
    for (size_t i = 0; i < n; i++)
        json_key_double(&w, figure[i].name, figure[i].value, 6);
    json_end_object(&w);
}

int bench_print(int argc, char **argv, const struct bench_figure *figure, size_t n,
                bool json, const char *csv)
{
    struct buf text, head, line;
    buf_init(&text, 1 << 20);
    buf_init(&head, 1 << 20);
    buf_init(&line, 1 << 20);
    if (json)
        figures_json(figure, n, &text);
    else
        for (size_t i = 0; i < n; i++)
            buf_printf(&text, "%s%-28s %12.6g", i ? "\n" : "", figure[i].name,
                       figure[i].value);
    int status = cli_print("bench", &text);
    if (status == CLI_OK && csv) {
        header(figure, n, &head);
        row(argc, argv, figure, n, &line);
        status = head.failed || line.failed
                     ? cli_fail(CLI_FAILED, "bench", "out of memory")
                     : append(csv, &head, &line);
    }
    buf_release(&text);
    buf_release(&head);
    buf_release(&line);
    return status;
}

static int by_value(const void *pa, const void *pb)
{
    const double a = *(const double *)pa, b = *(const double *)pb;
    return (a > b) - (a < b);
}

double bench_quantile(double *v, size_t n, double p)
{
    if (!n)
        return NAN;
    qsort(v, n, sizeof(*v), by_value);
    const size_t at = (size_t)(p * (double)n);
    return v[at < n ? at : n - 1];
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The benchmarks behind `penchant bench`, one file each (bench_<what>.c). Each takes its
 * name as argv[0] and its arguments after it, prints its result to standard output, and
 * returns an exit status.
 */
#ifndef LAB_BENCH_H
#define LAB_BENCH_H

#include <stdbool.h>
#include <stddef.h>

/* Exact top-k against a vectorised fp32 scan and OpenBLAS sgemv with selection. */
int bench_topk(int argc, char **argv);

/* Training steps: positions per second, the share of the machine's peak, large
 * catalogues. */
int bench_train(int argc, char **argv);

/* Import to disk against writing the same rows with SQLite and nothing else. */
int bench_ingest(int argc, char **argv);

/* Recommendations over HTTP under an open load, beside an idle route. */
int bench_serve(int argc, char **argv);

/* One event into an encoder state against encoding the history anew. */
int bench_append(int argc, char **argv);

/* One event into all counting sources, and one request to them. */
int bench_evidence(int argc, char **argv);

/* ---- what they share (bench.c) ------------------------------------------------- */

struct bench_figure {
    const char *name; /* a column; the unit is its last part, as in "p99_ms" */
    double value;
};

/*
 * Prints figures one a line, or as one JSON object, and appends them to a CSV file (NULL:
 * none) with date, commit, processor and command. The file's columns must be the same
 * ones.
 */
int bench_print(int argc, char **argv, const struct bench_figure *figure, size_t n,
                bool json, const char *csv);

/* The p-quantile (0..1) of v, which is sorted by this; NaN when n is 0. */
double bench_quantile(double *v, size_t n, double p);

#define BENCH_CSV(p)                                                                     \
    {                                                                                    \
        "csv", 0, CLI_STRING, (p), "FILE", NULL, 0, 0, "append the figures to this file" \
    }

#endif

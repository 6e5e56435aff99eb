/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The benchmarks behind `penchant bench`, one file each (bench_<what>.c). Each takes the
 * arguments after its name, prints its result to standard output, and returns an exit status.
 */
#ifndef LAB_BENCH_H
#define LAB_BENCH_H

/* Exact top-k against a vectorised fp32 scan and OpenBLAS sgemv with selection. */
int bench_topk(int argc, char **argv);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fixed set of threads for short parallel sections. pool_run() calls fn(arg, i) for every
 * i in [0, n): task i always runs on thread i % threads, so results that are kept per thread
 * come out the same in every run. The calling thread is thread 0.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stdint.h>

struct pool;

/* NULL when out of memory or threads; with `threads` 1 no thread is started. */
struct pool *pool_new(uint32_t threads);
void pool_free(struct pool *p);
uint32_t pool_threads(const struct pool *p);

/* Returns when all tasks are done. Not re-entrant; one caller at a time. */
void pool_run(struct pool *p, void (*fn)(void *arg, uint32_t i), void *arg, uint32_t n);

#endif

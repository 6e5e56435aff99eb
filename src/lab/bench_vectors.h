/* SPDX-License-Identifier: Apache-2.0 */
/* Made rows and queries for `bench topk`, the same for the same sizes. */
#ifndef LAB_BENCH_VECTORS_H
#define LAB_BENCH_VECTORS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"

struct bench_vectors {
    uint32_t n, dim;
    float *rows;    /* (n, dim) */
    float *queries; /* (queries, dim) */
    struct rng rng;
};

/*
 * name: "random", independent standard normals; "trained-like", clusters with a decaying
 * spectrum and varying lengths; "near-duplicate", rows that differ from one of a thousand
 * in last bits. false when out of memory; release it in any case.
 */
bool bench_vectors_init(struct bench_vectors *d, const char *name, uint32_t n,
                        uint32_t dim, uint32_t queries);
void bench_vectors_release(struct bench_vectors *d);

#endif

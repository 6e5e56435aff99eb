/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hot loops of exact retrieval (src/retrieval), one table of functions for each
 * instruction set. Pointers need no alignment beyond their type's, but SCAN_LINE-aligned
 * codes are faster. Thread-safe: nothing is kept.
 *
 * Codes are numbers 0..15. A group is 16 rows; a chunk is 8 dimensions of a group, 64
 * bytes: byte 4r + j holds dimension j of row r in its low half and dimension 4 + j in
 * its high half.
 */
#ifndef KERNELS_SCAN_H
#define KERNELS_SCAN_H

#include <stdint.h>

#define SCAN_GROUP      16  /* rows in a group */
#define SCAN_CHUNK      8   /* dimensions in a chunk */
#define SCAN_LINE       64  /* bytes in a chunk of a group */
#define SCAN_MAX_CHUNKS 512 /* sums of more could leave 32 bits */
#define SCAN_FORGET     32  /* a shift: what was in the sums does not count */

/* Some consecutive chunks of every row, and the query's part that meets them. */
struct scan_part {
    const int8_t *query; /* (chunks, 8), -127..127 */
    uint32_t chunks;
    uint32_t shift; /* the sums so far are multiplied by 2^shift first; or SCAN_FORGET */
};

struct scan_kernels {
    /*
     * sum over i < dim of (double)q[i] * (double)e[i] in eight lanes (lane i % 8, in
     * order of i), added as ((0+1)+(2+3))+((4+5)+(6+7)). The same bits on every
     * instruction set.
     */
    double (*exact)(const float *q, const float *e, uint32_t dim);

    /*
     * y[j] = sum over i < dim of x[i] * m[i * width + j] in float, in an order that
     * differs between instruction sets; width is a multiple of 16.
     */
    void (*project)(float *y, const float *x, const float *m, uint32_t dim,
                    uint32_t width);

    /*
     * For every group g < 64 in the mask `groups` and each of its rows r:
     *   sums[g * 16 + r] = sums[g * 16 + r] * 2^shift + sum of query[i] * code of row r
     * at i. codes: (groups, part->chunks, 64). Returns the mask of those groups in which
     * some sum is at least `least`. Integers: equal on every instruction set.
     */
    uint64_t (*codes)(int32_t *sums, const uint8_t *codes, const struct scan_part *part,
                      uint64_t groups, int32_t least);
};

/* The table for cpu_level(). */
const struct scan_kernels *scan_kernels(void);

#endif

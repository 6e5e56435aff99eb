/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How alike two groupings of the same things are. A label is a number below 256, or
 * PARTITION_NONE: things without a label in either grouping are left out.
 *
 *   Rand index  adjusted for chance (Hubert and Arabie 1985): 1 for the same grouping
 *               under any names, 0 on average for independent ones
 *   information I(A; B) / sqrt(H(A) H(B)), 0 to 1 (normalised mutual information)
 */
#ifndef EVALUATE_PARTITION_H
#define EVALUATE_PARTITION_H

#include <stddef.h>
#include <stdint.h>

enum { PARTITION_NONE = UINT8_MAX };

struct partition_agreement {
    size_t n; /* things that have both labels */
    double rand_index, information;
    double changed; /* the share whose labels are not the same number */
};

/* 0, or PENCHANT_ENOMEM. Two groupings that put all into one group agree: rand_index 1. */
int partition_compare(struct partition_agreement *out, const uint8_t *a, const uint8_t *b,
                      size_t n);

#endif

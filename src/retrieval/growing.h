/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vectors that come one at a time, and an index over most of them. Rows are in one piece
 * and may be put anew; the index stands over a copy of the rows as they were when it was
 * made, since it must not change, and is made anew beside the users of the old one:
 *
 *   growing_copy()   while nobody puts      a copy of the rows
 *   growing_index()  at any time, no lock   the index over the copy: seconds for millions
 *   growing_adopt()  while nobody looks     the new index in the place of the old one
 *
 * What was put since the copy is looked through by whoever searches when it is past the
 * index, and found as it was before when it is inside. growing_due() says when there is so
 * much of both that another index pays.
 *
 * Memory: 8 * dim bytes a row and what topk.h says of an index; a copy adds 4 * dim bytes.
 * The caller's lock guards all: putting and adopting alone, everything else together.
 */
#ifndef RETRIEVAL_GROWING_H
#define RETRIEVAL_GROWING_H

#include <stdbool.h>

#include "retrieval/topk.h"

struct growing {
    float *rows; /* (n, dim) */
    uint32_t n, dim;
    struct topk_index *index; /* over the first n_indexed as they were; NULL: none yet */
    uint32_t n_indexed;
    /* private */
    float *indexed; /* the index's own rows */
    uint32_t cap;
    uint64_t puts, puts_indexed; /* rows put: in all; when the index's copy was made */
};

void growing_init(struct growing *g, uint32_t dim);
void growing_release(struct growing *g);

/* Row `row` becomes x (dim); rows before it that were never put are zero. PENCHANT_ENOMEM. */
int growing_put(struct growing *g, uint32_t row, const float *x);

/* Whether what an index would miss is more than a small part of all. */
bool growing_due(const struct growing *g);

struct growing_copy {
    float *rows;
    uint32_t n, dim;
    uint64_t puts;
    struct topk_index *index;
};

int growing_copy(const struct growing *g, struct growing_copy *c);
int growing_index(struct growing_copy *c, struct penchant_error *err);
/* Takes what the copy holds. A copy of vectors that have been released since (another
   dim or fewer rows) is thrown away. */
void growing_adopt(struct growing *g, struct growing_copy *c);
void growing_copy_release(struct growing_copy *c);

#endif

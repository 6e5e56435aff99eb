/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Coding rows of an index, for topk_build.c and topk_update.c; private to src/retrieval. A
 * coder is scratch memory of one caller beside the index that it writes to.
 */
#ifndef RETRIEVAL_TOPK_CODE_H
#define RETRIEVAL_TOPK_CODE_H

#include "retrieval/index.h"

struct place {
    double norm; /* of the residual */
    uint32_t row;
};

struct coder {
    struct topk_index *index;
    const struct scan_kernels *scan;
    const float *centre; /* (clusters, dim) */
    double *residual;    /* (dim) */
    float *scaled;       /* (dim) */
    float *rotated;      /* (CELL_ROWS, width) */
    double step_ratio;   /* of the step to the standard deviation of p / spread */
    uint32_t cells_coded;
};

/* 0 or PENCHANT_ENOMEM; released in any case. */
int coder_init(struct coder *b, struct topk_index *index, const float *centre);
void coder_release(struct coder *b);

/* Memory for the codes of an index; NULL: none. */
uint8_t *coder_new_codes(size_t bytes);

/* r = e - c in double; returns its length. */
double coder_residual(struct coder *b, uint32_t row, uint32_t cluster);

/* Makes one cell of place[0 .. rows), ordered by length. */
void coder_make_cell(struct coder *b, struct cell *cell, const struct place *place,
                     uint32_t rows);

/* Codes one row of a cell anew, in place `r` of it; the cell's bounds hold for it too. Not
   for a cell without a step. */
void coder_put_row(struct coder *b, struct cell *cell, uint32_t r);

#endif

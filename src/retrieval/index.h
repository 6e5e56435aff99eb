/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What topk_build.c makes, topk_update.c changes and topk_search.c reads, and what they
 * share; private to src/retrieval.
 *
 * Rows are in clusters (cluster.h). A row is e = c + r with c the centre of its cluster.
 * The residual r is rotated (rotation.h), p = V r, and dimension i of p is coded in four
 * bits as p'_i = (code - 7.5) * step * spread[i]. The rows of a cluster, ordered by |r|,
 * are cut into cells of up to CELL_ROWS rows, which have a step of their own and bounds
 * over their rows.
 *
 * Bound. With w = V q, w' the query as the integers say it, d = w - w', and after the
 * first h dimensions (a stage), for every row of a cell q.e <= q.c + sum_{i<h} w'_i p'_i
 * by integers, exact
 *          + |d_h| (|r| + err_h) + |w_h| err_h + |w_t| tail_h
 *          + |q| |r| * skew
 * where _h is the first h dimensions and _t the rest, err_h >= |p_h - p'_h| and
 * tail_h >= |p_t| (Cauchy and Schwarz on each part). `skew` covers that V is only nearly
 * orthogonal (measured: the norm of V'V - 1) and the rounding of w in double; the
 * rounding of p in float is in err and tail (`rotated_error`); the
 * rounding of q.c and of the score itself, in double, is below `grain` * |q| * (2 |c| +
 * |r|). All these are rounded up by more than their own arithmetic can lose. Residuals
 * are taken in double and scaled by a power of two before they become floats, so neither
 * huge nor tiny values overflow or vanish.
 */
#ifndef RETRIEVAL_INDEX_H
#define RETRIEVAL_INDEX_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/scan.h"
#include "retrieval/cluster.h"
#include "retrieval/topk.h"

#define CELL_GROUPS 8
#define CELL_ROWS   (CELL_GROUPS * SCAN_GROUP)
#define STAGES      3
#define NO_ROW      UINT32_MAX

struct cell {
    double step;  /* 0: all rows equal the centre, and there is no error */
    float radius; /* max |r| / step */
    float err[STAGES], tail[STAGES]; /* max over rows, / step */
    uint32_t cluster;
    uint32_t slot;   /* its first place in row_of, a multiple of SCAN_GROUP */
    uint32_t groups; /* 1..CELL_GROUPS; places after the last row hold NO_ROW */
};

struct topk_index {
    const float *rows; /* (n, dim) the caller's */
    uint32_t n, dim;
    uint32_t chunks;                    /* ceil(dim / SCAN_CHUNK) */
    uint32_t width;                     /* chunks * SCAN_CHUNK rounded up to 16 */
    uint32_t stages, stage_end[STAGES]; /* in chunks; the last is `chunks` */
    double skew, grain;
    double rotated_error; /* of a rotated residual whose length is below 2 */
    uint64_t updated;     /* changes of rows since it was built */
    float *rotation;      /* (dim, width) or NULL: none */
    float *spread;        /* (width) in (0, 1] */
    uint32_t clusters, cells;
    float *centre;       /* (clusters, dim) */
    double *centre_norm; /* (clusters) */
    struct cell *cell;   /* (cells) by cluster */
    uint32_t *row_of;    /* (slots) */
    uint8_t *codes; /* (slots / 16, chunks, 64): of a cell all groups' first stage, then
                       all groups' second stage, .. */
};

static inline bool all_finite(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Principal components of many rows, sparse or dense, by randomised subspace iteration
 * (Halko, Martinsson and Tropp 2011, algorithms 4.4 and 5.3 on the right side): a random
 * start, PASSES rounds of multiplying by the centred rows and their transpose with both
 * sides made orthonormal, then the exact solution within the subspace found.
 *
 * Work: about 2 (PASSES + 1) nonzeros (max_dim + 16) multiplications. Memory: 4 (n + dim +
 * the larger of both) (max_dim + 16) bytes, 384 (max_dim + 16)^2 (sums of squares in 32
 * parts), and 8 bytes a nonzero of sparse rows for their transpose.
 * The same bits for every number of threads.
 */
#ifndef MODEL_PCA_H
#define MODEL_PCA_H

#include <stdint.h>

#include "base/pool.h"
#include "base/status.h"

/* Rows to be analysed: sparse, or dense where `dense` is given. Borrowed. */
struct pca_rows {
    uint32_t n, dim;
    const uint64_t *start; /* (n + 1) sparse: row i is entries [start[i], start[i + 1]) */
    const uint32_t *col;   /* ascending within a row */
    const float *value;
    const float *const *dense; /* (n) each of dim */
};

struct pca {
    uint32_t dim, out;  /* out: components found, at most what was asked for */
    float *projection;  /* (dim, out) orthonormal columns */
    float *offset;      /* (out) the projection of the mean */
    double *eigenvalue; /* (out) of the covariance, largest first, above zero */
};

/*
 * On success *p is the caller's to release; p->out is 0 when all rows are alike.
 * PENCHANT_ENOMEM; nothing else can fail.
 */
int pca_fit(struct pca *p, const struct pca_rows *rows, uint32_t max_dim, uint64_t seed,
            struct pool *pool, struct penchant_error *err);
void pca_release(struct pca *p);

/*
 * Soft whitening: component j is scaled by (eigenvalue_j / eigenvalue_0 + floor)^-power;
 * power 1/2 is full whitening, 0 none. The offset goes along.
 */
void pca_whiten(struct pca *p, double power, double floor);

#endif

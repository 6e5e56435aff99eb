/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rotation that puts most of the energy of some vectors into the first dimensions:
 * the eigenvectors of their second moments, largest first, by cyclic Jacobi (Golub and
 * Van Loan, section 8.5) in double.
 */
#ifndef RETRIEVAL_ROTATION_H
#define RETRIEVAL_ROTATION_H

#include <stdint.h>

/*
 * moment (dim, dim) symmetric, destroyed. matrix (dim, width), width >= dim: column j is
 * the j-th direction rounded to float, columns from dim on are zero. energy (dim),
 * descending. Time grows with the cube of dim. 0 or PENCHANT_ENOMEM.
 */
int rotation_make(float *matrix, double *energy, double *moment, uint32_t dim,
                  uint32_t width);

/* A bound on |x.y - (Mx).(My)| / (|x| |y|): the Frobenius norm of M'M - 1, rounded up. */
double rotation_error(const float *matrix, uint32_t dim, uint32_t width);

#endif

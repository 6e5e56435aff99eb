/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Eigenvalues and eigenvectors of a small symmetric matrix by Jacobi rotations in a fixed
 * order (Golub and Van Loan, section 8.5): slow, accurate, the same bits everywhere.
 */
#ifndef MODEL_EIGEN_H
#define MODEL_EIGEN_H

#include <stdint.h>

/*
 * a (n, n) symmetric, destroyed; value (n) gets the eigenvalues, largest first; vector
 * (n, n) the eigenvectors as columns, each with its largest entry positive.
 */
void eigen_symmetric(double *a, uint32_t n, double *value, double *vector);

#endif

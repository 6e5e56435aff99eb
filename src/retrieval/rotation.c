/* SPDX-License-Identifier: Apache-2.0 */
/* Eigenvectors of a symmetric matrix. */
#include "retrieval/rotation.h"

#include "base/status.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>

#define SWEEPS 20
#define SMALL  1e-8 /* of the sum of all eigenvalues */

/* Columns p and q of a (dim, dim) turned by the angle with cosine c and sine s. */
static void turn_columns(double *a, uint32_t dim, uint32_t p, uint32_t q, double c,
                         double s)
{
    for (uint32_t i = 0; i < dim; i++) {
        double *row = a + (size_t)i * dim;
        const double x = row[p], y = row[q];
        row[p] = c * x - s * y;
        row[q] = s * x + c * y;
    }
}

static void turn_rows(double *a, uint32_t dim, uint32_t p, uint32_t q, double c, double s)
{
    double *rp = a + (size_t)p * dim, *rq = a + (size_t)q * dim;
    for (uint32_t i = 0; i < dim; i++) {
        const double x = rp[i], y = rq[i];
        rp[i] = c * x - s * y;
        rq[i] = s * x + c * y;
    }
}

/*
 * One sweep over all pairs; false when nothing was left to turn. What is off the diagonal
 * by less than `least` may stay: any rotation is right, and this one is good enough.
 */
static bool sweep(double *a, double *vectors, uint32_t dim, double least)
{
    bool turned = false;
    for (uint32_t p = 0; p + 1 < dim; p++) {
        for (uint32_t q = p + 1; q < dim; q++) {
            const double off = a[(size_t)p * dim + q], app = a[(size_t)p * dim + p],
                         aqq = a[(size_t)q * dim + q];
            if (fabs(off) <= least)
                continue;
            const double theta = (aqq - app) / (2 * off),
                         t = copysign(1, theta) / (fabs(theta) + sqrt(1 + theta * theta)),
                         c = 1 / sqrt(1 + t * t), s = t * c;
            turn_columns(a, dim, p, q, c, s);
            turn_rows(a, dim, p, q, c, s);
            turn_rows(vectors, dim, p, q, c, s);
            turned = true;
        }
    }
    return turned;
}

int rotation_make(float *matrix, double *energy, double *moment, uint32_t dim,
                  uint32_t width)
{
    double *vectors = calloc((size_t)dim * dim + 1, sizeof(*vectors));
    uint32_t *rank = calloc((size_t)dim + 1, sizeof(*rank));
    if (!vectors || !rank) {
        free(vectors);
        free(rank);
        return PENCHANT_ENOMEM;
    }
    for (uint32_t i = 0; i < dim; i++)
        vectors[(size_t)i * dim + i] = 1;
    double trace = 0;
    for (uint32_t i = 0; i < dim; i++)
        trace += moment[(size_t)i * dim + i];
    for (int i = 0; i < SWEEPS; i++)
        if (!sweep(moment, vectors, dim, SMALL * trace))
            break;
    for (uint32_t i = 0; i < dim; i++) { /* by insertion: stable, and dim is small */
        uint32_t at = i;
        const double e = moment[(size_t)i * dim + i];
        for (; at > 0 && energy[at - 1] < e; at--) {
            energy[at] = energy[at - 1];
            rank[at] = rank[at - 1];
        }
        energy[at] = e;
        rank[at] = i;
    }
    for (uint32_t i = 0; i < dim; i++)
        for (uint32_t j = 0; j < width; j++)
            matrix[(size_t)i * width + j] =
                j < dim ? (float)vectors[(size_t)rank[j] * dim + i] : 0;
    free(vectors);
    free(rank);
    return PENCHANT_OK;
}

double rotation_error(const float *matrix, uint32_t dim, uint32_t width)
{
    double squares = 0;
    for (uint32_t i = 0; i < dim; i++) {
        for (uint32_t j = i; j < dim; j++) {
            double dot = i == j ? -1 : 0;
            for (uint32_t l = 0; l < width; l++)
                dot += (double)matrix[(size_t)i * width + l] *
                       (double)matrix[(size_t)j * width + l];
            squares += (i == j ? 1 : 2) * dot * dot;
        }
    }
    /* Each dot is off by at most width roundings of numbers below 2. */
    return sqrt(squares) * (1 + 1e-9) + (double)dim * (double)width * 4 * DBL_EPSILON;
}

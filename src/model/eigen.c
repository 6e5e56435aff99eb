/* SPDX-License-Identifier: Apache-2.0 */
#include "model/eigen.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

enum { MAX_SWEEPS = 60 };

/* Rotates rows and columns p and q of a, and columns p and q of the vectors. */
static void rotate(double *a, double *v, uint32_t n, uint32_t p, uint32_t q)
{
    const double apq = a[(size_t)p * n + q];
    const double theta = (a[(size_t)q * n + q] - a[(size_t)p * n + p]) / (2 * apq);
    const double t = (theta >= 0 ? 1 : -1) / (fabs(theta) + sqrt(theta * theta + 1));
    const double c = 1 / sqrt(t * t + 1), s = t * c;
    for (uint32_t i = 0; i < n; i++) {
        double *row = a + (size_t)i * n;
        const double x = row[p], y = row[q];
        row[p] = c * x - s * y;
        row[q] = s * x + c * y;
    }
    double *rp = a + (size_t)p * n, *rq = a + (size_t)q * n;
    for (uint32_t i = 0; i < n; i++) {
        const double x = rp[i], y = rq[i];
        rp[i] = c * x - s * y;
        rq[i] = s * x + c * y;
    }
    for (uint32_t i = 0; i < n; i++) {
        double *row = v + (size_t)i * n;
        const double x = row[p], y = row[q];
        row[p] = c * x - s * y;
        row[q] = s * x + c * y;
    }
}

static double off_diagonal(const double *a, uint32_t n)
{
    double sum = 0;
    for (uint32_t p = 0; p < n; p++)
        for (uint32_t q = p + 1; q < n; q++)
            sum += a[(size_t)p * n + q] * a[(size_t)p * n + q];
    return sum;
}

static void swap_columns(double *v, uint32_t n, uint32_t p, uint32_t q)
{
    for (uint32_t i = 0; i < n; i++) {
        const double x = v[(size_t)i * n + p];
        v[(size_t)i * n + p] = v[(size_t)i * n + q];
        v[(size_t)i * n + q] = x;
    }
}

static void sort(double *value, double *v, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t top = i;
        for (uint32_t j = i + 1; j < n; j++)
            top = value[j] > value[top] ? j : top;
        const double x = value[i];
        value[i] = value[top];
        value[top] = x;
        if (top != i)
            swap_columns(v, n, i, top);
    }
}

static void fix_signs(double *v, uint32_t n)
{
    for (uint32_t j = 0; j < n; j++) {
        double top = 0;
        for (uint32_t i = 0; i < n; i++)
            if (fabs(v[(size_t)i * n + j]) > fabs(top))
                top = v[(size_t)i * n + j];
        for (uint32_t i = 0; top < 0 && i < n; i++)
            v[(size_t)i * n + j] = -v[(size_t)i * n + j];
    }
}

void eigen_symmetric(double *a, uint32_t n, double *value, double *vector)
{
    double scale = 0;
    memset(vector, 0, (size_t)n * n * sizeof(*vector));
    for (uint32_t i = 0; i < n; i++)
        vector[(size_t)i * n + i] = 1;
    for (size_t i = 0; i < (size_t)n * n; i++)
        scale += a[i] * a[i];
    for (int sweep = 0; sweep < MAX_SWEEPS; sweep++) {
        if (off_diagonal(a, n) <= 1e-26 * scale)
            break;
        for (uint32_t p = 0; p + 1 < n; p++)
            for (uint32_t q = p + 1; q < n; q++)
                if (fabs(a[(size_t)p * n + q]) > 1e-18 * sqrt(scale))
                    rotate(a, vector, n, p, q);
    }
    for (uint32_t i = 0; i < n; i++)
        value[i] = a[(size_t)i * n + i];
    sort(value, vector, n);
    fix_signs(vector, n);
}

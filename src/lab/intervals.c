/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/intervals.h"

#include <math.h>

enum { TABLE = 10 };

double interval_t975(size_t freedom)
{
    static const double table[TABLE] = {12.7062, 4.3027, 3.1824, 2.7764, 2.5706,
                                        2.4469,  2.3646, 2.3060, 2.2622, 2.2281};
    if (!freedom)
        return NAN;
    if (freedom <= TABLE)
        return table[freedom - 1];
    /* Cornish-Fisher about the normal quantile (Abramowitz and Stegun 26.7.5). */
    const double z = 1.959963984540054, n = (double)freedom;
    const double z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z;
    return z + (z3 + z) / (4 * n) + (5 * z5 + 16 * z3 + 3 * z) / (96 * n * n) +
           (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * n * n * n);
}

struct interval interval_of(const double *value, size_t n)
{
    struct interval out = {.mean = NAN, .low = NAN, .high = NAN};
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        if (!isnan(value[i])) {
            sum += value[i];
            out.n++;
        }
    if (!out.n)
        return out;
    out.mean = sum / (double)out.n;
    for (size_t i = 0; i < n; i++)
        if (!isnan(value[i]))
            squares += (value[i] - out.mean) * (value[i] - out.mean);
    if (out.n > 1) {
        const double freedom = (double)(out.n - 1);
        const double half =
            interval_t975(out.n - 1) * sqrt(squares / freedom / (double)out.n);
        out.low = out.mean - half;
        out.high = out.mean + half;
    }
    return out;
}

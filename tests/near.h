/* SPDX-License-Identifier: Apache-2.0 */
/* Comparing in double: cmocka's own compares as float. After cmocka.h. */
#ifndef TESTS_NEAR_H
#define TESTS_NEAR_H

#include <math.h>

static inline void assert_near(double a, double b, double by)
{
    if (!(fabs(a - b) <= by))
        fail_msg("%.15g is not within %g of %.15g", a, by, b);
}

#endif

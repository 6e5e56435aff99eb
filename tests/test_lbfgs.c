/* SPDX-License-Identifier: Apache-2.0 */
/* L-BFGS on functions whose minima are known. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "evidence/lbfgs.h"

enum { WIDE = 50 };

static double rosenbrock(void *arg, const double *x, double *g)
{
    ++*(int *)arg;
    const double a = 1 - x[0], b = x[1] - x[0] * x[0];
    g[0] = -2 * a - 400 * x[0] * b;
    g[1] = 200 * b;
    return a * a + 100 * b * b;
}

static double quadratic(void *arg, const double *x, double *g)
{
    double sum = 0;
    ++*(int *)arg;
    for (int i = 0; i < WIDE; i++) {
        const double off = x[i] - i;
        g[i] = 2 * (i + 1) * off;
        sum += (i + 1) * off * off;
    }
    return sum;
}

static void test_lbfgs__finds_the_end_of_a_bent_valley(void **state)
{
    (void)state;
    double x[2] = {-1.2, 1};
    int calls = 0;
    assert_in_range(lbfgs_minimise(x, 2, rosenbrock, &calls, 200, 1e-15), 5, 100);
    assert_float_equal(x[0], 1, 1e-4);
    assert_float_equal(x[1], 1, 1e-4);
    assert_true(calls < 200);
}

static void test_lbfgs__many_curvatures_need_few_steps(void **state)
{
    (void)state;
    double x[WIDE] = {0}, gradient[WIDE];
    int calls = 0;
    assert_true(lbfgs_minimise(x, WIDE, quadratic, &calls, 200, 0) > 0);
    assert_true(calls < 150); /* steepest descent would need thousands */
    for (int i = 0; i < WIDE; i++)
        assert_float_equal(x[i], i, 1e-4);
    assert_true(quadratic(&calls, x, gradient) < 1e-6);
}

static void test_lbfgs__ends_with_the_steps_or_a_small_gain(void **state)
{
    (void)state;
    double few[WIDE] = {0}, most[WIDE] = {0}, gradient[WIDE];
    int calls = 0;
    assert_int_equal(lbfgs_minimise(few, WIDE, quadratic, &calls, 3, 0), 3);
    assert_int_equal(lbfgs_minimise(most, WIDE, quadratic, &calls, 200, 1), 1);
    const double started = quadratic(&calls, (const double[WIDE]){0}, gradient);
    const double one = quadratic(&calls, most, gradient);
    assert_true(one < started && quadratic(&calls, few, gradient) < one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lbfgs__finds_the_end_of_a_bent_valley),
        cmocka_unit_test(test_lbfgs__many_curvatures_need_few_steps),
        cmocka_unit_test(test_lbfgs__ends_with_the_steps_or_a_small_gain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

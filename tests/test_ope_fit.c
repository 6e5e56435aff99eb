/* SPDX-License-Identifier: Apache-2.0 */
/* The fitted model of the reward against the whole system of equations solved at once, and
   that it never looks at the row that it judges. */
#include "evaluate/ope_fit.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "near.h"

enum { N = 400, A = 4, C = 2, ALL = 1 + C + A };

struct world {
    double reward[N], propensity[N], target[N], context[N * C], policy[N * A];
    uint32_t action[N], cluster[N];
    double quality[N], direct[N];
};

static void make(struct world *w, uint64_t seed)
{
    struct rng r;
    rng_init(&r, seed, 0);
    for (size_t i = 0; i < N; i++) {
        double sum = 0;
        for (size_t a = 0; a < A; a++)
            sum += w->policy[i * A + a] = 0.05 + rng_double(&r);
        for (size_t a = 0; a < A; a++)
            w->policy[i * A + a] /= sum;
        for (size_t c = 0; c < C; c++)
            w->context[i * C + c] = 5 + 3 * (double)(c + 1) * rng_double(&r);
        w->action[i] = rng_below(&r, A);
        w->cluster[i] = (uint32_t)i / 4;
        w->propensity[i] = 0.1 + 0.8 * rng_double(&r);
        w->target[i] = w->policy[i * A + w->action[i]];
        w->reward[i] = 0.2 * w->context[i * C] + w->action[i] + rng_double(&r);
    }
}

static struct ope_fit_data data_of(const struct world *w)
{
    return (struct ope_fit_data){.n = N,
                                 .reward = w->reward,
                                 .propensity = w->propensity,
                                 .target = w->target,
                                 .action = w->action,
                                 .context = w->context,
                                 .policy = w->policy,
                                 .n_policies = N,
                                 .n_actions = A,
                                 .n_context = C};
}

static unsigned fold_of(size_t i)
{
    return (unsigned)(rng_mix(i) % OPE_FIT_FOLDS);
}

/* Gauss with pivots; a is (ALL, ALL + 1). */
static void eliminate(double a[ALL][ALL + 1], double *x)
{
    for (size_t j = 0; j < ALL; j++) {
        size_t best = j;
        for (size_t i = j; i < ALL; i++)
            if (fabs(a[i][j]) > fabs(a[best][j]))
                best = i;
        for (size_t k = 0; k <= ALL; k++) {
            const double swap = a[j][k];
            a[j][k] = a[best][k];
            a[best][k] = swap;
        }
        for (size_t i = 0; i < ALL; i++)
            if (i != j) {
                const double by = a[i][j] / a[j][j];
                for (size_t k = 0; k <= ALL; k++)
                    a[i][k] -= by * a[j][k];
            }
    }
    for (size_t j = 0; j < ALL; j++)
        x[j] = a[j][ALL] / a[j][j];
}

/* A row as one vector: 1, standardised contexts, the action's place. */
static void spread_out(const struct world *w, size_t i, size_t action, double *x)
{
    memset(x, 0, ALL * sizeof(*x));
    x[0] = 1;
    for (size_t c = 0; c < C; c++) {
        double mean = 0, squares = 0;
        for (size_t k = 0; k < N; k++)
            mean += w->context[k * C + c] / N;
        for (size_t k = 0; k < N; k++)
            squares += pow(w->context[k * C + c] - mean, 2) / N;
        x[1 + c] = (w->context[i * C + c] - mean) / sqrt(squares);
    }
    x[1 + C + action] = 1;
}

static double weight_of(const struct world *w, size_t i, enum ope_fit_kind kind)
{
    const double p = w->propensity[i];
    return kind == OPE_FIT_PLAIN ? 1 : w->target[i] * (1 - p) / (p * p);
}

static void solve_at_once(const struct world *w, enum ope_fit_kind kind, unsigned fold,
                          double *x)
{
    double a[ALL][ALL + 1] = {{0}}, total = 0, rows = 0, row[ALL];
    for (size_t i = 0; i < N; i++)
        if (fold_of(i) != fold) {
            total += weight_of(w, i, kind);
            rows++;
        }
    for (size_t i = 0; i < N; i++) {
        if (fold_of(i) == fold)
            continue;
        const double v = weight_of(w, i, kind) * rows / total;
        spread_out(w, i, w->action[i], row);
        for (size_t j = 0; j < ALL; j++) {
            for (size_t k = 0; k < ALL; k++)
                a[j][k] += v * row[j] * row[k];
            a[j][ALL] += v * row[j] * w->reward[i];
        }
    }
    for (size_t j = 1; j < ALL; j++)
        a[j][j] += j <= C ? 1 : OPE_FIT_ROWS;
    eliminate(a, x);
}

static void check_kind(enum ope_fit_kind kind)
{
    struct world *w = malloc(sizeof(*w));
    make(w, 7);
    const struct ope_fit_data d = data_of(w);
    assert_int_equal(ope_fit(&d, kind, w->quality, w->direct, NULL), 0);
    for (unsigned fold = 0; fold < OPE_FIT_FOLDS; fold++) {
        double x[ALL], row[ALL];
        solve_at_once(w, kind, fold, x);
        for (size_t i = 0; i < N; i++) {
            double q[A] = {0}, mixed = 0;
            if (fold_of(i) != fold)
                continue;
            for (size_t a = 0; a < A; a++) {
                spread_out(w, i, a, row);
                for (size_t j = 0; j < ALL; j++)
                    q[a] += row[j] * x[j];
                mixed += w->policy[i * A + a] * q[a];
            }
            assert_near(w->quality[i], q[w->action[i]], 1e-7);
            assert_near(w->direct[i], mixed, 1e-7);
        }
    }
    free(w);
}

static void test_ope_fit__is_the_whole_systems_solution(void **state)
{
    (void)state;
    check_kind(OPE_FIT_PLAIN);
}

static void test_ope_fit__mrdr_weighs_rows(void **state)
{
    (void)state;
    check_kind(OPE_FIT_MRDR);
}

static void test_ope_fit__no_row_is_judged_by_itself_or_its_user(void **state)
{
    (void)state;
    struct world *w = malloc(sizeof(*w)), *changed = malloc(sizeof(*w));
    make(w, 8);
    *changed = *w;
    for (size_t i = 40; i < 44; i++) /* one user */
        changed->reward[i] += 100;
    struct ope_fit_data d = data_of(w), e = data_of(changed);
    d.cluster = w->cluster;
    e.cluster = changed->cluster;
    assert_int_equal(ope_fit(&d, OPE_FIT_PLAIN, w->quality, w->direct, NULL), 0);
    assert_int_equal(ope_fit(&e, OPE_FIT_PLAIN, changed->quality, changed->direct, NULL),
                     0);
    size_t moved = 0;
    for (size_t i = 40; i < 44; i++)
        assert_true(w->quality[i] == changed->quality[i]);
    for (size_t i = 0; i < N; i++)
        moved += w->quality[i] != changed->quality[i];
    assert_true(moved > N / 2);
    free(w);
    free(changed);
}

static void test_ope_fit__one_policy_serves_all_rows(void **state)
{
    (void)state;
    struct world *w = malloc(sizeof(*w));
    uint32_t *of = calloc(N, sizeof(*of));
    double *direct = malloc(N * sizeof(*direct));
    make(w, 9);
    for (size_t i = 1; i < N; i++)
        memcpy(w->policy + i * A, w->policy, A * sizeof(double));
    struct ope_fit_data d = data_of(w);
    assert_int_equal(ope_fit(&d, OPE_FIT_PLAIN, w->quality, w->direct, NULL), 0);
    d.policy_of = of;
    d.n_policies = 1;
    assert_int_equal(ope_fit(&d, OPE_FIT_PLAIN, w->quality, direct, NULL), 0);
    assert_memory_equal(direct, w->direct, N * sizeof(*direct));
    free(w);
    free(of);
    free(direct);
}

/* A context that never changes, weights that are all 0: still numbers. */
static void test_ope_fit__nothing_to_learn_from_is_no_fault(void **state)
{
    (void)state;
    struct world *w = malloc(sizeof(*w));
    make(w, 10);
    for (size_t i = 0; i < N; i++) {
        w->context[i * C] = 4;
        w->target[i] = 0;
    }
    const struct ope_fit_data d = data_of(w);
    assert_int_equal(ope_fit(&d, OPE_FIT_MRDR, w->quality, w->direct, NULL), 0);
    for (size_t i = 0; i < N; i++) {
        assert_near(w->quality[i], 0, 1e-12);
        assert_near(w->direct[i], 0, 1e-12);
    }
    assert_int_equal(ope_fit(&d, OPE_FIT_PLAIN, w->quality, w->direct, NULL), 0);
    for (size_t i = 0; i < N; i++)
        assert_true(isfinite(w->quality[i]));
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ope_fit__is_the_whole_systems_solution),
        cmocka_unit_test(test_ope_fit__mrdr_weighs_rows),
        cmocka_unit_test(test_ope_fit__no_row_is_judged_by_itself_or_its_user),
        cmocka_unit_test(test_ope_fit__one_policy_serves_all_rows),
        cmocka_unit_test(test_ope_fit__nothing_to_learn_from_is_no_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

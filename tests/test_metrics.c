/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics against numbers worked out by hand, formulas written out, and brute force. */
#include "evaluate/metrics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "near.h"

static struct metrics of(const uint32_t *rank, size_t n)
{
    struct metrics m;
    metrics_init(&m);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(metrics_add(&m, rank[i]), 0);
    return m;
}

static void test_metrics__values_are_those_of_the_formulas(void **state)
{
    (void)state;
    const uint32_t rank[] = {0, 1, 2, 4, 5, 9, 10, 19, 20, METRICS_MISS};
    struct metrics m = of(rank, 10);
    assert_near(metrics_hr(&m, 5).value, 0.4, 1e-12);
    assert_near(metrics_hr(&m, 10).value, 0.6, 1e-12);
    assert_near(metrics_hr(&m, 20).value, 0.8, 1e-12);
    /* 1 + 1/log2(3) + 1/2 + 1/log2(6), tenths of it */
    assert_near(metrics_ndcg(&m, 5).value, 0.25177825608, 1e-9);
    assert_near(metrics_ndcg(&m, 10).value, 0.25177825608 + 0.03562071871 + 0.0289064826,
                1e-9);
    assert_near(metrics_mrr(&m, 5).value, (1 + 1 / 2.0 + 1 / 3.0 + 1 / 5.0) / 10, 1e-12);
    assert_near(
        metrics_mrr(&m, 20).value,
        (1 + 1 / 2.0 + 1 / 3.0 + 1 / 5.0 + 1 / 6.0 + 1 / 10.0 + 1 / 11.0 + 1 / 20.0) / 10,
        1e-12);
    metrics_release(&m);
}

static void test_metrics__rank_at_the_cut_is_outside(void **state)
{
    (void)state;
    const uint32_t in = 9, out = 10;
    struct metrics a = of(&in, 1), b = of(&out, 1);
    assert_near(metrics_hr(&a, 10).value, 1, 0);
    assert_near(metrics_hr(&b, 10).value, 0, 0);
    assert_near(metrics_ndcg(&a, 10).value, 1 / log2(11), 1e-12);
    assert_near(metrics_ndcg(&b, 10).value, 0, 0);
    assert_near(metrics_mrr(&b, 10).value, 0, 0);
    metrics_release(&a);
    metrics_release(&b);
}

/* Wilson's interval of 10 of 100 is a textbook number: [0.0552, 0.1744]. */
static void test_metrics__hit_rate_has_wilsons_interval(void **state)
{
    (void)state;
    uint32_t rank[100];
    for (int i = 0; i < 100; i++)
        rank[i] = i < 10 ? 3 : 30;
    struct metrics m = of(rank, 100);
    const struct penchant_metric hr = metrics_hr(&m, 10);
    assert_near(hr.low, 0.05522914, 1e-6);
    assert_near(hr.high, 0.17436566, 1e-6);
    metrics_release(&m);
    struct metrics none = of(rank + 10, 90);
    const struct penchant_metric zero = metrics_hr(&none, 10);
    assert_near(zero.low, 0, 1e-12);
    assert_near(zero.high, 3.8414588 / (90 + 3.8414588), 1e-6);
    metrics_release(&none);
}

static void test_metrics__mean_interval_is_the_normal_one(void **state)
{
    (void)state;
    const uint32_t rank[] = {0, 0, 1, 30}; /* MRR values 1, 1, 1/2, 0 */
    struct metrics m = of(rank, 4);
    const double mean = 0.625;
    const double s2 =
        (2 * (1 - mean) * (1 - mean) + (0.5 - mean) * (0.5 - mean) + mean * mean) / 3;
    const struct penchant_metric mrr = metrics_mrr(&m, 10);
    assert_near(mrr.value, mean, 1e-12);
    assert_near(mrr.low, mean - 1.959963984540054 * sqrt(s2 / 4), 1e-9);
    assert_near(mrr.high, 1, 1e-12); /* cut off at what is possible */
    metrics_release(&m);
}

static void test_metrics__without_cases_nothing_is_known(void **state)
{
    (void)state;
    struct metrics m;
    metrics_init(&m);
    for (int kind = METRICS_HR; kind <= METRICS_MRR; kind++) {
        const struct penchant_metric v = metrics_of(&m, (enum metrics_kind)kind, 10);
        assert_near(v.value, 0, 0);
        assert_near(v.low, 0, 0);
        assert_near(v.high, 1, 0);
    }
    metrics_release(&m);
}

/* A hundred sessions of ten equal cases say as much as a hundred cases. */
static void test_metrics__cases_of_one_session_do_not_narrow(void **state)
{
    (void)state;
    struct metrics many, few;
    metrics_init(&many);
    metrics_init(&few);
    for (uint32_t s = 0; s < 100; s++) {
        const uint32_t rank = s % 4 == 0 ? s % 8 : 50;
        metrics_add(&few, rank);
        metrics_add(&many, rank);
        for (int i = 1; i < 10; i++)
            metrics_add_again(&many, rank);
    }
    assert_int_equal(many.n, 1000);
    const struct penchant_metric a = metrics_ndcg(&many, 10), b = metrics_ndcg(&few, 10);
    assert_near(a.value, b.value, 1e-12);
    assert_near(a.low, b.low, 1e-9);
    assert_near(a.high, b.high, 1e-9);
    const struct penchant_metric h = metrics_hr(&many, 10), g = metrics_hr(&few, 10);
    assert_near(h.low, g.low, 1e-3); /* n - 1 against n */
    assert_near(h.high, g.high, 1e-3);
    metrics_release(&many);
    metrics_release(&few);
}

static void test_metrics__differences_are_paired(void **state)
{
    (void)state;
    uint32_t a[200], b[200];
    struct rng rng;
    rng_init(&rng, 7, 0);
    for (int i = 0; i < 200; i++) {
        b[i] = rng_below(&rng, 25);
        a[i] = i % 4 == 0 && b[i] > 0 ? b[i] - 1 : b[i]; /* a little better, surely */
    }
    struct metrics ma = of(a, 200), mb = of(b, 200);
    const struct penchant_metric d = metrics_difference(&ma, &mb, METRICS_NDCG, 20);
    assert_near(d.value, metrics_ndcg(&ma, 20).value - metrics_ndcg(&mb, 20).value,
                1e-12);
    assert_true(d.low > 0);
    assert_true(metrics_ndcg(&ma, 20).low <
                metrics_ndcg(&mb, 20).value); /* unpaired: unsure */
    const struct penchant_metric same = metrics_difference(&ma, &ma, METRICS_HR, 10);
    assert_near(same.value, 0, 0);
    assert_near(same.low, 0, 0);
    assert_near(same.high, 0, 0);
    mb.n--;
    assert_near(metrics_difference(&ma, &mb, METRICS_HR, 10).low, -1, 0);
    metrics_release(&ma);
    metrics_release(&mb);
}

/* In repeated draws from a known rate the interval holds it about 95 times of 100. */
static void test_metrics__intervals_cover(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 3, 0);
    const double truth = 0.5 * (1 + 1 / log2(3)) / 2; /* half miss, else rank 0 or 1 */
    int held = 0, held_hr = 0;
    for (int trial = 0; trial < 1000; trial++) {
        struct metrics m;
        metrics_init(&m);
        for (int i = 0; i < 150; i++)
            metrics_add(&m, rng_below(&rng, 2) ? rng_below(&rng, 2) : METRICS_MISS);
        const struct penchant_metric v = metrics_ndcg(&m, 10), h = metrics_hr(&m, 10);
        held += v.low <= truth && truth <= v.high;
        held_hr += h.low <= 0.5 && 0.5 <= h.high;
        metrics_release(&m);
    }
    assert_in_range(held, 930, 970);
    assert_in_range(held_hr, 930, 970);
}

static void test_metrics__quality_holds_all_cuts(void **state)
{
    (void)state;
    const uint32_t rank[] = {4, 9, 19, 25};
    struct metrics m = of(rank, 4);
    struct penchant_quality q;
    metrics_quality(&m, "model", &q);
    assert_string_equal(q.name, "model");
    assert_near(q.hr[0].value, 0.25, 0);
    assert_near(q.hr[1].value, 0.5, 0);
    assert_near(q.hr[2].value, 0.75, 0);
    assert_near(q.ndcg[1].value, metrics_ndcg(&m, 10).value, 0);
    assert_near(q.mrr[2].value, metrics_mrr(&m, 20).value, 0);
    metrics_release(&m);
}

static void test_metrics__equal_scores_rank_against(void **state)
{
    (void)state;
    const float equal[] = {1, 1, 1, 1, 1};
    for (uint32_t t = 0; t < 5; t++)
        assert_int_equal(metrics_rank(equal, 5, t, NULL, 0), 4);
    const float score[] = {0.5F, 2, 1, 1, -1};
    assert_int_equal(metrics_rank(score, 5, 1, NULL, 0), 0);
    assert_int_equal(metrics_rank(score, 5, 2, NULL, 0), 2);
    assert_int_equal(metrics_rank(score, 5, 3, NULL, 0), 2);
    assert_int_equal(metrics_rank(score, 5, 4, NULL, 0), 4);
    const uint32_t skip[] = {3, 0};
    assert_int_equal(metrics_rank(score, 5, 2, skip, 1), 1);
    assert_int_equal(metrics_rank(score, 5, 4, skip, 2), 2);
}

static void test_metrics__nan_ranks_against(void **state)
{
    (void)state;
    const float score[] = {NAN, 2, NAN, 1};
    assert_int_equal(metrics_rank(score, 4, 1, NULL, 0), 2);
    assert_int_equal(metrics_rank(score, 4, 0, NULL, 0), 3);
    const uint32_t skip[] = {2};
    assert_int_equal(metrics_rank(score, 4, 1, skip, 1), 1);
    assert_int_equal(metrics_rank(score, 4, 0, skip, 1), 2);
}

static void test_metrics__targets_that_cannot_be_listed_are_misses(void **state)
{
    (void)state;
    const float score[] = {3, 2, 1};
    const uint32_t skip[] = {0, 1, 7};
    assert_true(metrics_rank(score, 3, 3, NULL, 0) == METRICS_MISS);
    assert_true(metrics_rank(score, 3, 1, skip, 2) == METRICS_MISS);
    assert_int_equal(metrics_rank(score, 3, 2, skip, 3), 0);
}

static void test_metrics__rank_equals_brute_force(void **state)
{
    (void)state;
    enum { N = 67 };
    struct rng rng;
    rng_init(&rng, 11, 0);
    for (int trial = 0; trial < 500; trial++) {
        float score[N];
        uint32_t skip[N], n_skip = 0, expected = 0;
        bool skipped[N] = {false};
        for (int i = 0; i < N; i++)
            score[i] = (float)rng_below(&rng, 12);
        const uint32_t target = rng_below(&rng, N);
        for (uint32_t i = 0; i < N; i++)
            if (i != target && rng_below(&rng, 3) == 0) {
                skip[n_skip++] = i;
                skipped[i] = true;
            }
        for (uint32_t i = 0; i < N; i++)
            if (i != target && !skipped[i] && score[i] >= score[target])
                expected++;
        assert_int_equal(metrics_rank(score, N, target, skip, n_skip), expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics__values_are_those_of_the_formulas),
        cmocka_unit_test(test_metrics__rank_at_the_cut_is_outside),
        cmocka_unit_test(test_metrics__hit_rate_has_wilsons_interval),
        cmocka_unit_test(test_metrics__mean_interval_is_the_normal_one),
        cmocka_unit_test(test_metrics__without_cases_nothing_is_known),
        cmocka_unit_test(test_metrics__cases_of_one_session_do_not_narrow),
        cmocka_unit_test(test_metrics__differences_are_paired),
        cmocka_unit_test(test_metrics__intervals_cover),
        cmocka_unit_test(test_metrics__quality_holds_all_cuts),
        cmocka_unit_test(test_metrics__equal_scores_rank_against),
        cmocka_unit_test(test_metrics__nan_ranks_against),
        cmocka_unit_test(test_metrics__targets_that_cannot_be_listed_are_misses),
        cmocka_unit_test(test_metrics__rank_equals_brute_force),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}

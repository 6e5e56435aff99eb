/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exploration: what is drawn has the propensities that are told, by a chi-square test over
 * a million lists; they are those of the formula, computed here by hand; limits; numbers
 * that are hard on floating point.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/explore.h"

enum { DRAWS = 1000000 };

#define ok(call) assert_int_equal((call), PENCHANT_OK)

static void near(double got, double want, double relative)
{
    if (!(fabs(got - want) <= relative * fabs(want)))
        fail_msg("got %.17g, want %.17g", got, want);
}

/* ---- frequencies against propensities ---- */

static double product(const double *p, uint32_t k)
{
    double all = 1;
    for (uint32_t j = 0; j < k; j++)
        all *= p[j];
    return all;
}

/* All lists of 3 of 5, by slot[0] * 25 + slot[1] * 5 + slot[2]. */
enum { ITEMS = 5, SLOTS = 3, CODES = ITEMS * ITEMS * ITEMS };

static uint32_t code_of(const uint32_t *slot)
{
    return slot[0] * 25 + slot[1] * 5 + slot[2];
}

/* The propensity of every list, which must add up to 1; returns how many are possible. */
static uint32_t all_propensities(const struct explore_options *o,
                                 const struct explore_candidates *c, double *of_code)
{
    uint32_t possible = 0;
    double sum = 0;
    memset(of_code, 0, CODES * sizeof *of_code);
    for (uint32_t a = 0; a < ITEMS; a++)
        for (uint32_t b = 0; b < ITEMS; b++)
            for (uint32_t d = 0; d < ITEMS; d++) {
                const uint32_t slot[SLOTS] = {a, b, d};
                double p[SLOTS];
                if (a == b || a == d || b == d)
                    continue;
                ok(explore_propensities(o, c, slot, SLOTS, p));
                of_code[code_of(slot)] = product(p, SLOTS);
                sum += product(p, SLOTS);
                possible += product(p, SLOTS) > 0;
            }
    near(sum, 1, 1e-12);
    return possible;
}

/* Pearson's statistic of DRAWS lists, and that the propensities told with every draw are
   those that the list has when it is given. */
static double chi_square(const struct explore_options *o,
                         const struct explore_candidates *c, uint64_t seed,
                         uint32_t *possible)
{
    double of_code[CODES], chi = 0;
    uint32_t *count = calloc(CODES, sizeof *count);
    struct rng r;
    rng_init(&r, seed, 0);
    *possible = all_propensities(o, c, of_code);
    for (uint32_t i = 0; i < DRAWS; i++) {
        uint32_t slot[SLOTS];
        double p[SLOTS];
        ok(explore_draw(o, c, SLOTS, &r, slot, p));
        assert_true(product(p, SLOTS) == of_code[code_of(slot)]);
        count[code_of(slot)]++;
    }
    for (uint32_t i = 0; i < CODES; i++) {
        const double want = of_code[i] * DRAWS;
        if (want > 0)
            chi += (count[i] - want) * (count[i] - want) / want;
        else
            assert_int_equal(count[i], 0);
    }
    free(count);
    return chi;
}

/* Within four standard deviations of a chi-square's mean (Wilson-Hilferty). */
static void fits(double chi, uint32_t possible)
{
    const double f = possible - 1.0;
    const double z = (cbrt(chi / f) - (1 - 2 / (9 * f))) / sqrt(2 / (9 * f));
    if (!(fabs(z) < 4))
        fail_msg("chi-square %.1f at %.0f degrees of freedom", chi, f);
}

static const double scores[ITEMS] = {0.3, -0.5, 1.1, 0.3, 0.0};
static const double unsure[ITEMS] = {0.1, 1.5, 0.2, 0.0, 0.9};
static const struct explore_candidates five = {scores, unsure, ITEMS};

static void frequencies_fit(const struct explore_options *o, uint64_t seed)
{
    uint32_t possible;
    const double chi = chi_square(o, &five, seed, &possible);
    assert_int_equal(possible, 60);
    fits(chi, possible);
}

static void test_explore__frequencies_are_the_propensities(void **state)
{
    (void)state;
    frequencies_fit(&(struct explore_options){1, 0.8, 0, 0.1}, 1);
}

static void test_explore__frequencies_with_uncertainty(void **state)
{
    (void)state;
    frequencies_fit(&(struct explore_options){1, 1.5, 0.7, 0.02}, 2);
}

static void test_explore__frequencies_where_only_a_share_is_drawn(void **state)
{
    (void)state;
    frequencies_fit(&(struct explore_options){0.3, 1, 0.2, 0.05}, 3);
}

static void test_explore__frequencies_of_the_ranking_with_a_floor(void **state)
{
    (void)state;
    frequencies_fit(&(struct explore_options){1, 0, 0, 0.4}, 4);
}

/* ---- the formula ---- */

static void test_explore__propensities_are_those_of_the_formula(void **state)
{
    (void)state;
    const struct explore_options o = {1, 0.5, 2, 0.25};
    const uint32_t slot[] = {4, 2, 1, 0, 3};
    double p[ITEMS], w[ITEMS], sum = 0;
    ok(explore_propensities(&o, &five, slot, ITEMS, p));
    for (uint32_t i = 0; i < ITEMS; i++)
        sum += w[i] = exp(scores[i] / 0.5 + 2 * unsure[i]);
    for (uint32_t j = 0; j < ITEMS; j++) {
        near(p[j], 0.75 * w[slot[j]] / sum + 0.25 / (ITEMS - j), 1e-12);
        sum -= w[slot[j]];
    }
    near(p[ITEMS - 1], 1, 1e-12);
}

static void test_explore__a_share_is_told_as_the_mixture(void **state)
{
    (void)state;
    const struct explore_options all = {1, 1, 0, 0.1}, some = {0.2, 1, 0, 0.1};
    const uint32_t ranking[] = {2, 0, 3, 4, 1}, other[] = {2, 0, 1, 3, 4};
    double drawn[ITEMS], p[ITEMS];
    ok(explore_propensities(&all, &five, ranking, ITEMS, drawn));
    ok(explore_propensities(&some, &five, ranking, ITEMS, p));
    near(p[0], 0.2 * drawn[0] + 0.8, 1e-14);
    near(product(p, ITEMS), 0.2 * product(drawn, ITEMS) + 0.8, 1e-14);
    ok(explore_propensities(&all, &five, other, ITEMS, drawn));
    ok(explore_propensities(&some, &five, other, ITEMS, p));
    near(product(p, ITEMS), 0.2 * product(drawn, ITEMS), 1e-13);
    near(p[3], drawn[3], 1e-13); /* by then it is known to be drawn */
}

static void test_explore__the_normaliser_tells_the_first_softmax(void **state)
{
    (void)state;
    const struct explore_options o = {1, 0.7, 1.3, 0};
    const double z = explore_log_normaliser(&o, &five);
    for (uint32_t i = 0; i < ITEMS; i++) {
        double p;
        ok(explore_propensities(&o, &five, &i, 1, &p));
        near(p, exp(scores[i] / 0.7 + 1.3 * unsure[i] - z), 1e-12);
    }
    assert_true(isnan(explore_log_normaliser(&(struct explore_options){0}, &five)));
}

/* ---- limits ---- */

static void is_ranking(const struct explore_options *o, double p_least)
{
    static const uint32_t ranking[ITEMS] = {2, 0, 3, 4, 1}; /* of equal ones the first */
    struct rng r;
    rng_init(&r, 5, 0);
    for (int again = 0; again < 50; again++) {
        uint32_t slot[ITEMS];
        double p[ITEMS];
        ok(explore_draw(o, &five, ITEMS, &r, slot, p));
        for (uint32_t j = 0; j < ITEMS; j++)
            assert_int_equal(slot[j], ranking[j]);
        assert_true(product(p, ITEMS) >= p_least && p[0] <= 1);
    }
}

static void test_explore__without_temperature_or_share_it_is_the_ranking(void **state)
{
    (void)state;
    is_ranking(&(struct explore_options){1, 0, 3, 0}, 1);
    is_ranking(&(struct explore_options){0, 1, 3, 0.5}, 1);
}

/* Scores without ties: as the temperature falls the ranking becomes certain. */
static void test_explore__a_falling_temperature_goes_to_the_ranking(void **state)
{
    (void)state;
    static const double score[] = {0.5, 0.9, -2, 0.7};
    static const uint32_t ranking[] = {1, 3, 0, 2};
    const struct explore_candidates c = {score, unsure, 4};
    double before = 0;
    for (double t = 1; t > 1e-4; t /= 4) {
        const struct explore_options o = {1, t, 0.5, 0};
        double p[4];
        ok(explore_propensities(&o, &c, ranking, 4, p));
        assert_true(product(p, 4) >= before);
        before = product(p, 4);
    }
    near(before, 1, 1e-12);
    double exact[4];
    ok(explore_propensities(&(struct explore_options){1, 0, 0.5, 0}, &c, ranking, 4,
                            exact));
    near(product(exact, 4), 1, 0);
}

static void test_explore__all_epsilon_is_uniform(void **state)
{
    (void)state;
    const uint32_t slot[] = {1, 2, 0};
    double p[3];
    ok(explore_propensities(&(struct explore_options){1, 1, 1, 1}, &five, slot, 3, p));
    for (uint32_t j = 0; j < 3; j++)
        near(p[j], 1.0 / (5 - j), 1e-15);
}

static void test_explore__kappa_draws_what_is_unsure(void **state)
{
    (void)state;
    const uint32_t unsure_one = 1;
    double before = 0;
    for (double kappa = 0; kappa < 6; kappa += 1) {
        double p;
        ok(explore_propensities(&(struct explore_options){1, 1, kappa, 0}, &five,
                                &unsure_one, 1, &p));
        assert_true(p > before);
        before = p;
    }
}

/* ---- what is hard on floating point ---- */

static void test_explore__far_apart_scores_keep_their_floor(void **state)
{
    (void)state;
    enum { N = 1000, K = 40 };
    double *score = calloc(N, sizeof *score);
    uint32_t slot[K];
    double p[K];
    for (uint32_t i = 0; i < N; i++)
        score[i] = (i % 2 ? 1e300 : -1e300) / (1 + i / 100);
    const struct explore_candidates c = {score, NULL, N};
    const struct explore_options o = {1, 1e-6, 0, 0.02};
    struct rng r;
    rng_init(&r, 6, 0);
    for (int again = 0; again < 200; again++) {
        ok(explore_draw(&o, &c, K, &r, slot, p));
        for (uint32_t j = 0; j < K; j++) {
            assert_true(p[j] >= 0.02 / N && p[j] <= 1);
            for (uint32_t l = 0; l < j; l++)
                assert_int_not_equal(slot[j], slot[l]);
        }
    }
    free(score);
}

/* Each item is e^50 times as likely as all after it: of what is left the best is nearly
   certain, however small it was at first. */
static void test_explore__small_ones_count_when_the_large_are_taken(void **state)
{
    (void)state;
    enum { N = 100 };
    double score[N], p[N];
    uint32_t slot[N];
    for (uint32_t i = 0; i < N; i++) {
        slot[i] = i;
        score[i] = 50.0 * (N - i) + 1e5;
    }
    const struct explore_candidates c = {score, NULL, N};
    ok(explore_propensities(&(struct explore_options){1, 1, 0, 0}, &c, slot, N, p));
    for (uint32_t j = 0; j < N; j++)
        near(p[j], 1, 1e-15);
    for (uint32_t j = 0; j + 2 < N; j++) {
        slot[j] = j + 1;
        slot[j + 1] = j;
        ok(explore_propensities(&(struct explore_options){1, 1, 0, 0}, &c, slot, N, p));
        near(p[j], exp(-50), 1e-12);
        slot[j] = j;
        slot[j + 1] = j + 1;
    }
}

static void test_explore__fewer_candidates_than_slots(void **state)
{
    (void)state;
    const struct explore_candidates none = {NULL, NULL, 0};
    struct rng r;
    uint32_t slot[ITEMS + 2] = {[ITEMS] = 77};
    double p[ITEMS + 2];
    rng_init(&r, 7, 0);
    ok(explore_draw(&(struct explore_options){1, 1, 0, 0}, &none, 3, &r, slot, p));
    ok(explore_draw(&(struct explore_options){1, 1, 0, 0}, &five, 7, &r, slot, p));
    uint32_t seen = 0;
    for (uint32_t j = 0; j < ITEMS; j++)
        seen |= 1U << slot[j];
    assert_int_equal(seen, 31);
    assert_int_equal(slot[ITEMS], 77);
}

static void test_explore__the_same_seed_gives_the_same_lists(void **state)
{
    (void)state;
    const struct explore_options o = {0.7, 1, 0.5, 0.1};
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct rng a, b;
        uint32_t slot[2][SLOTS];
        double p[2][SLOTS];
        rng_init(&a, seed, 3);
        rng_init(&b, seed, 3);
        ok(explore_draw(&o, &five, SLOTS, &a, slot[0], p[0]));
        ok(explore_draw(&o, &five, SLOTS, &b, slot[1], p[1]));
        assert_memory_equal(slot[0], slot[1], sizeof slot[0]);
        assert_memory_equal(p[0], p[1], sizeof p[0]);
    }
}

static void test_explore__bad_options_are_named(void **state)
{
    (void)state;
    static const struct {
        struct explore_options o;
        const char *field;
    } bad[] = {
        {{-0.1, 1, 0, 0}, "explore"},
        {{1.1, 1, 0, 0}, "explore"},
        {{NAN, 1, 0, 0}, "explore"},
        {{1, -1, 0, 0}, "temperature"},
        {{1, INFINITY, 0, 0}, "temperature"},
        {{1, NAN, 0, 0}, "temperature"},
        {{1, 1, -1, 0}, "kappa"},
        {{1, 1, 0, 1.5}, "epsilon"},
        {{1, 1, 0, NAN}, "epsilon"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct penchant_error err = {0};
        assert_int_equal(explore_check(&bad[i].o, &err), PENCHANT_EINVALID);
        assert_string_equal(err.field, bad[i].field);
    }
    ok(explore_check(&(struct explore_options){1, 0, 0, 1}, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_explore__frequencies_are_the_propensities),
        cmocka_unit_test(test_explore__frequencies_with_uncertainty),
        cmocka_unit_test(test_explore__frequencies_where_only_a_share_is_drawn),
        cmocka_unit_test(test_explore__frequencies_of_the_ranking_with_a_floor),
        cmocka_unit_test(test_explore__propensities_are_those_of_the_formula),
        cmocka_unit_test(test_explore__a_share_is_told_as_the_mixture),
        cmocka_unit_test(test_explore__the_normaliser_tells_the_first_softmax),
        cmocka_unit_test(test_explore__without_temperature_or_share_it_is_the_ranking),
        cmocka_unit_test(test_explore__a_falling_temperature_goes_to_the_ranking),
        cmocka_unit_test(test_explore__all_epsilon_is_uniform),
        cmocka_unit_test(test_explore__kappa_draws_what_is_unsure),
        cmocka_unit_test(test_explore__far_apart_scores_keep_their_floor),
        cmocka_unit_test(test_explore__small_ones_count_when_the_large_are_taken),
        cmocka_unit_test(test_explore__fewer_candidates_than_slots),
        cmocka_unit_test(test_explore__the_same_seed_gives_the_same_lists),
        cmocka_unit_test(test_explore__bad_options_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

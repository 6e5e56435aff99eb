/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The slate of greatest value: against looking at every list of small random sets, with
 * ties, values of both signs, positions that are not equally well seen, fewer candidates
 * than slots; and that the value of "no click" decides what it must.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/status.h"
#include "policy/slate.h"

enum { MOST_N = 7, MOST_K = 5, TRIALS = 3000 };

#define ok(call) assert_int_equal((call), PENCHANT_OK)

/* ---- every list ---- */

struct search {
    const struct slate_candidates *c;
    uint32_t k, slot[MOST_K + 1];
    double best;
};

/* The value written out once more, so that it does not judge itself. */
static double value_by_hand(const struct search *s)
{
    double p_none = s->c->null_attraction, total = p_none, value = 0;
    for (uint32_t j = 0; j < s->k; j++)
        total += (s->c->examination ? s->c->examination[j] : 1.0) *
                 s->c->attraction[s->slot[j]];
    if (total <= 0)
        return s->c->null_value;
    for (uint32_t j = 0; j < s->k; j++)
        value += (s->c->examination ? s->c->examination[j] : 1.0) *
                 s->c->attraction[s->slot[j]] / total * s->c->value[s->slot[j]];
    return value + p_none / total * s->c->null_value;
}

static void look_at_all(struct search *s, uint32_t j, uint32_t used)
{
    if (j >= s->k || j > MOST_K) {
        s->best = fmax(s->best, value_by_hand(s));
        return;
    }
    for (uint32_t i = 0; i < s->c->n; i++)
        if (!(used >> i & 1)) {
            s->slot[j] = i;
            look_at_all(s, j + 1, used | 1U << i);
        }
}

struct problem {
    double attraction[MOST_N], value[MOST_N], examination[MOST_K];
    struct slate_candidates c;
    uint32_t k;
};

/* Coarse numbers, so that there are ties and zeros. */
static double coarse(struct rng *r, double low, double high)
{
    return low + (high - low) * rng_below(r, 5) / 4;
}

static void make(struct problem *p, struct rng *r, bool ties)
{
    p->c = (struct slate_candidates){
        .attraction = p->attraction, .value = p->value, .n = 1 + rng_below(r, MOST_N)};
    p->k = 1 + rng_below(r, MOST_K);
    for (uint32_t i = 0; i < p->c.n; i++) {
        p->attraction[i] = ties ? coarse(r, 0, 2) : 3 * rng_double(r);
        p->value[i] = ties ? coarse(r, -2, 2) : 4 * rng_double(r) - 2;
    }
    for (uint32_t j = 0; j < p->k; j++)
        p->examination[j] = ties ? coarse(r, 0, 1) : rng_double(r);
    p->c.examination = rng_below(r, 2) ? p->examination : NULL;
    p->c.null_attraction = ties ? coarse(r, 0, 2) : 2 * rng_double(r);
    p->c.null_value = ties ? coarse(r, -2, 2) : 4 * rng_double(r) - 2;
}

/* The list that is chosen is one, and no list is better. */
static void is_best(const struct problem *p)
{
    const uint32_t k = p->k < p->c.n ? p->k : p->c.n;
    struct search s = {.c = &p->c, .k = k, .best = -INFINITY};
    uint32_t slot[MOST_K], used = 0;
    struct slate_best out;
    look_at_all(&s, 0, 0);
    ok(slate_choose(&p->c, p->k, slot, &out));
    for (uint32_t j = 0; j < k; j++) {
        assert_true(slot[j] < p->c.n && !(used >> slot[j] & 1));
        used |= 1U << slot[j];
        s.slot[j] = slot[j];
    }
    if (!(fabs(value_by_hand(&s) - s.best) < 1e-12))
        fail_msg("value %.17g, best %.17g", value_by_hand(&s), s.best);
    assert_true(fabs(out.value - s.best) < 1e-12);
    assert_true(fabs(slate_value(&p->c, slot, k) - s.best) < 1e-12);
    assert_in_range(out.steps, 1, 8);
}

static void test_slate__no_list_is_better(void **state)
{
    struct rng r;
    struct problem p;
    (void)state;
    rng_init(&r, 1, 0);
    for (int i = 0; i < TRIALS; i++) {
        make(&p, &r, false);
        is_best(&p);
    }
}

static void test_slate__no_list_is_better_among_ties_and_zeros(void **state)
{
    struct rng r;
    struct problem p;
    (void)state;
    rng_init(&r, 2, 0);
    for (int i = 0; i < TRIALS; i++) {
        make(&p, &r, true);
        is_best(&p);
    }
}

static void test_slate__all_values_may_be_negative(void **state)
{
    struct rng r;
    struct problem p;
    (void)state;
    rng_init(&r, 3, 0);
    for (int i = 0; i < TRIALS / 3; i++) {
        make(&p, &r, i % 2);
        for (uint32_t j = 0; j < p.c.n; j++)
            p.value[j] -= 3;
        p.c.null_value = -1;
        is_best(&p);
    }
}

/* ---- what it is for ---- */

/* Item 0 is clicked most and leads to less than no click does. */
static void test_slate__what_lures_is_left_out_for_the_value_of_no_click(void **state)
{
    (void)state;
    static const double attraction[] = {5, 1, 1}, value[] = {1, 3, 2.5};
    struct slate_candidates c = {attraction, value, NULL, 1, 2, 3};
    uint32_t slot[2];
    ok(slate_choose(&c, 2, slot, NULL));
    assert_int_equal(slot[0], 1);
    assert_int_equal(slot[1], 2);
    c.null_value =
        0; /* when most would go and that is worth nothing, it is worth having */
    c.null_attraction = 10;
    ok(slate_choose(&c, 2, slot, NULL));
    assert_true(slot[0] == 0 || slot[1] == 0);
}

static void test_slate__the_best_seen_place_gets_what_gains_most(void **state)
{
    (void)state;
    static const double attraction[] = {1, 1, 1}, value[] = {1, 3, 2};
    static const double examination[] = {0.2, 1, 0.5};
    const struct slate_candidates c = {attraction, value, examination, 1, 0, 3};
    uint32_t slot[3];
    ok(slate_choose(&c, 3, slot, NULL));
    assert_int_equal(slot[1], 1);
    assert_int_equal(slot[2], 2);
    assert_int_equal(slot[0], 0);
}

static void test_slate__few_steps_for_many_candidates(void **state)
{
    enum { N = 1000, K = 10 };
    (void)state;
    static double attraction[N], value[N];
    struct rng r;
    rng_init(&r, 4, 0);
    for (int again = 0; again < 20; again++) {
        struct slate_best out;
        uint32_t slot[K];
        for (uint32_t i = 0; i < N; i++) {
            attraction[i] = exp(rng_normal(&r));
            value[i] = rng_normal(&r);
        }
        const struct slate_candidates c = {attraction, value, NULL, 2, 0.5, N};
        ok(slate_choose(&c, K, slot, &out));
        assert_in_range(out.steps, 2, 6);
        /* No single exchange makes it better. */
        for (uint32_t j = 0; j < K; j++) {
            const uint32_t kept = slot[j];
            for (uint32_t i = 0; i < N; i++) {
                bool shown = false;
                for (uint32_t l = 0; l < K; l++)
                    shown |= slot[l] == i;
                slot[j] = i;
                assert_true(shown || slate_value(&c, slot, K) <= out.value + 1e-12);
                slot[j] = kept;
            }
        }
    }
}

static void test_slate__no_candidate_no_list(void **state)
{
    (void)state;
    const struct slate_candidates c = {.null_value = 7};
    struct slate_best out;
    uint32_t slot = 99;
    ok(slate_choose(&c, 3, &slot, &out));
    assert_int_equal(slot, 99);
    assert_true(out.value == 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slate__no_list_is_better),
        cmocka_unit_test(test_slate__no_list_is_better_among_ties_and_zeros),
        cmocka_unit_test(test_slate__all_values_may_be_negative),
        cmocka_unit_test(test_slate__what_lures_is_left_out_for_the_value_of_no_click),
        cmocka_unit_test(test_slate__the_best_seen_place_gets_what_gains_most),
        cmocka_unit_test(test_slate__few_steps_for_many_candidates),
        cmocka_unit_test(test_slate__no_candidate_no_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What is learned within a session: taste, presence, what is had enough of, vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "learn/organic.h"
#include "learn/taste.h"
#include "near.h"
#include "policy/presence.h"
#include "policy/saturation.h"

/* ---- taste ------------------------------------------------------------------------ */

enum { D = 4, K = 5 };

/* Slates of random items; clicked is what points along `likes`. */
static void show(struct taste *t, const double *likes, int slates, struct rng *r)
{
    for (int s = 0; s < slates; s++) {
        float x[K * (D + 1)], y[K];
        double offset[K] = {0}, seen[K];
        for (int j = 0; j < K; j++) {
            double z = -1;
            for (int i = 0; i < D; i++) {
                x[j * (D + 1) + i] = rng_normal(r);
                z += 3 * likes[i] * (double)x[j * (D + 1) + i];
            }
            x[j * (D + 1) + D] = 1;
            seen[j] = 1;
            y[j] = rng_double(r) < 1 / (1 + exp(-z));
        }
        taste_observe(
            t, &(struct taste_slate){
                   .x = x, .offset = offset, .seen = seen, .y = y, .weight = 1, .n = K});
    }
}

static double along(const struct taste *t, const double *likes)
{
    struct taste_mix m;
    double w = 0, norm = 0;
    taste_mix(&m, t);
    for (int i = 0; i < D; i++) {
        w += m.mean[i] * likes[i];
        norm += m.mean[i] * m.mean[i];
    }
    return w / sqrt(norm);
}

static void test_taste__is_found_and_a_change_is_followed(void **state)
{
    (void)state;
    const double first[D] = {1, 0, 0, 0}, second[D] = {0, 0, -1, 0};
    struct taste_population p;
    struct taste t;
    struct rng r;
    rng_init(&r, 1, 0);
    assert_int_equal(taste_population_init(&p, D), 0);
    assert_int_equal(taste_init(&t, &p), 0);
    show(&t, first, 30, &r);
    assert_true(along(&t, first) > .9);
    show(&t, second, 12, &r);
    assert_true(along(&t, second) > .5);
    taste_release(&t);
    taste_population_release(&p);
}

static void test_taste__newcomers_begin_at_what_the_population_likes(void **state)
{
    (void)state;
    const double likes[D] = {0, 1, 0, 0};
    struct taste_population p;
    struct taste t;
    struct taste_mix m;
    struct rng r;
    rng_init(&r, 2, 0);
    assert_int_equal(taste_population_init(&p, D), 0);
    assert_int_equal(taste_init(&t, &p), 0);
    taste_close(&p, &t);
    assert_int_equal(p.sessions, 0); /* nothing was seen of this one */
    for (int session = 0; session < 30; session++) {
        taste_clear(&t);
        show(&t, likes, 20, &r);
        taste_close(&p, &t);
    }
    assert_int_equal(p.sessions, 30);
    taste_clear(&t);
    assert_true(along(&t, likes) > .95);
    /* All are alike along it and across: little doubt is left, but some. */
    taste_mix(&m, &t);
    const float across[D + 1] = {1, 0, 0, 0, 0};
    assert_true(taste_mix_variance(&m, across) < 8);
    assert_true(taste_mix_variance(&m, across) > .01);
    taste_release(&t);
    taste_population_release(&p);
}

/* ---- presence --------------------------------------------------------------------- */

static double list(struct presence *a, struct presence_user *u, double chance, int click,
                   uint32_t saturation, uint32_t after, bool *changed)
{
    const double chances[3] = {chance, chance, chance}, looked[3] = {1, .8, .6};
    const float reward[3] = {click ? 1.f : 0.f, click ? 1.f : 0.f, 0};
    return presence_observe(a, u,
                            &(struct presence_list){.chance = chances,
                                                    .looked = looked,
                                                    .reward = reward,
                                                    .n = 3,
                                                    .saturation = saturation,
                                                    .after = after},
                            true, changed);
}

/* People of whom nothing is known click one list in five. */
static void newcomers(struct presence *a)
{
    bool changed;
    for (int i = 0; i < 20; i++) {
        struct presence_user u = {0};
        for (int j = 0; j < 5; j++)
            list(a, &u, .15, j == 2, 0, 0, &changed);
    }
}

/* Whoever had 6 alike clicks is away for four lists. */
static void bore(struct presence *a, struct presence_user *u)
{
    bool changed;
    for (int i = 0; i < 6; i++)
        list(a, u, .8, 1, 2, i < 5 ? 2 : 6, &changed);
    for (int i = 0; i < 4; i++)
        list(a, u, .8, 0, 6, i < 3 ? 6 : 0, &changed);
}

static void test_presence__who_is_away_is_told_from_who_is_not_pleased(void **state)
{
    (void)state;
    struct presence a;
    struct presence_user u = {0};
    bool changed;
    presence_init(&a);
    newcomers(&a);
    for (int i = 0; i < 40; i++)
        bore(&a, &u);
    assert_int_equal(a.changes, 1); /* as it began: nobody changed */
    /* It was learned where pauses begin and how long they are. */
    assert_true(a.goes[6][0] / (a.goes[6][0] + a.goes[6][1]) > .4);
    assert_true(a.goes[2][0] / (a.goes[2][0] + a.goes[2][1]) < .02);
    assert_near(a.stays[0] / (a.stays[0] + a.stays[1]), .75, .12);
    /* Not less for more, though more was never seen. */
    assert_true(presence_goes(&a, 9) >= presence_goes(&a, 6));
    assert_true(presence_goes(&a, 100) == presence_goes(&a, 9));
    /* No click after saturation teaches nothing; elsewhere it does. */
    bore(&a, &u);
    list(&a, &u, .8, 1, 0, 6, &changed);
    assert_true(list(&a, &u, .8, 0, 6, 6, &changed) < .1);
    u = (struct presence_user){0};
    for (int i = 0; i < 5; i++)
        list(&a, &u, .3, 1, 2, 2, &changed);
    assert_true(list(&a, &u, .3, 0, 2, 2, &changed) > .9);
}

static void test_presence__a_change_is_called_and_once(void **state)
{
    (void)state;
    struct presence a;
    struct presence_user u = {0};
    bool changed = false;
    int calls = 0, at = -1;
    presence_init(&a);
    newcomers(&a);
    for (int i = 0; i < 20; i++)
        bore(&a, &u);
    for (int i = 0; i < 15; i++)
        list(&a, &u, .8, 1, 2, 2, &changed);
    /* From now on nothing that was liked is clicked, though they had enough of nothing. */
    for (int i = 0; i < 20; i++) {
        list(&a, &u, calls ? .1 : .8, 0, 2, 2, &changed);
        calls += changed;
        at = changed ? i : at;
    }
    assert_int_equal(calls, 1);
    assert_in_range(at, 0, 15);
    assert_int_equal(a.changes, 2);
}

/* ---- saturation ------------------------------------------------------------------- */

static void test_saturation__counts_the_recent_clicks_of_each_group(void **state)
{
    (void)state;
    struct saturation s = {0};
    const struct saturation_window w = {.clicks = 4, .slates = 3};
    uint32_t count[SATURATION_GROUPS];
    double soon[SATURATION_SOON], lasting[SATURATION_LASTING];
    saturation_slate(&s, (const uint8_t[]){1, 1, 2}, 3);
    saturation_slate(&s, NULL, 0);
    saturation_slate(&s, (const uint8_t[]){1, 3}, 2);
    saturation_counts(&s, &w, count); /* the last four: 1 2 1 3 */
    assert_int_equal(count[1], 2);
    assert_int_equal(count[2], 1);
    assert_int_equal(count[3], 1);
    saturation_soon(&s, &w, .25, soon);
    assert_near(soon[saturation_at_count(1)], 3, 0);
    assert_near(soon[saturation_at_count(2)], 1, 0);
    assert_near(soon[saturation_at_count(3)], 0, 0);
    assert_near(soon[SATURATION_AT_AWAY], .25, 0);
    saturation_slate(&s, NULL, 0); /* the first slate is now too long ago */
    saturation_counts(&s, &w, count);
    assert_int_equal(count[1], 1);
    assert_int_equal(count[2], 0);
    saturation_lasting(&s, lasting);
    assert_near(lasting[saturation_at_group(1)], 3 * SATURATION_GROUP_UNIT, 1e-12);
    assert_near(lasting[SATURATION_AT_NULLS], 2 * SATURATION_UNIT, 1e-12);
    assert_near(lasting[SATURATION_AT_STEPS], 4 * SATURATION_UNIT, 1e-12);
    assert_near(lasting[SATURATION_AT_CLICKS], 5 * SATURATION_UNIT, 1e-12);
}

static void test_saturation__remembers_a_bounded_number(void **state)
{
    (void)state;
    struct saturation s = {0};
    uint32_t count[SATURATION_GROUPS], sum = 0;
    uint8_t clicked[50];
    for (int i = 0; i < 50; i++)
        clicked[i] = (uint8_t)(i % 30); /* groups past the last one fold */
    saturation_slate(&s, clicked, 50);
    saturation_counts(&s, &(struct saturation_window){100, 100}, count);
    for (int g = 0; g < SATURATION_GROUPS; g++)
        sum += count[g];
    assert_int_equal(sum, SATURATION_RECENT);
    assert_int_equal(s.clicks, 50);
    assert_in_range(saturation_at_count(1000), 0, SATURATION_SOON - 1);
}

/* ---- vectors of what is looked at -------------------------------------------------- */

/* Two halves of a shop; each person stays in one. */
static void learn_halves(struct organic *o, uint32_t n, int people, struct rng *r)
{
    for (int p = 0; p < people; p++) {
        struct organic_user u = {0};
        for (int v = 0; v < 8; v++)
            organic_view(o, &u, rng_below(r, n / 2) + (p % 2 ? n / 2 : 0));
    }
}

static void check_halves(uint32_t n, int people)
{
    struct organic o, again;
    struct organic_user u = {0};
    struct rng r;
    float v[ORGANIC_DIM];
    rng_init(&r, 4, 0);
    assert_int_equal(organic_init(&o, n, 7), 0);
    assert_int_equal(organic_init(&again, n, 7), 0);
    learn_halves(&o, n, people, &r);
    rng_init(&r, 4, 0);
    learn_halves(&again, n, people, &r);
    assert_memory_equal(o.in, again.in, n * ORGANIC_DIM * sizeof(float));
    organic_view(&o, &u, 1);
    organic_view(&o, &u, 2);
    organic_vector(&o, &u, ORGANIC_KEEP, v);
    double own = 0, other = 0;
    for (uint32_t i = 0; i < n / 2; i++) {
        own += (double)organic_affinity(&o, v, i);
        other += (double)organic_affinity(&o, v, i + n / 2);
    }
    assert_true(own - other > n / 2.); /* e times likelier, on average */
    organic_release(&o);
    organic_release(&again);
}

static void test_organic__who_looks_at_what_is_learned(void **state)
{
    (void)state;
    check_halves(20, 400);
    check_halves(600, 6000); /* by samples */
}

static void test_organic__a_stranger_has_no_direction(void **state)
{
    (void)state;
    struct organic o;
    const struct organic_user u = {0};
    float v[ORGANIC_DIM] = {1};
    assert_int_equal(organic_init(&o, 3, 1), 0);
    organic_vector(&o, &u, ORGANIC_KEEP, v);
    for (int j = 0; j < ORGANIC_DIM; j++)
        assert_true(v[j] == 0);
    organic_release(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taste__is_found_and_a_change_is_followed),
        cmocka_unit_test(test_taste__newcomers_begin_at_what_the_population_likes),
        cmocka_unit_test(test_presence__who_is_away_is_told_from_who_is_not_pleased),
        cmocka_unit_test(test_presence__a_change_is_called_and_once),
        cmocka_unit_test(test_saturation__counts_the_recent_clicks_of_each_group),
        cmocka_unit_test(test_saturation__remembers_a_bounded_number),
        cmocka_unit_test(test_organic__who_looks_at_what_is_learned),
        cmocka_unit_test(test_organic__a_stranger_has_no_direction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The shop with latent vectors against its formulas, and its users against their chain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "near.h"

#include "lab/latent_user.h"

enum { P = 12, K = 5 };

static const struct latent_shop_options usual = {
    .products = P, .factors = K, .flips = 4, .mu_sd = 2, .omega_sd = 1, .walk_sd = .1};

static struct latent_shop open_shop(const struct latent_shop_options *o, uint64_t seed)
{
    struct latent_shop s;
    assert_int_equal(latent_shop_init(&s, o, seed), 0);
    return s;
}

static double inner(const float *row, const double *omega)
{
    double sum = 0;
    for (int i = 0; i < K; i++)
        sum += (double)row[i] * omega[i];
    return sum;
}

static bool same_row(const struct latent_shop *s, uint32_t of_beta, uint32_t of_gamma)
{
    return memcmp(s->beta + of_beta * K, s->gamma + of_gamma * K, K * sizeof(float)) ==
               0 &&
           memcmp(&s->mu_ad[of_beta], &s->mu[of_gamma], sizeof(float)) == 0;
}

/* Whose Gamma the beta of an item is. */
static uint32_t origin(const struct latent_shop *s, uint32_t item)
{
    for (uint32_t i = 0; i < P; i++)
        if (same_row(s, item, i))
            return i;
    fail_msg("beta of %u is of no product", item);
    return P;
}

static double likeness(const struct latent_shop *s, uint32_t a, uint32_t b)
{
    double sum = 0;
    for (uint32_t i = 0; i < K; i++)
        sum += (double)s->gamma[a * K + i] * (double)s->gamma[b * K + i];
    return sum;
}

static void test_latent_shop__without_flips_ads_are_as_views(void **state)
{
    struct latent_shop_options o = usual;
    (void)state;
    o.flips = 0;
    struct latent_shop s = open_shop(&o, 1);
    for (uint32_t i = 0; i < P; i++)
        assert_true(same_row(&s, i, i));
    latent_shop_release(&s);
}

/* The pairs again, the slow way: of the products not yet used the two that are most alike. */
static void test_latent_shop__flips_exchange_the_most_alike(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct latent_shop s = open_shop(&usual, seed);
        uint32_t want[P];
        bool used[P] = {false};
        for (uint32_t i = 0; i < P; i++)
            want[i] = i;
        for (uint32_t flip = 0; flip < usual.flips; flip++) {
            uint32_t a = P, b = P;
            for (uint32_t i = 0; i < P; i++)
                for (uint32_t j = i + 1; j < P; j++)
                    if (!used[i] && !used[j] &&
                        (a == P || likeness(&s, i, j) > likeness(&s, a, b))) {
                        a = i;
                        b = j;
                    }
            used[a] = used[b] = true;
            want[a] = b;
            want[b] = a;
        }
        for (uint32_t i = 0; i < P; i++)
            assert_int_equal(origin(&s, i), want[i]);
        latent_shop_release(&s);
    }
}

static void test_latent_shop__clicks_are_the_squashed_liking(void **state)
{
    (void)state;
    struct latent_shop s = open_shop(&usual, 3);
    const double none[K] = {0};
    s.mu_ad[0] = 0;
    s.mu_ad[1] = 1000;
    s.mu_ad[2] = -1000;
    /* By hand: s(5 s(2 x .5 - 2) - 6), and s(0.3 x) at its ends, 1 and 0. */
    assert_near(latent_shop_click(&s, none, 0), .00942152, 1e-8);
    assert_near(latent_shop_click(&s, none, 1), .02931223, 1e-8);
    assert_near(latent_shop_click(&s, none, 2), .00447847, 1e-8);

    const double omega[K] = {.5, -1, 2, .1, -.3};
    for (uint32_t i = 3; i < P; i++) {
        const double x = inner(s.beta + i * K, omega) + (double)s.mu_ad[i];
        const double a = 1 / (1 + exp(-.3 * x)), b = 1 / (1 + exp(2 - 2 * a));
        assert_near(latent_shop_click(&s, omega, i), 1 / (1 + exp(6 - 5 * b)), 1e-12);
    }
    latent_shop_release(&s);
}

static void test_latent_shop__views_are_a_softmax(void **state)
{
    (void)state;
    enum { DRAWS = 100000 };
    struct latent_shop s = open_shop(&usual, 4);
    const double omega[K] = {.5, -1, 2, .1, -.3};
    double want[P], sum = 0;
    uint32_t count[P] = {0};
    for (uint32_t i = 0; i < P; i++)
        sum += want[i] = exp(inner(s.gamma + i * K, omega) + (double)s.mu[i]);
    for (uint32_t i = 0; i < DRAWS; i++)
        count[latent_shop_view(&s, omega, (i + .5) / DRAWS)]++;
    for (uint32_t i = 0; i < P; i++)
        assert_near((double)count[i] / DRAWS, want[i] / sum, 2.0 / DRAWS);
    assert_true(latent_shop_view(&s, omega, 1) < P);
    latent_shop_release(&s);
}

static void test_latent_shop__the_best_are_clicked_most(void **state)
{
    (void)state;
    struct latent_shop s = open_shop(&usual, 5);
    const double omega[K] = {.5, -1, 2, .1, -.3};
    uint32_t item[P];
    latent_shop_best(&s, omega, item, P);
    uint32_t seen = 0;
    for (uint32_t i = 0; i < P; i++) {
        seen |= 1u << item[i];
        if (i)
            assert_true(latent_shop_click(&s, omega, item[i - 1]) >=
                        latent_shop_click(&s, omega, item[i]));
    }
    assert_int_equal(seen, (1u << P) - 1);
    uint32_t first;
    latent_shop_best(&s, omega, &first, 1);
    assert_int_equal(first, item[0]);
    /* Ties to the smaller number. */
    memset(s.beta, 0, P * K * sizeof(*s.beta));
    memset(s.mu_ad, 0, P * sizeof(*s.mu_ad));
    latent_shop_best(&s, omega, item, 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(item[i], i);
    latent_shop_release(&s);
}

static void test_latent_shop__luck_is_of_seed_episode_and_step(void **state)
{
    (void)state;
    struct latent_shop s = open_shop(&usual, 6), other = open_shop(&usual, 7);
    struct latent_luck a, b;
    latent_shop_luck(&s, 3, 5, &a);
    latent_shop_luck(&s, 3, 5, &b);
    assert_true(a.click == b.click && a.view == b.view && a.state == b.state);
    assert_memory_equal(a.normal, b.normal, K * sizeof(double));
    latent_shop_luck(&s, 4, 5, &b);
    assert_true(a.click != b.click && a.state != b.state);
    latent_shop_luck(&s, 3, 6, &b);
    assert_true(a.click != b.click && a.state != b.state);
    latent_shop_luck(&other, 3, 5, &b);
    assert_true(a.click != b.click && a.state != b.state);
    latent_shop_release(&s);
    latent_shop_release(&other);
}

/* Shares of what follows what, over many users who never click. */
static void test_latent_shop__users_follow_their_chain(void **state)
{
    (void)state;
    enum { USERS = 2000 };
    struct latent_shop s = open_shop(&usual, 8);
    struct latent_user u;
    double views = 0, looks = 0, left_looking = 0, ads = 0, to_looking = 0, left_ads = 0;
    for (uint32_t e = 0; e < USERS; e++) {
        latent_user_begin(&u, &s, e, .01);
        do {
            latent_user_look(&u);
            views += u.n_events;
            looks++;
            left_looking += u.state == LATENT_LEFT;
            bool clicked = false;
            while (u.state == LATENT_ADS && !clicked) {
                clicked = latent_user_ad(&u, 0);
                ads += !clicked;
                to_looking += !clicked && u.state == LATENT_LOOKING;
                left_ads += !clicked && u.state == LATENT_LEFT;
            }
        } while (u.state != LATENT_LEFT);
    }
    assert_near(looks / views, .26, .005); /* a phase ends by ads or by leaving */
    assert_near(left_looking / views, .01, .001);
    assert_near(to_looking / ads, .05, .002);
    assert_near(left_ads / ads, .01, .001);
    latent_shop_release(&s);
}

/* Who clicks looks around next, even where the luck was to leave. */
static void test_latent_shop__a_click_leads_to_views(void **state)
{
    (void)state;
    struct latent_shop s = open_shop(&usual, 9);
    struct latent_user u;
    uint32_t clicks = 0;
    for (uint32_t e = 0; e < 500; e++) {
        latent_user_begin(&u, &s, e, .2);
        for (latent_user_look(&u); u.state == LATENT_ADS; latent_user_look(&u))
            if (latent_user_ad(&u, 1)) {
                clicks++;
                assert_int_equal(u.state, LATENT_LOOKING);
            }
    }
    assert_true(clicks > 5);
    latent_shop_release(&s);
}

/* Two who show the worst and the best ad part at every click, and yet the n-th ad has the
   same luck for both: who clicks the worst one would have clicked the best one. */
static void test_latent_shop__the_nth_ad_has_the_same_luck(void **state)
{
    (void)state;
    enum { ADS = 150, USERS = 300 };
    struct latent_shop s = open_shop(&usual, 12);
    struct latent_user u;
    uint32_t clicks[2] = {0}, both = 0, apart = 0;
    s.mu_ad[0] = -1000;
    s.mu_ad[1] = 1000;
    for (uint32_t e = 0; e < USERS; e++) {
        bool clicked[2][ADS];
        double end[2];
        for (uint32_t item = 0; item < 2; item++) {
            latent_user_begin(&u, &s, e, 0);
            for (uint32_t ad = 0; ad < ADS; ad++) {
                latent_user_look(&u);
                clicked[item][ad] = latent_user_ad(&u, item);
                clicks[item] += clicked[item][ad];
            }
            end[item] = latent_user_now(&u);
        }
        for (uint32_t ad = 0; ad < ADS; ad++)
            both += clicked[0][ad] && clicked[1][ad];
        apart += end[0] != end[1];
    }
    assert_int_equal(both, clicks[0]);
    assert_true(clicks[0] > 100 && clicks[1] > 4 * clicks[0] && apart > USERS / 2);
    latent_shop_release(&s);
}

/* Interests stand still among ads, and walk with .1 a step while looking around. */
static void test_latent_shop__interests_walk_between_views(void **state)
{
    (void)state;
    struct latent_shop s = open_shop(&usual, 10);
    struct latent_user u;
    double squares = 0, n = 0;
    for (uint32_t e = 0; e < 3000; e++) {
        latent_user_begin(&u, &s, e, 0);
        double before[K];
        memcpy(before, u.omega, sizeof(before));
        latent_user_look(&u);
        for (uint32_t i = 0; i < K; i++)
            squares += (u.omega[i] - before[i]) * (u.omega[i] - before[i]);
        n += (u.n_events - 1) * K; /* the last view leads to ads */
        memcpy(before, u.omega, sizeof(before));
        if (!latent_user_ad(&u, 0) && u.state == LATENT_ADS)
            assert_memory_equal(before, u.omega, sizeof(before));
    }
    assert_near(sqrt(squares / n), .1, .003);
    latent_shop_release(&s);
}

static void test_latent_shop__an_episode_is_bounded(void **state)
{
    (void)state;
    struct latent_shop s = open_shop(&usual, 11);
    struct latent_user u;
    uint32_t steps = 0;
    latent_user_begin(&u, &s, 7, 0);
    double last = latent_user_now(&u);
    for (latent_user_look(&u); u.state == LATENT_ADS; latent_user_look(&u)) {
        for (uint32_t i = 0; i < u.n_events; i++, steps++) {
            assert_true(u.event[i].ts >= last);
            last = u.event[i].ts;
        }
        (void)latent_user_ad(&u, steps % P);
        steps++;
        assert_true(latent_user_now(&u) > last);
        last = latent_user_now(&u);
    }
    steps += u.n_events;
    assert_int_equal(steps, LATENT_USER_STEPS);
    latent_user_begin(&u, &s, 8, 0);
    assert_true(latent_user_now(&u) > last);
    latent_shop_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_latent_shop__without_flips_ads_are_as_views),
        cmocka_unit_test(test_latent_shop__flips_exchange_the_most_alike),
        cmocka_unit_test(test_latent_shop__clicks_are_the_squashed_liking),
        cmocka_unit_test(test_latent_shop__views_are_a_softmax),
        cmocka_unit_test(test_latent_shop__the_best_are_clicked_most),
        cmocka_unit_test(test_latent_shop__luck_is_of_seed_episode_and_step),
        cmocka_unit_test(test_latent_shop__users_follow_their_chain),
        cmocka_unit_test(test_latent_shop__a_click_leads_to_views),
        cmocka_unit_test(test_latent_shop__the_nth_ad_has_the_same_luck),
        cmocka_unit_test(test_latent_shop__interests_walk_between_views),
        cmocka_unit_test(test_latent_shop__an_episode_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

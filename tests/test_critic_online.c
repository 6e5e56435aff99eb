/* SPDX-License-Identifier: Apache-2.0 */
/* The online critic against values by dynamic programming. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "learn/critic_online.h"
#include "near.h"

enum { STATES = 6 };
static const double GAMMA = .9;

/* A chain: on to the next state with .7, back to the first with .2, the end with .1. */
static double reward_at(int s)
{
    return s == 3 ? 5 : s == 5 ? -2 : 1;
}

static int next_of(int s, struct rng *r)
{
    const double u = rng_double(r);
    return u < .1 ? -1 : u < .3 ? 0 : (s + 1) % STATES;
}

static void truth(double *v)
{
    memset(v, 0, STATES * sizeof(*v));
    for (int sweep = 0; sweep < 2000; sweep++)
        for (int s = 0; s < STATES; s++)
            v[s] = reward_at(s) + GAMMA * (.2 * v[0] + .7 * v[(s + 1) % STATES]);
}

static void one_hot(int s, double *phi)
{
    memset(phi, 0, STATES * sizeof(*phi));
    phi[s] = 1;
}

static void run(struct critic_online *c, int steps, uint64_t seed)
{
    struct rng r;
    double trace[STATES] = {0}, phi[STATES], next[STATES];
    int s = 0;
    rng_init(&r, seed, 0);
    for (int i = 0; i < steps; i++) {
        const int to = next_of(s, &r);
        const double reward = reward_at(s) + .5 * (double)rng_normal(&r);
        one_hot(s, phi);
        if (to >= 0)
            one_hot(to, next);
        critic_online_step(c, trace, phi, reward, to >= 0 ? next : NULL);
        if (to < 0)
            memset(trace, 0, sizeof(trace));
        s = to >= 0 ? to : (int)rng_below(&r, STATES);
    }
}

static void check_values(double lambda)
{
    struct critic_online c;
    double v[STATES], phi[STATES];
    const struct critic_online_options o = {.dim = STATES,
                                            .gamma = GAMMA,
                                            .lambda = lambda,
                                            .least_window = 1e9,
                                            .most_window = 1e9,
                                            .regularisation = .1};
    assert_int_equal(critic_online_init(&c, &o), 0);
    run(&c, 20000, 3);
    truth(v);
    for (int s = 0; s < STATES; s++) {
        one_hot(s, phi);
        assert_near(critic_online_value(&c, phi), v[s], .35);
    }
    assert_true(v[3] - v[5] > 3); /* what is compared with is not flat */
    critic_online_release(&c);
}

static void test_critic_online__finds_the_values_of_a_chain(void **state)
{
    (void)state;
    check_values(0);
    check_values(.5);
}

static void test_critic_online__older_steps_fade(void **state)
{
    (void)state;
    struct critic_online c;
    const struct critic_online_options o = {.dim = 1,
                                            .gamma = .5,
                                            .least_window = 100,
                                            .most_window = 100,
                                            .regularisation = .01};
    double trace = 0, one = 1;
    assert_int_equal(critic_online_init(&c, &o), 0);
    for (int i = 0; i < 1000; i++)
        critic_online_step(&c, &trace, &one, 1, &one);
    assert_near(critic_online_value(&c, &one), 2, .05);
    for (int i = 0; i < 600; i++)
        critic_online_step(&c, &trace, &one, -1, &one);
    assert_near(critic_online_value(&c, &one), -2, .1);
    critic_online_release(&c);
}

static void
test_critic_online__effects_are_believed_as_far_as_they_stand_out(void **state)
{
    (void)state;
    /* Feature 1 changes the reward by 3, feature 2 by nothing; both are rare. */
    struct critic_online c;
    struct rng r;
    const struct critic_online_options o = {.dim = 3,
                                            .gamma = 0,
                                            .least_window = 1e9,
                                            .most_window = 1e9,
                                            .regularisation = 1};
    double trace[3] = {0};
    const double unit[] = {1};
    const uint32_t first[] = {1}, second[] = {2};
    rng_init(&r, 6, 0);
    assert_int_equal(critic_online_init(&c, &o), 0);
    assert_true(critic_online_effect(&c, first, unit, 1, 2) == 0);
    for (int i = 0; i < 2000; i++) {
        const double phi[3] = {1, rng_double(&r) < .1, rng_double(&r) < .1};
        critic_online_step(&c, trace, phi, 3 * phi[1] + 2 * (double)rng_normal(&r), NULL);
    }
    assert_near(critic_online_effect(&c, first, unit, 1, 2), 3, .6);
    assert_true(critic_online_effect(&c, second, unit, 1, 3) == 0);
    /* A higher bar believes less. */
    assert_true(critic_online_effect(&c, first, unit, 1, 8) <
                critic_online_effect(&c, first, unit, 1, 2));
    critic_online_release(&c);
}

static void test_critic_online__the_same_steps_give_the_same_bits(void **state)
{
    (void)state;
    struct critic_online a, b;
    const struct critic_online_options o = {.dim = STATES,
                                            .gamma = GAMMA,
                                            .lambda = .5,
                                            .least_window = 50,
                                            .most_window = 500,
                                            .regularisation = 1};
    assert_int_equal(critic_online_init(&a, &o), 0);
    assert_int_equal(critic_online_init(&b, &o), 0);
    run(&a, 3000, 8);
    run(&b, 3000, 8);
    assert_memory_equal(a.w, b.w, STATES * sizeof(*a.w));
    for (int s = 0; s < STATES; s++)
        assert_true(isfinite(a.w[s]));
    critic_online_release(&a);
    critic_online_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_critic_online__finds_the_values_of_a_chain),
        cmocka_unit_test(test_critic_online__older_steps_fade),
        cmocka_unit_test(
            test_critic_online__effects_are_believed_as_far_as_they_stand_out),
        cmocka_unit_test(test_critic_online__the_same_steps_give_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

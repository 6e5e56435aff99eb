/* SPDX-License-Identifier: Apache-2.0 */
/* Simulations: what is counted and how it is compared, on a small world made here whose
   figures can be computed by hand, and that every policy meets the same luck. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lab/simulate.h"
#include "lab/simulate_report.h"
#include "near.h"

static struct penchant_error err;

/* ---- a world whose figures are known ---------------------------------------------- */

/* Item i pays i + the seed, but nothing on the first three steps of the part "after". */
struct ladder {
    uint64_t seed;
    uint32_t step;
};

enum { LADDER_STEPS = 24, LADDER_SWITCH = 10, LADDER_ITEMS = 4 };

static void *ladder_create(uint64_t seed)
{
    struct ladder *l = calloc(1, sizeof(*l));
    l->seed = seed;
    return l;
}

static void ladder_catalog(void *state, struct actor_catalog *out)
{
    (void)state;
    *out = (struct actor_catalog){.n = LADDER_ITEMS, .slate = 2};
}

static uint32_t ladder_begin(void *state, uint32_t episode)
{
    ((struct ladder *)state)->step = 0;
    return episode;
}

static void ladder_turn(void *state, struct world_turn *out)
{
    const struct ladder *l = state;
    *out = (struct world_turn){.request = {.k = 2, .ts = l->step},
                               .part = l->step >= LADDER_SWITCH};
}

static bool ladder_act(void *state, const uint32_t *item, uint32_t k, float *reward)
{
    struct ladder *l = state;
    const bool lost = l->step >= LADDER_SWITCH && l->step < LADDER_SWITCH + 3;
    for (uint32_t i = 0; i < k; i++)
        reward[i] = lost ? 0 : (float)(item[i] + l->seed);
    return ++l->step == LADDER_STEPS;
}

static void ladder_oracle(void *state, uint32_t *item, uint32_t k)
{
    (void)state;
    for (uint32_t i = 0; i < k; i++)
        item[i] = LADDER_ITEMS - 1 - i;
}

static const struct world_ops ladder = {
    .name = "ladder",
    .help = "of this test",
    .episodes = 3,
    .parts = {"before", "after"},
    .create = ladder_create,
    .destroy = free,
    .catalog = ladder_catalog,
    .begin = ladder_begin,
    .turn = ladder_turn,
    .act = ladder_act,
    .oracle = ladder_oracle,
};

/* Answer items 0 and 1; or what is no list. */
static void *fixed_create(uint64_t seed, const struct actor_catalog *c)
{
    (void)seed;
    (void)c;
    return calloc(1, 1);
}

static void lowest(void *state, const struct actor_request *r, uint32_t *item, double *p)
{
    (void)state;
    for (uint32_t i = 0; i < r->k; i++) {
        item[i] = i;
        p[i] = 1;
    }
}

static void twice(void *state, const struct actor_request *r, uint32_t *item, double *p)
{
    lowest(state, r, item, p);
    item[1] = 0;
}

static void outside(void *state, const struct actor_request *r, uint32_t *item, double *p)
{
    lowest(state, r, item, p);
    item[1] = LADDER_ITEMS;
}

static const struct actor_ops lowest_actor = {
    .name = "lowest", .create = fixed_create, .destroy = free, .recommend = lowest};
static const struct actor_ops twice_actor = {
    .name = "twice", .create = fixed_create, .destroy = free, .recommend = twice};
static const struct actor_ops outside_actor = {
    .name = "outside", .create = fixed_create, .destroy = free, .recommend = outside};

static void run(struct simulation *s, const struct world_ops *w,
                const struct simulate_policy *policy, uint32_t n, uint32_t threads)
{
    const struct simulate_options o = {.world = w,
                                       .policy = policy,
                                       .n_policies = n,
                                       .seed = 5,
                                       .seeds = 3,
                                       .threads = threads};
    if (simulate(s, &o, &err))
        fail_msg("%s", err.text);
}

/* ---- tests ------------------------------------------------------------------------ */

static void test_simulate__figures_are_those_computed_by_hand(void **state)
{
    (void)state;
    const struct simulate_policy policy[] = {{"lowest", &lowest_actor}, {"oracle", NULL}};
    struct simulation s;
    run(&s, &ladder, policy, 2, 1);
    /* Seeds 5, 6, 7; 21 of 24 steps pay: lowest (0 + 1 + 2 seed), oracle (2 + 3 + 2 seed). */
    const struct interval low = simulation_reward(&s, 0, SIMULATE_ALL_PARTS);
    assert_near(low.mean, 21 * 13, 1e-9);
    /* Seed means 231, 273, 315: deviation 42, t(2) 4.3027. */
    assert_near(low.high - low.mean, 4.3027 * 42 / sqrt(3), 1e-3);
    assert_near(simulation_reward(&s, 1, 0).mean, 10 * 17, 1e-9);
    assert_near(simulation_reward(&s, 1, 1).mean, 11 * 17, 1e-9);
    const struct interval over = simulation_over_first(&s, 1, SIMULATE_ALL_PARTS);
    assert_near(over.mean, 21 * 4, 1e-9);
    assert_near(over.low, over.high, 1e-9); /* the same in every seed */
    const struct interval by_episode =
        simulation_over_first_by_episode(&s, 1, SIMULATE_ALL_PARTS);
    assert_int_equal(by_episode.n, 9);
    assert_near(by_episode.mean, 21 * 4, 1e-9);
    assert_near(simulation_between(&s, 0, 0, 1, 0).mean, 0, 1e-12);
    assert_near(simulation_between(&s, 1, 0, 1, 0).mean, 1, 1e-12);
    assert_near(simulation_between(&s, 1, 0, 1, 0).high, 1, 1e-9);
    assert_true(isnan(simulation_between(&s, 0, 1, 1, 0).mean));
    /* 110, 130, 150 of 150, 170, 190: 13/17, and 110 - 13/17 x 150 = -4.70588 is left of the
       first seed, nothing of the second, 4.70588 of the third. */
    const struct interval share = simulation_between(&s, 0, SIMULATE_NOTHING, 1, 0);
    assert_near(share.mean, 13.0 / 17, 1e-9);
    assert_near(share.high - share.mean, 4.3027 * 4.70588 / 170 / sqrt(3), 1e-5);
    assert_near(share.mean - share.low, 4.3027 * 4.70588 / 170 / sqrt(3), 1e-5);
    assert_int_equal(simulation_turns(&s), LADDER_STEPS);
    assert_near(simulation_turns_mean(&s, 0, 0, 1), 13, 1e-9);
    assert_near(simulation_turns_mean(&s, 0, LADDER_SWITCH, LADDER_SWITCH + 3), 0, 1e-9);
    assert_near(simulation_episodes_mean(&s, 1, 1, 2), 21 * 17, 1e-9);
    simulation_release(&s);
}

static void test_simulate__t90_is_the_first_step_that_is_back(void **state)
{
    (void)state;
    const struct simulate_policy policy[] = {{"lowest", &lowest_actor}};
    struct simulation s;
    run(&s, &ladder, policy, 1, 1);
    assert_true(simulation_has_switch(&s));
    assert_int_equal((int)simulation_switch_turn(&s), LADDER_SWITCH);
    /* Nothing on steps 0, 1, 2: five steps with one of them hold 80 %. */
    assert_int_equal(simulation_t90(&s, 0), 3);
    simulation_release(&s);
}

static bool has_switch(const struct world_ops *w, uint32_t episodes)
{
    const struct simulate_policy policy[] = {{"lowest", &lowest_actor}};
    const struct simulate_options o = {
        .world = w, .policy = policy, .n_policies = 1, .seeds = 3, .episodes = episodes};
    struct simulation s;
    assert_int_equal(simulate(&s, &o, &err), PENCHANT_OK);
    const bool found = simulation_has_switch(&s);
    simulation_release(&s);
    return found;
}

/* Of one user T90 is the chance of a few turns; without parts in an episode there is none. */
static void test_simulate__t90_needs_a_switch_and_users(void **state)
{
    (void)state;
    struct world_ops one = ladder;
    one.episodes = 1;
    assert_true(has_switch(&ladder, 2));
    assert_false(has_switch(&ladder, 1));
    assert_false(has_switch(&one, 2)); /* a world of one user, however often it is met */
    assert_false(has_switch(world_find("bandit-drift"), 1));
    assert_false(has_switch(world_find("slates"), 2));
    assert_false(has_switch(world_find("catalogue-drift"), 2)); /* parts are by user */
    assert_true(has_switch(world_find("slates-switch"), 2));
}

static bool pays_nothing(void *state, const uint32_t *item, uint32_t k, float *reward)
{
    struct ladder *l = state;
    (void)item;
    memset(reward, 0, k * sizeof(*reward));
    return ++l->step == LADDER_STEPS;
}

/* Where nothing is earned there is no share and no gap: null, or left out. */
static void test_simulate__what_is_not_known_is_no_number(void **state)
{
    (void)state;
    struct world_ops poor = ladder;
    poor.act = pays_nothing;
    const struct simulate_policy policy[] = {{"random", actor_find("random")},
                                             {"oracle", NULL}};
    struct simulation s;
    struct buf text, json;
    run(&s, &poor, policy, 2, 1);
    buf_init(&text, 1 << 20);
    buf_init(&json, 1 << 20);
    simulate_text(&text, &s);
    simulate_json(&json, &s);
    assert_false(text.failed || json.failed);
    assert_null(strstr(text.data, "nan"));
    assert_null(strstr(text.data, "inf"));
    assert_null(strstr(text.data, "gap"));
    assert_null(strstr(json.data, "nan"));
    assert_non_null(strstr(json.data, "\"share_of_oracle\":null"));
    assert_non_null(strstr(json.data, "\"gap\":null"));
    buf_release(&text);
    buf_release(&json);
    simulation_release(&s);
}

static void test_simulate__refuses_what_is_no_list(void **state)
{
    (void)state;
    const struct simulate_policy bad[] = {{"twice", &twice_actor},
                                          {"outside", &outside_actor}};
    const char *said[] = {"twice answered item 0 twice in a list of episode 0 of ladder",
                          "outside answered item 4 of 4 in episode 0 of ladder"};
    for (int i = 0; i < 2; i++) {
        struct simulation s;
        const struct simulate_options o = {
            .world = &ladder, .policy = &bad[i], .n_policies = 1, .seeds = 2};
        assert_int_equal(simulate(&s, &o, &err), PENCHANT_EINVALID);
        assert_string_equal(err.text, said[i]);
    }
}

static void test_simulate__refuses_more_than_its_bound(void **state)
{
    (void)state;
    const struct simulate_policy policy[] = {{"lowest", &lowest_actor}};
    struct simulation s;
    const struct simulate_options o = {.world = &ladder,
                                       .policy = policy,
                                       .n_policies = 1,
                                       .seeds = 100,
                                       .episodes = 1000000};
    assert_int_equal(simulate(&s, &o, &err), PENCHANT_EINVALID);
    assert_non_null(strstr(err.text, "too many"));
}

static int stop_soon(void *cookie, const char *what, uint64_t done, uint64_t total,
                     const char *detail)
{
    (void)what;
    (void)total;
    (void)detail;
    *(uint64_t *)cookie = done;
    return done == 2;
}

static void test_simulate__stops_when_asked(void **state)
{
    (void)state;
    const struct simulate_policy policy[] = {{"lowest", &lowest_actor}};
    struct simulation s;
    uint64_t done = 0;
    const struct simulate_options o = {.world = &ladder,
                                       .policy = policy,
                                       .n_policies = 1,
                                       .seeds = 4,
                                       .progress = stop_soon,
                                       .cookie = &done};
    assert_int_equal(simulate(&s, &o, &err), PENCHANT_EINTERRUPTED);
    assert_int_equal(done, 2);
}

static void test_simulate__threads_change_nothing(void **state)
{
    (void)state;
    struct simulate_policy policy[3];
    struct simulation one, three;
    const struct world_ops *w = world_find("slates");
    assert_true(simulate_policy_find(&policy[0], w, "random"));
    run(&one, w, policy, 1, 1);
    run(&three, w, policy, 1, 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_memory_equal(one.run[i].reward, three.run[i].reward,
                            one.options.episodes * sizeof(double));
    simulation_release(&one);
    simulation_release(&three);
}

static void test_simulate__knows_policies_by_name(void **state)
{
    (void)state;
    struct simulate_policy p;
    struct world_ops blind = ladder;
    blind.oracle = NULL;
    assert_true(simulate_policy_find(&p, &ladder, "oracle"));
    assert_false(simulate_policy_find(&p, &blind, "oracle"));
    assert_false(simulate_policy_find(&p, &ladder, "nobody"));
    assert_true(simulate_policy_find(&p, &ladder, "random"));
    assert_ptr_equal(p.actor, actor_find("random"));
}

static void test_simulate__intervals_are_students(void **state)
{
    (void)state;
    const double v[] = {1, NAN, 2, 3};
    const struct interval i = interval_of(v, 4);
    assert_int_equal(i.n, 3);
    assert_near(i.mean, 2, 1e-12);
    assert_near(i.high - i.mean, 4.3027 / sqrt(3), 1e-3);
    assert_true(isnan(interval_of(v, 1).low));
    assert_true(isnan(interval_of(v + 1, 1).mean));
    /* From tables. */
    assert_near(interval_t975(4), 2.776, 1e-3);
    assert_near(interval_t975(11), 2.201, 1e-3);
    assert_near(interval_t975(29), 2.045, 1e-3);
    assert_near(interval_t975(100000), 1.960, 1e-3);
}

static void test_simulate__plot_is_whole(void **state)
{
    (void)state;
    const struct simulate_policy policy[] = {{"lowest", &lowest_actor}, {"oracle", NULL}};
    struct simulation s;
    struct buf svg;
    run(&s, &ladder, policy, 2, 1);
    buf_init(&svg, 1 << 20);
    simulate_plot(&svg, &s);
    assert_false(svg.failed);
    assert_memory_equal(svg.data, "<svg ", 5);
    assert_string_equal(svg.data + svg.len - 7, "</svg>\n");
    uint32_t paths = 0;
    for (const char *at = svg.data; (at = strstr(at, "<path ")); at++)
        paths++;
    assert_int_equal(paths, 4); /* two lines in each of two panels */
    assert_non_null(strstr(svg.data, ">oracle</text>"));
    assert_non_null(strstr(svg.data, "stroke-dasharray=\"4 4\"")); /* the switch */
    assert_null(strstr(svg.data, "nan"));
    buf_release(&svg);
    simulation_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_simulate__figures_are_those_computed_by_hand),
        cmocka_unit_test(test_simulate__t90_is_the_first_step_that_is_back),
        cmocka_unit_test(test_simulate__t90_needs_a_switch_and_users),
        cmocka_unit_test(test_simulate__what_is_not_known_is_no_number),
        cmocka_unit_test(test_simulate__refuses_what_is_no_list),
        cmocka_unit_test(test_simulate__refuses_more_than_its_bound),
        cmocka_unit_test(test_simulate__stops_when_asked),
        cmocka_unit_test(test_simulate__threads_change_nothing),
        cmocka_unit_test(test_simulate__knows_policies_by_name),
        cmocka_unit_test(test_simulate__intervals_are_students),
        cmocka_unit_test(test_simulate__plot_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

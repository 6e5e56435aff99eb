/* SPDX-License-Identifier: Apache-2.0 */
/* Worlds "bandit" and "bandit-waves": what drifts, and what policies earn there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "play_fixture.h"

enum { ARMS = 10, ROUNDS = 20000, STRETCH = 4000, SEEDS = 6 };

static void test_world_bandit__same_seed_same_bits(void **state)
{
    (void)state;
    play_check_seeds("bandit", "linucb", 1);
    play_check_seeds("bandit-drift", "linucb-forgetting", 1);
    play_check_seeds("bandit-waves", "linucb", 1);
    play_check_seeds("bandit-waves-drift", "chance", 1);
}

/* The same contexts whatever is played, and the best arm pays where any other does. */
static void test_world_bandit__luck_is_common_to_the_arms(void **state)
{
    const struct world_ops *w = world_find("bandit-drift");
    void *a = w->create(4), *b = w->create(4);
    uint32_t other_pays = 0, best_pays = 0;
    (void)state;
    w->begin(a, 0);
    w->begin(b, 0);
    for (uint32_t t = 0; t < ROUNDS; t++) {
        struct world_turn of_a, of_b;
        uint32_t best;
        const uint32_t arm = t % ARMS;
        float other, most;
        w->turn(a, &of_a);
        w->turn(b, &of_b);
        assert_null(of_a.request.candidates);
        assert_int_equal(of_a.request.n_context, 5);
        assert_memory_equal(of_a.request.context, of_b.request.context,
                            5 * sizeof(float));
        assert_int_equal(of_a.part, t / STRETCH);
        w->oracle(b, &best, 1);
        const bool over = w->act(a, &arm, 1, &other);
        assert_int_equal(over, w->act(b, &best, 1, &most));
        assert_int_equal(over, t == ROUNDS - 1);
        assert_true(other == 0 || other == 1);
        assert_true(most >= other);
        other_pays += other > 0;
        best_pays += most > 0;
    }
    assert_true(best_pays > other_pays + 4000);
    w->destroy(a);
    w->destroy(b);
}

/* The oracle's arms agree with those of the still world, all the first 4,000 rounds and
   seldom after: ten arms leave a tenth to chance. */
static void check_drift(const char *still_name, const char *drift_name)
{
    const struct world_ops *still = world_find(still_name),
                           *drift = world_find(drift_name);
    void *a = still->create(8), *b = drift->create(8);
    uint32_t agree[5] = {0};
    still->begin(a, 0);
    drift->begin(b, 0);
    for (uint32_t t = 0; t < ROUNDS; t++) {
        struct world_turn turn;
        uint32_t of_a, of_b;
        float reward;
        still->turn(a, &turn);
        drift->turn(b, &turn);
        still->oracle(a, &of_a, 1);
        drift->oracle(b, &of_b, 1);
        agree[t / STRETCH] += of_a == of_b;
        still->act(a, &of_a, 1, &reward);
        drift->act(b, &of_b, 1, &reward);
    }
    assert_int_equal(agree[0], STRETCH);
    for (int s = 1; s < 5; s++)
        assert_true(agree[s] < STRETCH / 4);
    still->destroy(a);
    drift->destroy(b);
}

static void test_world_bandit__drift_begins_after_4000_rounds(void **state)
{
    (void)state;
    check_drift("bandit", "bandit-drift");
    check_drift("bandit-waves", "bandit-waves-drift");
}

static double mean(const char *world, const char *who)
{
    double sum = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        const struct play p = play(world, who, seed, 1);
        assert_int_equal(p.turns, ROUNDS);
        sum += p.reward;
    }
    return sum / SEEDS / ROUNDS;
}

/* Both forms were made so: reported is one set of figures, of worlds that do not say theirs. */
static void check_earned(const char *still, const char *drift)
{
    play_check_near(mean(still, "chance"), .506, .05);
    play_check_near(mean(still, "linucb"), .745, .05);
    play_check_near(mean(still, "linucb-forgetting"), .748, .05);
    play_check_near(mean(still, "oracle"), .915, .05);
    play_check_near(mean(drift, "chance"), .513, .05);
    play_check_near(mean(drift, "linucb"), .635, .05);
    play_check_near(mean(drift, "linucb-forgetting"), .707, .05);
    play_check_near(mean(drift, "oracle"), .898, .05);
}

static void test_world_bandit__policies_earn_what_is_reported(void **state)
{
    (void)state;
    check_earned("bandit", "bandit-drift");
    check_earned("bandit-waves", "bandit-waves-drift");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_world_bandit__same_seed_same_bits),
        cmocka_unit_test(test_world_bandit__luck_is_common_to_the_arms),
        cmocka_unit_test(test_world_bandit__drift_begins_after_4000_rounds),
        cmocka_unit_test(test_world_bandit__policies_earn_what_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

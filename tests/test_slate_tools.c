/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of simple actors: the stated chances are the true ones; feedback finds its list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "near.h"

#include "lab/slate_tools.h"

static void test_slate_tools__greedy_is_by_score_then_number(void **state)
{
    (void)state;
    const double score[] = {1, 3, 3, -2, 5};
    uint32_t item[5];
    double p[5];
    slate_greedy(score, 5, 0, NULL, 5, item, p);
    const uint32_t want[] = {4, 1, 2, 0, 3};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(item[i], want[i]);
        assert_true(p[i] == 1);
    }
}

/* Every list of two out of four: as often as the product of its p says. */
static void test_slate_tools__chances_are_exact(void **state)
{
    (void)state;
    enum { DRAWS = 400000 };
    const double score[] = {1, 3, 2, 0};
    double said[4][4] = {{0}};
    uint32_t count[4][4] = {{0}};
    struct rng rng;
    rng_init(&rng, 1, 1);
    for (int i = 0; i < DRAWS; i++) {
        uint32_t item[2];
        double p[2];
        slate_greedy(score, 4, .3, &rng, 2, item, p);
        count[item[0]][item[1]]++;
        said[item[0]][item[1]] = p[0] * p[1];
    }
    double sum = 0;
    for (int a = 0; a < 4; a++)
        for (int b = 0; b < 4; b++) {
            assert_near((double)count[a][b] / DRAWS, said[a][b], .002);
            assert_true((a == b) == (count[a][b] == 0));
            sum += said[a][b];
        }
    assert_near(sum, 1, 1e-12);
}

static void test_slate_tools__at_random_every_list_is_as_likely(void **state)
{
    (void)state;
    enum { DRAWS = 120000 };
    uint32_t count[4][4] = {{0}};
    struct rng rng;
    rng_init(&rng, 2, 1);
    for (int i = 0; i < DRAWS; i++) {
        uint32_t item[2];
        double p[2];
        slate_random(4, &rng, 2, item, p);
        assert_near(p[0], 1.0 / 4, 1e-12);
        assert_near(p[1], 1.0 / 3, 1e-12);
        count[item[0]][item[1]]++;
    }
    for (int a = 0; a < 4; a++)
        for (int b = 0; b < 4; b++)
            assert_near((double)count[a][b] / DRAWS, a == b ? 0 : 1.0 / 12, .004);
}

static void test_slate_tools__feedback_finds_its_list_once(void **state)
{
    (void)state;
    static struct slate_memory m;
    const uint32_t item[] = {7, 9};
    slate_keep(&m, &(struct actor_request){.id = 5, .user = 1, .k = 2}, item, 77);
    assert_null(slate_take(&m, 5, 2)); /* another user */
    assert_null(slate_take(&m, 6, 1)); /* never shown */
    assert_null(slate_take(&m, 0, 0));
    const struct slate *s = slate_take(&m, 5, 1);
    assert_non_null(s);
    assert_int_equal(s->k, 2);
    assert_int_equal(s->context, 77);
    assert_int_equal(s->item[1], 9);
    assert_null(slate_take(&m, 5, 1));

    for (uint64_t id = 10; id < 10 + SLATE_MEMORY; id++)
        slate_keep(&m, &(struct actor_request){.id = id, .user = 1, .k = 2}, item, 0);
    assert_non_null(slate_take(&m, 11, 1));
    slate_keep(&m, &(struct actor_request){.id = 10 + SLATE_MEMORY, .user = 1, .k = 2},
               item, 0);
    assert_null(slate_take(&m, 10, 1)); /* too long ago */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slate_tools__greedy_is_by_score_then_number),
        cmocka_unit_test(test_slate_tools__chances_are_exact),
        cmocka_unit_test(test_slate_tools__at_random_every_list_is_as_likely),
        cmocka_unit_test(test_slate_tools__feedback_finds_its_list_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of simple actors: the stated chances are the true ones; feedback finds its list. */
#include <math.h>
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
    const double none[] = {-INFINITY, 0, -INFINITY};
    slate_best(none, 3, 3, item);
    assert_true(item[0] == 1 && item[1] == 0 && item[2] == 2);
    slate_best(score, 5, 2, item);
    assert_true(item[0] == 4 && item[1] == 1);
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
    slate_keep(&m, NULL, &(struct actor_request){.id = 5, .user = 1, .k = 2}, item, 77);
    assert_null(slate_take(&m, 5, 2)); /* another user */
    assert_null(slate_take(&m, 6, 1)); /* never shown */
    assert_null(slate_take(&m, 0, 0));
    const struct slate *s = slate_take(&m, 5, 1);
    assert_non_null(s);
    assert_int_equal(s->k, 2);
    assert_int_equal(s->note, 77);
    assert_int_equal(s->item[1], 9);
    assert_null(slate_take(&m, 5, 1));

    for (uint64_t id = 10; id < 10 + SLATE_MEMORY; id++)
        slate_keep(&m, NULL, &(struct actor_request){.id = id, .user = 1, .k = 2}, item,
                   0);
    assert_non_null(slate_take(&m, 11, 1));
    slate_keep(&m, NULL,
               &(struct actor_request){.id = 10 + SLATE_MEMORY, .user = 1, .k = 2}, item,
               0);
    assert_null(slate_take(&m, 10, 1)); /* too long ago */
    assert_non_null(slate_take(&m, 12, 1));
    slate_memory_release(&m);
    assert_null(slate_take(&m, 13, 1));
}

/* Ids may leave out as many as they like: the newest lists are kept all the same. */
static void test_slate_tools__what_was_known_is_kept(void **state)
{
    (void)state;
    static struct slate_memory m;
    const float features[3][2] = {{1, 2}, {3, 4}, {5, 6}};
    const struct actor_catalog c = {.n = 3, .dim = 2, .features = features[0]};
    const uint32_t item[] = {2, 0};
    float context[] = {7};
    struct actor_request r = {.user = 4, .k = 2, .context = context, .n_context = 1};
    for (r.id = SLATE_MEMORY; r.id <= SLATE_MEMORY * SLATE_MEMORY; r.id += SLATE_MEMORY)
        slate_keep(&m, &c, &r, item, 0);
    context[0] = 8; /* theirs is a copy */
    const struct slate *s = slate_take(&m, SLATE_MEMORY, 4);
    assert_non_null(s);
    assert_true(s->n_context == 1 && s->context[0] == 7);
    assert_true(s->dim == 2 && s->features[0] == 5 && s->features[1] == 6 &&
                s->features[2] == 1 && s->features[3] == 2);

    const float candidates[2][3] = {{10, 11, 12}, {20, 21, 22}};
    r = (struct actor_request){.id = 9000,
                               .user = 4,
                               .k = 1,
                               .candidates = candidates[0],
                               .n_candidates = 2,
                               .candidate_dim = 3};
    assert_int_equal(slate_choices(&c, &r), 2);
    slate_keep(&m, &c, &r, (const uint32_t[]){1}, 0);
    s = slate_take(&m, 9000, 4);
    assert_non_null(s);
    assert_true(s->n_context == 0 && s->dim == 3 && s->features[0] == 20);
    slate_memory_release(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slate_tools__greedy_is_by_score_then_number),
        cmocka_unit_test(test_slate_tools__chances_are_exact),
        cmocka_unit_test(test_slate_tools__at_random_every_list_is_as_likely),
        cmocka_unit_test(test_slate_tools__feedback_finds_its_list_once),
        cmocka_unit_test(test_slate_tools__what_was_known_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors that come one at a time: rows, gaps, the index and what it misses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "retrieval/growing.h"

enum { DIM = 8, ROWS = 3000 };

static void put_random(struct growing *g, uint32_t row, struct rng *rng)
{
    float x[DIM];
    for (int i = 0; i < DIM; i++)
        x[i] = rng_normal(rng);
    assert_int_equal(growing_put(g, row, x), 0);
}

static void test_growing__rows_that_were_never_put_are_zero(void **state)
{
    (void)state;
    struct growing g;
    const float x[DIM] = {1, 2, 3}, zero[DIM] = {0};
    growing_init(&g, DIM);
    assert_int_equal(growing_put(&g, 700, x), 0);
    assert_int_equal(g.n, 701);
    for (uint32_t i = 0; i < 700; i++)
        assert_memory_equal(g.rows + i * DIM, zero, sizeof zero);
    assert_memory_equal(g.rows + 700 * DIM, x, sizeof x);
    assert_int_equal(growing_put(&g, UINT32_MAX, x), PENCHANT_ENOMEM);
    growing_release(&g);
}

static void test_growing__an_index_is_due_and_holds_what_was_copied(void **state)
{
    (void)state;
    struct growing g;
    struct growing_copy c, stale;
    struct rng rng;
    struct topk_hit hit[5], want[5];
    const float query[DIM] = {1, -1, 0.5f}, far[DIM] = {100, -100, 50};
    rng_init(&rng, 1, 1);
    growing_init(&g, DIM);
    for (uint32_t i = 0; i < ROWS; i++)
        put_random(&g, i, &rng);
    assert_true(growing_due(&g));
    assert_int_equal(growing_copy(&g, &c), 0);
    assert_int_equal(growing_copy(&g, &stale), 0);
    assert_int_equal(topk_scan(g.rows, ROWS, DIM, query, 5, NULL, want), 5);
    assert_int_equal(growing_put(&g, 9, far), 0); /* after the copy */
    assert_int_equal(growing_index(&c, NULL), 0);
    growing_adopt(&g, &c);
    assert_null(c.rows);
    assert_int_equal(g.n_indexed, ROWS);
    assert_false(growing_due(&g));
    assert_int_equal(topk_search(g.index, query, 5, NULL, hit), 5);
    for (int i = 0; i < 5; i++)
        assert_int_equal(hit[i].row, want[i].row);
    assert_memory_equal(g.rows + 9 * DIM, far, sizeof far);
    /* A copy of another life of the table is thrown away. */
    growing_release(&g);
    growing_init(&g, DIM);
    assert_int_equal(growing_index(&stale, NULL), 0);
    growing_adopt(&g, &stale);
    assert_null(g.index);
    assert_null(stale.rows);
    growing_release(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_growing__rows_that_were_never_put_are_zero),
        cmocka_unit_test(test_growing__an_index_is_due_and_holds_what_was_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

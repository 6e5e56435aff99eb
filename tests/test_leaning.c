/* SPDX-License-Identifier: Apache-2.0 */
/* Long-term and present interest of made-up shoppers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "behaviour/event.h"
#include "interest/leaning.h"

enum { TEA, CUP, LAMP, NOTHING, ITEMS };

static struct catalog shop(void)
{
    static const char *const category[ITEMS] = {"tea", "cups|tea", "lamps", NULL};
    struct catalog c;
    catalog_init(&c);
    for (int i = 0; i < ITEMS; i++) {
        struct penchant_item item;
        char id[16];
        penchant_item_default(&item);
        snprintf(id, sizeof id, "i%d", i);
        item.item_id = id;
        item.category = category[i];
        assert_int_equal(catalog_put(&c, catalog_intern(&c, id), &item), 0);
    }
    return c;
}

/* 60 times tea, then 4 lamps. */
static void test_leaning__the_present_is_what_was_wanted_last(void **unused)
{
    (void)unused;
    enum { N = 64 };
    struct catalog c = shop();
    uint32_t item[N];
    uint8_t type[N];
    struct leaning l;
    for (uint32_t i = 0; i < N; i++) {
        item[i] = i < 60 ? TEA : LAMP;
        type[i] = EVENT_VIEW;
    }
    const struct leaning_events e = {.item = item, .type = type, .n = N};
    leaning_find(&e, &c, &l);
    assert_int_equal(l.n, 2);
    assert_true(leaning_near(&l, &c, LEANING_PRESENT, LAMP) >
                leaning_near(&l, &c, LEANING_PRESENT, TEA));
    assert_true(leaning_near(&l, &c, LEANING_LASTING, LAMP) <
                leaning_near(&l, &c, LEANING_LASTING, TEA));
    assert_true(leaning_near(&l, &c, LEANING_LASTING, CUP) <
                leaning_near(&l, &c, LEANING_LASTING, TEA));
    assert_true(isnan(leaning_near(&l, &c, LEANING_PRESENT, NOTHING)));
    catalog_release(&c);
}

static void test_leaning__types_and_liking_weigh(void **unused)
{
    (void)unused;
    struct catalog c = shop();
    const uint32_t item[2] = {TEA, LAMP};
    uint8_t type[2] = {EVENT_VIEW, EVENT_VIEW};
    float liking[2] = {1, 1};
    const struct leaning_events e = {
        .item = item, .type = type, .liking = liking, .n = 2};
    struct leaning l;
    leaning_find(&e, &c, &l);
    assert_true(leaning_near(&l, &c, LEANING_PRESENT, LAMP) >
                leaning_near(&l, &c, LEANING_PRESENT, TEA));
    type[0] = EVENT_PURCHASE; /* counts more than the view after it */
    leaning_find(&e, &c, &l);
    assert_true(leaning_near(&l, &c, LEANING_PRESENT, LAMP) <
                leaning_near(&l, &c, LEANING_PRESENT, TEA));
    liking[0] = -1; /* and nothing when it was disliked */
    leaning_find(&e, &c, &l);
    assert_int_equal(l.n, 1);
    assert_float_equal(leaning_near(&l, &c, LEANING_PRESENT, LAMP), 1, 1e-6);
    assert_true(leaning_near(&l, &c, LEANING_PRESENT, TEA) < 1e-6);
    const struct leaning_events none = {.n = 0};
    leaning_find(&none, &c, &l);
    assert_true(isnan(leaning_near(&l, &c, LEANING_LASTING, TEA)));
    catalog_release(&c);
}

static void test_leaning__halves_of_the_weights(void **unused)
{
    (void)unused;
    assert_float_equal(leaning_weight(LEANING_PRESENT, 0), 1, 1e-9);
    assert_float_equal(leaning_weight(LEANING_PRESENT, 4), 0.5, 1e-9);
    assert_float_equal(leaning_weight(LEANING_LASTING, 0), 0, 1e-9);
    assert_float_equal(leaning_weight(LEANING_LASTING, 64), 0.5 - exp2(-16), 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leaning__the_present_is_what_was_wanted_last),
        cmocka_unit_test(test_leaning__types_and_liking_weigh),
        cmocka_unit_test(test_leaning__halves_of_the_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Counting actors: "bandit-counts", "user-counts" and "user-counts-decayed". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "near.h"

#include "lab/actor.h"

static const struct actor_ops *actor(const char *name)
{
    const struct actor_ops *a = actor_find(name);
    assert_non_null(a);
    return a;
}

static void *start(const struct actor_ops *a, uint32_t items)
{
    const struct actor_catalog c = {.n = items, .slate = 1};
    void *mind = a->create(1, &c);
    assert_non_null(mind);
    return mind;
}

static void view(const struct actor_ops *a, void *mind, uint32_t user, uint32_t item)
{
    a->event(mind, user, &(struct actor_event){.type = "view", .item = item});
}

static uint64_t next_id;

static uint32_t ask(const struct actor_ops *a, void *mind, uint32_t user)
{
    uint32_t item;
    double p;
    const struct actor_request r = {.id = ++next_id, .user = user, .k = 1};
    a->recommend(mind, &r, &item, &p);
    assert_true(p > 0 && p <= 1);
    return item;
}

/* The item of most of 41 lists: exploration aside. */
static uint32_t mostly(const struct actor_ops *a, void *mind, uint32_t user,
                       uint32_t items)
{
    uint32_t count[64] = {0}, best = 0;
    assert_true(items <= 64);
    for (int i = 0; i < 41; i++)
        count[ask(a, mind, user)]++;
    for (uint32_t i = 1; i < items; i++)
        if (count[i] > count[best])
            best = i;
    assert_true(count[best] > 30);
    return best;
}

static void show(const struct actor_ops *a, void *mind, uint32_t user, uint32_t item,
                 int times, float reward)
{
    for (int i = 0; i < times; i++)
        a->impression(mind, user, &item, &reward, 1);
}

/* ---- bandit-counts ---- */

static void test_actor_counts__rewards_by_last_view(void **state)
{
    const struct actor_ops *a = actor("bandit-counts");
    void *mind = start(a, 4);
    (void)state;
    view(a, mind, 1, 0);
    view(a, mind, 2, 1);
    for (uint32_t i = 0; i < 4; i++) {
        show(a, mind, 1, i, 2000, i == 2 ? .5f : .1f);
        show(a, mind, 2, i, 2000, i == 3 ? .5f : .1f);
    }
    assert_int_equal(mostly(a, mind, 1, 4), 2);
    assert_int_equal(mostly(a, mind, 2, 4), 3);
    /* Somebody of whom nothing is known: what all liked; then as whom they resemble. */
    show(a, mind, 9, 2, 500, .9f);
    assert_int_equal(mostly(a, mind, 7, 4), 2);
    view(a, mind, 7, 1);
    assert_int_equal(mostly(a, mind, 7, 4), 3);
    assert_int_equal(mostly(a, mind, 7 + 65536, 4),
                     2); /* of the same place, not the same */
    a->destroy(mind);
}

static void test_actor_counts__tries_what_was_never_shown(void **state)
{
    const struct actor_ops *a = actor("bandit-counts");
    void *mind = start(a, 3);
    (void)state;
    show(a, mind, 1, 0, 3000, .02f);
    show(a, mind, 1, 1, 3000, .025f);
    assert_int_equal(mostly(a, mind, 1, 3), 2);
    show(a, mind, 1, 2, 3000, .01f);
    assert_int_equal(mostly(a, mind, 1, 3), 1);
    a->destroy(mind);
}

static void test_actor_counts__feedback_is_an_impression(void **state)
{
    const struct actor_ops *a = actor("bandit-counts");
    void *mind = start(a, 3);
    (void)state;
    for (int i = 0; i < 4000; i++) {
        const uint32_t item = ask(a, mind, 1);
        a->feedback(mind, next_id, 1, &(float){item == 1 ? .5f : .1f}, 1, false);
        /* Of nobody's list, or told before: no effect. */
        a->feedback(mind, next_id, 1, &(float){item == 1 ? 0 : 90.f}, 1, false);
        a->feedback(mind, next_id + 1000, 1, &(float){90.f}, 1, false);
    }
    assert_int_equal(mostly(a, mind, 1, 3), 1);
    a->destroy(mind);
}

static void test_actor_counts__explores_as_often_as_it_says(void **state)
{
    enum { DRAWS = 40000 };
    const struct actor_ops *a = actor("bandit-counts");
    void *mind = start(a, 10);
    uint32_t other = 0;
    (void)state;
    for (uint32_t i = 0; i < 10; i++)
        show(a, mind, 1, i, 1000, i == 6);
    for (int i = 0; i < DRAWS; i++) {
        uint32_t item;
        double p;
        const struct actor_request r = {.id = ++next_id, .user = 1, .k = 1};
        a->recommend(mind, &r, &item, &p);
        assert_near(p, item == 6 ? .955 : .005, 1e-9);
        other += item != 6;
    }
    assert_near((double)other / DRAWS, .045, .004);
    a->destroy(mind);
}

/* ---- user counts ---- */

static void test_actor_counts__user_counts_are_the_users_own(void **state)
{
    (void)state;
    const char *const names[] = {"user-counts", "user-counts-decayed"};
    for (int k = 0; k < 2; k++) {
        const struct actor_ops *a = actor(names[k]);
        void *mind = start(a, 8);
        for (int i = 0; i < 9; i++)
            view(a, mind, 1, 5);
        view(a, mind, 2, 3);
        assert_int_equal(ask(a, mind, 1), 5);
        assert_int_equal(ask(a, mind, 2), 3);
        assert_int_equal(ask(a, mind, 3), 5); /* popularity */

        uint32_t item[3];
        double p[3];
        const struct actor_request r = {.id = ++next_id, .user = 2, .k = 3};
        a->recommend(mind, &r, item, p);
        assert_int_equal(item[0], 3); /* their own, what is popular, the rest */
        assert_int_equal(item[1], 5);
        assert_int_equal(item[2], 0);
        assert_true(p[0] == 1 && p[2] == 1);
        a->destroy(mind);
    }
}

static void test_actor_counts__decayed_counts_forget(void **state)
{
    const struct actor_ops *plain = actor("user-counts");
    const struct actor_ops *decayed = actor("user-counts-decayed");
    void *keeps = start(plain, 8), *forgets = start(decayed, 8);
    (void)state;
    for (int i = 0; i < 7; i++) {
        view(plain, keeps, 1, i < 4 ? 2 : 6);
        view(decayed, forgets, 1, i < 4 ? 2 : 6);
    }
    /* .9^3 + .. + .9^6 = 2.51 < 1 + .9 + .81 = 2.71, and one view less would not do. */
    assert_int_equal(ask(plain, keeps, 1), 2);
    assert_int_equal(ask(decayed, forgets, 1), 6);
    void *less = start(decayed, 8);
    for (int i = 0; i < 6; i++)
        view(decayed, less, 1, i < 4 ? 2 : 6);
    assert_int_equal(ask(decayed, less, 1), 2);
    plain->destroy(keeps);
    decayed->destroy(forgets);
    decayed->destroy(less);
}

static void test_actor_counts__user_counts_are_bounded(void **state)
{
    enum { ITEMS = 1000 };
    const struct actor_ops *a = actor("user-counts");
    void *mind = start(a, ITEMS);
    (void)state;
    for (int i = 0; i < 3; i++)
        view(a, mind, 1, 4);
    for (uint32_t i = 500; i < 900; i++)
        view(a, mind, 1, i); /* 401 items of 256 that are kept */
    view(a, mind, 1, 899);
    assert_int_equal(ask(a, mind, 1), 4);
    /* Another user of the same place has it. */
    for (int i = 0; i < 9; i++)
        view(a, mind, 2, 7);
    view(a, mind, 1 + 4096, 8);
    assert_int_equal(ask(a, mind, 1 + 4096), 8);
    assert_int_equal(ask(a, mind, 1), 7);
    view(a, mind, 1, ITEMS); /* no item: no effect */
    a->destroy(mind);
}

static void test_actor_counts__candidates_are_drawn_at_random(void **state)
{
    (void)state;
    const char *const names[] = {"bandit-counts", "user-counts", "user-counts-decayed"};
    const float candidates[5] = {0};
    for (int k = 0; k < 3; k++) {
        const struct actor_ops *a = actor(names[k]);
        void *mind = start(a, 0);
        uint32_t count[5] = {0};
        for (int i = 0; i < 5000; i++) {
            uint32_t item[2];
            double p[2];
            const struct actor_request r = {.id = ++next_id,
                                            .user = 1,
                                            .k = 2,
                                            .candidates = candidates,
                                            .n_candidates = 5,
                                            .candidate_dim = 1};
            a->recommend(mind, &r, item, p);
            assert_true(item[0] < 5 && item[1] < 5 && item[0] != item[1]);
            assert_near(p[1], .25, 1e-12);
            count[item[0]]++;
            if (a->feedback)
                a->feedback(mind, r.id, 1, (float[]){1, 0}, 2, false);
        }
        for (int i = 0; i < 5; i++)
            assert_near(count[i] / 5000.0, .2, .03);
        a->destroy(mind);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_actor_counts__rewards_by_last_view),
        cmocka_unit_test(test_actor_counts__tries_what_was_never_shown),
        cmocka_unit_test(test_actor_counts__feedback_is_an_impression),
        cmocka_unit_test(test_actor_counts__explores_as_often_as_it_says),
        cmocka_unit_test(test_actor_counts__user_counts_are_the_users_own),
        cmocka_unit_test(test_actor_counts__decayed_counts_forget),
        cmocka_unit_test(test_actor_counts__user_counts_are_bounded),
        cmocka_unit_test(test_actor_counts__candidates_are_drawn_at_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

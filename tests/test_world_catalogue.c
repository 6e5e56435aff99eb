/* SPDX-License-Identifier: Apache-2.0 */
/* World "catalogue-drift": items come and go, and what is known of their numbers with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "play_fixture.h"

static const char WORLD[] = "catalogue-drift";
enum { PLACES = 60, FEATURES = 8, LISTS = 10, SLATE = 5 };

/* Counts clicks by item number, and shows what was clicked most of what was shown. */
struct counter {
    double shown[PLACES], clicked[PLACES];
    uint32_t last[SLATE];
};

static void *counter_create(uint64_t seed, const struct actor_catalog *c)
{
    (void)seed;
    (void)c;
    return calloc(1, sizeof(struct counter));
}

static void counter_recommend(void *state, const struct actor_request *r, uint32_t *item,
                              double *p)
{
    struct counter *c = state;
    bool taken[PLACES] = {false};
    for (uint32_t i = 0; i < r->k; i++) {
        double most = -1;
        for (uint32_t j = 0; j < PLACES; j++) {
            const double share = (c->clicked[j] + 1) / (c->shown[j] + 3);
            if (!taken[j] && share > most) {
                most = share;
                item[i] = j;
            }
        }
        taken[item[i]] = true;
        p[i] = 1;
    }
    memcpy(c->last, item, sizeof(c->last));
}

static void counter_feedback(void *state, uint64_t id, uint32_t user, const float *reward,
                             uint32_t k, bool done)
{
    struct counter *c = state;
    (void)id;
    (void)user;
    (void)done;
    for (uint32_t i = 0; i < k; i++) {
        c->shown[c->last[i]]++;
        c->clicked[c->last[i]] += (double)reward[i];
    }
}

static const struct actor_ops counter = {
    .name = "counter",
    .create = counter_create,
    .destroy = free,
    .recommend = counter_recommend,
    .feedback = counter_feedback,
};

static void test_world_catalogue__same_seed_same_bits(void **state)
{
    (void)state;
    play_check_seeds(WORLD, "chance", 30);
    play_check_seeds(WORLD, "myopic", 30);
}

/* Every place changes its item after 40 to 120 users, always after as many. */
static void test_world_catalogue__items_come_and_go(void **state)
{
    const struct world_ops *w = world_find(WORLD);
    void *people = w->create(2);
    float old[PLACES][FEATURES];
    uint32_t since[PLACES] = {0}, life[PLACES] = {0}, at_once[2] = {0};
    (void)state;
    for (uint32_t e = 0; e < 600; e++) {
        struct world_turn turn;
        uint32_t changed = 0;
        w->begin(people, e);
        w->turn(people, &turn);
        assert_int_equal(turn.request.n_candidates, PLACES);
        assert_int_equal(turn.request.candidate_dim, FEATURES);
        for (uint32_t p = 0; p < PLACES; p++) {
            const float *f = turn.request.candidates + (size_t)p * FEATURES;
            if (e && memcmp(f, old[p], sizeof(old[p])) != 0) {
                changed++;
                if (since[p] && life[p])
                    assert_int_equal(e - since[p], life[p]);
                if (since[p])
                    life[p] = e - since[p];
                since[p] = e;
            }
            memcpy(old[p], f, sizeof(old[p]));
        }
        at_once[changed > 6] += changed;
    }
    for (uint32_t p = 0; p < PLACES; p++)
        assert_true(life[p] >= 40 && life[p] <= 120);
    assert_true(at_once[0] > 300); /* by and by */
    assert_int_equal(at_once[1], 0);
    w->destroy(people);
}

/* An item has the same luck whatever else is shown: what is clicked at a place is clicked at
   every place before it. */
static void test_world_catalogue__luck_is_the_items(void **state)
{
    const struct world_ops *w = world_find(WORLD);
    void *a = w->create(7), *b = w->create(7);
    uint32_t clicks = 0, lost = 0;
    (void)state;
    for (uint32_t e = 0; e < 200; e++) {
        w->begin(a, e);
        w->begin(b, e);
        for (uint32_t t = 0; t < LISTS; t++) {
            struct world_turn of_a, of_b;
            float reward_a[SLATE], reward_b[SLATE];
            uint32_t one[SLATE], other[SLATE];
            for (uint32_t i = 0; i < SLATE; i++)
                one[i] = (e + 7 * t + i) % PLACES;
            for (uint32_t i = 0; i < SLATE; i++) /* backwards, and its fourth is new */
                other[i] = i == 3 ? (one[1] + 30) % PLACES : one[SLATE - 1 - i];
            w->turn(a, &of_a);
            w->turn(b, &of_b);
            assert_memory_equal(of_a.request.context, of_b.request.context,
                                of_a.request.n_context * sizeof(float));
            assert_int_equal(w->act(a, one, SLATE, reward_a), t == LISTS - 1);
            w->act(b, other, SLATE, reward_b);
            assert_true(reward_a[0] >= reward_b[4]);
            assert_true(reward_a[2] == reward_b[2]);
            assert_true(reward_a[3] <= reward_b[1]);
            assert_true(reward_a[4] <= reward_b[0]);
            clicks += reward_a[2] > 0;
            lost += reward_a[0] > reward_b[4];
        }
    }
    assert_true(clicks > 200);
    assert_true(lost > 50);
    w->destroy(a);
    w->destroy(b);
}

/* Lists at random: place i is clicked .85^i as often as the first. */
static void test_world_catalogue__lower_places_are_looked_at_less(void **state)
{
    const struct world_ops *w = world_find(WORLD);
    void *people = w->create(3);
    struct rng r;
    double clicks[SLATE] = {0}, looks = 1;
    (void)state;
    rng_init(&r, 1, 2);
    for (uint32_t e = 0; e < 2000; e++) {
        bool over = false;
        w->begin(people, e);
        while (!over) {
            struct world_turn turn;
            uint32_t item[SLATE];
            float reward[SLATE];
            w->turn(people, &turn);
            play_chance(&r, PLACES, SLATE, item);
            over = w->act(people, item, SLATE, reward);
            for (uint32_t i = 0; i < SLATE; i++)
                clicks[i] += (double)reward[i];
        }
    }
    assert_true(clicks[0] > 5000);
    for (uint32_t i = 0; i < SLATE; i++, looks *= .85)
        play_check_near(clicks[i] / clicks[0], looks, .06);
    w->destroy(people);
}

static void test_world_catalogue__numbers_alone_lose(void **state)
{
    struct play by_number = {
        .world = world_find(WORLD), .actor = &counter, .seed = 1, .episodes = 500};
    const double chance = play(WORLD, "chance", 1, 500).reward;
    const double features = play(WORLD, "myopic", 1, 500).reward;
    const double oracle = play(WORLD, "oracle", 1, 500).reward;
    (void)state;
    play_run(&by_number);
    assert_true(by_number.reward > 1.05 * chance);  /* there is something in them .. */
    assert_true(features > 1.4 * by_number.reward); /* .. and more in what items say */
    assert_true(oracle > 1.05 * features);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_world_catalogue__same_seed_same_bits),
        cmocka_unit_test(test_world_catalogue__items_come_and_go),
        cmocka_unit_test(test_world_catalogue__luck_is_the_items),
        cmocka_unit_test(test_world_catalogue__lower_places_are_looked_at_less),
        cmocka_unit_test(test_world_catalogue__numbers_alone_lose),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

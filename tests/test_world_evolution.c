/* SPDX-License-Identifier: Apache-2.0 */
/* World "evolution": its people choose, watch and change as the public simulator's do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "play_fixture.h"

static const char WORLD[] = "evolution";
enum { TOPICS = 20, CANDIDATES = 10 };

static uint32_t topic_of(const struct actor_request *r, uint32_t item)
{
    uint32_t topic = TOPICS;
    for (uint32_t t = 0; t < TOPICS; t++) {
        const float f = r->candidates[item * TOPICS + t];
        assert_true(f == 0 || f == 1);
        if (f == 1) {
            assert_int_equal(topic, TOPICS); /* one of twenty, and no more */
            topic = t;
        }
    }
    assert_true(topic < TOPICS);
    return topic;
}

static void test_world_evolution__same_seed_same_bits(void **state)
{
    (void)state;
    play_check_seeds(WORLD, "chance", 5);
    play_check_seeds(WORLD, "myopic", 5);
}

/* Two worlds of a seed in which other lists are shown, and not as many: the same users, the
   same videos. */
static void test_world_evolution__users_and_videos_do_not_depend_on_lists(void **state)
{
    const struct world_ops *w = world_find(WORLD);
    void *a = w->create(9), *b = w->create(9);
    const uint32_t first[3] = {0, 1, 2}, last[3] = {9, 8, 7};
    (void)state;
    for (uint32_t e = 0; e < 20; e++) {
        assert_int_equal(w->begin(a, e), w->begin(b, e));
        for (uint32_t t = 0; t < 30; t++) {
            struct world_turn of_a, of_b;
            float reward[3];
            if (t < 20 || e % 2) {
                w->turn(b, &of_b);
                w->act(b, e % 3 ? last : first, 3, reward);
            }
            w->turn(a, &of_a);
            w->act(a, first, 3, reward);
            if (t >= 20 && e % 2 == 0)
                continue;
            assert_int_equal(of_a.request.n_candidates, CANDIDATES);
            assert_memory_equal(of_a.request.candidates, of_b.request.candidates,
                                CANDIDATES * TOPICS * sizeof(float));
            if (t == 0)
                assert_memory_equal(of_a.request.context, of_b.request.context,
                                    TOPICS * sizeof(float));
        }
    }
    w->destroy(a);
    w->destroy(b);
}

static uint32_t watched(const float *reward)
{
    uint32_t place = 3;
    for (uint32_t p = 0; p < 3; p++)
        if (reward[p] > 0) {
            assert_int_equal(place, 3);
            place = p;
        }
    return place;
}

/* Who took a rather than b or nothing takes it again, or the one that is new in the list. */
static void test_world_evolution__luck_is_the_items(void **state)
{
    const struct world_ops *w = world_find(WORLD);
    const uint32_t one[3] = {0, 1, 2}, other[3] = {5, 1, 0};
    int same = 0, changed = 0;
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        float of_a[3], of_b[3];
        struct world_turn turn;
        void *a = w->create(seed), *b = w->create(seed);
        w->begin(a, 0);
        w->begin(b, 0);
        w->turn(a, &turn);
        w->turn(b, &turn);
        w->act(a, one, 3, of_a);
        w->act(b, other, 3, of_b);
        const uint32_t p = watched(of_a), q = watched(of_b);
        if (p < 2) { /* item 0 or 1, at other places in the other list */
            assert_true(q == 0 || (q < 3 && other[q] == one[p]));
            same += q != 0;
            changed += q == 0;
        }
        w->destroy(a);
        w->destroy(b);
    }
    assert_true(same > 60);
    assert_true(changed > 10);
}

struct count {
    double expected, variance, seen;
};

static void count_add(struct count *c, double chance, bool seen)
{
    c->expected += chance;
    c->variance += chance * (1 - chance);
    c->seen += seen;
}

static void count_check(const struct count *c)
{
    assert_true(c->expected > 100);
    if (fabs(c->seen - c->expected) > 4 * sqrt(c->variance))
        fail_msg("%g seen, %g expected", c->seen, c->expected);
}

/* What was seen of the people, beside what the documents say. */
struct people {
    struct count place[4]; /* the last one: nothing */
    struct count liked, disliked, up;
    float least;  /* reward of the episode so far */
    double spent; /* minutes of the budget, but for the spread of quality */
    double last;  /* of them, at the last step */
};

/* The chance of each place, and of nothing. */
static void see_choice(struct people *c, const double u[3], uint32_t chosen)
{
    const double sum = u[0] + u[1] + u[2] + 3 + 2;
    for (uint32_t p = 0; p < 3; p++) {
        count_add(&c->place[p], (u[p] + 1) / sum, chosen == p);
        count_add(u[p] > 0 ? &c->liked : &c->disliked, (u[p] + 1) / sum, chosen == p);
    }
    count_add(&c->place[3], 2 / sum, chosen == 3);
}

/* Four minutes, or all that was left, less what quality gives back; half of one for nothing. */
static void see_minutes(struct people *c, uint32_t topic, float reward)
{
    const double quality = topic < 14 ? -3 + 3. / 13 * topic : 3. / 5 * (topic - 14);
    c->last = .5;
    if (reward > 0) {
        assert_true(reward <= 4);
        assert_true(c->least == 4 || reward < c->least);
        c->least = reward;
        c->last = (double)reward * (1 - .9 / 3.4 * quality);
    }
    c->spent += c->last;
}

/* Interest moves by its rule in what was watched (topic), and nowhere else. */
static void see_change(struct people *c, const float *before, const float *after,
                       uint32_t topic)
{
    for (uint32_t t = 0; t < TOPICS; t++) {
        const double u = (double)before[t], by = .3 * (1 - fabs(u)) * (1 - u);
        const double moved = (double)after[t] - u;
        if (t != topic) {
            assert_true(moved == 0);
            continue;
        }
        assert_true(fabs(fabs(moved) - by) < 1e-6 || after[t] == -1);
        if (by > 1e-4)
            count_add(&c->up, (u + 1) / 2, moved > 0);
    }
}

static bool live_a_turn(struct people *c, const struct world_ops *w, void *world,
                        struct rng *r, bool best)
{
    struct world_turn turn;
    uint32_t item[3], topic[4] = {0, 0, 0, TOPICS};
    float reward[4] = {0}, before[TOPICS];
    double u[3];
    w->turn(world, &turn);
    memcpy(before, turn.request.context, sizeof(before));
    if (best)
        w->oracle(world, item, 3);
    else
        play_chance(r, CANDIDATES, 3, item);
    for (int p = 0; p < 3; p++) {
        topic[p] = topic_of(&turn.request, item[p]);
        u[p] = (double)before[topic[p]];
    }
    const bool over = w->act(world, item, 3, reward);
    const uint32_t chosen = watched(reward);
    see_choice(c, u, chosen);
    see_minutes(c, topic[chosen], reward[chosen]);
    w->turn(world, &turn);
    see_change(c, before, turn.request.context, topic[chosen]);
    return over;
}

static void test_world_evolution__people_choose_and_change_as_documented(void **state)
{
    const struct world_ops *w = world_find(WORLD);
    void *world = w->create(3);
    struct rng r;
    struct people c = {0};
    (void)state;
    rng_init(&r, 1, 2);
    for (uint32_t e = 0; e < 160; e++) {
        w->begin(world, e);
        c.least = 4;
        c.spent = 0;
        while (!live_a_turn(&c, w, world, &r, e % 2))
            ;
        assert_true(c.spent > 200 - 4); /* the spread of quality: .1 a video */
        assert_true(c.spent - c.last < 200 + 4);
    }
    for (int p = 0; p < 4; p++)
        count_check(&c.place[p]);
    count_check(&c.liked);
    count_check(&c.disliked);
    count_check(&c.up);
    w->destroy(world);
}

/* Published for the public simulator: random 159.2 to 160.1, myopic 166.3 to 167.4; measured
   there: the hand policy 265.2. */
static void test_world_evolution__policies_earn_what_is_published(void **state)
{
    (void)state;
    play_check_near(play(WORLD, "chance", 1, 400).reward / 400, 160.1, .03);
    play_check_near(play(WORLD, "myopic", 1, 400).reward / 400, 167, .05);
    play_check_near(play(WORLD, "oracle", 1, 200).reward / 200, 265.2, .05);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_world_evolution__same_seed_same_bits),
        cmocka_unit_test(test_world_evolution__users_and_videos_do_not_depend_on_lists),
        cmocka_unit_test(test_world_evolution__luck_is_the_items),
        cmocka_unit_test(test_world_evolution__people_choose_and_change_as_documented),
        cmocka_unit_test(test_world_evolution__policies_earn_what_is_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The world "organic": paired luck, misleading popularity, and where counting lands. */
#include "play_fixture.h"
#include "near.h"

#include <stdlib.h>

static const struct world_ops *world(void)
{
    const struct world_ops *w = world_find("organic");
    assert_non_null(w);
    return w;
}

/* ---- somebody who shows what is viewed most ---- */

struct popular {
    uint32_t n, count[1000];
};

static void *popular_create(uint64_t seed, const struct actor_catalog *c)
{
    struct popular *a = calloc(1, sizeof(*a));
    (void)seed;
    assert_true(a && c->n <= 1000);
    a->n = c->n;
    return a;
}

static void popular_event(void *state, uint32_t user, const struct actor_event *e)
{
    struct popular *a = state;
    (void)user;
    assert_string_equal(e->type, "view");
    a->count[e->item]++;
}

static void popular_recommend(void *state, const struct actor_request *r, uint32_t *item,
                              double *p)
{
    struct popular *a = state;
    (void)r;
    item[0] = 0;
    p[0] = 1;
    for (uint32_t i = 1; i < a->n; i++)
        if (a->count[i] > a->count[item[0]])
            item[0] = i;
}

static const struct actor_ops popular = {
    .name = "popular",
    .create = popular_create,
    .destroy = free,
    .event = popular_event,
    .recommend = popular_recommend,
};

/* ---- tests ---- */

static void test_world_organic__same_seed_same_bits(void **state)
{
    (void)state;
    play_check_seeds("organic", "bandit-counts", 60);
    const struct play p = play("organic", "bandit-counts", 5, 60);
    assert_true(p.events > 0 && p.part_turns[0] > 0);
}

/* The first ad of every user, shown by two who chose differently before: the same views led
   there, and who clicks an ad of chance q clicks every ad of a larger one. */
static void test_world_organic__two_policies_meet_the_same_people(void **state)
{
    (void)state;
    const struct world_ops *w = world();
    void *one = w->create(5), *two = w->create(5);
    uint32_t clicks = 0, differ = 0, ads = 0;
    for (uint32_t e = 0; e < 600; e++) {
        struct world_turn s, t;
        assert_int_equal(w->begin(one, e), w->begin(two, e));
        w->turn(one, &s);
        w->turn(two, &t);
        assert_int_equal(s.n_events, t.n_events);
        for (uint32_t i = 0; i < s.n_events; i++)
            assert_int_equal(s.event[i].item, t.event[i].item);
        assert_true(s.n_events > 0 && s.over == t.over);
        if (s.over)
            continue;
        float got_one, got_two;
        uint32_t best[100];
        w->oracle(one, best, 100);
        const uint32_t worse = best[1 + e % 99];
        for (bool over = w->act(one, &best[0], 1, &got_one); !over;) {
            w->turn(one, &s); /* one goes on, two has left this user */
            over = s.over || w->act(one, &best[0], 1, &(float){0});
        }
        (void)w->act(two, &worse, 1, &got_two);
        assert_true(got_one >= got_two);
        clicks += got_one > 0;
        differ += got_one > got_two;
        ads++;
    }
    assert_true(ads > 500 && clicks > 5 && differ > 2);
    w->destroy(one);
    w->destroy(two);
}

static void test_world_organic__parts_are_by_user(void **state)
{
    (void)state;
    const struct world_ops *w = world();
    void *people = w->create(1);
    struct actor_catalog c;
    w->catalog(people, &c);
    assert_true(c.n == 100 && c.slate == 1 && !c.features && c.dim == 0);
    const uint32_t episode[] = {0, 999, 1000, 1999, 2000, 2999, 5000};
    const uint32_t part[] = {0, 0, 1, 1, 2, 2, 2};
    assert_int_equal(w->episodes, 3000);
    for (int i = 0; i < 7; i++) {
        struct world_turn t;
        assert_int_equal(w->begin(people, episode[i]), episode[i]);
        w->turn(people, &t);
        assert_int_equal(t.part, part[i]);
        assert_non_null(w->parts[t.part]);
        assert_int_equal(t.request.user, episode[i]);
        assert_int_equal(t.request.k, 1);
    }
    w->destroy(people);
}

static void test_world_organic__organic_popularity_misleads(void **state)
{
    (void)state;
    double at_random = 0, best = 0, misled = 0;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct play r = {.world = world(), .random = true, .seed = seed, .episodes = 300};
        struct play o = {.world = world(), .seed = seed, .episodes = 300};
        struct play p = {
            .world = world(), .actor = &popular, .seed = seed, .episodes = 300};
        play_run(&r);
        play_run(&o);
        play_run(&p);
        at_random += r.reward;
        best += o.reward;
        misled += p.reward;
    }
    const double gap = (misled - at_random) / (best - at_random);
    assert_true(best > 2 * at_random);
    assert_near(gap, 0, .15);
}

/* After 1,000 users shown at random: a gap share of .40 to .61 is known. */
static void test_world_organic__counting_clicks_reaches_the_known_share(void **state)
{
    (void)state;
    double at_random = 0, best = 0, counts = 0;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct play r = {.world = world(),
                         .random = true,
                         .seed = seed,
                         .episodes = 1300,
                         .logged = 1000};
        struct play o = r, c = r;
        o.random = c.random = false;
        c.actor = actor_find("bandit-counts");
        play_run(&r);
        play_run(&o);
        play_run(&c);
        at_random += r.reward;
        best += o.reward;
        counts += c.reward;
    }
    const double gap = (counts - at_random) / (best - at_random);
    assert_true(gap > .4 && gap < .7);
}

/* From nothing: more and more of the gap, though nobody was shown at random before. */
static void test_world_organic__counting_clicks_learns_from_nothing(void **state)
{
    (void)state;
    double at_random[2] = {0}, best[2] = {0}, counts[2] = {0};
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct play r = {
            .world = world(), .random = true, .seed = seed, .episodes = 2000};
        struct play o = r, c = r;
        o.random = c.random = false;
        c.actor = actor_find("bandit-counts");
        play_run(&r);
        play_run(&o);
        play_run(&c);
        for (int p = 0; p < 2; p++) {
            at_random[p] += r.part[p];
            best[p] += o.part[p];
            counts[p] += c.part[p];
        }
    }
    const double first = (counts[0] - at_random[0]) / (best[0] - at_random[0]);
    const double second = (counts[1] - at_random[1]) / (best[1] - at_random[1]);
    assert_true(first > .25 && second > first + .05 && second < .8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_world_organic__same_seed_same_bits),
        cmocka_unit_test(test_world_organic__two_policies_meet_the_same_people),
        cmocka_unit_test(test_world_organic__parts_are_by_user),
        cmocka_unit_test(test_world_organic__organic_popularity_misleads),
        cmocka_unit_test(test_world_organic__counting_clicks_reaches_the_known_share),
        cmocka_unit_test(test_world_organic__counting_clicks_learns_from_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

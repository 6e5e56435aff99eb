/* SPDX-License-Identifier: Apache-2.0 */
/* Linear bandits and what they stand on: the posterior against closed forms, groups of
   items, sessions, forgetting, the cap. And the popularity actors. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lab/actor.h"
#include "lab/feature_groups.h"
#include "lab/linear_posterior.h"
#include "lab/slate_tools.h"
#include "near.h"

/* ---- the posterior ---------------------------------------------------------------- */

/* Two observations of two numbers; A and b by hand, A^-1 by the formula for 2 x 2. */
static void test_linear_posterior__is_the_closed_form(void **state)
{
    (void)state;
    struct linear_posterior p;
    assert_true(linear_init(&p, 2, 2));
    linear_reset(&p, (const double[]){1, -1});
    linear_add(&p, (const double[]){1, 2}, 3);
    linear_add(&p, (const double[]){-1, 1}, 1);
    /* A = 2 I + [1 2; 2 4] + [1 -1; -1 1] = [4 1; 1 7], b = 2 (1, -1) + (3, 6) + (-1, 1). */
    linear_solve(&p);
    assert_near(p.mean[0], (7 * 4 - 1 * 5) / 27.0, 1e-12);
    assert_near(p.mean[1], (4 * 5 - 1 * 4) / 27.0, 1e-12);
    double work[2];
    assert_near(linear_width(&p, (const double[]){1, 0}, work), sqrt(7 / 27.0), 1e-12);
    assert_near(linear_width(&p, (const double[]){1, 1}, work), sqrt(9 / 27.0), 1e-12);
    assert_near(linear_upper(&p, (const double[]){1, 1}, 2, work),
                (7 * 4 - 1 * 5 + 4 * 5 - 1 * 4) / 27.0 + 2 * sqrt(9 / 27.0), 1e-12);
    linear_release(&p);
}

static void test_linear_posterior__forgets_towards_the_prior(void **state)
{
    (void)state;
    struct linear_posterior p;
    assert_true(linear_init(&p, 1, 3));
    linear_reset(&p, (const double[]){2});
    linear_add(&p, (const double[]){1}, 10);
    linear_fade(&p, .5);
    linear_solve(&p);
    assert_near(p.mean[0], (3 * 2 + .5 * 10) / 3.5, 1e-12);
    for (int i = 0; i < 100; i++)
        linear_fade(&p, .5);
    linear_solve(&p);
    assert_near(p.mean[0], 2, 1e-9);
    assert_near(p.a[0], 3, 1e-9);
    linear_release(&p);
}

static void test_linear_posterior__draws_have_its_moments(void **state)
{
    (void)state;
    enum { DRAWS = 40000 };
    struct linear_posterior p;
    struct rng rng;
    double sum[2] = {0}, square[2] = {0}, product = 0;
    rng_init(&rng, 3, 0);
    assert_true(linear_init(&p, 2, 1));
    linear_add(&p, (const double[]){1, 2}, 3);
    linear_add(&p, (const double[]){-1, 1}, 1);
    linear_solve(&p); /* A = [3 1; 1 6], A^-1 = [6 -1; -1 3] / 17 */
    for (int i = 0; i < DRAWS; i++) {
        double t[2];
        linear_draw(&p, 2, &rng, t);
        for (int j = 0; j < 2; j++) {
            t[j] -= p.mean[j];
            sum[j] += t[j];
            square[j] += t[j] * t[j];
        }
        product += t[0] * t[1];
    }
    assert_near(sum[0] / DRAWS, 0, .03);
    assert_near(sum[1] / DRAWS, 0, .03);
    assert_near(square[0] / DRAWS, 4 * 6 / 17.0, .05);
    assert_near(square[1] / DRAWS, 4 * 3 / 17.0, .03);
    assert_near(product / DRAWS, 4 * -1 / 17.0, .03);
    linear_release(&p);
}

/* ---- groups ----------------------------------------------------------------------- */

static void test_feature_groups__are_the_largest_share(void **state)
{
    (void)state;
    const float shares[] = {.1f, .9f, 0, .6f, .3f, .1f, 0, .2f, .8f};
    const struct actor_catalog c = {.n = 3, .dim = 3, .features = shares};
    uint8_t *group = feature_groups_find(&c, 1);
    assert_int_equal(group[0], 1);
    assert_int_equal(group[1], 0);
    assert_int_equal(group[2], 2);
    free(group);
}

static void test_feature_groups__are_clusters_where_features_are_no_shares(void **state)
{
    (void)state;
    enum { EACH = 30, GROUPS = 4, DIM = 4 };
    static float row[EACH * GROUPS * DIM];
    struct rng rng;
    rng_init(&rng, 5, 0);
    /* Four directions far from each other and from the axes, with a little noise. */
    static const float centre[GROUPS][DIM] = {
        {1, 1, 1, 1}, {1, -1, 1, -1}, {1, 1, -1, -1}, {-1, 1, 1, -1}};
    for (uint32_t i = 0; i < EACH * GROUPS; i++)
        for (uint32_t j = 0; j < DIM; j++)
            row[i * DIM + j] = centre[i % GROUPS][j] + .1f * rng_normal(&rng);
    const struct actor_catalog c = {.n = EACH * GROUPS, .dim = DIM, .features = row};
    uint8_t *group = feature_groups_find(&c, 1);
    for (uint32_t i = 0; i < EACH * GROUPS; i++)
        for (uint32_t j = 0; j < i; j++)
            assert_int_equal(group[i] == group[j], i % GROUPS == j % GROUPS);
    free(group);
    const struct actor_catalog plain = {.n = 5};
    group = feature_groups_find(&plain, 1);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(group[i], 0);
    free(group);
}

static void
test_feature_groups__the_best_are_capped_while_that_leaves_enough(void **state)
{
    (void)state;
    const uint8_t group[] = {0, 0, 0, 1, 1};
    double score[] = {5, 4, 3, 2, 1};
    uint32_t item[5];
    feature_groups_best(score, 5, group, 1, 3, item);
    assert_int_equal(item[0], 0);
    assert_int_equal(item[1], 3);
    assert_int_equal(item[2], 1); /* both groups are full: the best that is left */
    double again[] = {5, 4, 3, 2, 1};
    feature_groups_best(again, 5, NULL, 1, 3, item);
    assert_int_equal(item[1], 1);
    assert_int_equal(item[2], 2);
}

/* ---- actors ----------------------------------------------------------------------- */

enum { ITEMS = 40, SLATE = 10, SEEN = 30 };

static uint64_t next_id;
static float features[ITEMS * 4]; /* item i is of topic i % 4, one of four */

static void *start(const struct actor_ops *a)
{
    for (uint32_t i = 0; i < ITEMS; i++)
        for (uint32_t j = 0; j < 4; j++)
            features[i * 4 + j] = i % 4 == j ? 1 : 0;
    const struct actor_catalog c = {
        .n = ITEMS, .dim = 4, .features = features, .slate = SLATE};
    void *mind = a->create(7, &c);
    assert_non_null(mind);
    return mind;
}

/* A list for a user who clicks everything of one topic (or item); how many it holds. */
static uint32_t meet(const struct actor_ops *a, void *mind, uint32_t user, uint32_t topic)
{
    uint32_t item[SLATE], liked = 0;
    double p[SLATE];
    float reward[SLATE];
    const struct actor_request r = {.id = ++next_id, .user = user, .k = SLATE};
    a->recommend(mind, &r, item, p);
    for (uint32_t i = 0; i < SLATE; i++) {
        assert_true(item[i] < ITEMS);
        reward[i] = item[i] % 4 == topic;
        liked += reward[i] > 0;
        for (uint32_t j = 0; j < i; j++)
            assert_int_not_equal(item[i], item[j]);
    }
    a->feedback(mind, r.id, user, reward, SLATE, false);
    return liked;
}

static uint32_t after(const struct actor_ops *a, void *mind, uint32_t user,
                      uint32_t topic)
{
    for (uint32_t i = 0; i < SEEN; i++)
        meet(a, mind, user, topic);
    return meet(a, mind, user, topic);
}

static void test_actor_linear__a_session_learns_its_own_topic(void **state)
{
    (void)state;
    for (const char *const *name =
             (const char *const[]){"linear-ts", "linear-ts-forget", NULL};
         *name; name++) {
        const struct actor_ops *a = actor_find(*name);
        void *mind = start(a);
        assert_int_equal(after(a, mind, 1, 2), SLATE);
        assert_int_equal(after(a, mind, 2, 3), SLATE);
        assert_int_equal(meet(a, mind, 1, 2), SLATE); /* 2 has not taught 1 */
        a->destroy(mind);
    }
}

/* First lists of twenty sessions whose user likes what the one before liked. */
static uint32_t first_lists(const struct actor_ops *a)
{
    void *mind = start(a);
    uint32_t liked = 0;
    after(a, mind, 1, 2);
    for (int i = 0; i < 20; i++) {
        a->reset(mind, 1);
        liked += meet(a, mind, 1, 2);
    }
    a->destroy(mind);
    return liked;
}

static void test_actor_linear__a_new_session_knows_what_it_should(void **state)
{
    (void)state;
    /* By chance a quarter; from the common mean nearly all. */
    assert_in_range(first_lists(actor_find("linear-ts-forget")), 10, 110);
    assert_true(first_lists(actor_find("linear-ts")) > 160);
}

/* Within a session, after long confidence: only who forgets follows soon. */
static void test_actor_linear__forgetting_follows_a_change(void **state)
{
    (void)state;
    uint32_t lists[2];
    for (int f = 0; f < 2; f++) {
        const struct actor_ops *a = actor_find(f ? "linear-ts-forget" : "linear-ts");
        void *mind = start(a);
        for (int i = 0; i < 200; i++)
            meet(a, mind, 1, 2);
        for (lists[f] = 0; lists[f] < 1000 && meet(a, mind, 1, 3) < SLATE;)
            lists[f]++;
        a->destroy(mind);
    }
    assert_true(lists[1] * 4 < lists[0]);
    assert_true(lists[1] < 100);
}

static void test_actor_linear__the_cap_holds(void **state)
{
    (void)state;
    static const char *const name[] = {"linear-ts-cap", "linear-ts-forget-cap"};
    for (int i = 0; i < 2; i++) {
        const struct actor_ops *a = actor_find(name[i]);
        void *mind = start(a);
        /* Four groups times a fifth of ten are eight; the two best that are left are of the
           liked topic as well. */
        assert_int_equal(after(a, mind, 1, 2), 4);
        a->destroy(mind);
    }
}

static void test_actor_linear__ucb_is_of_all_sessions(void **state)
{
    (void)state;
    const struct actor_ops *a = actor_find("linear-ucb");
    void *mind = start(a);
    after(a, mind, 1, 2);
    assert_int_equal(meet(a, mind, 5, 2), SLATE);
    a->destroy(mind);
}

enum { CHOICES = 6, PLACES = 2, LENGTH = 4 }; /* two features, a number of context, 1 */

/* The better two by mean and half a deviation, of what was seen of every item shown. */
static void best_two(struct linear_posterior *p, const double x[CHOICES][LENGTH],
                     uint32_t *best)
{
    double score[CHOICES], work[LENGTH];
    linear_solve(p);
    for (uint32_t i = 0; i < CHOICES; i++) {
        score[i] = .5 * linear_width(p, x[i], work);
        for (uint32_t j = 0; j < LENGTH; j++)
            score[i] += p->mean[j] * x[i][j];
    }
    slate_best(score, CHOICES, PLACES, best);
}

static void
test_actor_linear__ucb_learns_from_every_place_what_was_shown_there(void **state)
{
    (void)state;
    const struct actor_ops *a = actor_find("linear-ucb");
    const struct actor_catalog c = {.dim = 2, .slate = PLACES};
    void *mind = a->create(1, &c);
    struct linear_posterior p;
    struct rng rng;
    assert_true(linear_init(&p, LENGTH, 1));
    rng_init(&rng, 3, 3);
    for (uint64_t id = 1; id <= 300; id++) {
        float candidates[CHOICES][2], reward[PLACES];
        const float context = rng_normal(&rng);
        double x[CHOICES][LENGTH], chance[PLACES];
        uint32_t item[PLACES], best[PLACES];
        for (uint32_t i = 0; i < CHOICES; i++) {
            candidates[i][0] = rng_normal(&rng);
            candidates[i][1] = rng_normal(&rng);
            x[i][0] = 1;
            x[i][1] = (double)candidates[i][0];
            x[i][2] = (double)candidates[i][1];
            x[i][3] = (double)context;
        }
        const struct actor_request r = {.id = id,
                                        .k = PLACES,
                                        .candidates = candidates[0],
                                        .n_candidates = CHOICES,
                                        .candidate_dim = 2,
                                        .context = &context,
                                        .n_context = 1};
        best_two(&p, (const double(*)[LENGTH])x, best);
        a->recommend(mind, &r, item, chance);
        for (uint32_t i = 0; i < PLACES; i++) {
            assert_int_equal(item[i], best[i]);
            reward[i] = rng_float(&rng);
        }
        a->feedback(mind, id, 0, reward, PLACES, false);
        for (uint32_t i = 0; i < PLACES; i++)
            linear_add(&p, x[item[i]], (double)reward[i]);
    }
    linear_release(&p);
    a->destroy(mind);
}

static void test_actor_linear__candidates_bring_their_features(void **state)
{
    (void)state;
    const struct actor_ops *a = actor_find("linear-ts");
    const struct actor_catalog c = {.n = 0, .slate = 1};
    void *mind = a->create(7, &c);
    const float rows[2][4] = {{1, 0, -1, 0},
                              {0, 1, 0, -1}}; /* the liked one: the second */
    const float turned[4] = {0, 1, 1, 0};
    uint32_t item, right = 0;
    double p;
    for (uint32_t i = 0; i < 60; i++) {
        const struct actor_request r = {.id = ++next_id,
                                        .user = 1,
                                        .k = 1,
                                        .candidates = i % 2 ? rows[0] : turned,
                                        .n_candidates = 2,
                                        .candidate_dim = i % 2 ? 4 : 2};
        a->recommend(mind, &r, &item, &p);
        const bool odd = i % 2 == 1;
        right += i >= 40 && !odd && item == 0; /* the first request fixed two numbers */
        a->feedback(mind, r.id, 1, &(float){!odd && item == 0}, 1, false);
    }
    assert_true(right >= 9);
    a->destroy(mind);
}

static void test_actor_linear__without_features_all_items_come(void **state)
{
    (void)state;
    const struct actor_ops *a = actor_find("linear-ts-cap");
    const struct actor_catalog c = {.n = 12, .slate = 1};
    void *mind = a->create(7, &c);
    uint32_t seen = 0;
    for (int i = 0; i < 300; i++) {
        uint32_t item;
        double p;
        const struct actor_request r = {.id = ++next_id, .user = 1, .k = 1};
        a->recommend(mind, &r, &item, &p);
        assert_near(p, 1 / 12.0, 1e-12);
        a->feedback(mind, r.id, 1, &(float){item == 3}, 1, false);
        seen |= 1U << item;
    }
    assert_int_equal(seen, (1U << 12) - 1);
    a->destroy(mind);
}

static void test_actor_linear__foreign_feedback_changes_nothing(void **state)
{
    (void)state;
    const struct actor_ops *a = actor_find("linear-ts");
    void *one = start(a), *other = start(a);
    for (int i = 0; i < 20; i++) {
        meet(a, one, 1, 2);
        next_id--;
        meet(a, other, 1, 2);
        const float loud[SLATE] = {9, 9, 9, 9, 9, 9, 9, 9, 9, 9};
        a->feedback(other, next_id, 1, loud, SLATE, false);        /* told before */
        a->feedback(other, next_id + 1000, 1, loud, SLATE, false); /* never shown */
    }
    for (int i = 0; i < 20; i++) {
        const uint32_t here = meet(a, one, 1, 2);
        next_id--;
        assert_int_equal(here, meet(a, other, 1, 2));
    }
    a->destroy(one);
    a->destroy(other);
}

/* ---- popularity ------------------------------------------------------------------- */

static uint32_t mean_liked(const struct actor_ops *a, void *mind, uint32_t topic)
{
    uint32_t liked = 0;
    for (uint32_t i = 0; i < 20; i++)
        liked += meet(a, mind, i, topic);
    return (liked + 10) / 20;
}

static void test_actor_popularity__frozen_stays_and_decayed_follows(void **state)
{
    (void)state;
    for (int decayed = 0; decayed < 2; decayed++) {
        const struct actor_ops *a =
            actor_find(decayed ? "popularity-decayed" : "popularity-frozen");
        void *mind = start(a);
        for (uint32_t i = 0; i < 10000; i++)
            meet(a, mind, i, 2);
        assert_true(mean_liked(a, mind, 2) >= 9);
        for (uint32_t i = 0; i < 4000; i++) /* without decay it takes 10,000 */
            meet(a, mind, i, 3);
        const uint32_t now = mean_liked(a, mind, 3);
        assert_true(decayed ? now >= 9 : now == 0);
        a->destroy(mind);
    }
}

/* 100,000 lists are fifty halvings, past the point where weights are brought back to one:
   what comes then still counts for as much. */
static void test_actor_popularity__decays_for_ever(void **state)
{
    (void)state;
    const struct actor_ops *a = actor_find("popularity-decayed");
    void *mind = start(a);
    for (uint32_t i = 0; i < 100000; i++)
        meet(a, mind, i, 1);
    assert_true(mean_liked(a, mind, 1) >= 9);
    for (uint32_t i = 0; i < 4000; i++)
        meet(a, mind, i, 0);
    assert_true(mean_liked(a, mind, 0) >= 9);
    a->destroy(mind);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear_posterior__is_the_closed_form),
        cmocka_unit_test(test_linear_posterior__forgets_towards_the_prior),
        cmocka_unit_test(test_linear_posterior__draws_have_its_moments),
        cmocka_unit_test(test_feature_groups__are_the_largest_share),
        cmocka_unit_test(test_feature_groups__are_clusters_where_features_are_no_shares),
        cmocka_unit_test(
            test_feature_groups__the_best_are_capped_while_that_leaves_enough),
        cmocka_unit_test(test_actor_linear__a_session_learns_its_own_topic),
        cmocka_unit_test(test_actor_linear__a_new_session_knows_what_it_should),
        cmocka_unit_test(test_actor_linear__forgetting_follows_a_change),
        cmocka_unit_test(test_actor_linear__the_cap_holds),
        cmocka_unit_test(test_actor_linear__ucb_is_of_all_sessions),
        cmocka_unit_test(
            test_actor_linear__ucb_learns_from_every_place_what_was_shown_there),
        cmocka_unit_test(test_actor_linear__candidates_bring_their_features),
        cmocka_unit_test(test_actor_linear__without_features_all_items_come),
        cmocka_unit_test(test_actor_linear__foreign_feedback_changes_nothing),
        cmocka_unit_test(test_actor_popularity__frozen_stays_and_decayed_follows),
        cmocka_unit_test(test_actor_popularity__decays_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

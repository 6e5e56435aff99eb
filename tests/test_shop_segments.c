/* SPDX-License-Identifier: Apache-2.0 */
/* Segments of a shop through penchant.h: found by training, told, and kept up, the same
   in an open shop as in one that is opened anew. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rng.h"
#include "engine/shop_segments.h"
#include "evaluate/partition.h"
#include "lab/shop_words.h"
#include "lab/shop_world.h"
#include "shop_fixture.h"

enum { GROUPS = 3, PER_GROUP = 60, USERS = GROUPS * PER_GROUP, ITEMS = 20 * GROUPS };
#define BEGIN INT64_C(1700000000000000)
#define DAY   INT64_C(86400000000)

/* ---- the planted shop ---- */

/* User u wants items of group u % GROUPS: "c0" are bought, "c1" and "c2" looked at. */
static void add(struct penchant *p, const char *user, const char *item, const char *type,
                int64_t ts, double price)
{
    struct penchant_event e;
    penchant_event_default(&e);
    e.user_id = user;
    e.item_id = item;
    e.event = type;
    e.timestamp_us = ts;
    e.value = price;
    ok(penchant_add_events(p, &e, 1, NULL, &err));
}

static void add_visits(struct penchant *p, uint32_t users, int64_t begin, uint64_t seed,
                       int events, uint32_t shift)
{
    struct rng rng;
    const size_t n = users * (size_t)events;
    struct penchant_event *e = calloc(n, sizeof *e);
    char(*text)[2][16] = calloc(n, sizeof *text);
    rng_init(&rng, seed, 0);
    for (size_t i = 0; i < n; i++) {
        const uint32_t u = (uint32_t)(i / (size_t)events), group = (u + shift) % GROUPS;
        const int64_t step = (int64_t)(i % (size_t)events);
        snprintf(text[i][0], 16, "u%u", u);
        snprintf(text[i][1], 16, "i%u", group + GROUPS * rng_below(&rng, 20));
        penchant_event_default(&e[i]);
        e[i].user_id = text[i][0];
        e[i].item_id = text[i][1];
        e[i].event = group == 0 && step % 3 == 0 ? "purchase" : "view";
        e[i].value = 10;
        e[i].timestamp_us = begin + u % 20 * DAY / 2 + step * INT64_C(60000000);
    }
    ok(penchant_add_events(p, e, n, NULL, &err));
    free(e);
    free(text);
}

static void fill(struct penchant *p)
{
    char id[16], category[16], brand[16];
    for (uint32_t i = 0; i < ITEMS; i++) {
        struct penchant_item item;
        penchant_item_default(&item);
        snprintf(id, sizeof id, "i%u", i);
        snprintf(category, sizeof category, "c%u", i % GROUPS);
        snprintf(brand, sizeof brand, "b%u", i % GROUPS);
        item.item_id = id;
        item.category = category;
        item.brand = brand;
        item.price = i % GROUPS == 0 ? 5 : 50;
        ok(penchant_put_item(p, &item, NULL, &err));
    }
    add_visits(p, USERS, BEGIN, 1, 9, 0);
}

static void train(const struct shop *s, uint64_t seed)
{
    struct penchant_train_options o;
    penchant_train_options_default(&o);
    o.dir = s->dir;
    o.preset = "sasrec";
    o.dim = 16;
    o.blocks = 1;
    o.max_length = 16;
    o.max_epochs = 15;
    o.seed = seed;
    ok(penchant_train(&o, NULL, &err));
}

static int set_up(void **state)
{
    if (shop_set_up(state))
        return -1;
    fill(((struct shop *)*state)->p);
    return 0;
}

/* A shop picks its model up by itself; penchant_evaluate() does not wait for that. */
static void pick_up(struct penchant *p)
{
    struct penchant_evaluation e;
    ok(penchant_evaluate(p, NULL, &e, &err));
}

static int32_t segment_of(struct penchant *p, const char *id)
{
    struct penchant_user *user;
    ok(penchant_get_user(p, id, &user, &err));
    const int32_t segment = user->segment;
    penchant_user_free(user);
    return segment;
}

static void labels(struct penchant *p, uint8_t out[USERS])
{
    char id[16];
    for (uint32_t u = 0; u < USERS; u++) {
        snprintf(id, sizeof id, "u%u", u);
        out[u] = (uint8_t)segment_of(p, id); /* -1 is PARTITION_NONE */
    }
}

/* How the segments agree with the groups that were planted. */
static double agreement(const uint8_t label[USERS])
{
    struct partition_agreement a;
    uint8_t truth[USERS];
    for (uint32_t u = 0; u < USERS; u++)
        truth[u] = (uint8_t)(u % GROUPS);
    assert_int_equal(partition_compare(&a, label, truth, USERS), PENCHANT_OK);
    return a.n == USERS ? a.rand_index : -1;
}

/* ---- tests ---- */

static void test_shop_segments__without_a_model_there_are_none(void **state)
{
    struct shop *s = *state;
    struct penchant_segments *all;
    struct penchant_segment *one;
    struct penchant_audience *audience;
    struct penchant_audience_options o;
    struct penchant_segments_quality q;
    penchant_audience_options_default(&o);
    o.seeds = (const char *[]){"u0"};
    o.n_seeds = 1;
    assert_int_equal(penchant_segments(s->p, 3, &all, &err), PENCHANT_ENOMODEL);
    assert_null(all);
    assert_int_equal(penchant_get_segment(s->p, 0, 3, &one, &err), PENCHANT_ENOMODEL);
    assert_int_equal(penchant_lookalike(s->p, &o, &audience, &err), PENCHANT_ENOMODEL);
    assert_int_equal(penchant_evaluate_segments(s->p, &q, &err), PENCHANT_ENOMODEL);
    assert_int_equal(segment_of(s->p, "u0"), -1);
}

static void test_shop_segments__the_planted_groups_are_found_and_described(void **state)
{
    struct shop *s = *state;
    struct penchant_segments *all;
    uint8_t label[USERS];
    train(s, 1);
    pick_up(s->p);
    labels(s->p, label);
    assert_true(agreement(label) > 0.99);
    ok(penchant_segments(s->p, 5, &all, &err));
    assert_int_equal(all->n, GROUPS);
    assert_int_equal(all->users, USERS);
    assert_int_equal(all->outside, 0);
    assert_true(all->purchases);
    assert_int_equal(all->choice[0].segments, 1);
    uint64_t users = 0;
    for (size_t i = 0; i < all->n; i++) {
        const struct penchant_segment *g = &all->segment[i];
        users += g->users;
        assert_int_equal(g->segment, i);
        assert_true(fabs(g->share - (double)g->users / USERS) < 1e-9);
        /* its category and brand are those of its users' group */
        int group = -1;
        for (uint32_t u = 0; u < USERS && group < 0; u++)
            group = label[u] == i ? (int)(u % GROUPS) : -1;
        char category[8], brand[8], name[32];
        snprintf(category, sizeof category, "c%d", group);
        snprintf(brand, sizeof brand, "b%d", group);
        assert_true(g->n_traits >= 2);
        assert_string_equal(g->traits[0].kind, "category");
        assert_string_equal(g->traits[0].name, category);
        assert_true(g->traits[0].share > 0.95 && g->traits[0].lift > 1.5);
        assert_string_equal(g->traits[1].kind, "brand");
        assert_string_equal(g->traits[1].name, brand);
        snprintf(name, sizeof name, "%s, %s", category, brand);
        assert_memory_equal(g->name, name, strlen(name));
        /* what it is recommended is of its group */
        assert_int_equal(g->n_items, 5);
        for (size_t k = 0; k < g->n_items; k++) {
            assert_int_equal(strtol(g->items[k].item_id + 1, NULL, 10) % GROUPS, group);
            assert_true(g->items[k].lift > 1);
        }
        /* group 0 buys three times for 10; the others nothing */
        assert_true(fabs(g->frequency - (group ? 0 : 3)) < 1e-9);
        assert_true(fabs(g->monetary - (group ? 0 : 30)) < 1e-6);
        assert_true(g->recency_days > 0);
        assert_true(g->recency_score >= 1 && g->recency_score <= 5);
        double stages = 0;
        for (int k = 0; k < 4; k++)
            stages += g->stage_share[k];
        assert_true(fabs(stages - 1) < 1e-9);
        assert_true(g->stage[0]);
    }
    assert_int_equal(users, USERS);
    penchant_segments_free(all);
}

static void test_shop_segments__one_is_told_as_among_all(void **state)
{
    struct shop *s = *state;
    struct penchant_segments *all;
    struct penchant_segment *one;
    train(s, 1);
    pick_up(s->p);
    ok(penchant_segments(s->p, 4, &all, &err));
    for (uint32_t i = 0; i < all->n; i++) {
        ok(penchant_get_segment(s->p, i, 4, &one, &err));
        assert_string_equal(one->name, all->segment[i].name);
        assert_int_equal(one->users, all->segment[i].users);
        assert_int_equal(one->n_items, 4);
        assert_string_equal(one->items[3].item_id, all->segment[i].items[3].item_id);
        penchant_segment_free(one);
    }
    assert_int_equal(penchant_get_segment(s->p, (uint32_t)all->n, 4, &one, &err),
                     PENCHANT_ENOTFOUND);
    assert_null(one);
    struct penchant_segments *none;
    assert_int_equal(penchant_segments(s->p, PENCHANT_MAX_K + 1, &none, &err),
                     PENCHANT_EINVALID);
    assert_null(none);
    assert_string_equal(err.field, "k");
    ok(penchant_get_segment(s->p, 0, 0, &one, &err));
    assert_int_equal(one->n_items, 0);
    penchant_segment_free(one);
    penchant_segments_free(all);
}

/* Events of all kinds after training: of known and new users and items, late ones, a
   refund, an erasure; and users who turn to another group. */
static void live_through(struct penchant *p)
{
    add_visits(p, 40, BEGIN + 20 * DAY, 2, 6, 1);
    add_visits(p, USERS + 10, BEGIN + 30 * DAY, 3, 1, 0);
    add(p, "u1", "i0", "purchase", BEGIN + 31 * DAY, 7);
    add(p, "u1", "i0", "refund", BEGIN + 31 * DAY + 1, NAN);
    add(p, "u2", "i1", "view", BEGIN - DAY, NAN); /* late */
    add(p, "u3", "something_new", "view", BEGIN + 32 * DAY, NAN);
    add(p, "nobody_yet", "something_new", "view", BEGIN + 32 * DAY, NAN);
}

static void test_shop_segments__opened_anew_everybody_is_where_they_were(void **state)
{
    struct shop *s = *state;
    uint8_t before[USERS], live[USERS], again[USERS];
    train(s, 1);
    pick_up(s->p);
    labels(s->p, before);
    live_through(s->p);
    labels(s->p, live);
    assert_memory_not_equal(before, live, USERS); /* those who turned have moved */
    assert_int_equal(segment_of(s->p, "nobody_yet"), -1);
    const int32_t newcomer = segment_of(s->p, "u185");
    assert_true(newcomer >= 0);

    /* beside it, then instead of it */
    struct penchant *beside = open_shop(s, true);
    labels(beside, again);
    assert_memory_equal(live, again, USERS);
    assert_int_equal(segment_of(beside, "u185"), newcomer);
    penchant_close(&beside);
    penchant_close(&s->p);
    s->p = open_shop(s, false);
    labels(s->p, again);
    assert_memory_equal(live, again, USERS);

    /* and it goes on from there */
    add_visits(s->p, 40, BEGIN + 40 * DAY, 4, 6, 0);
    labels(s->p, live);
    assert_memory_not_equal(live, again, USERS);
    penchant_close(&s->p);
    s->p = open_shop(s, false);
    labels(s->p, again);
    assert_memory_equal(live, again, USERS);
}

static void test_shop_segments__a_model_that_comes_late_catches_up(void **state)
{
    struct shop *s = *state;
    uint8_t live[USERS], again[USERS];
    train(s, 1);
    /* The watcher may see the model before, among or after these. */
    live_through(s->p);
    pick_up(s->p);
    labels(s->p, live);
    penchant_close(&s->p);
    s->p = open_shop(s, false);
    labels(s->p, again);
    assert_memory_equal(live, again, USERS);
    train(s, 2); /* another model takes the place of the first */
    pick_up(s->p);
    labels(s->p, live);
    penchant_close(&s->p);
    s->p = open_shop(s, false);
    labels(s->p, again);
    assert_memory_equal(live, again, USERS);
}

static void test_shop_segments__an_erased_user_is_gone(void **state)
{
    struct shop *s = *state;
    struct penchant_segments *all;
    struct penchant_audience *audience;
    struct penchant_audience_options o;
    train(s, 1);
    pick_up(s->p);
    assert_int_not_equal(engine_segment_of(s->p, 3), SEGMENT_NONE); /* u3's number */
    ok(penchant_delete_user(s->p, "u3", &err));
    assert_int_equal(engine_segment_of(s->p, 3), SEGMENT_NONE);
    ok(penchant_segments(s->p, 1, &all, &err));
    assert_int_equal(all->users, USERS - 1);
    penchant_segments_free(all);
    penchant_audience_options_default(&o);
    o.seeds = (const char *[]){"u0", "u3"};
    o.n_seeds = 2;
    o.k = 1000;
    ok(penchant_lookalike(s->p, &o, &audience, &err));
    assert_int_equal(audience->unknown, 1);
    assert_int_equal(audience->n, USERS - 2);
    for (size_t i = 0; i < audience->n; i++)
        assert_string_not_equal(audience->users[i].user_id, "u3");
    penchant_audience_free(audience);
    /* a new user of that name begins anew */
    add(s->p, "u3", "i1", "view", BEGIN + 50 * DAY, NAN);
    assert_true(segment_of(s->p, "u3") >= 0);
}

static void test_shop_segments__lookalikes_are_of_the_seeds_group(void **state)
{
    struct shop *s = *state;
    struct penchant_audience *a;
    struct penchant_audience_options o;
    train(s, 1);
    pick_up(s->p);
    add(s->p, "blank", "something_new", "view", BEGIN + 32 * DAY, NAN);
    penchant_audience_options_default(&o);
    assert_int_equal(o.k, 100);
    o.seeds = (const char *[]){"u1", "u4", "u7", "u10", "u13", "blank", "who", "u1"};
    o.n_seeds = 8;
    o.k = PER_GROUP - 5;
    ok(penchant_lookalike(s->p, &o, &a, &err));
    assert_int_equal(a->seeds, 5);
    assert_int_equal(a->unknown, 1);
    assert_int_equal(a->blank, 1);
    assert_int_equal(a->n, o.k);
    for (size_t i = 0; i < a->n; i++) {
        const long number = strtol(a->users[i].user_id + 1, NULL, 10);
        assert_int_equal(number % GROUPS, 1);
        assert_true(number > 13);
        assert_true(a->users[i].score > 0.5 && a->users[i].score < 1);
        assert_true(i == 0 || a->users[i].score <= a->users[i - 1].score);
        assert_int_equal(a->users[i].segment, segment_of(s->p, "u1"));
    }
    penchant_audience_free(a);
    o.k = 1000;
    o.threshold = 0.5;
    ok(penchant_lookalike(s->p, &o, &a, &err));
    assert_int_equal(a->n, PER_GROUP - 5);
    penchant_audience_free(a);
}

static void test_shop_segments__lookalike_says_what_is_wrong(void **state)
{
    struct shop *s = *state;
    struct penchant_audience *a;
    struct penchant_audience_options o;
    train(s, 1);
    pick_up(s->p);
    penchant_audience_options_default(&o);
    assert_int_equal(penchant_lookalike(s->p, &o, &a, &err), PENCHANT_EINVALID);
    assert_string_equal(err.field, "user_ids");
    o.seeds = (const char *[]){"nobody", NULL};
    o.n_seeds = 1;
    assert_int_equal(penchant_lookalike(s->p, &o, &a, &err), PENCHANT_EINVALID);
    assert_null(a);
    o.n_seeds = 2;
    assert_int_equal(penchant_lookalike(s->p, &o, &a, &err), PENCHANT_EINVALID);
    assert_int_equal(err.index, 1);
    o.seeds = (const char *[]){"u0"};
    o.n_seeds = 1;
    o.k = 0;
    assert_int_equal(penchant_lookalike(s->p, &o, &a, &err), PENCHANT_EINVALID);
    assert_string_equal(err.field, "k");
    o.k = 1;
    o.threshold = NAN;
    assert_int_equal(penchant_lookalike(s->p, &o, &a, &err), PENCHANT_EINVALID);
    assert_string_equal(err.field, "threshold");
}

static void test_shop_segments__the_report_of_planted_groups(void **state)
{
    struct shop *s = *state;
    struct penchant_segments_quality q;
    train(s, 1);
    pick_up(s->p);
    ok(penchant_evaluate_segments(s->p, &q, &err));
    assert_int_equal(q.segments, GROUPS);
    assert_int_equal(q.users, USERS);
    assert_true(q.cases > USERS / 5 && q.cases < USERS);
    /* 20 items of a group, the seen ones excluded: all are among the first 20 */
    assert_true(q.hr20_segment.value > 0.95);
    assert_true(q.hr20_shop.value < 0.8);
    assert_true(q.hr20_difference.low > 0);
    assert_true(fabs(q.hr20_segment.value - q.hr20_shop.value - q.hr20_difference.value) <
                1e-9);
    assert_true(q.gain > 0.5 && q.gain < log(GROUPS) + 0.2);
    assert_true(q.halves_rand > 0.95);
    assert_int_equal(q.n_days, PENCHANT_SEGMENT_DAYS);
    for (size_t i = 0; i < q.n_days; i++) {
        assert_true(q.day[i].rand_index > 0.9 && q.day[i].rand_index <= 1);
        assert_true(q.day[i].moved <= 0.05);
    }
    assert_true(q.n_audiences <= PENCHANT_SEGMENT_AUDIENCES);
}

/* ---- the made-up shop, whose truth is known ---- */

/* The shelf's department that a shopper's interests weigh most. */
static uint8_t department_of(const struct shop_shopper *s)
{
    double mass[SHOP_CATEGORIES / 5 + 1] = {0};
    uint8_t best = 0;
    for (uint32_t i = 0; i < s->n_interests; i++)
        mass[s->interest[i].shelf / 5] += s->interest[i].mass;
    for (uint8_t d = 1; d < SHOP_CATEGORIES / 5; d++)
        best = mass[d] > mass[best] ? d : best;
    return best;
}

static void import_world(const struct shop *s, struct shop_world *w)
{
    struct penchant_import_options o;
    struct penchant_import_report r;
    struct shop_act *act;
    size_t n;
    char items[96], events[96];
    struct penchant *p = open_shop(s, false);
    snprintf(items, sizeof items, "%s/items.csv", s->dir);
    snprintf(events, sizeof events, "%s/events.csv", s->dir);
    ok(shop_world_past(w, &act, &n, &err));
    ok(shop_world_write_items(w, items, &err));
    ok(shop_world_write_events(w, act, n, events, &err));
    free(act);
    penchant_import_options_default(&o);
    o.items = items;
    o.events = events;
    ok(penchant_import(p, &o, &r, &err));
    penchant_close(&p);
}

static void test_shop_segments__true_tastes_of_the_made_up_shop(void **state)
{
    (void)state;
    struct shop s = {.dir = "/tmp/penchant-segments-XXXXXX"};
    struct shop_world *w;
    const struct shop_world_options o = {
        .items = 1500, .shoppers = 600, .days = 60, .now_us = BEGIN, .seed = 3};
    assert_non_null(mkdtemp(s.dir));
    ok(shop_world_new(&w, &o, &err));
    import_world(&s, w);
    train(&s, 1);
    s.p = open_shop(&s, true);
    uint8_t *truth = malloc(o.shoppers), *label = malloc(o.shoppers);
    for (uint32_t i = 0; i < o.shoppers; i++) {
        struct penchant_user *user = NULL;
        truth[i] = department_of(&w->shopper[i]);
        label[i] = PARTITION_NONE;
        if (penchant_get_user(s.p, w->shopper[i].id, &user, &err) == PENCHANT_OK)
            label[i] = (uint8_t)user->segment;
        penchant_user_free(user);
    }
    struct partition_agreement a;
    assert_int_equal(partition_compare(&a, label, truth, o.shoppers), PENCHANT_OK);
    print_message("true department: Rand index %.3f, information %.3f, %zu shoppers\n",
                  a.rand_index, a.information, a.n);
    assert_true(a.n > 500);
    assert_true(a.information > 0.3);
    assert_true(a.rand_index > 0.1);
    free(truth);
    free(label);
    shop_world_free(w);
    penchant_close(&s.p);
    char command[128];
    snprintf(command, sizeof(command), "rm -r %s", s.dir);
    assert_int_equal(system(command), 0);
}

#define with_shop(test) cmocka_unit_test_setup_teardown(test, set_up, shop_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_shop(test_shop_segments__without_a_model_there_are_none),
        with_shop(test_shop_segments__the_planted_groups_are_found_and_described),
        with_shop(test_shop_segments__one_is_told_as_among_all),
        with_shop(test_shop_segments__opened_anew_everybody_is_where_they_were),
        with_shop(test_shop_segments__a_model_that_comes_late_catches_up),
        with_shop(test_shop_segments__an_erased_user_is_gone),
        with_shop(test_shop_segments__lookalikes_are_of_the_seeds_group),
        with_shop(test_shop_segments__lookalike_says_what_is_wrong),
        with_shop(test_shop_segments__the_report_of_planted_groups),
        cmocka_unit_test(test_shop_segments__true_tastes_of_the_made_up_shop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Interests from constructed histories, whose answers are known, and from the made-up
   shop, whose shoppers' true interests are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_writer.h"
#include "base/rng.h"
#include "behaviour/event.h"
#include "interest/interests.h"
#include "lab/shop_words.h"
#include "lab/shop_world.h"
#include "lab/temp_dir.h"
#include "near.h"
#include "penchant.h"
#include "server/interests_json.h"

#define DAY_US ((int64_t)86400000000)
#define NOW_US ((int64_t)1700000000000000)

/* ---- a shop of shelves: item 10 s + j stands on shelf s, brand j % 2, price 10 + j ---- */

enum { SHELVES = 10, PER_SHELF = 10, ITEMS = SHELVES * PER_SHELF, MOST = 2000 };

struct fixture {
    struct catalog catalog;
    struct interests_input in;
    uint32_t item[MOST];
    uint8_t type[MOST];
    int64_t ts_us[MOST];
    float liking[MOST];
    struct interests out;
};

static void put(struct catalog *c, const char *id, const char *category,
                const char *brand, double price)
{
    const struct penchant_item it = {.item_id = id,
                                     .category = category,
                                     .brand = brand,
                                     .price = price,
                                     .available = true};
    const uint32_t number = catalog_intern(c, id);
    assert_int_equal(catalog_put(c, number, &it), 0);
    catalog_count(c, number);
}

static struct fixture *fixture_new(bool attributes)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    catalog_init(&f->catalog);
    for (int i = 0; i < ITEMS; i++) {
        char id[16], category[48], brand[16];
        const int shelf = i / PER_SHELF;
        snprintf(id, sizeof(id), "i%d", i);
        snprintf(category, sizeof(category), "dep%d|shelf%d", shelf / 5, shelf);
        snprintf(brand, sizeof(brand), "brand%d", i % 2);
        put(&f->catalog, id, attributes ? category : NULL, attributes ? brand : NULL,
            attributes ? 10.0 + i % PER_SHELF : (double)NAN);
    }
    f->in = (struct interests_input){.item = f->item,
                                     .type = f->type,
                                     .ts_us = f->ts_us,
                                     .now_us = NOW_US,
                                     .has_clock = true,
                                     .catalog = &f->catalog};
    return f;
}

static void fixture_free(struct fixture *f)
{
    catalog_release(&f->catalog);
    free(f);
}

static void add(struct fixture *f, uint32_t item, uint8_t type, double days_ago)
{
    assert_true(f->in.n < MOST);
    f->item[f->in.n] = item;
    f->type[f->in.n] = type;
    f->liking[f->in.n] = 1;
    f->ts_us[f->in.n++] = NOW_US - (int64_t)(days_ago * (double)DAY_US);
}

static void add_view(struct fixture *f, uint32_t shelf, uint32_t j, double days_ago)
{
    add(f, shelf * PER_SHELF + j % PER_SHELF, EVENT_VIEW, days_ago);
}

static const struct interests *found(struct fixture *f)
{
    assert_int_equal(interests_find(&f->in, &f->out), 0);
    return &f->out;
}

static const char *name(const struct fixture *f, uint32_t attribute)
{
    return names_text(&f->catalog.attributes, attribute);
}

/* The most telling category of an interest. */
static const char *about(const struct fixture *f, const struct interest *x)
{
    return x->n_categories ? name(f, x->category[0].attribute) : "";
}

static const struct interest_saturation *saturation_of(const struct fixture *f,
                                                       const char *category)
{
    static const struct interest_saturation none;
    for (uint32_t i = 0; i < f->out.n_saturated; i++)
        if (strcmp(name(f, f->out.saturated[i].category), category) == 0)
            return &f->out.saturated[i];
    return &none;
}

static double all_weights(const struct interests *x)
{
    double sum = x->long_term.weight;
    for (uint32_t i = 0; i < x->n_short; i++)
        sum += x->short_term[i].weight;
    return sum;
}

static void same_interest(const struct interest *a, const struct interest *b)
{
    assert_near(a->weight, b->weight, 0);
    assert_int_equal(a->events, b->events);
    assert_int_equal(a->first_us, b->first_us);
    assert_int_equal(a->last_us, b->last_us);
    assert_int_equal(a->n_categories, b->n_categories);
    for (uint32_t i = 0; i < a->n_categories; i++) {
        assert_int_equal(a->category[i].attribute, b->category[i].attribute);
        assert_near(a->category[i].share, b->category[i].share, 0);
    }
    assert_int_equal(a->n_items, b->n_items);
    for (uint32_t i = 0; i < a->n_items; i++)
        assert_int_equal(a->item[i], b->item[i]);
    assert_near(a->price_low, b->price_low, 0);
    assert_near(a->price_high, b->price_high, 0);
}

/* Bit for bit; both know prices and can tell the drift. */
static void same(const struct interests *a, const struct interests *b)
{
    assert_near(a->drift, b->drift, 0);
    same_interest(&a->long_term, &b->long_term);
    assert_int_equal(a->n_short, b->n_short);
    for (uint32_t i = 0; i < a->n_short; i++)
        same_interest(&a->short_term[i], &b->short_term[i]);
    assert_int_equal(a->n_saturated, b->n_saturated);
    for (uint32_t i = 0; i < a->n_saturated; i++) {
        assert_int_equal(a->saturated[i].category, b->saturated[i].category);
        assert_near(a->saturated[i].saturation, b->saturated[i].saturation, 0);
    }
}

/* ---- short-term interests ---- */

static void test_interests__two_hobbies_side_by_side_give_two_slots(void **state)
{
    struct fixture *f = fixture_new(true);
    (void)state;
    for (uint32_t i = 0; i < 24; i++)
        add_view(f, i % 3 == 2 ? 7 : 1, i, 0.1 * (24 - i));
    const struct interests *x = found(f);
    assert_int_equal(x->n_short, 2);
    assert_string_equal(about(f, &x->short_term[0]), "category:shelf1");
    assert_string_equal(about(f, &x->short_term[1]), "category:shelf7");
    assert_int_equal(x->short_term[0].events, 16);
    assert_int_equal(x->short_term[1].events, 8);
    assert_true(x->short_term[0].weight > 1.5 * x->short_term[1].weight);
    for (uint32_t s = 0; s < 2; s++) {
        assert_near(x->short_term[s].category[0].share, 1, 1e-12);
        assert_int_equal(x->short_term[s].n_items, INTERESTS_ITEMS);
        for (uint32_t i = 0; i < INTERESTS_ITEMS; i++)
            assert_int_equal(x->short_term[s].item[i] / PER_SHELF, s ? 7 : 1);
    }
    assert_int_equal(x->short_term[1].first_us, f->ts_us[2]);
    assert_int_equal(x->short_term[1].last_us, f->ts_us[23]);
    fixture_free(f);
}

static void test_interests__a_single_look_is_an_interest_only_while_newest(void **state)
{
    struct fixture *f = fixture_new(true);
    (void)state;
    add_view(f, 1, 0, 1);
    assert_int_equal(found(f)->n_short, 1);
    assert_string_equal(about(f, &f->out.short_term[0]), "category:shelf1");
    add_view(f, 1, 1, 1);
    add_view(f, 8, 0, 1);
    assert_int_equal(found(f)->n_short, 2);
    add_view(f, 1, 2, 1);
    assert_int_equal(found(f)->n_short, 1);
    assert_near(all_weights(&f->out), 1, 1e-12);
    add_view(f, 8, 1, 1);
    assert_int_equal(found(f)->n_short, 2);
    fixture_free(f);
}

static void test_interests__slots_are_bounded_and_the_oldest_gives_way(void **state)
{
    struct fixture *f = fixture_new(true);
    (void)state;
    for (uint32_t i = 0; i < 4 * SHELVES; i++)
        add_view(f, i / 4, i, 3.0 - 0.05 * i);
    const struct interests *x = found(f);
    assert_int_equal(x->n_short, INTERESTS_SLOTS);
    for (uint32_t i = 0; i < x->n_short; i++) {
        char want[32];
        snprintf(want, sizeof(want), "category:shelf%u", SHELVES - 1 - i);
        assert_string_equal(about(f, &x->short_term[i]), want);
        assert_int_equal(x->short_term[i].events, 4);
    }
    assert_int_equal(x->long_term.events, 4 * SHELVES);
    fixture_free(f);
}

static void test_interests__vectors_tell_apart_what_has_no_category(void **state)
{
    struct fixture *f = fixture_new(false);
    float v[ITEMS * 4] = {0}, middle[4];
    (void)state;
    /* All items look along the first axis, shelves differ in the others; lengths tell
       nothing. */
    for (int i = 0; i < ITEMS; i++) {
        const float length = (float)(1 + i % 7);
        v[4 * i] = 3 * length;
        v[4 * i + 1] = i / PER_SHELF < 5 ? length : -length;
        v[4 * i + 2] = (float)(i % 3) * 0.1F * length;
    }
    interest_middle(v, ITEMS, 4, middle);
    const struct interest_vectors vectors = {v, middle, ITEMS, 4};
    for (uint32_t i = 0; i < 20; i++)
        add_view(f, i % 2 ? 7 : 2, 1 + 3 * (i / 2 % 3), 1);
    const struct interests *x = found(f);
    assert_int_equal(x->n_short, 1); /* nothing is known that could tell them apart */
    assert_true(isnan(x->drift));
    assert_int_equal(x->short_term[0].n_categories, 0);
    f->in.vectors = &vectors;
    assert_int_equal(found(f)->n_short, 2);
    for (uint32_t s = 0; s < 2; s++)
        assert_int_equal(x->short_term[s].item[0] / PER_SHELF, s ? 2 : 7);
    assert_true(x->drift >= 0);
    /* An item that has no vector yet goes with what came before it. */
    struct interest_vectors fewer = vectors;
    fewer.n = 50;
    f->in.vectors = &fewer;
    assert_int_equal(found(f)->n_short, 1);
    assert_int_equal(x->short_term[0].events, 20);
    fixture_free(f);
}

static void test_interests__slots_that_come_near_are_made_one(void **state)
{
    struct fixture *f = fixture_new(false);
    float v[ITEMS * 2] = {0};
    const float middle[2] = {0, 0};
    (void)state;
    /* Items 0 and 1 at +-40 degrees are two slots; what comes between draws them in. */
    const double degrees[] = {40, -40, 12, -12};
    for (int i = 0; i < 4; i++) {
        v[2 * i] = (float)cos(degrees[i] * M_PI / 180);
        v[2 * i + 1] = (float)sin(degrees[i] * M_PI / 180);
    }
    const struct interest_vectors vectors = {v, middle, ITEMS, 2};
    f->in.vectors = &vectors;
    for (uint32_t i = 0; i < 2; i++)
        for (int twice = 0; twice < 2; twice++)
            add(f, i, EVENT_VIEW, 1);
    assert_int_equal(found(f)->n_short, 2);
    for (uint32_t i = 0; i < 20; i++)
        add(f, 2 + i % 2, EVENT_VIEW, 1);
    assert_int_equal(found(f)->n_short, 1);
    assert_int_equal(f->out.short_term[0].events, 24);
    fixture_free(f);
}

/* ---- time ---- */

static void test_interests__what_was_fresh_becomes_long_term(void **state)
{
    struct fixture *f = fixture_new(true);
    double before = 2;
    (void)state;
    for (uint32_t i = 0; i < 12; i++)
        add_view(f, 3, i, 0);
    for (int days = 0; days <= 64; days += 8) {
        f->in.now_us = NOW_US + days * DAY_US;
        const struct interests *x = found(f);
        assert_near(all_weights(x), 1, 1e-9);
        const double now = x->n_short ? x->short_term[0].weight : 0;
        assert_true(now < before || (now == 0 && days > 40));
        before = now;
        assert_string_equal(about(f, &x->long_term), "category:shelf3");
    }
    assert_int_equal(f->out.n_short, 0);
    assert_int_equal(f->out.n_saturated, 0);
    assert_near(f->out.long_term.weight, 1, 1e-12);
    fixture_free(f);
}

static void test_interests__weights_follow_the_formula(void **state)
{
    struct fixture *f = fixture_new(true);
    (void)state;
    add(f, 11, EVENT_VIEW, 14);
    add(f, 12, EVENT_CART, 7);
    add(f, 13, EVENT_PURCHASE, 0);
    double fresh = 0, lasting = 0;
    const double weight[] = {1, 2, 3}, days[] = {14, 7, 0};
    for (int i = 0; i < 3; i++) {
        fresh += weight[i] * pow(2, -days[i] / 7 - (2 - i) / 32.0);
        lasting += weight[i] * pow(2, -days[i] / 90 - (2 - i) / 256.0);
    }
    const struct interests *x = found(f);
    assert_int_equal(x->n_short, 1);
    assert_near(x->short_term[0].weight, fresh / lasting, 1e-12);
    assert_near(x->long_term.weight, 1 - fresh / lasting, 1e-12);
    f->in.has_clock = false; /* then only the order counts */
    fresh = lasting = 0;
    for (int i = 0; i < 3; i++) {
        fresh += weight[i] * pow(2, -(2 - i) / 32.0);
        lasting += weight[i] * pow(2, -(2 - i) / 256.0);
    }
    assert_near(found(f)->short_term[0].weight, fresh / lasting, 1e-12);
    fixture_free(f);
}

static void test_interests__a_switch_raises_drift(void **state)
{
    struct fixture *f = fixture_new(true);
    (void)state;
    for (uint32_t i = 0; i < 20; i++)
        add_view(f, 1, i, 40 - i);
    for (uint32_t i = 0; i < 8; i++)
        add_view(f, 1, i, 0.5);
    const double faithful = found(f)->drift;
    f->in.n -= 8;
    for (uint32_t i = 0; i < 8; i++)
        add_view(f, 3, i, 0.5); /* another shelf of the department */
    const double moved = found(f)->drift;
    f->in.n -= 8;
    for (uint32_t i = 0; i < 8; i++)
        add_view(f, 8, i, 0.5);
    const double switched = found(f)->drift;
    assert_true(faithful < 0.01);
    assert_true(moved > faithful + 0.2);
    assert_true(switched > moved + 0.05);
    assert_true(switched > 0.5 && switched <= 1);
    f->in.n = 1; /* no past, no drift */
    f->in.now_us = f->ts_us[0];
    assert_near(found(f)->drift, 0, 1e-6);
    fixture_free(f);
}

/* Two shelves of two departments: their category vectors are at right angles. */
static void test_interests__drift_follows_the_formula(void **state)
{
    struct fixture *f = fixture_new(true);
    (void)state;
    for (int i = 0; i < 5; i++)
        add(f, 10, EVENT_VIEW, 30);
    add(f, 80, EVENT_VIEW, 0);
    double old = 0, past = 0;
    for (int i = 0; i < 5; i++) {
        const double fresh = pow(2, -30.0 / 7 - (5 - i) / 32.0);
        old += fresh;
        past += pow(2, -30.0 / 90 - (5 - i) / 256.0) - fresh;
    }
    /* S = (old, 1), P = (past, 0), |S| = old + 1. */
    const double px = past + old / (old + 1), py = 1 / (old + 1);
    const double cosine = (old * px + py) / sqrt((old * old + 1) * (px * px + py * py));
    assert_near(found(f)->drift, 1 - cosine, 1e-9);
    fixture_free(f);
}

static void test_interests__without_a_clock_times_say_nothing(void **state)
{
    struct fixture *f = fixture_new(true);
    struct interests first;
    (void)state;
    f->in.has_clock = false;
    for (uint32_t i = 0; i < 60; i++)
        add_view(f, i / 20, i, 0);
    for (uint32_t i = 0; i < 60; i++)
        f->ts_us[i] = i + 1;
    first = *found(f);
    f->in.now_us = 5;
    found(f);
    same(&first, &f->out);
    assert_true(first.drift > 0.1);
    assert_string_equal(about(f, &first.short_term[0]), "category:shelf2");
    fixture_free(f);
}

/* ---- what an interest is about ---- */

static void test_interests__shares_and_lifts_are_of_the_shop(void **state)
{
    struct fixture *f = fixture_new(true);
    (void)state;
    for (uint32_t j = 0; j < 4; j++)
        add(f, 2 * j, EVENT_VIEW, 0); /* shelf 0, brand 0 */
    add(f, 51, EVENT_VIEW, 0);        /* shelf 5, brand 1 */
    const struct interest *x = &found(f)->long_term;
    assert_string_equal(about(f, x), "category:shelf0");
    double sum = 0, shelf0 = 0;
    for (int i = 0; i < 5; i++) {
        const double lasting = pow(2, -(4 - i) / 256.0);
        sum += lasting;
        shelf0 += i < 4 ? lasting : 0;
    }
    assert_near(x->category[0].share, shelf0 / sum, 1e-12);
    /* 10 of the 100 events are on the shelf. */
    assert_near(x->category[0].lift, shelf0 / sum / (11.0 / 101), 1e-9);
    assert_string_equal(name(f, x->category[1].attribute), "category:dep0");
    assert_string_equal(name(f, x->brand[0].attribute), "brand:brand0");
    assert_near(x->brand[0].share, shelf0 / sum, 1e-12);
    assert_int_equal(x->n_categories, 4);
    assert_int_equal(x->n_brands, 2);
    fixture_free(f);
}

static void test_interests__prices_lie_between_quantiles(void **state)
{
    struct fixture *f = fixture_new(true);
    (void)state;
    f->in.has_clock = false;
    for (uint32_t i = 0; i < 40; i++)
        add(f, 4 + i % 2, EVENT_VIEW, 0); /* 14 and 15 */
    add(f, 0, EVENT_VIEW, 0);             /* 10, once */
    add(f, 9, EVENT_VIEW, 0);             /* 19, once */
    const struct interest *x = &found(f)->long_term;
    assert_near(x->price_low, 14, 0);
    assert_near(x->price_high, 15, 0);
    for (uint32_t i = 0; i < 10; i++)
        add(f, 9, EVENT_PURCHASE, 0);
    assert_near(found(f)->long_term.price_high, 19, 0);
    fixture_free(f);
}

static void test_interests__examples_are_the_most_wanted_and_still_sold(void **state)
{
    struct fixture *f = fixture_new(true);
    (void)state;
    const uint32_t views[] = {25, 21, 21, 23, 23, 23, 22, 22};
    for (uint32_t i = 0; i < 8; i++)
        add(f, views[i], EVENT_VIEW, 0);
    const struct interest *x = &found(f)->long_term;
    assert_int_equal(x->n_items, 4);
    const uint32_t want[] = {23, 22, 21, 25};
    for (int i = 0; i < 4; i++)
        assert_int_equal(x->item[i], want[i]);
    catalog_delete(&f->catalog, 23);
    assert_int_equal(found(f)->long_term.item[0], 22);
    assert_int_equal(f->out.long_term.n_items, 3);
    fixture_free(f);
}

static void test_interests__what_is_not_liked_is_no_interest(void **state)
{
    struct fixture *f = fixture_new(true);
    (void)state;
    for (uint32_t i = 0; i < 6; i++) {
        add_view(f, 1, i, 0.1);
        add_view(f, 7, i, 0.1);
        f->liking[f->in.n - 1] = -0.5F;
    }
    assert_int_equal(found(f)->n_short, 2);
    f->in.liking = f->liking;
    assert_int_equal(found(f)->n_short, 1);
    assert_string_equal(about(f, &f->out.short_term[0]), "category:shelf1");
    assert_int_equal(f->out.long_term.events, 6);
    for (uint32_t i = 0; i < f->in.n; i++)
        f->liking[i] = 0;
    assert_int_equal(found(f)->n_short, 0);
    assert_int_equal(f->out.long_term.events, 0);
    fixture_free(f);
}

/* ---- saturation ---- */

static void test_interests__purchases_saturate_most_and_it_passes(void **state)
{
    struct fixture *f = fixture_new(true);
    (void)state;
    add(f, 10, EVENT_VIEW, 0);
    add(f, 20, EVENT_CART, 0);
    add(f, 30, EVENT_PURCHASE, 0);
    found(f);
    const double viewed = saturation_of(f, "category:shelf1")->saturation;
    const double carted = saturation_of(f, "category:shelf2")->saturation;
    const double bought = saturation_of(f, "category:shelf3")->saturation;
    assert_near(viewed, 1 - exp(-1 / 16.0), 1e-9);
    assert_near(carted, viewed, 1e-9);
    assert_near(bought, 1 - exp(-1), 1e-9);
    double before = bought;
    for (int days = 10; days <= 90; days += 10) {
        f->in.now_us = NOW_US + days * DAY_US;
        found(f);
        const double later = saturation_of(f, "category:shelf3")->saturation;
        assert_true(later < before || (later == 0 && days > 50));
        assert_near(saturation_of(f, "category:shelf1")->saturation, 0, 0);
        before = later;
    }
    fixture_free(f);
}

static void test_interests__what_is_usual_saturates_less(void **state)
{
    struct fixture *f = fixture_new(true);
    (void)state;
    for (int days = 300; days > 0; days -= 10)
        add(f, 10, EVENT_PURCHASE, days); /* used up, bought again and again */
    add(f, 10, EVENT_PURCHASE, 0);
    add(f, 70, EVENT_PURCHASE, 0);
    found(f);
    const struct interest_saturation *used_up = saturation_of(f, "category:shelf1");
    const double once = saturation_of(f, "category:shelf7")->saturation;
    assert_near(once, 1 - exp(-1), 1e-9);
    assert_true(used_up->saturation < once - 0.25);
    /* 16 looks every 10 days, that halve in 30 days: 16 * 30 / ln 2 / 10 on average, and
       half of that again for the moment after a purchase. A past of 300 days is taken for
       three quarters of a habit. */
    assert_near(used_up->lately, 69 + 8, 1);
    assert_near(used_up->usual, 0.76 * 69, 1);
    fixture_free(f);
}

/* ---- any history ---- */

static void random_history(struct fixture *f, struct rng *rng)
{
    static const uint8_t types[] = {EVENT_VIEW, EVENT_VIEW,     EVENT_WISH,
                                    EVENT_CART, EVENT_PURCHASE, EVENT_KNOWN_TYPES};
    const uint32_t n = rng_below(rng, 700);
    f->in.n = 0;
    f->in.has_clock = rng_below(rng, 3) > 0;
    for (uint32_t i = 0; i < n; i++)
        add(f, rng_below(rng, ITEMS), types[rng_below(rng, 6)], 0.2 * (n - i));
}

static void test_interests__any_history_keeps_its_promises(void **state)
{
    struct fixture *f = fixture_new(true);
    struct rng rng;
    (void)state;
    rng_init(&rng, 3, 0);
    for (int round = 0; round < 300; round++) {
        random_history(f, &rng);
        const struct interests x = *found(f);
        if (!f->in.n) {
            assert_int_equal(x.long_term.events, 0);
            continue;
        }
        assert_near(all_weights(&x), 1, 1e-9);
        assert_true(x.drift >= 0 && x.drift <= 1);
        assert_true(x.n_short <= INTERESTS_SLOTS);
        for (uint32_t i = 0; i < x.n_short; i++) {
            const struct interest *s = &x.short_term[i];
            assert_true(!i || s[-1].weight >= s->weight);
            assert_true(s->weight >= INTERESTS_LEAST && s->first_us <= s->last_us);
            assert_true(s->price_low <= s->price_high && s->n_categories > 0);
        }
        for (uint32_t i = 0; i < x.n_saturated; i++)
            assert_true(x.saturated[i].saturation > 0 && x.saturated[i].saturation < 1);
        /* The same again, and from the newest events alone. */
        found(f);
        same(&x, &f->out);
        if (f->in.n > INTERESTS_EVENTS) {
            struct interests_input newest = f->in;
            newest.item += f->in.n - INTERESTS_EVENTS;
            newest.type += f->in.n - INTERESTS_EVENTS;
            newest.ts_us += f->in.n - INTERESTS_EVENTS;
            newest.n = INTERESTS_EVENTS;
            assert_int_equal(interests_find(&newest, &f->out), 0);
            same(&x, &f->out);
        }
    }
    fixture_free(f);
}

/* ---- the made-up shop, through penchant.h ---- */

struct shop {
    char dir[TEMP_DIR_SIZE];
    struct shop_world *world;
    struct penchant *penchant;
};

static void shop_open(struct shop *s)
{
    struct penchant_options o;
    char dir[TEMP_DIR_SIZE + 8];
    snprintf(dir, sizeof(dir), "%s/shop", s->dir);
    penchant_options_default(&o);
    o.dir = dir;
    assert_int_equal(penchant_open(&s->penchant, &o, NULL), 0);
}

static void shop_make(struct shop *s)
{
    static const struct shop_world_options options = {
        .items = 1200, .shoppers = 600, .days = 60, .now_us = NOW_US, .seed = 11};
    char events[TEMP_DIR_SIZE + 16], items[TEMP_DIR_SIZE + 16];
    struct shop_act *act;
    size_t n;
    assert_int_equal(temp_dir_make(s->dir, NULL), 0);
    snprintf(events, sizeof(events), "%s/events.csv", s->dir);
    snprintf(items, sizeof(items), "%s/items.csv", s->dir);
    assert_int_equal(shop_world_new(&s->world, &options, NULL), 0);
    assert_int_equal(shop_world_past(s->world, &act, &n, NULL), 0);
    assert_int_equal(shop_world_write_items(s->world, items, NULL), 0);
    assert_int_equal(shop_world_write_events(s->world, act, n, events, NULL), 0);
    free(act);
    shop_open(s);
    struct penchant_import_options o;
    struct penchant_import_report r;
    penchant_import_options_default(&o);
    o.events = events;
    o.items = items;
    assert_int_equal(penchant_import(s->penchant, &o, &r, NULL), 0);
}

static void shop_free(struct shop *s)
{
    penchant_close(&s->penchant);
    shop_world_free(s->world);
    temp_dir_remove(s->dir);
}

/* Whether a shopper is truly interested in what an interest is told to be about. */
static bool is_true(const struct shop_shopper *who, const struct penchant_interest *x,
                    bool *which)
{
    bool any = false;
    for (uint32_t i = 0; x->n_categories && i < who->n_interests; i++) {
        const char *shelf = shop_categories[who->interest[i].shelf].path;
        if (strcmp(shelf, x->categories[0].name) == 0)
            any = which[i] = true;
    }
    return any;
}

static void test_interests__match_the_shoppers_true_ones(void **state)
{
    struct shop s;
    double right = 0, told = 0, recalled = 0, mass = 0;
    int users = 0;
    (void)state;
    shop_make(&s);
    for (uint32_t u = 0; u < s.world->options.shoppers; u++) {
        const struct shop_shopper *who = &s.world->shopper[u];
        struct penchant_interests *x;
        bool which[SHOP_INTERESTS] = {false};
        if (penchant_get_interests(s.penchant, who->id, NOW_US, &x, NULL))
            continue;
        if (x->long_term.events >= 30) {
            users++;
            for (size_t i = 0; i < x->n_short; i++) {
                const double w = x->short_term[i].weight;
                told += w;
                right += is_true(who, &x->short_term[i], which) ? w : 0;
            }
            for (uint32_t i = 0; i < who->n_interests; i++) {
                mass += who->interest[i].mass;
                recalled += which[i] ? who->interest[i].mass : 0;
            }
        }
        penchant_interests_free(x);
    }
    print_message(
        "%d shoppers: %.3f of what is told is true, %.3f of the truth is told\n", users,
        right / told, recalled / mass);
    assert_true(users > 200);
    assert_true(right / told > 0.75);    /* complements and chance finds are looks too */
    assert_true(recalled / mass > 0.58); /* some interests were not shopped for lately */
    shop_free(&s);
}

static void answer(struct penchant *p, const char *user, struct buf *b)
{
    struct penchant_interests *x;
    struct json_writer w;
    assert_int_equal(penchant_get_interests(p, user, NOW_US, &x, NULL), 0);
    json_init(&w, b);
    interests_json(&w, x);
    buf_puts(b, "\n");
    penchant_interests_free(x);
}

static void test_interests__a_replay_gives_the_same(void **state)
{
    struct shop s;
    struct buf before, after;
    (void)state;
    shop_make(&s);
    buf_init(&before, 8 << 20);
    buf_init(&after, 8 << 20);
    for (uint32_t u = 0; u < 100; u++)
        answer(s.penchant, s.world->shopper[u].id, &before);
    penchant_close(&s.penchant);
    shop_open(&s);
    for (uint32_t u = 0; u < 100; u++)
        answer(s.penchant, s.world->shopper[u].id, &after);
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.data, after.data, before.len);
    buf_release(&before);
    buf_release(&after);
    struct penchant_interests *x;
    struct penchant_error err;
    assert_int_equal(penchant_get_interests(s.penchant, "nobody", 0, &x, &err),
                     PENCHANT_ENOTFOUND);
    assert_null(x);
    assert_string_equal(err.field, "user_id");
    assert_int_equal(penchant_get_interests(s.penchant, NULL, 0, &x, &err),
                     PENCHANT_EINVALID);
    shop_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interests__two_hobbies_side_by_side_give_two_slots),
        cmocka_unit_test(test_interests__a_single_look_is_an_interest_only_while_newest),
        cmocka_unit_test(test_interests__slots_are_bounded_and_the_oldest_gives_way),
        cmocka_unit_test(test_interests__vectors_tell_apart_what_has_no_category),
        cmocka_unit_test(test_interests__slots_that_come_near_are_made_one),
        cmocka_unit_test(test_interests__what_was_fresh_becomes_long_term),
        cmocka_unit_test(test_interests__weights_follow_the_formula),
        cmocka_unit_test(test_interests__a_switch_raises_drift),
        cmocka_unit_test(test_interests__drift_follows_the_formula),
        cmocka_unit_test(test_interests__without_a_clock_times_say_nothing),
        cmocka_unit_test(test_interests__shares_and_lifts_are_of_the_shop),
        cmocka_unit_test(test_interests__prices_lie_between_quantiles),
        cmocka_unit_test(test_interests__examples_are_the_most_wanted_and_still_sold),
        cmocka_unit_test(test_interests__what_is_not_liked_is_no_interest),
        cmocka_unit_test(test_interests__purchases_saturate_most_and_it_passes),
        cmocka_unit_test(test_interests__what_is_usual_saturates_less),
        cmocka_unit_test(test_interests__any_history_keeps_its_promises),
        cmocka_unit_test(test_interests__match_the_shoppers_true_ones),
        cmocka_unit_test(test_interests__a_replay_gives_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The made-up shop: the same seed, the same past; and there is something to learn in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "lab/shop_words.h"
#include "lab/shop_world.h"

static const struct shop_world_options options = {
    .items = 800, .shoppers = 300, .days = 60, .now_us = 1700000000000000, .seed = 7};

struct shop {
    struct shop_world *world;
    struct shop_act *act;
    size_t n;
};

static void make(struct shop *s, const struct shop_world_options *o)
{
    assert_int_equal(shop_world_new(&s->world, o, NULL), 0);
    assert_int_equal(shop_world_past(s->world, &s->act, &s->n, NULL), 0);
}

static void release(struct shop *s)
{
    shop_world_free(s->world);
    free(s->act);
}

static bool same_act(const struct shop_act *a, const struct shop_act *b)
{
    return a->ts_us == b->ts_us && a->shopper == b->shopper && a->item == b->item &&
           strcmp(a->event, b->event) == 0;
}

static void test_shop_world__same_seed_gives_the_same_past(void **state)
{
    struct shop a, b, other;
    struct shop_world_options o = options;
    (void)state;
    make(&a, &options);
    make(&b, &options);
    o.seed++;
    make(&other, &o);
    assert_true(a.n > 3000);
    assert_int_equal(a.n, b.n);
    for (size_t i = 0; i < a.n; i++)
        assert_true(same_act(&a.act[i], &b.act[i]));
    bool differs = other.n != a.n;
    for (size_t i = 0; i < a.n && !differs; i++)
        differs = !same_act(&a.act[i], &other.act[i]);
    assert_true(differs);
    release(&a);
    release(&b);
    release(&other);
}

static void test_shop_world__the_past_is_ordered_typed_and_within_its_days(void **state)
{
    static const char *const known[] = {"view",   "search", "wish",
                                        "cart",   "uncart", "purchase",
                                        "refund", "review", "dislike"};
    size_t count[9] = {0};
    struct shop s;
    (void)state;
    make(&s, &options);
    for (size_t i = 0; i < s.n; i++) {
        const struct shop_act *a = &s.act[i];
        assert_true(!i || s.act[i - 1].ts_us <= a->ts_us);
        assert_true(a->ts_us > options.now_us - 62 * (int64_t)86400000000);
        assert_true(a->ts_us < options.now_us + (int64_t)86400000000);
        int kind = 0;
        while (kind < 9 && strcmp(known[kind], a->event) != 0)
            kind++;
        assert_true(kind < 9);
        count[kind]++;
        assert_int_equal(a->item == SHOP_NO_ITEM, kind == 1);
        assert_int_equal(a->query != NULL, kind == 1);
    }
    for (int kind = 0; kind < 9; kind++)
        assert_true(count[kind] > 0);
    assert_true(count[0] > count[3] && count[3] > count[5]); /* view, cart, purchase */
    assert_true(count[5] > count[6]);                        /* purchase, refund */
    release(&s);
}

static void
test_shop_world__items_are_named_in_two_languages_and_found_by_id(void **state)
{
    struct shop_world *w;
    (void)state;
    assert_int_equal(shop_world_new(&w, &options, NULL), 0);
    for (uint32_t i = 0; i < w->n_items; i++) {
        const struct shop_item *item = &w->item[i];
        assert_true(utf8_valid(item->title, strlen(item->title)));
        bool chinese = false;
        for (const char *c = item->title; *c; c++)
            chinese = chinese || (unsigned char)*c >= 0xe4;
        assert_true(chinese);
        assert_null(strchr(item->title, ','));
        assert_true(item->price > 0 && item->price < 20000);
        assert_int_equal(shop_world_find(w, item->id), i);
    }
    assert_int_equal(shop_world_find(w, "i00000"), SHOP_NO_ITEM);
    assert_int_equal(shop_world_find(w, "i00801"), SHOP_NO_ITEM);
    assert_int_equal(shop_world_find(w, "i1"), SHOP_NO_ITEM);
    assert_int_equal(shop_world_find(w, "rug"), SHOP_NO_ITEM);
    shop_world_free(w);
}

static void test_shop_world__every_complement_is_a_shelf(void **state)
{
    (void)state;
    for (int i = 0; i < SHOP_CATEGORIES; i++) {
        int found = 0;
        for (int j = 0; j < SHOP_CATEGORIES; j++)
            found += strcmp(shop_categories[i].complement, shop_categories[j].path) == 0;
        assert_int_equal(found, 1);
        assert_string_not_equal(shop_categories[i].complement, shop_categories[i].path);
    }
}

/* Within a visit the next view is far more often a neighbour than chance would have it. */
static void test_shop_world__the_next_view_follows_from_the_last(void **state)
{
    struct shop s;
    size_t pairs = 0, strode = 0;
    (void)state;
    make(&s, &options);
    int32_t *last = malloc(options.shoppers * sizeof(*last));
    assert_non_null(last);
    for (uint32_t i = 0; i < options.shoppers; i++)
        last[i] = SHOP_NO_ITEM;
    for (size_t i = 0; i < s.n; i++) {
        const struct shop_act *a = &s.act[i];
        if (strcmp(a->event, "view") != 0)
            continue;
        if (last[a->shopper] != SHOP_NO_ITEM) {
            pairs++;
            strode += a->item == last[a->shopper] + s.world->shopper[a->shopper].stride;
        }
        last[a->shopper] = a->item;
    }
    assert_true((double)strode > 0.15 * (double)pairs);
    free(last);
    release(&s);
}

/* Of a list that holds what suits them, shoppers take more than of one that holds
 * nothing. */
static void test_shop_world__shoppers_take_what_suits_them(void **state)
{
    struct shop_world *w;
    uint64_t taken[2] = {0};
    (void)state;
    assert_int_equal(shop_world_new(&w, &options, NULL), 0);
    for (uint32_t i = 0; i < 4000; i++) {
        struct shop_visit v;
        struct shop_act act;
        const int kind = i % 2;
        shop_visit_begin(&v, w, i % options.shoppers, options.now_us);
        const uint32_t shelf = w->shopper[v.shopper].interest[v.interest].shelf;
        const uint32_t other = (shelf + SHOP_CATEGORIES / 2) % SHOP_CATEGORIES;
        int32_t shown[8];
        for (int32_t j = 0; j < 8; j++)
            shown[j] = (int32_t)w->shelf_start[kind ? shelf : other] + j;
        while (shop_visit_step(&v, shown, 8, &act)) {
            assert_true(act.shown_at < 0 || shown[act.shown_at] == act.item);
            taken[kind] += act.shown_at >= 0;
        }
    }
    assert_true(taken[1] > 2 * taken[0]);
    shop_world_free(w);
}

/* Who likes an item gives it more stars, and most are pleased with what they bought. */
static void test_shop_world__reviews_tell_the_truth(void **state)
{
    struct shop s;
    double stars[2] = {0}, n[2] = {0};
    (void)state;
    make(&s, &options);
    for (size_t i = 0; i < s.n; i++) {
        const struct shop_act *a = &s.act[i];
        const bool review = strcmp(a->event, "review") == 0;
        assert_int_equal(a->text != NULL, review);
        if (!review)
            continue;
        assert_true(a->value >= 1 && a->value <= 5 && a->value == floor(a->value));
        assert_non_null(strstr(s.world->item[a->item].title, a->text));
        /* Interests have drifted since; where they have not, the stars follow them. */
        const double liking = shop_world_liking(s.world, a->shopper, a->item);
        assert_true(liking >= 0 && liking <= 1);
        stars[liking > 0.4] += a->value;
        n[liking > 0.4]++;
    }
    assert_true(n[0] > 20 && n[1] > 20);
    assert_true(stars[1] / n[1] > stars[0] / n[0] + 1);
    for (uint32_t i = 0; i < 200; i++) {
        const int32_t item = (int32_t)(i * 37 % options.items);
        const double least = shop_world_stars(s.world, i, item, 0);
        assert_true(least >= 1 && least <= shop_world_stars(s.world, i, item, 0.999));
        assert_true(shop_world_stars(s.world, i, item, 0.999) <= 5);
    }
    release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shop_world__same_seed_gives_the_same_past),
        cmocka_unit_test(test_shop_world__the_past_is_ordered_typed_and_within_its_days),
        cmocka_unit_test(
            test_shop_world__items_are_named_in_two_languages_and_found_by_id),
        cmocka_unit_test(test_shop_world__every_complement_is_a_shelf),
        cmocka_unit_test(test_shop_world__the_next_view_follows_from_the_last),
        cmocka_unit_test(test_shop_world__shoppers_take_what_suits_them),
        cmocka_unit_test(test_shop_world__reviews_tell_the_truth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

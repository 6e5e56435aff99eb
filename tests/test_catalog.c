/* SPDX-License-Identifier: Apache-2.0 */
#include "behaviour/catalog.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct penchant_item shoe(void)
{
    return (struct penchant_item){.item_id = "shoe",
                                  .title = "A shoe, 红色",
                                  .category = "shoes| red |shoes||sale",
                                  .brand = "acme",
                                  .price = 12.5,
                                  .available = true};
}

static uint32_t attribute(const struct catalog *c, const char *text)
{
    return names_find(&c->attributes, text, strlen(text));
}

static void test_catalog__items_are_numbered_by_first_appearance(void **state)
{
    (void)state;
    struct catalog c;
    catalog_init(&c);
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 3000; i++) {
            char id[16];
            snprintf(id, sizeof(id), "item%u", i);
            assert_int_equal(catalog_intern(&c, id), i);
        }
    }
    assert_int_equal(c.ids.n, 3000);
    for (uint32_t i = 0; i < 3000; i++) {
        assert_true(catalog_listable(&c, i));
        assert_true(isnan(c.item[i].price));
        assert_null(c.item[i].title);
    }
    catalog_release(&c);
}

static void test_catalog__categories_brand_and_price_become_attributes(void **state)
{
    (void)state;
    struct catalog c;
    catalog_init(&c);
    const struct penchant_item item = shoe();
    const uint32_t n = catalog_intern(&c, item.item_id);
    assert_int_equal(catalog_put(&c, n, &item), 0);
    assert_string_equal(c.item[n].title, item.title);
    assert_string_equal(c.item[n].category, item.category);
    assert_int_equal(c.item[n].n_attributes, 5);
    /* 2 log2(12.5) is 7.29 */
    static const char *const has[] = {"category:shoes", "category:red", "category:sale",
                                      "brand:acme", "price:7"};
    for (size_t i = 0; i < 5; i++) {
        assert_int_not_equal(attribute(&c, has[i]), NAMES_NONE);
        assert_true(catalog_has_attribute(&c, n, attribute(&c, has[i])));
    }
    assert_int_equal(catalog_category(&c, "red"), attribute(&c, "category:red"));
    assert_int_equal(catalog_category(&c, "acme"), NAMES_NONE);
    assert_int_equal(catalog_category(&c, ""), NAMES_NONE);
    const uint32_t other = catalog_intern(&c, "other");
    assert_false(catalog_has_attribute(&c, other, catalog_category(&c, "red")));
    catalog_release(&c);
}

static void test_catalog__price_buckets_are_half_octaves(void **state)
{
    (void)state;
    static const struct {
        double price;
        const char *bucket;
    } cases[] = {{1, "price:0"},     {1.42, "price:1"}, {2, "price:2"},
                 {0.99, "price:-1"}, {0.5, "price:-2"}, {1024, "price:20"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct catalog c;
        catalog_init(&c);
        const struct penchant_item item = {.price = cases[i].price};
        assert_int_equal(catalog_put(&c, catalog_intern(&c, "x"), &item), 0);
        assert_int_equal(c.item[0].n_attributes, 1);
        assert_string_equal(names_text(&c.attributes, c.item[0].attribute[0]),
                            cases[i].bucket);
        catalog_release(&c);
    }
    struct catalog c;
    catalog_init(&c);
    const struct penchant_item free_one = {.price = 0}, unknown = {.price = NAN};
    assert_int_equal(catalog_put(&c, catalog_intern(&c, "x"), &free_one), 0);
    assert_int_equal(catalog_put(&c, catalog_intern(&c, "y"), &unknown), 0);
    assert_int_equal(c.attributes.n, 0);
    catalog_release(&c);
}

static void test_catalog__putting_replaces_and_brings_back(void **state)
{
    (void)state;
    struct catalog c;
    catalog_init(&c);
    struct penchant_item item = shoe();
    const uint32_t n = catalog_intern(&c, item.item_id);
    assert_int_equal(catalog_put(&c, n, &item), 0);
    for (int i = 0; i < 9; i++)
        catalog_count(&c, n);
    catalog_delete(&c, n);
    assert_false(catalog_listable(&c, n));
    assert_int_equal(catalog_intern(&c, "shoe"), n);
    item = (struct penchant_item){
        .title = "", .category = "hats", .price = NAN, .available = true};
    assert_int_equal(catalog_put(&c, n, &item), 0);
    assert_true(catalog_listable(&c, n));
    assert_null(c.item[n].title);
    assert_null(c.item[n].brand);
    assert_int_equal(c.item[n].n_attributes, 1);
    assert_false(catalog_has_attribute(&c, n, catalog_category(&c, "red")));
    assert_true(catalog_has_attribute(&c, n, catalog_category(&c, "hats")));
    assert_int_equal(c.item[n].events, 9);
    item.available = false;
    assert_int_equal(catalog_put(&c, n, &item), 0);
    assert_false(catalog_listable(&c, n));
    catalog_release(&c);
}

static void
test_catalog__brand_and_price_keep_their_place_among_many_categories(void **state)
{
    (void)state;
    struct catalog c;
    catalog_init(&c);
    char category[512] = "c0";
    for (int i = 1; i < 40; i++) {
        const size_t len = strlen(category);
        snprintf(category + len, sizeof(category) - len, "|c%d", i);
    }
    struct penchant_item item = shoe();
    item.category = category;
    const uint32_t n = catalog_intern(&c, "shoe");
    assert_int_equal(catalog_put(&c, n, &item), 0);
    assert_int_equal(c.item[n].n_attributes, CATALOG_MAX_ATTRIBUTES);
    assert_true(catalog_has_attribute(&c, n, attribute(&c, "brand:acme")));
    assert_true(catalog_has_attribute(&c, n, attribute(&c, "price:7")));
    assert_true(catalog_has_attribute(&c, n, catalog_category(&c, "c13")));
    assert_int_equal(catalog_category(&c, "c14"), NAMES_NONE);
    catalog_release(&c);
}

static void refuse(const struct penchant_item *item, const char *field)
{
    struct penchant_error err = {0};
    assert_int_equal(catalog_check(item, &err), PENCHANT_EINVALID);
    assert_string_equal(err.field, field);
}

static double share_of(const struct catalog *c, const char *category)
{
    return catalog_attribute_share(c, catalog_category(c, category));
}

static void test_catalog__events_are_counted_by_attribute(void **state)
{
    (void)state;
    struct catalog c;
    catalog_init(&c);
    struct penchant_item hat = {
        .item_id = "hat", .category = "red|hats", .price = NAN, .available = true};
    struct penchant_item cap = {
        .item_id = "cap", .category = "blue|hats", .price = NAN, .available = true};
    assert_int_equal(catalog_put(&c, catalog_intern(&c, "hat"), &hat), 0);
    assert_int_equal(catalog_put(&c, catalog_intern(&c, "cap"), &cap), 0);
    catalog_intern(&c, "thing");
    for (uint32_t i = 0; i < 9; i++)
        catalog_count(&c, i < 5 ? 0 : i < 8 ? 1 : 2);
    assert_true(share_of(&c, "hats") == 9.0 / 10);
    assert_true(share_of(&c, "red") == 6.0 / 10);
    assert_true(share_of(&c, "blue") == 4.0 / 10);
    /* The events of an item go with it into another category. */
    hat.category = "blue|shoes";
    assert_int_equal(catalog_put(&c, 0, &hat), 0);
    assert_true(share_of(&c, "hats") == 4.0 / 10);
    assert_true(share_of(&c, "red") == 1.0 / 10);
    assert_true(share_of(&c, "blue") == 9.0 / 10);
    assert_true(share_of(&c, "shoes") == 6.0 / 10);
    /* A vocabulary that grows keeps its counts. */
    for (int i = 0; i < 1000; i++) {
        char category[16];
        snprintf(category, sizeof(category), "c%d", i);
        cap.category = category;
        assert_int_equal(catalog_put(&c, 1, &cap), 0);
        assert_true(share_of(&c, category) == 4.0 / 10);
    }
    assert_true(share_of(&c, "shoes") == 6.0 / 10);
    assert_true(share_of(&c, "c0") == 1.0 / 10);
    catalog_release(&c);
}

static void test_catalog__bad_items_are_refused(void **state)
{
    (void)state;
    struct penchant_item item = shoe();
    assert_int_equal(catalog_check(&item, NULL), 0);
    item.title = "two\nlines";
    item.category = item.brand = "";
    item.price = NAN;
    assert_int_equal(catalog_check(&item, NULL), 0);
    item = shoe(), item.item_id = NULL;
    refuse(&item, "item_id");
    item.item_id = "";
    refuse(&item, "item_id");
    item.item_id = "a\nb";
    refuse(&item, "item_id");
    item = shoe(), item.title = "\xff";
    refuse(&item, "title");
    item = shoe(), item.category = "a\x01|b";
    refuse(&item, "category");
    item = shoe(), item.price = -1;
    refuse(&item, "price");
    item.price = INFINITY;
    refuse(&item, "price");
    char brand[5000];
    memset(brand, 'b', sizeof(brand) - 1);
    brand[sizeof(brand) - 1] = 0;
    item = shoe(), item.brand = brand;
    refuse(&item, "brand");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_catalog__items_are_numbered_by_first_appearance),
        cmocka_unit_test(test_catalog__categories_brand_and_price_become_attributes),
        cmocka_unit_test(test_catalog__price_buckets_are_half_octaves),
        cmocka_unit_test(test_catalog__putting_replaces_and_brings_back),
        cmocka_unit_test(
            test_catalog__brand_and_price_keep_their_place_among_many_categories),
        cmocka_unit_test(test_catalog__events_are_counted_by_attribute),
        cmocka_unit_test(test_catalog__bad_items_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

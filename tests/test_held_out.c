/* SPDX-License-Identifier: Apache-2.0 */
/* Items that are taken for new while weights are fitted: no source hears of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/lessons.h"
#include "evidence/counts.h"
#include "learn/held_out.h"

enum { ITEMS = 120, USERS = 80, LONG = 12 };

static void test_held_out__a_sixteenth_is_new(void **state)
{
    (void)state;
    uint32_t n = 0;
    for (uint32_t i = 0; i < 160000; i++)
        n += held_out_is_new(i);
    assert_in_range(n, 9600, 10400);
}

static void test_held_out__pasts_are_without_what_is_new(void **state)
{
    (void)state;
    enum { N = 1000 };
    static uint32_t item[N];
    static int64_t us[N];
    static uint8_t type[N];
    struct held_out_recent room;
    uint32_t fresh = 0, known = 0;
    while (!held_out_is_new(fresh))
        fresh++;
    while (held_out_is_new(known))
        known++;
    for (uint32_t i = 0; i < N; i++) {
        item[i] = i;
        us[i] = 7 * (int64_t)i;
        type[i] = (uint8_t)(i % 5);
    }
    struct evidence_event e = {.item = fresh, .recent = item, .n_recent = N};
    assert_false(held_out_observes(&e, &room));
    e = (struct evidence_event){.item = known,
                                .recent = item,
                                .recent_us = us,
                                .recent_type = type,
                                .n_recent = N};
    assert_true(held_out_observes(&e, &room));
    uint32_t at = 0;
    for (uint32_t i = N - HELD_OUT_RECENT; i < N; i++) {
        if (held_out_is_new(i))
            continue;
        assert_true(at < e.n_recent && e.recent[at] == i);
        assert_true(e.recent_us[at] == us[i] && e.recent_type[at] == type[i]);
        at++;
    }
    assert_int_equal(at, e.n_recent);
    e = (struct evidence_event){.item = known, .recent = item, .n_recent = 3};
    assert_true(held_out_observes(&e, &room));
    assert_true(!e.recent_us && !e.recent_type && e.n_recent <= 3);
}

/* ---- a shop ---- */

static char folder[64];
static struct penchant_error err;

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/penchant-held-out-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

static void put_items(struct penchant *p, bool titles)
{
    for (uint32_t i = 0; i < ITEMS; i++) {
        char id[16], title[32];
        struct penchant_item item;
        snprintf(id, sizeof id, "i%u", i);
        snprintf(title, sizeof title, "lamp number %u", i);
        penchant_item_default(&item);
        item.item_id = id;
        if (titles)
            item.title = title;
        assert_int_equal(penchant_put_item(p, &item, NULL, &err), PENCHANT_OK);
    }
}

/* Everybody walks through the items, each from another place. */
static void walk(struct penchant *p)
{
    for (uint32_t at = 0; at < LONG; at++)
        for (uint32_t u = 0; u < USERS; u++) {
            char user[16], item[16];
            struct penchant_event e;
            struct penchant_accepted ok;
            penchant_event_default(&e);
            snprintf(user, sizeof user, "u%u", u);
            snprintf(item, sizeof item, "i%u", (u * 3 + at) % ITEMS);
            e.user_id = user;
            e.item_id = item;
            e.event = "view";
            e.timestamp_us = (1700000000 + INT64_C(60) * (at * USERS + u)) * 1000000;
            assert_int_equal(penchant_add_events(p, &e, 1, &ok, &err), PENCHANT_OK);
        }
}

static void read_shop(struct lessons *l, bool titles)
{
    struct penchant_options o;
    struct penchant *p = NULL;
    char path[96];
    struct store *store = NULL;
    struct rewards rewards;
    rewards_default(&rewards);
    penchant_options_default(&o);
    o.dir = folder;
    o.store = "sqlite";
    assert_int_equal(penchant_open(&p, &o, &err), PENCHANT_OK);
    put_items(p, titles);
    walk(p);
    penchant_close(&p);
    snprintf(path, sizeof path, "%s/shop.db", folder);
    const struct store_options so = {.path = path, .read_only = true};
    assert_int_equal(store_sqlite.open(&store, &so, &err), PENCHANT_OK);
    assert_int_equal(lessons_read_to_weigh(l, store, &rewards, &err), PENCHANT_OK);
    store_sqlite.close(store);
    assert_int_equal(l->catalog.ids.n, ITEMS);
}

/* Whether every counting source says of the item what it says of one that never was. */
static bool is_a_stranger(struct lessons *l, const uint32_t *recent, uint32_t n,
                          uint32_t item)
{
    const int64_t recent_us[4] = {INT64_C(1700099996000000), INT64_C(1700099997000000),
                                  INT64_C(1700099998000000), INT64_C(1700099999000000)};
    const struct evidence_query q = {.user = NAMES_NONE,
                                     .recent = recent,
                                     .recent_us = recent_us,
                                     .n_recent = n,
                                     .now_us = INT64_C(1700100000000000),
                                     .n_items = ITEMS};
    const uint32_t both[2] = {item, 4000000000U};
    const int counting[] = {EVIDENCE_COVISITATION, EVIDENCE_NEIGHBOURS, EVIDENCE_REPEAT,
                            EVIDENCE_POPULARITY};
    float v[2];
    counts_novelty(l->evidence.counts, both, 2, v);
    bool same = v[0] == 1;
    for (size_t s = 0; s < sizeof counting / sizeof *counting; s++) {
        evidence_sources[counting[s]]->score(l->evidence.state[counting[s]], &q, both, 2,
                                             v);
        same = same && v[0] == v[1];
    }
    return same;
}

/* Before and behind each new item stand items that are known. */
static void count_strangers(struct lessons *l, uint32_t *fresh, uint32_t *known)
{
    *fresh = *known = 0;
    for (uint32_t i = 0; i < ITEMS; i++) {
        const uint32_t around[4] = {(i + ITEMS - 2) % ITEMS, (i + ITEMS - 1) % ITEMS,
                                    (i + 1) % ITEMS, (i + 2) % ITEMS};
        if (!is_a_stranger(l, around, 4, i))
            continue;
        *fresh += held_out_is_new(i);
        *known += !held_out_is_new(i);
    }
}

/* What a new item was followed by is not known either: it may be all of the past. */
static bool leads_nowhere(struct lessons *l, uint32_t item)
{
    uint32_t found[8 * EVIDENCE_SOURCES];
    const int64_t us = INT64_C(1700100000000000);
    const struct evidence_query q = {.user = NAMES_NONE,
                                     .recent = &item,
                                     .recent_us = &us,
                                     .n_recent = 1,
                                     .now_us = us + 1,
                                     .n_items = ITEMS};
    return evidence_candidates(&l->evidence,
                               1U << EVIDENCE_COVISITATION | 1U << EVIDENCE_NEIGHBOURS,
                               &q, 4, found) == 0;
}

static void test_held_out__a_shop_counts_nothing_of_new_items(void **state)
{
    (void)state;
    struct lessons l;
    uint32_t n_new = 0, fresh, known;
    read_shop(&l, true);
    for (uint32_t i = 0; i < ITEMS; i++) {
        n_new += held_out_is_new(i);
        assert_int_equal(leads_nowhere(&l, i), held_out_is_new(i));
    }
    count_strangers(&l, &fresh, &known);
    assert_true(l.hides && n_new >= 3);
    assert_int_equal(fresh, n_new);
    assert_int_equal(known, 0);
    lessons_release(&l);
}

static void test_held_out__nothing_is_new_where_no_item_speaks(void **state)
{
    (void)state;
    struct lessons l;
    uint32_t fresh, known;
    read_shop(&l, false);
    count_strangers(&l, &fresh, &known);
    assert_true(!l.hides && fresh == 0 && known == 0);
    lessons_release(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_held_out__a_sixteenth_is_new),
        cmocka_unit_test(test_held_out__pasts_are_without_what_is_new),
        cmocka_unit_test_setup_teardown(test_held_out__a_shop_counts_nothing_of_new_items,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(
            test_held_out__nothing_is_new_where_no_item_speaks, make_folder,
            remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

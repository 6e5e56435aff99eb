/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words help, by the truth of the made-up shop: a search brings what was asked for into the
 * very next list, and stars bring what the person likes. Without a trained model, by each
 * source alone and by all together.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "engine/shop_content.h"
#include "lab/temp_dir.h"
#include "lab/words_trial.h"

static const struct shop_world_options options = {
    .items = 1200, .shoppers = 1000, .days = 60, .now_us = 1700000000000000, .seed = 11};

enum { PATH = TEMP_DIR_SIZE + 16 };

static struct penchant_error err;
static struct shop_world *world;
static struct penchant *shop;
static char folder[TEMP_DIR_SIZE];

static void ok(int status)
{
    if (status)
        fail_msg("%s", err.text);
}

/* The watcher fits a space on the catalogue about a second after opening. */
static void wait_for_content(struct penchant *p)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    bool ready = false;
    for (int i = 0; i < 6000 && !ready; i++) {
        pthread_rwlock_rdlock(&p->lock);
        struct evidence_query q = {0};
        shop_content_query(&q, p, NULL);
        ready = q.content && q.content->n == p->catalog.ids.n;
        pthread_rwlock_unlock(&p->lock);
        nanosleep(&pause, NULL);
    }
    assert_true(ready);
}

static int open_shop(void **state)
{
    char events[PATH], items[PATH], dir[PATH];
    struct shop_act *act = NULL;
    struct penchant_import_options in;
    struct penchant_options o;
    size_t n;
    (void)state;
    ok(temp_dir_make(folder, &err));
    snprintf(events, sizeof events, "%s/events.csv", folder);
    snprintf(items, sizeof items, "%s/items.csv", folder);
    snprintf(dir, sizeof dir, "%s/shop", folder);
    ok(shop_world_new(&world, &options, &err));
    ok(shop_world_past(world, &act, &n, &err));
    ok(shop_world_write_items(world, items, &err));
    ok(shop_world_write_events(world, act, n, events, &err));
    free(act);
    penchant_options_default(&o);
    o.dir = dir;
    ok(penchant_open(&shop, &o, &err));
    penchant_import_options_default(&in);
    in.events = events;
    in.items = items;
    ok(penchant_import(shop, &in, NULL, &err));
    wait_for_content(shop);
    return 0;
}

static int close_shop(void **state)
{
    (void)state;
    penchant_close(&shop);
    shop_world_free(world);
    temp_dir_remove(folder);
    return 0;
}

static struct words_trials run(const char *sources)
{
    struct words_trials t;
    struct buf b;
    ok(words_trial_run(world, shop, options.shoppers, sources, 1, &t, &err));
    buf_init(&b, 1 << 16);
    words_trial_print(&b, &t);
    print_message("%s: %s\n", sources, b.data);
    buf_release(&b);
    assert_int_equal(t.shoppers, options.shoppers);
    return t;
}

static void test_words_trial__a_search_brings_what_was_asked_for(void **state)
{
    (void)state;
    const struct words_trials t = run("all");
    assert_true(t.asked.low > 0.2);
    assert_true(t.asked.with > 0.7);
    assert_true(t.suited.low > 0.05);
}

static void test_words_trial__stars_bring_what_is_liked(void **state)
{
    (void)state;
    static const char *const sources[] = {"all", "content", "covisitation", "neighbours"};
    for (size_t i = 0; i < 4; i++) {
        const struct words_trials t = run(sources[i]);
        assert_true(t.reviews.low > 0);
    }
}

static void test_words_trial__leaves_no_trace(void **state)
{
    (void)state;
    const struct words_trials a = run("all"), b = run("all");
    assert_memory_equal(&a, &b, sizeof a);
    struct penchant_status_report r;
    ok(penchant_status(shop, &r, &err));
    assert_int_equal(r.users, options.shoppers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_trial__a_search_brings_what_was_asked_for),
        cmocka_unit_test(test_words_trial__stars_bring_what_is_liked),
        cmocka_unit_test(test_words_trial__leaves_no_trace),
    };
    return cmocka_run_group_tests(tests, open_shop, close_shop);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists through the public interface: they follow the events, keep the filters, are never
 * short without a reason, and are the same after a restart; with and without a model.
 */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/files.h"
#include "base/rng.h"
#include "engine/resume.h"
#include "engine/snapshot.h"
#include "model/checkpoint.h"

#define DAY   86400000000LL
#define BEGIN (20000 * DAY) /* in 2024 */

enum { CLUSTERS = 12, EACH = 10, ITEMS = CLUSTERS * EACH, SHOPPERS = 60, STEPS = 15 };

/* ---- a shop ---- */

static char folder[64];

static struct penchant *open_shop(const char *dir)
{
    struct penchant_options o;
    struct penchant *p = NULL;
    penchant_options_default(&o);
    o.dir = dir;
    o.store = dir ? "sqlite" : "memory";
    assert_int_equal(penchant_open(&p, &o, NULL), PENCHANT_OK);
    return p;
}

static const char *make_folder(void)
{
    snprintf(folder, sizeof folder, "/tmp/penchant-lists-XXXXXX");
    assert_non_null(mkdtemp(folder));
    return folder;
}

static void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    assert_int_equal(system(command), 0);
}

static void put_in(struct penchant *p, uint32_t i, const char *category, bool available)
{
    char id[16];
    struct penchant_item item;
    penchant_item_default(&item);
    snprintf(id, sizeof id, "i%u", i);
    item.item_id = id;
    item.title = "红色 thing";
    item.category = category;
    item.available = available;
    assert_int_equal(penchant_put_item(p, &item, NULL, NULL), PENCHANT_OK);
}

static void put(struct penchant *p, uint32_t i, bool available)
{
    char category[32];
    snprintf(category, sizeof category, "c%u", i / EACH);
    put_in(p, i, category, available);
}

static void act(struct penchant *p, const char *user, uint32_t item, const char *event,
                int64_t ts_us)
{
    char id[16];
    struct penchant_event e;
    penchant_event_default(&e);
    snprintf(id, sizeof id, "i%u", item);
    e.user_id = user;
    e.item_id = id;
    e.event = event;
    e.timestamp_us = ts_us;
    assert_int_equal(penchant_add_events(p, &e, 1, NULL, NULL), PENCHANT_OK);
}

static void review(struct penchant *p, const char *user, uint32_t item, double value,
                   int64_t ts_us)
{
    char id[16];
    struct penchant_event e;
    penchant_event_default(&e);
    snprintf(id, sizeof id, "i%u", item);
    e.user_id = user;
    e.item_id = id;
    e.event = "review";
    e.value = value;
    e.timestamp_us = ts_us;
    assert_int_equal(penchant_add_events(p, &e, 1, NULL, NULL), PENCHANT_OK);
}

/* Shoppers who stay in their cluster; shopper u's cluster is u % CLUSTERS. */
static void fill(struct penchant *p, uint32_t steps)
{
    struct rng r;
    rng_init(&r, 11, 0);
    struct penchant_event *e = calloc((size_t)SHOPPERS * steps, sizeof *e);
    char(*text)[2][16] = calloc((size_t)SHOPPERS * steps, sizeof *text);
    size_t n = 0;
    for (uint32_t i = 0; i < ITEMS; i++)
        put(p, i, true);
    for (uint32_t s = 0; s < steps; s++)
        for (uint32_t u = 0; u < SHOPPERS; u++, n++) {
            penchant_event_default(&e[n]);
            snprintf(text[n][0], 16, "u%u", u);
            snprintf(text[n][1], 16, "i%u", u % CLUSTERS * EACH + rng_below(&r, EACH));
            e[n].user_id = text[n][0];
            e[n].item_id = text[n][1];
            e[n].event = rng_below(&r, 8) ? "view" : "cart";
            e[n].timestamp_us = BEGIN + (int64_t)n * (DAY / 1000);
        }
    assert_int_equal(penchant_add_events(p, e, n, NULL, NULL), PENCHANT_OK);
    free(text);
    free(e);
}

static struct penchant_list *ask(struct penchant *p, const struct penchant_request *r)
{
    struct penchant_list *list = NULL;
    struct penchant_error err = {0};
    const int rc = penchant_recommend(p, r, &list, &err);
    if (rc)
        fail_msg("recommend: %s", err.text);
    for (size_t i = 0; i < list->n; i++) {
        assert_true(isfinite(list->items[i].score));
        assert_true(i == 0 || list->items[i - 1].score >= list->items[i].score);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(list->items[i].item_id, list->items[j].item_id);
    }
    return list;
}

static struct penchant_list *ask_for(struct penchant *p, const char *user, size_t k)
{
    struct penchant_request r;
    penchant_request_default(&r);
    r.user_id = user;
    r.k = k;
    r.now_us = BEGIN + 30 * DAY;
    return ask(p, &r);
}

static uint32_t number(const struct penchant_scored *s)
{
    return (uint32_t)strtoul(s->item_id + 1, NULL, 10);
}

static bool holds(const struct penchant_list *list, uint32_t item)
{
    for (size_t i = 0; i < list->n; i++)
        if (number(&list->items[i]) == item)
            return true;
    return false;
}

static size_t of_cluster(const struct penchant_list *list, uint32_t cluster)
{
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++)
        n += number(&list->items[i]) / EACH == cluster;
    return n;
}

static bool same(const struct penchant_list *a, const struct penchant_list *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->items[i].item_id, b->items[i].item_id) != 0 ||
            a->items[i].score != b->items[i].score)
            return false;
    return true;
}

/* ---- a model ---- */

/* A model of the shop with random parameters: what it says is arbitrary, but fixed. */
static void leave_model_of(const char *dir, uint64_t seed, uint32_t n_items,
                           uint32_t n_types, const struct evidence_weights *w)
{
    const struct model_config config = {.dim = 16,
                                        .blocks = 2,
                                        .heads = 2,
                                        .max_length = 20,
                                        .ffn_dim = 16,
                                        .attention = MODEL_SOFTMAX,
                                        .position = true,
                                        .gap = true,
                                        .n_items = n_items,
                                        .n_types = n_types};
    struct model *m = NULL;
    assert_int_equal(model_new(&m, &config, NULL, NULL, NULL), PENCHANT_OK);
    model_initialise(m, seed);
    struct rng r;
    rng_init(&r, seed, 7);
    for (size_t i = 0; i < m->n_params; i++)
        m->param[i] += 0.3F * rng_normal(&r);
    char path[128];
    struct blend blend;
    struct checkpoint_extra extra[BLEND_EXTRAS];
    if (w)
        blend_constant(&blend, w);
    const size_t n_extras = w ? blend_extras(&blend, extra) : 0;
    const struct checkpoint_note note[] = {{NOTE_PRESET, "sasrec"},
                                           {NOTE_NDCG, "0.125"},
                                           {NOTE_TRAINED_US, "1700000000000000"},
                                           {NOTE_TRAINED_SEQ, "77"}};
    snprintf(path, sizeof path, "%s/" SNAPSHOT_DIR, dir);
    assert_int_equal(files_make_dir(path, NULL), PENCHANT_OK);
    snprintf(path, sizeof path, "%s/" SNAPSHOT_FILE, dir);
    assert_int_equal(checkpoint_save(path, m, note, 4, extra, n_extras, NULL),
                     PENCHANT_OK);
    model_free(m);
}

static void leave_model(const char *dir, uint64_t seed, uint32_t n_items, float sequence)
{
    const struct evidence_weights w = {.w = {[EVIDENCE_SEQUENCE] = sequence,
                                             [EVIDENCE_COVISITATION] = 1.0F,
                                             [EVIDENCE_POPULARITY] = 0.1F}};
    leave_model_of(dir, seed, n_items, 10, &w);
}

/* ---- without a model ---- */

static void test_lists__follow_what_users_did(void **unused)
{
    (void)unused;
    struct penchant *p = open_shop(NULL);
    fill(p, STEPS);
    for (uint32_t u = 0; u < SHOPPERS; u += 7) {
        char user[16];
        snprintf(user, sizeof user, "u%u", u);
        struct penchant_list *list = ask_for(p, user, 8);
        assert_int_equal(list->n, 8);
        assert_int_equal(of_cluster(list, u % CLUSTERS), 8);
        penchant_list_free(list);
    }
    penchant_close(&p);
}

static void test_lists__an_event_changes_the_very_next_list(void **unused)
{
    (void)unused;
    struct penchant *p = open_shop(NULL);
    fill(p, STEPS);
    struct penchant_list *before = ask_for(p, "u3", 10);
    assert_int_equal(of_cluster(before, 7), 0);
    act(p, "u3", 75, "view", BEGIN + 2 * DAY);
    struct penchant_list *after = ask_for(p, "u3", 10);
    assert_true(of_cluster(after, 7) >= 3);
    penchant_list_free(before);
    penchant_list_free(after);
    /* An item that nobody has ever seen is found after the first event that names it. */
    act(p, "u3", 5000, "purchase", BEGIN + 3 * DAY);
    act(p, "u4", 5000, "purchase", BEGIN + 3 * DAY);
    struct penchant_list *popular = NULL;
    assert_int_equal(penchant_popular(p, 200, NULL, &popular, NULL), PENCHANT_OK);
    assert_int_equal(popular->n, ITEMS + 1);
    assert_true(holds(popular, 5000));
    penchant_list_free(popular);
    penchant_close(&p);
}

static void test_lists__session_events_count_and_are_not_stored(void **unused)
{
    (void)unused;
    struct penchant *p = open_shop(NULL);
    fill(p, STEPS);
    struct penchant_event session[3];
    static const char *const id[] = {"i51", "nobody-knows-me", "i53"};
    for (size_t i = 0; i < 3; i++) {
        penchant_event_default(&session[i]);
        session[i].item_id = id[i];
        session[i].event = i ? "detail_page_view" : "my-own-event";
    }
    struct penchant_request r;
    penchant_request_default(&r);
    r.events = session;
    r.n_events = 3;
    struct penchant_list *list = ask(p, &r);
    assert_true(of_cluster(list, 5) >= 8);
    penchant_list_free(list);
    r.user_id = "u3";
    list = ask(p, &r);
    assert_true(of_cluster(list, 5) >= 4);
    penchant_list_free(list);
    list = ask_for(p, "u3", 10);
    assert_int_equal(of_cluster(list, 5), 0);
    penchant_list_free(list);
    struct penchant_error err = {0};
    session[1].event = "No Such\nThing";
    assert_int_equal(penchant_recommend(p, &r, &list, &err), PENCHANT_EINVALID);
    assert_int_equal(err.index, 1);
    assert_null(list);
    penchant_close(&p);
}

static void test_lists__what_a_user_said_no_to_is_not_shown(void **unused)
{
    (void)unused;
    struct penchant *p = open_shop(NULL);
    fill(p, STEPS);
    struct penchant_list *list = ask_for(p, "u3", 10);
    const uint32_t no = number(&list->items[0]), bad = number(&list->items[1]);
    penchant_list_free(list);
    act(p, "u3", no, "dislike", BEGIN + 2 * DAY);
    review(p, "u3", bad, 2, BEGIN + 2 * DAY);
    list = ask_for(p, "u3", ITEMS);
    assert_int_equal(list->n, ITEMS - 2);
    assert_false(holds(list, no) || holds(list, bad));
    penchant_list_free(list);
    list = ask_for(p, "u15", ITEMS); /* of the same taste, but who has said nothing */
    assert_true(holds(list, no) && holds(list, bad));
    penchant_list_free(list);
    act(p, "u3", no, "view", BEGIN + 3 * DAY); /* to look again is not to want it */
    act(p, "u3", bad, "cart", BEGIN + 3 * DAY);
    list = ask_for(p, "u3", ITEMS);
    assert_true(holds(list, bad) && !holds(list, no));
    penchant_list_free(list);

    /* A session says so too, for this request alone. */
    struct penchant_request r;
    penchant_request_default(&r);
    r.user_id = "u3";
    r.k = ITEMS;
    struct penchant_event e[2];
    for (size_t i = 0; i < 2; i++) {
        penchant_event_default(&e[i]);
        e[i].item_id = i ? "i77" : "i78";
        e[i].event = i ? "dislike" : "review";
        e[i].value = 1;
    }
    r.events = e;
    r.n_events = 2;
    list = ask(p, &r);
    assert_int_equal(list->n, ITEMS - 3);
    assert_false(holds(list, 77) || holds(list, 78));
    penchant_list_free(list);

    /* When nothing else is left it is better than nothing. */
    put_in(p, no, "alone", true);
    r.n_events = 0;
    r.category = "alone";
    list = ask(p, &r);
    assert_int_equal(list->n, 1);
    assert_true(holds(list, no));
    penchant_list_free(list);
    penchant_close(&p);
}

static void test_lists__a_bad_review_is_no_step_towards_its_item(void **unused)
{
    (void)unused;
    struct penchant *p = open_shop(NULL);
    fill(p, STEPS);
    struct penchant_list *before = ask_for(p, "u3", 10);
    review(p, "u3", 75, 1, BEGIN + 2 * DAY);
    struct penchant_list *after = ask_for(p, "u3", 10);
    assert_true(same(before, after));
    penchant_list_free(after);
    review(p, "u3", 76, 5, BEGIN + 2 * DAY);
    after = ask_for(p, "u3", 10);
    assert_true(of_cluster(after, 7) >= 3);
    assert_false(holds(after, 75));
    penchant_list_free(after);
    penchant_list_free(before);
    penchant_close(&p);
}

static void test_lists__filters_hold(void **unused)
{
    (void)unused;
    struct penchant *p = open_shop(NULL);
    fill(p, STEPS);
    struct penchant_request r;
    penchant_request_default(&r);
    r.user_id = "u3";
    r.k = PENCHANT_MAX_K;
    struct penchant_list *list = ask(p, &r);
    assert_int_equal(list->n, ITEMS);
    penchant_list_free(list);

    put(p, 31, false); /* unavailable from this moment on */
    assert_int_equal(penchant_delete_item(p, "i32", NULL), PENCHANT_OK);
    act(p, "u3", 33, "purchase", BEGIN + 2 * DAY);
    static const char *const exclude[] = {"i34", "i35", "unheard-of"};
    r.exclude = exclude;
    r.n_exclude = 3;
    r.exclude_purchased = true;
    static const size_t ks[] = {3, 10, PENCHANT_MAX_K};
    for (size_t i = 0; i < 3; i++) {
        r.k = ks[i];
        list = ask(p, &r);
        assert_int_equal(list->n, ks[i] < ITEMS - 5 ? ks[i] : ITEMS - 5);
        for (uint32_t item = 31; item <= 35; item++)
            assert_false(holds(list, item));
        penchant_list_free(list);
    }
    r.exclude_purchased = false;
    list = ask(p, &r);
    assert_true(holds(list, 33));
    penchant_list_free(list);

    r.category = "c9"; /* not this user's cluster at all */
    r.k = 5;
    list = ask(p, &r);
    assert_int_equal(list->n, 5);
    assert_int_equal(of_cluster(list, 9), 5);
    penchant_list_free(list);
    r.category = "c3";
    r.k = 20;
    list = ask(p, &r);
    assert_int_equal(list->n, EACH - 4);
    assert_int_equal(of_cluster(list, 3), EACH - 4);
    penchant_list_free(list);
    r.category = "no such category";
    list = ask(p, &r);
    assert_int_equal(list->n, 0);
    penchant_list_free(list);

    put(p, 31, true); /* and back again */
    r.category = NULL;
    r.k = PENCHANT_MAX_K;
    list = ask(p, &r);
    assert_true(holds(list, 31));
    penchant_list_free(list);
    penchant_close(&p);
}

/* More items than are ever candidates, and filters that let almost nothing through. */
static void test_lists__are_not_short_while_items_pass(void **unused)
{
    (void)unused;
    enum { MANY = 3000, LEFT = 7 };
    struct penchant *p = open_shop(NULL);
    fill(p, STEPS);
    for (uint32_t i = ITEMS; i < MANY; i += 4)
        put(p, i, true); /* never seen by anybody */
    char(*text)[16] = calloc(MANY, sizeof *text);
    const char **exclude = calloc(MANY, sizeof *exclude);
    struct penchant_request r;
    penchant_request_default(&r);
    r.exclude = exclude;
    for (uint32_t i = 0; i < MANY - 4 * LEFT; i++) {
        snprintf(text[i], sizeof text[i], "i%u", i);
        exclude[r.n_exclude++] = text[i];
    }
    static const char *const users[] = {"u3", "nobody", NULL};
    for (size_t u = 0; u < 3; u++) {
        r.user_id = users[u];
        r.k = 20;
        struct penchant_list *list = ask(p, &r);
        assert_int_equal(list->n, LEFT);
        penchant_list_free(list);
    }
    r.n_exclude = 0;
    r.k = 800;
    struct penchant_list *list = ask(p, &r);
    assert_int_equal(list->n, 800);
    penchant_list_free(list);
    r.category = "c299"; /* of the items 2990 to 2999, three */
    r.k = 10;
    list = ask(p, &r);
    assert_int_equal(list->n, 2);
    penchant_list_free(list);
    free(exclude);
    free(text);
    penchant_close(&p);
}

/* A category larger than what candidates are made from, and nobody has looked at it. */
static void test_lists__find_what_nobody_has_looked_at(void **unused)
{
    (void)unused;
    struct penchant *p = open_shop(NULL);
    fill(p, STEPS);
    for (uint32_t i = 10 * ITEMS; i < 10 * ITEMS + 400; i++)
        put_in(p, i, "attic", true);
    struct penchant_request r;
    penchant_request_default(&r);
    r.user_id = "u3";
    r.category = "attic";
    struct penchant_list *list = ask(p, &r);
    assert_int_equal(list->n, 10);
    for (size_t i = 0; i < list->n; i++)
        assert_true(number(&list->items[i]) >= 10 * ITEMS);
    penchant_list_free(list);
    char id[16];
    snprintf(id, sizeof id, "i%d", 10 * ITEMS + 7);
    assert_int_equal(penchant_similar(p, id, 10, &list, NULL), PENCHANT_OK);
    assert_int_equal(list->n, 10);
    for (size_t i = 0; i < list->n; i++)
        assert_true(number(&list->items[i]) >= 10 * ITEMS);
    assert_false(holds(list, 10 * ITEMS + 7));
    penchant_list_free(list);
    penchant_close(&p);
}

static void test_lists__unknown_users_get_what_is_popular(void **unused)
{
    (void)unused;
    struct penchant *p = open_shop(NULL);
    fill(p, STEPS);
    for (int i = 0; i < 40; i++)
        act(p, "crowd", 17, "purchase", BEGIN + 2 * DAY);
    static const char *const users[] = {"nobody", NULL};
    for (size_t u = 0; u < 2; u++) {
        struct penchant_list *list = ask_for(p, users[u], 10);
        assert_int_equal(list->n, 10);
        assert_int_equal(number(&list->items[0]), 17);
        penchant_list_free(list);
    }
    struct penchant_list *popular = NULL;
    assert_int_equal(penchant_popular(p, 3, NULL, &popular, NULL), PENCHANT_OK);
    assert_int_equal(popular->n, 3);
    assert_int_equal(number(&popular->items[0]), 17);
    assert_true(popular->items[0].score > 0 && popular->items[0].score < 1);
    penchant_list_free(popular);
    assert_int_equal(penchant_popular(p, 50, "c4", &popular, NULL), PENCHANT_OK);
    assert_int_equal(popular->n, EACH);
    assert_int_equal(of_cluster(popular, 4), EACH);
    penchant_list_free(popular);
    penchant_close(&p);
}

static void test_lists__an_empty_shop_gives_an_empty_list(void **unused)
{
    (void)unused;
    struct penchant *p = open_shop(NULL);
    struct penchant_list *list = ask_for(p, "somebody", 10);
    assert_int_equal(list->n, 0);
    penchant_list_free(list);
    assert_int_equal(penchant_popular(p, 10, NULL, &list, NULL), PENCHANT_OK);
    assert_int_equal(list->n, 0);
    penchant_list_free(list);
    put(p, 1, true); /* an item that nobody has seen is better than nothing */
    list = ask_for(p, NULL, 10);
    assert_int_equal(list->n, 1);
    penchant_list_free(list);
    penchant_close(&p);
}

static void test_lists__similar_items_are_of_a_kind(void **unused)
{
    (void)unused;
    struct penchant *p = open_shop(NULL);
    fill(p, STEPS);
    struct penchant_list *list = NULL;
    assert_int_equal(penchant_similar(p, "i63", 9, &list, NULL), PENCHANT_OK);
    assert_int_equal(list->n, 9);
    assert_int_equal(of_cluster(list, 6), 9);
    assert_false(holds(list, 63));
    penchant_list_free(list);
    /* Never seen: what is popular in its category. */
    struct penchant_item item;
    penchant_item_default(&item);
    item.item_id = "i9999";
    item.category = "c8";
    assert_int_equal(penchant_put_item(p, &item, NULL, NULL), PENCHANT_OK);
    assert_int_equal(penchant_similar(p, "i9999", 6, &list, NULL), PENCHANT_OK);
    assert_int_equal(of_cluster(list, 8), 6);
    penchant_list_free(list);
    struct penchant_error err = {0};
    assert_int_equal(penchant_similar(p, "what", 6, &list, &err), PENCHANT_ENOTFOUND);
    assert_string_equal(err.field, "item_id");
    assert_null(list);
    assert_int_equal(penchant_delete_item(p, "i63", NULL), PENCHANT_OK);
    assert_int_equal(penchant_similar(p, "i63", 6, &list, NULL), PENCHANT_ENOTFOUND);
    penchant_close(&p);
}

static void test_lists__bad_requests_are_refused(void **unused)
{
    (void)unused;
    struct penchant *p = open_shop(NULL);
    struct penchant_list *list;
    struct penchant_error err = {0};
    struct penchant_request r;
    static const size_t ks[] = {0, PENCHANT_MAX_K + 1, SIZE_MAX};
    for (size_t i = 0; i < 3; i++) {
        penchant_request_default(&r);
        r.k = ks[i];
        assert_int_equal(penchant_recommend(p, &r, &list, &err), PENCHANT_EINVALID);
        assert_string_equal(err.field, "k");
        assert_int_equal(penchant_popular(p, ks[i], NULL, &list, NULL),
                         PENCHANT_EINVALID);
        assert_int_equal(penchant_similar(p, "x", ks[i], &list, NULL), PENCHANT_EINVALID);
    }
    penchant_request_default(&r);
    r.sources = "sequence,guesswork";
    assert_int_equal(penchant_recommend(p, &r, &list, &err), PENCHANT_EINVALID);
    assert_string_equal(err.field, "sources");
    penchant_request_default(&r);
    r.user_id = "\xff";
    assert_int_equal(penchant_recommend(p, &r, &list, &err), PENCHANT_EINVALID);
    assert_string_equal(err.field, "user_id");
    penchant_request_default(&r);
    r.n_exclude = 1000000;
    assert_int_equal(penchant_recommend(p, &r, &list, &err), PENCHANT_ELIMIT);
    penchant_close(&p);
}

/* ---- with a model, on disk ---- */

struct slates {
    char id[8][PENCHANT_RECOMMENDATION_ID + 1];
    uint32_t n, items[8];
    char placement[8][16];
};

static int keep_slate(void *cookie, const struct store_slate *s)
{
    struct slates *all = cookie;
    assert_in_range(all->n, 0, 7);
    snprintf(all->id[all->n], sizeof all->id[0], "%s", s->id);
    snprintf(all->placement[all->n], sizeof all->placement[0], "%s",
             s->placement ? s->placement : "");
    all->items[all->n++] = s->n;
    return 0;
}

static void test_lists__slates_are_logged(void **unused)
{
    (void)unused;
    struct penchant *p = open_shop(make_folder());
    fill(p, 3);
    struct penchant_request r;
    penchant_request_default(&r);
    r.placement = "home";
    r.user_id = "u1";
    r.k = 4;
    struct penchant_list *one = ask(p, &r), *two = ask_for(p, NULL, 6);
    assert_int_equal(strlen(one->recommendation_id), PENCHANT_RECOMMENDATION_ID);
    assert_int_equal(strspn(one->recommendation_id, "0123456789abcdef"),
                     PENCHANT_RECOMMENDATION_ID);
    assert_string_not_equal(one->recommendation_id, two->recommendation_id);
    penchant_close(&p);

    struct store *store = NULL;
    struct slates found = {0};
    char path[128];
    snprintf(path, sizeof path, "%s/shop.db", folder);
    const struct store_options so = {.path = path, .read_only = true};
    assert_int_equal(store_sqlite.open(&store, &so, NULL), PENCHANT_OK);
    assert_int_equal(store_sqlite.scan_slates(store, 0, keep_slate, &found, NULL), 0);
    store_sqlite.close(store);
    assert_int_equal(found.n, 2);
    assert_string_equal(found.id[0], one->recommendation_id);
    assert_string_equal(found.placement[0], "home");
    assert_int_equal(found.items[0], 4);
    assert_int_equal(found.items[1], 6);
    penchant_list_free(one);
    penchant_list_free(two);
    remove_folder();
}

/* Histories longer than the model's window, appended to while the encoder's state is
   cached; after a restart it is made anew. */
static void test_lists__are_the_same_after_a_restart(void **unused)
{
    (void)unused;
    struct penchant *p = open_shop(make_folder());
    struct penchant_list *before[SHOPPERS];
    char user[16];
    fill(p, 37);
    leave_model(folder, 3, ITEMS, 1.0F);
    engine_snapshot_refresh(p);
    for (uint32_t u = 0; u < SHOPPERS; u++) {
        snprintf(user, sizeof user, "u%u", u);
        for (uint32_t i = 0; i < u % 13; i++) {
            penchant_list_free(ask_for(p, user, 5)); /* keeps the state in the cache */
            act(p, user, (u * 31 + i * 17) % (ITEMS + 3), i % 3 ? "view" : "review",
                BEGIN + (2 + i) * DAY);
        }
    }
    for (uint32_t u = 0; u < SHOPPERS; u++) {
        snprintf(user, sizeof user, "u%u", u);
        before[u] = ask_for(p, user, 12);
    }
    penchant_close(&p);
    p = open_shop(folder);
    struct penchant_status_report status;
    assert_int_equal(penchant_status(p, &status, NULL), PENCHANT_OK);
    assert_true(status.has_model);
    for (uint32_t u = 0; u < SHOPPERS; u++) {
        snprintf(user, sizeof user, "u%u", u);
        struct penchant_list *after = ask_for(p, user, 12);
        assert_true(same(before[u], after));
        penchant_list_free(before[u]);
        penchant_list_free(after);
    }
    penchant_close(&p);
    remove_folder();
}

static void test_lists__a_new_model_is_picked_up_and_a_damaged_one_is_not(void **unused)
{
    (void)unused;
    struct penchant *p = open_shop(make_folder());
    struct penchant_status_report status;
    fill(p, STEPS);
    struct penchant_list *none = ask_for(p, "u5", 10);
    leave_model(folder, 4, ITEMS, 5.0F);
    engine_snapshot_refresh(p);
    struct penchant_list *first = ask_for(p, "u5", 10);
    assert_false(same(none, first));
    assert_int_equal(penchant_status(p, &status, NULL), PENCHANT_OK);
    assert_true(status.has_model);
    assert_int_equal(status.model_version, 1);
    assert_int_equal(status.dim, 16);
    assert_true(status.model_ndcg10 == 0.125);

    leave_model(folder, 5, ITEMS, 5.0F);
    engine_snapshot_refresh(p);
    engine_snapshot_refresh(p); /* the same file is not loaded twice */
    struct penchant_list *second = ask_for(p, "u5", 10);
    assert_false(same(first, second));
    assert_int_equal(penchant_status(p, &status, NULL), PENCHANT_OK);
    assert_int_equal(status.model_version, 2);

    leave_model_of(folder, 6, ITEMS, 10,
                   NULL); /* nothing says how to weigh the sources */
    engine_snapshot_refresh(p);
    struct penchant_list *unweighed = ask_for(p, "u5", 10);
    assert_true(same(second, unweighed));
    penchant_list_free(unweighed);

    char path[128];
    snprintf(path, sizeof path, "%s/" SNAPSHOT_FILE, folder);
    assert_int_equal(truncate(path, 3000), 0);
    engine_snapshot_refresh(p);
    struct penchant_list *third = ask_for(p, "u5", 10);
    assert_true(same(second, third));
    penchant_close(&p);
    p = open_shop(folder); /* and without any model that can be read, counting remains */
    struct penchant_list *last = ask_for(p, "u5", 10);
    assert_true(same(none, last));
    penchant_close(&p);
    penchant_list_free(none);
    penchant_list_free(first);
    penchant_list_free(second);
    penchant_list_free(third);
    penchant_list_free(last);
    remove_folder();
}

/* With a model: what a request brings along changes that list only. */
static void test_lists__a_session_leaves_no_trace(void **unused)
{
    (void)unused;
    struct penchant *p = open_shop(make_folder());
    fill(p, STEPS);
    leave_model(folder, 6, ITEMS, 3.0F);
    engine_snapshot_refresh(p);
    struct penchant_event session;
    penchant_event_default(&session);
    session.item_id = "i77";
    session.event = "cart";
    struct penchant_request r;
    penchant_request_default(&r);
    r.user_id = "u5";
    r.now_us = BEGIN + 30 * DAY;
    r.events = &session;
    r.n_events = 1;
    for (int cached = 0; cached < 2; cached++) {
        struct penchant_list *with = ask(p, &r), *without = ask_for(p, "u5", 10);
        struct penchant_list *again = ask(p, &r);
        assert_false(same(with, without));
        assert_true(same(with, again));
        penchant_list_free(with);
        penchant_list_free(without);
        penchant_list_free(again);
    }
    struct penchant_list *asked = ask(p, &r);
    act(p, "u5", 77, "cart", r.now_us); /* the same, but lasting */
    struct penchant_list *lasting = ask_for(p, "u5", 10);
    assert_string_equal(asked->items[0].item_id, lasting->items[0].item_id);
    penchant_list_free(asked);
    penchant_list_free(lasting);
    penchant_close(&p);
    remove_folder();
}

static void test_lists__sources_can_be_chosen(void **unused)
{
    (void)unused;
    struct penchant *p = open_shop(make_folder());
    fill(p, STEPS);
    leave_model(folder, 6, ITEMS, 0.0F); /* its weights leave the sequence model out */
    engine_snapshot_refresh(p);
    struct penchant_request r;
    penchant_request_default(&r);
    r.user_id = "u5";
    r.now_us = BEGIN + 30 * DAY;
    static const char *const sources[] = {"all", "sequence", "covisitation", "popularity",
                                          "covisitation,popularity"};
    struct penchant_list *list[5];
    for (size_t i = 0; i < 5; i++) {
        r.sources = sources[i];
        list[i] = ask(p, &r);
        assert_int_equal(list[i]->n, 10);
    }
    assert_true(same(list[0], list[4]));
    assert_false(same(list[0], list[1]));
    assert_int_equal(of_cluster(list[2], 5), 10);
    struct penchant_list *popular = NULL;
    assert_int_equal(penchant_popular(p, 10, NULL, &popular, NULL), PENCHANT_OK);
    for (size_t i = 0; i < 10; i++)
        assert_string_equal(popular->items[i].item_id, list[3]->items[i].item_id);
    penchant_list_free(popular);
    for (size_t i = 0; i < 5; i++)
        penchant_list_free(list[i]);
    penchant_close(&p);
    remove_folder();
}

/* Weights that leave popularity out still leave it to those of whom nothing else is
 * known. */
static void test_lists__popularity_is_the_last_resort(void **unused)
{
    (void)unused;
    const struct evidence_weights w = {
        .w = {[EVIDENCE_SEQUENCE] = 1.0F, [EVIDENCE_COVISITATION] = 1.0F}};
    struct penchant *p = open_shop(make_folder());
    fill(p, STEPS);
    leave_model_of(folder, 6, ITEMS, 10, &w);
    engine_snapshot_refresh(p);
    for (int i = 0; i < 40; i++)
        act(p, "crowd", 87, "purchase", BEGIN + 2 * DAY);
    act(p, "lonely", 7000, "view", BEGIN + 2 * DAY); /* an item of no other user */
    static const char *const users[] = {"lonely", "nobody", NULL};
    for (size_t i = 0; i < 3; i++) {
        struct penchant_list *list = ask_for(p, users[i], 10);
        assert_int_equal(number(&list->items[0]), 87);
        penchant_list_free(list);
    }
    penchant_close(&p);
    remove_folder();
}

/* A model that knows fewer items than the shop, and one that knows more. */
static void test_lists__model_and_catalogue_may_differ(void **unused)
{
    (void)unused;
    static const uint32_t known[] = {ITEMS / 2, ITEMS * 3};
    for (size_t i = 0; i < 2; i++) {
        struct penchant *p = open_shop(make_folder());
        fill(p, STEPS);
        leave_model(folder, 8, known[i], 2.0F);
        engine_snapshot_refresh(p);
        struct penchant_list *list = ask_for(p, "u5", PENCHANT_MAX_K);
        assert_int_equal(list->n, ITEMS);
        penchant_list_free(list);
        assert_int_equal(penchant_similar(p, "i100", 50, &list, NULL), PENCHANT_OK);
        assert_int_equal(list->n, 50);
        penchant_list_free(list);
        penchant_close(&p);
        remove_folder();
    }
}

/* A log of purchases alone trains a model that knows no types; the sources that count go
   by purchases all the same. */
static void test_lists__counting_knows_types_that_the_model_does_not(void **unused)
{
    (void)unused;
    static const uint32_t n_types[] = {10, 0};
    const struct evidence_weights w = {.w = {[EVIDENCE_REPEAT] = 1.0F}};
    struct penchant_list *list[2];
    for (int i = 0; i < 2; i++) {
        struct penchant *p = open_shop(make_folder());
        for (uint32_t day = 0; day < 28; day += 7)
            for (uint32_t u = 0; u < SHOPPERS; u++) {
                char user[16];
                snprintf(user, sizeof user, "u%u", u);
                act(p, user, u % 5, "purchase", BEGIN + day * DAY + u);
                act(p, user, 5 + (u + day) % 50, "purchase", BEGIN + day * DAY + DAY / 2);
            }
        leave_model_of(folder, 6, 55, n_types[i], &w);
        engine_snapshot_refresh(p);
        list[i] = ask_for(p, "u3", 10);
        penchant_close(&p);
        remove_folder();
    }
    assert_int_equal(number(&list[0]->items[0]), 3);
    assert_true(same(list[0], list[1]));
    penchant_list_free(list[0]);
    penchant_list_free(list[1]);
}

/* ---- many threads ---- */

struct crowd {
    struct penchant *p;
    atomic_bool stop;
    _Atomic uint32_t lists, wrong;
};

static void *keep_asking(void *arg)
{
    struct crowd *c = arg;
    for (uint32_t i = 0; !c->stop; i++) {
        char user[16];
        struct penchant_list *list = NULL;
        struct penchant_request r;
        penchant_request_default(&r);
        snprintf(user, sizeof user, "u%u", i % (SHOPPERS + 5));
        r.user_id = user;
        r.category = i % 5 ? NULL : "c2";
        if (penchant_recommend(c->p, &r, &list, NULL) != PENCHANT_OK || list->n == 0 ||
            holds(list, 1))
            c->wrong++;
        penchant_list_free(list);
        if (penchant_similar(c->p, "i20", 5, &list, NULL) != PENCHANT_OK || list->n != 5)
            c->wrong++;
        penchant_list_free(list);
        c->lists++;
    }
    return NULL;
}

static void test_lists__many_threads_beside_the_writer(void **unused)
{
    (void)unused;
    struct crowd c = {.p = open_shop(make_folder())};
    fill(c.p, STEPS);
    put(c.p, 1, false);
    leave_model(folder, 9, ITEMS, 1.0F);
    engine_snapshot_refresh(c.p);
    pthread_t thread[3];
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, keep_asking, &c), 0);
    for (uint32_t i = 0; i < 60 || c.lists < 60; i++) {
        char user[16];
        snprintf(user, sizeof user, "u%u", i % (SHOPPERS + 5));
        act(c.p, user, i % 2 ? i % ITEMS : ITEMS + i, "view", BEGIN + DAY + i);
        put(c.p, 40 + i % 10, i % 2);
        if (i % 20 == 19)
            leave_model(folder, i, ITEMS, 1.0F);
    }
    c.stop = true;
    for (size_t i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(c.wrong, 0);
    penchant_close(&c.p);
    remove_folder();
}

/* ---- training and evaluation ---- */

/* Items and attributes have been added since, and the attributes stand in another order. */
static void test_lists__resuming_finds_parameters_by_name(void **unused)
{
    (void)unused;
    enum { DIM = 8, OLD = 5, NEW = 7 };
    static const uint32_t old_start[OLD + 1] = {0, 1, 2, 2, 2, 2}, old_attr[] = {0, 1};
    static const uint32_t start[NEW + 1] = {0, 1, 2, 3, 3, 3, 3, 3}, attr[] = {2, 0, 1};
    static char red[] = "red", green[] = "green", blue[] = "blue";
    char *old_name[] = {red, blue}, *name[] = {blue, green, red};
    const struct model_config config = {.dim = DIM,
                                        .blocks = 1,
                                        .heads = 1,
                                        .max_length = 10,
                                        .position = true,
                                        .n_items = OLD,
                                        .n_attributes = 2};
    struct model_config grown = config;
    grown.n_items = NEW;
    grown.n_attributes = 3;
    struct model *old, *fresh, *m;
    assert_int_equal(model_new(&old, &config, old_start, old_attr, NULL), PENCHANT_OK);
    assert_int_equal(model_name_attributes(old, old_name), PENCHANT_OK);
    for (size_t i = 0; i < old->n_params; i++)
        old->param[i] = (float)(i + 1000);
    assert_int_equal(model_new(&fresh, &grown, start, attr, NULL), PENCHANT_OK);
    model_initialise(fresh, 5);
    char path[128];
    snprintf(path, sizeof path, "%s/old.safetensors", make_folder());
    assert_int_equal(checkpoint_save(path, old, NULL, 0, NULL, 0, NULL), PENCHANT_OK);

    const struct history h = {.n_items = NEW};
    const struct train_data data = {.history = &h,
                                    .attr_start = start,
                                    .attr = attr,
                                    .n_attributes = 3,
                                    .attribute_name = name};
    assert_int_equal(resume_model(&m, path, &data, 5, NULL), PENCHANT_OK);
    const size_t row = DIM * sizeof(float);
    const float *item = model_at(m, &m->item), *colour = model_at(m, &m->attribute);
    assert_memory_equal(item, model_at(old, &old->item), OLD * row);
    assert_memory_equal(item + OLD * DIM, model_at(fresh, &fresh->item) + OLD * DIM,
                        (NEW - OLD) * row);
    const float *was = model_at(old, &old->attribute);
    assert_memory_equal(colour, was + DIM, row);     /* blue */
    assert_memory_equal(colour + 2 * DIM, was, row); /* red */
    assert_memory_equal(colour + DIM, model_at(fresh, &fresh->attribute) + DIM, row);
    assert_memory_equal(model_at(m, &m->position), model_at(old, &old->position),
                        10 * row);
    model_free(old);
    model_free(fresh);
    model_free(m);
    remove_folder();
}

static int stop_after_some(void *cookie, const char *what, uint64_t done, uint64_t total,
                           const char *detail)
{
    (void)what, (void)done, (void)total, (void)detail;
    return ++*(uint32_t *)cookie > 3;
}

static void test_lists__a_trained_model_serves_and_is_judged(void **unused)
{
    (void)unused;
    struct penchant *p = open_shop(make_folder());
    struct penchant_evaluation result;
    struct penchant_train_options o;
    struct penchant_train_report report;
    struct penchant_error err = {0};
    penchant_train_options_default(&o);
    o.dir = folder;
    o.dim = 16;
    o.blocks = 1;
    o.max_epochs = 4;
    o.max_length = 20;
    assert_int_equal(penchant_train(&o, &report, &err),
                     PENCHANT_EINVALID); /* no events */
    assert_int_equal(penchant_evaluate(p, NULL, &result, &err), PENCHANT_ENOMODEL);
    /* Walks along a chain of items, so that the last one is new to its user; most begin
       at its beginning, so that what is popular misleads. */
    for (uint32_t u = 0; u < 80; u++)
        for (uint32_t i = 0; i < 8; i++) {
            char user[16];
            snprintf(user, sizeof user, "w%u", u);
            act(p, user, (u * u / 160 + i) % 40, "view",
                BEGIN + (int64_t)(u * 10 + i) * DAY / 24);
        }
    if (penchant_train(&o, &report, &err))
        fail_msg("train: %s", err.text);
    assert_int_equal(report.dim, 16);
    assert_true(report.steps > 0 && report.tokens > 0);
    assert_int_equal(penchant_evaluate(p, NULL, &result, &err), PENCHANT_OK);
    assert_int_equal(result.cases, 80);
    assert_int_equal(result.n, 1 + EVIDENCE_SOURCES);
    assert_string_equal(result.quality[0].name, "model");
    assert_string_equal(result.quality[1].name, "sequence");
    for (size_t i = 1; i < result.n; i++) {
        assert_true(result.quality[0].ndcg[1].value >=
                    result.quality[i].ndcg[1].value - 1e-6);
        assert_true(result.quality[i].ndcg[1].low <= result.quality[i].ndcg[1].value);
    }
    assert_true(result.quality[0].hr[1].value > 0.9); /* a chain is easy */
    struct penchant_status_report status;
    assert_int_equal(penchant_status(p, &status, NULL), PENCHANT_OK);
    /* It was weighed with a part of the items taken for new. */
    assert_true(status.model_ndcg10 <= result.quality[0].ndcg[1].value + 0.02);
    assert_true(status.model_ndcg10 > 0.7 * result.quality[0].ndcg[1].value);

    /* Events of later do not change the judgement; resuming takes the new item in. */
    const double judged = result.quality[0].ndcg[1].value;
    act(p, "w1", 777, "view", BEGIN + 100 * DAY);
    for (uint32_t i = 0; i < 3; i++)
        act(p, "newcomer", i, "view", BEGIN + (101 + i) * DAY);
    assert_int_equal(penchant_evaluate(p, NULL, &result, &err), PENCHANT_OK);
    assert_int_equal(result.cases, 80);
    assert_true(result.quality[0].ndcg[1].value == judged);
    o.resume = true;
    o.max_epochs = 1;
    if (penchant_train(&o, &report, &err))
        fail_msg("resume: %s", err.text);
    engine_snapshot_refresh(p);
    assert_int_equal(penchant_status(p, &status, NULL), PENCHANT_OK);
    assert_int_equal(status.model_version, 2);
    uint32_t calls = 0;
    o.resume = false;
    o.max_epochs = 1000;
    o.progress = stop_after_some;
    o.cookie = &calls;
    assert_int_equal(penchant_train(&o, &report, &err), PENCHANT_OK);
    assert_true(report.stopped); /* what there was is kept */
    engine_snapshot_refresh(p);
    assert_int_equal(penchant_status(p, &status, NULL), PENCHANT_OK);
    assert_int_equal(status.model_version, 3);

    /* A run is gone on with as it was begun, but for what is said anew. */
    struct penchant_train_options own = {0};
    penchant_train_options_default(&own);
    own.dir = folder;
    own.preset = "sasrec";
    own.loss = "sampled";
    own.dim = 12;
    own.dropout = 0.35;
    own.weight_decay = 0.25;
    own.negatives = 9;
    own.max_epochs = 1;
    assert_int_equal(penchant_train(&own, &report, &err), PENCHANT_OK);
    const double reached = report.best_ndcg10;
    penchant_train_options_default(&own);
    own.dir = folder;
    own.resume = true;
    own.max_epochs = 1;
    assert_int_equal(penchant_train(&own, &report, &err), PENCHANT_OK);
    assert_string_equal(report.preset, "sasrec");
    assert_string_equal(report.loss, "sampled");
    assert_int_equal(report.dim, 12);
    assert_true(fabs(report.dropout - 0.35) < 1e-6);
    assert_true(fabs(report.weight_decay - 0.25) < 1e-6);
    assert_int_equal(report.negatives, 9);
    assert_true(report.best_ndcg10 >= reached);
    own.dropout = 0.1;
    own.loss = "full";
    assert_int_equal(penchant_train(&own, &report, &err), PENCHANT_OK);
    assert_string_equal(report.loss, "full");
    assert_true(fabs(report.dropout - 0.1) < 1e-6);
    penchant_close(&p);
    remove_folder();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists__follow_what_users_did),
        cmocka_unit_test(test_lists__an_event_changes_the_very_next_list),
        cmocka_unit_test(test_lists__session_events_count_and_are_not_stored),
        cmocka_unit_test(test_lists__what_a_user_said_no_to_is_not_shown),
        cmocka_unit_test(test_lists__a_bad_review_is_no_step_towards_its_item),
        cmocka_unit_test(test_lists__filters_hold),
        cmocka_unit_test(test_lists__are_not_short_while_items_pass),
        cmocka_unit_test(test_lists__find_what_nobody_has_looked_at),
        cmocka_unit_test(test_lists__unknown_users_get_what_is_popular),
        cmocka_unit_test(test_lists__an_empty_shop_gives_an_empty_list),
        cmocka_unit_test(test_lists__similar_items_are_of_a_kind),
        cmocka_unit_test(test_lists__bad_requests_are_refused),
        cmocka_unit_test(test_lists__slates_are_logged),
        cmocka_unit_test(test_lists__are_the_same_after_a_restart),
        cmocka_unit_test(test_lists__a_new_model_is_picked_up_and_a_damaged_one_is_not),
        cmocka_unit_test(test_lists__a_session_leaves_no_trace),
        cmocka_unit_test(test_lists__sources_can_be_chosen),
        cmocka_unit_test(test_lists__popularity_is_the_last_resort),
        cmocka_unit_test(test_lists__model_and_catalogue_may_differ),
        cmocka_unit_test(test_lists__counting_knows_types_that_the_model_does_not),
        cmocka_unit_test(test_lists__many_threads_beside_the_writer),
        cmocka_unit_test(test_lists__resuming_finds_parameters_by_name),
        cmocka_unit_test(test_lists__a_trained_model_serves_and_is_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

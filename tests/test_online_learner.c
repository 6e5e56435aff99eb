/* SPDX-License-Identifier: Apache-2.0 */
/* A shop that learns while it is open: what a publication is made of, which encoder states
   outlive it, what takes it away, and who has a learner at all. */
#include "shop_fixture.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "base/timing.h"
#include "engine/shop_content.h"
#include "engine/snapshot.h"

enum { GROUPS = 4, CIRCLE = 10, ITEMS = GROUPS * CIRCLE, USERS = 80, WALK = 6 };
#define BEGIN INT64_C(1700000000000000)

static void walk(struct penchant *p, const char *prefix, uint32_t u, uint32_t by)
{
    struct penchant_event e[WALK];
    char user[16], item[WALK][16];
    snprintf(user, sizeof user, "%s%u", prefix, u);
    for (uint32_t i = 0; i < WALK; i++) {
        penchant_event_default(&e[i]);
        snprintf(item[i], sizeof item[i], "i%u",
                 u % GROUPS * CIRCLE + (u * 7 + i * by) % CIRCLE);
        e[i].user_id = user;
        e[i].item_id = item[i];
        e[i].event = "view";
        e[i].timestamp_us = BEGIN + (int64_t)(u * 100 + i) * 60000000;
    }
    ok(penchant_add_events(p, e, WALK, NULL, &err));
}

static void train(const struct shop *s)
{
    struct penchant_train_options o;
    struct penchant_train_report report;
    penchant_train_options_default(&o);
    o.dir = s->dir;
    o.preset = "gated";
    o.dim = 16;
    o.blocks = 1;
    o.max_length = 20;
    o.max_epochs = 3;
    o.threads = 1;
    ok(penchant_train(&o, &report, &err));
}

/* Items with attributes, and a model of how users go round by one. */
static void fill(struct shop *s)
{
    for (uint32_t i = 0; i < ITEMS; i++) {
        struct penchant_item item;
        char id[16], category[16];
        bool created;
        penchant_item_default(&item);
        snprintf(id, sizeof id, "i%u", i);
        snprintf(category, sizeof category, "c%u", i / CIRCLE);
        item.item_id = id;
        item.category = category;
        item.title = category;
        item.available = true;
        ok(penchant_put_item(s->p, &item, &created, &err));
    }
    for (uint32_t u = 0; u < USERS; u++)
        walk(s->p, "u", u, 1);
    train(s);
    engine_snapshot_refresh(s->p);
}

static void reopen(struct shop *s, bool learn, bool read_only)
{
    struct penchant_options o;
    penchant_close(&s->p);
    penchant_options_default(&o);
    o.dir = s->dir;
    o.learn = learn;
    o.read_only = read_only;
    ok(penchant_open(&s->p, &o, &err));
}

static struct penchant_learning learning(struct shop *s)
{
    struct penchant_learning l;
    ok(penchant_get_learning(s->p, &l, &err));
    return l;
}

/* Waits, generously, until so much has been published. */
static void await_publications(struct shop *s, uint64_t n)
{
    const int64_t end = timing_steady_ns() + INT64_C(120000000000);
    while (learning(s).publications < n) {
        const struct timespec a_while = {.tv_nsec = 20000000};
        assert_true(timing_steady_ns() < end);
        nanosleep(&a_while, NULL);
    }
}

/* ---- publications ---------------------------------------------------------------- */

/* A model like the snapshot's with some rows of its item table moved. */
static struct model *moved(const struct snapshot *s, const uint32_t *row, uint32_t n)
{
    struct model *m = model_clone(s->model);
    assert_non_null(m);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < s->dim; j++)
            model_at(m, &m->item)[row[i] * s->dim + j] += (float)(j % 3) * 0.1f;
    return m;
}

/* A shop is served what a whole reading of the model would give, bit for bit. */
static void check_whole(const struct snapshot *s, const struct model *m)
{
    const size_t n = (size_t)s->n_items * s->dim;
    float *vectors = malloc(n * sizeof *vectors);
    struct topk_hit hit[ITEMS], truth[ITEMS];
    assert_non_null(vectors);
    model_item_vectors(m, vectors);
    assert_memory_equal(s->item_vectors, vectors, n * sizeof *vectors);
    assert_memory_equal(s->model->param, m->param, m->n_params * sizeof(float));
    for (uint32_t q = 0; q < ITEMS; q++) {
        const float *query = vectors + q * s->dim;
        const int64_t found = topk_search(s->index, query, 10, NULL, hit);
        assert_int_equal(topk_scan(vectors, s->n_items, s->dim, query, 10, NULL, truth),
                         found);
        for (int64_t i = 0; i < found; i++)
            assert_int_equal(hit[i].row, truth[i].row);
    }
    free(vectors);
}

static void test_online_learner__a_publication_is_the_whole_model(void **state)
{
    struct shop *s = *state;
    const uint32_t rows[] = {3, 17, 18, 39}, others[] = {3, 20};
    fill(s);
    struct snapshot *champion = engine_snapshot_acquire(s->p);
    assert_non_null(champion);
    struct model *first = moved(champion, rows, 4);
    struct snapshot_change change = {
        .champion = champion, .model = first, .rows = rows, .n = 4};
    ok(engine_snapshot_publish(s->p, &change, &err));
    struct snapshot *a = engine_snapshot_acquire(s->p);
    check_whole(a, first);
    assert_true(a->version > champion->version);
    assert_int_equal(a->base, champion->version);
    assert_int_equal(a->published, 1);
    assert_int_equal(a->trained_us, champion->trained_us);

    /* The next one stands on it. */
    struct model *second = moved(a, others, 2);
    change.model = second;
    change.rows = others;
    change.n = 2;
    ok(engine_snapshot_publish(s->p, &change, &err));
    struct snapshot *b = engine_snapshot_acquire(s->p);
    check_whole(b, second);
    check_whole(a, first); /* whoever looks at it still can */

    /* And a roll-back on the champion, whichever rows are told. */
    change.model = champion->model;
    change.rolled_back = true;
    ok(engine_snapshot_publish(s->p, &change, &err));
    struct snapshot *c = engine_snapshot_acquire(s->p);
    check_whole(c, champion->model);
    assert_int_equal(c->era, b->era + 1);
    engine_snapshot_release(s->p, champion);
    engine_snapshot_release(s->p, a);
    engine_snapshot_release(s->p, b);
    engine_snapshot_release(s->p, c);
    model_free(first);
    model_free(second);
}

static void test_online_learner__another_model_is_not_overwritten(void **state)
{
    struct shop *s = *state;
    const uint32_t rows[] = {3};
    fill(s);
    struct snapshot *champion = engine_snapshot_acquire(s->p);
    struct model *m = moved(champion, rows, 1);
    const struct snapshot_change change = {
        .champion = champion, .model = m, .rows = rows, .n = 1};
    train(s);
    engine_snapshot_refresh(s->p);
    struct snapshot *trained = engine_snapshot_acquire(s->p);
    assert_true(trained->base > champion->base);
    assert_int_equal(engine_snapshot_publish(s->p, &change, NULL), PENCHANT_ENOMODEL);
    struct snapshot *present = engine_snapshot_acquire(s->p);
    assert_ptr_equal(present, trained);
    engine_snapshot_release(s->p, champion);
    engine_snapshot_release(s->p, trained);
    engine_snapshot_release(s->p, present);
    model_free(m);
}

/* ---- encoder states -------------------------------------------------------------- */

static void test_online_learner__states_outlive_some_publications(void **state)
{
    (void)state;
    struct snapshot s = {.base = 1};
    for (uint32_t user = 0; user < 200; user++) {
        uint32_t renewed = 0;
        s.published = 0;
        uint64_t before = engine_snapshot_states(&s, user, 5);
        for (s.published = 1; s.published <= 3 * SNAPSHOT_STATES; s.published++) {
            const uint64_t now = engine_snapshot_states(&s, user, 5);
            renewed += now != before;
            before = now;
        }
        assert_int_equal(renewed, 3);
    }
    /* Not all users at the same publication. */
    uint32_t together = 0;
    for (uint32_t user = 0; user < SNAPSHOT_STATES; user++) {
        s.published = 9;
        const uint64_t before = engine_snapshot_states(&s, user, 5);
        s.published = 10;
        together += before != engine_snapshot_states(&s, user, 5);
    }
    assert_int_equal(together, 1);
    /* A roll-back, another model and other content end them all. */
    const uint64_t now = engine_snapshot_states(&s, 7, 5);
    assert_true(now != engine_snapshot_states(&s, 7, 6));
    s.era = 1;
    assert_true(now != engine_snapshot_states(&s, 7, 5));
    s.era = 0;
    s.base = 2;
    assert_true(now != engine_snapshot_states(&s, 7, 5));
}

static void test_online_learner__a_publication_leaves_states_in_use(void **state)
{
    struct shop *s = *state;
    const uint32_t rows[] = {3};
    struct penchant_request r;
    struct penchant_list *list;
    fill(s);
    penchant_request_default(&r);
    r.user_id = "u1";
    ok(penchant_recommend(s->p, &r, &list, &err));
    penchant_list_free(list);
    struct user_state *u = user_states_lock(s->p->states, 1);
    assert_non_null(u->encoder);
    const void *made = u->encoder->state;
    user_states_unlock(s->p->states, 1);
    struct snapshot *champion = engine_snapshot_acquire(s->p);
    struct model *m = moved(champion, rows, 1);
    struct snapshot_change change = {
        .champion = champion, .model = m, .rows = rows, .n = 1};
    for (int i = 0; i < 2; i++) {
        ok(engine_snapshot_publish(s->p, &change, &err));
        struct snapshot *present = engine_snapshot_acquire(s->p);
        ok(penchant_recommend(s->p, &r, &list, &err));
        penchant_list_free(list);
        u = user_states_lock(s->p->states, 1);
        /* User 1 is due at the 63rd; a roll-back is followed at once. */
        if (!change.rolled_back)
            assert_ptr_equal(u->encoder->state, made);
        assert_int_equal(u->encoder->version,
                         engine_snapshot_states(present, 1, shop_content_epoch(s->p)));
        user_states_unlock(s->p->states, 1);
        engine_snapshot_release(s->p, present);
        change.rolled_back = true;
        change.model = champion->model;
    }
    engine_snapshot_release(s->p, champion);
    model_free(m);
}

/* ---- the learner ----------------------------------------------------------------- */

static void test_online_learner__learns_what_comes_and_says_so(void **state)
{
    struct shop *s = *state;
    struct penchant_status_report before, after;
    fill(s);
    reopen(s, true, false);
    ok(penchant_status(s->p, &before, &err));
    assert_true(learning(s).on);
    for (uint32_t u = 0; u < 30; u++)
        walk(s->p, "v", u, 3);
    await_publications(s, 1);
    const struct penchant_learning l = learning(s);
    assert_true(l.active);
    assert_true(l.events > 0 && l.steps > 0);
    assert_true(l.loss > 0 && l.champion_loss > 0);
    assert_true(l.to_network.n > 0 && l.to_network.seconds > 0);
    assert_int_equal(l.to_list.n, 30 * WALK);
    ok(penchant_status(s->p, &after, &err));
    assert_true(after.model_version > before.model_version);
    assert_int_equal(after.model_trained_us, before.model_trained_us);
    reopen(s, false, false); /* nothing of it was kept */
    ok(penchant_status(s->p, &after, &err));
    assert_int_equal(after.model_version, 1);
}

static void test_online_learner__every_event_is_accounted_for(void **state)
{
    struct shop *s = *state;
    fill(s);
    reopen(s, true, false);
    for (uint32_t u = 0; u < 300; u++)
        walk(s->p, "w", u, 3);
    const int64_t end = timing_steady_ns() + INT64_C(120000000000);
    const uint64_t all = 300 * (WALK - 1); /* the first of a user tells nothing */
    struct penchant_learning l = learning(s);
    while (l.events + l.displaced + l.unknown + l.dropped < all) {
        const struct timespec a_while = {.tv_nsec = 20000000};
        assert_true(timing_steady_ns() < end);
        nanosleep(&a_while, NULL);
        l = learning(s);
    }
    assert_int_equal(l.events + l.displaced + l.unknown + l.dropped, all);
    assert_int_equal(l.unknown, 0);
}

static void test_online_learner__who_has_none(void **state)
{
    struct shop *s = *state;
    fill(s);
    assert_false(learning(s).on); /* by default */
    walk(s->p, "x", 1, 3);
    assert_int_equal(learning(s).to_list.n, (USERS + 1) * WALK);
    reopen(s, true, true);
    assert_false(learning(s).on); /* read only */
    assert_true(isnan(learning(s).loss));
    reopen(s, true, false);
    assert_true(learning(s).on);
}

static void test_online_learner__waits_for_a_model(void **state)
{
    struct shop *s = *state;
    reopen(s, true, false);
    for (uint32_t u = 0; u < USERS; u++)
        walk(s->p, "u", u, 1);
    assert_false(learning(s).active);
    train(s); /* the watcher picks it up */
    const int64_t end = timing_steady_ns() + INT64_C(120000000000);
    while (!learning(s).active)
        assert_true(timing_steady_ns() < end);
    for (uint32_t u = 0; u < 10; u++)
        walk(s->p, "v", u, 3);
    await_publications(s, 1);
}

static void test_online_learner__delays_fall_into_their_buckets(void **state)
{
    (void)state;
    static struct delays d;
    struct penchant_delays out;
    delays_add(&d, 1000000); /* the bound itself belongs to it */
    delays_add(&d, 1000001);
    delays_add(&d, INT64_C(3600) * 1000000000);
    delays_add(&d, -5);
    delays_read(&d, &out);
    assert_int_equal(out.n, 4);
    assert_int_equal(out.bucket[0], 2);
    assert_int_equal(out.bucket[1], 1);
    assert_int_equal(out.bucket[PENCHANT_DELAYS - 1], 1);
    assert_true(fabs(out.seconds - 3600.002) < 1e-3);
    assert_true(isinf(penchant_delay_bound(PENCHANT_DELAYS - 1)));
    for (size_t i = 1; i < PENCHANT_DELAYS; i++)
        assert_true(penchant_delay_bound(i) > penchant_delay_bound(i - 1));
}

#define WITH_SHOP(name)                                                                  \
    cmocka_unit_test_setup_teardown(test_online_learner__##name, shop_set_up,            \
                                    shop_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SHOP(a_publication_is_the_whole_model),
        WITH_SHOP(another_model_is_not_overwritten),
        cmocka_unit_test(test_online_learner__states_outlive_some_publications),
        WITH_SHOP(a_publication_leaves_states_in_use),
        WITH_SHOP(learns_what_comes_and_says_so),
        WITH_SHOP(every_event_is_accounted_for),
        WITH_SHOP(who_has_none),
        WITH_SHOP(waits_for_a_model),
        cmocka_unit_test(test_online_learner__delays_fall_into_their_buckets),
    };
    return cmocka_run_group_tests_name("online_learner", tests, NULL, NULL);
}

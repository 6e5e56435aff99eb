/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One suite for every store, what only a file can have, and random histories on which the
 * SQLite store must hold what the one in memory holds.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/buf.h"
#include "base/rng.h"
#include "base/timestamps.h"
#include "store/store.h"

struct fixture {
    const struct store_backend *ops;
    struct store *store;
    char dir[64], path[96];
};

static struct penchant_error err;

static struct store *open_at(const struct store_backend *ops, const char *path)
{
    struct store *s = NULL;
    const struct store_options o = {.path = path, .create = true};
    if (ops->open(&s, &o, &err) != PENCHANT_OK)
        fail_msg("%s", err.text);
    return s;
}

static int set_up(void **state, const struct store_backend *ops)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->ops = ops;
    snprintf(f->dir, sizeof(f->dir), "/tmp/penchant-store-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    snprintf(f->path, sizeof(f->path), "%s/shop.db", f->dir);
    f->store = open_at(ops, f->path);
    *state = f;
    return 0;
}

static int set_up_sqlite(void **state)
{
    return set_up(state, &store_sqlite);
}

static int set_up_memory(void **state)
{
    return set_up(state, &store_memory);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    char path[128];
    f->ops->close(f->store);
    static const char *const suffix[] = {"", "-wal", "-shm", "-journal", ".other"};
    for (size_t i = 0; i < sizeof(suffix) / sizeof(*suffix); i++) {
        snprintf(path, sizeof(path), "%s%s", f->path, suffix[i]);
        unlink(path);
    }
    rmdir(f->dir);
    free(f);
    return 0;
}

#define ok(call) assert_int_equal(call, PENCHANT_OK)

static void begin(struct fixture *f)
{
    ok(f->ops->begin(f->store, &err));
}

static void commit(struct fixture *f)
{
    ok(f->ops->commit(f->store, &err));
}

static struct event event_of(uint64_t seq, uint32_t user, uint32_t item)
{
    return (struct event){.seq = seq,
                          .ts_us = (int64_t)seq * 1000,
                          .user = user,
                          .item = item,
                          .type = EVENT_VIEW,
                          .value = NAN,
                          .quantity = NAN};
}

static void append(struct fixture *f, uint64_t seq, uint32_t user, uint32_t item)
{
    const struct event e = event_of(seq, user, item);
    ok(f->ops->append_event(f->store, &e, &err));
}

/* ---- everything a store holds, as text ---- */

static int dump_name(void *out, uint32_t id, const char *name)
{
    buf_printf(out, "name %u %s\n", id, name);
    return 0;
}

static int dump_item(void *out, uint32_t id, const struct store_item *i)
{
    buf_printf(out, "item %u %s|%s|%s|%s|%g|%d%d\n", id, i->item_id,
               i->title ? i->title : "-", i->category ? i->category : "-",
               i->brand ? i->brand : "-", i->price, i->available, i->deleted);
    return 0;
}

static int dump_event(void *out, const struct event *e)
{
    buf_printf(out, "event %llu %lld %u %d %u %g %g %s|%s|%s\n",
               (unsigned long long)e->seq, (long long)e->ts_us, e->user, (int)e->item,
               e->type, e->value, e->quantity, e->session ? e->session : "-",
               e->recommendation ? e->recommendation : "-", e->extra ? e->extra : "-");
    return 0;
}

static void dump_choice(struct buf *out, const struct store_choice *c)
{
    if (!c)
        return;
    buf_printf(out, " drawn %g %g %g %g of %u in %g:", c->share, c->temperature, c->kappa,
               c->epsilon, c->pool, c->log_normaliser);
    for (uint32_t i = 0; i < c->n; i++)
        buf_printf(out, " %u:%g:%g", c->item[i], (double)c->score[i],
                   c->uncertainty ? (double)c->uncertainty[i] : 0.0);
}

static int dump_slate(void *out, const struct store_slate *s)
{
    buf_printf(out, "slate %s %lld %d %llu %s", s->id, (long long)s->ts_us, (int)s->user,
               (unsigned long long)s->model_version, s->placement ? s->placement : "-");
    for (uint32_t i = 0; i < s->n; i++)
        buf_printf(out, " %u:%g", s->items[i],
                   s->propensities ? (double)s->propensities[i] : 1.0);
    if (s->after_event)
        buf_printf(out, " after %llu", (unsigned long long)s->after_event);
    dump_choice(out, s->choice);
    if (s->features)
        buf_puts(out, " features");
    for (uint32_t i = 0; i < s->n_features; i++)
        buf_printf(out, " %g", (double)s->features[i]);
    buf_puts(out, "\n");
    return 0;
}

struct vectors_dump {
    struct buf *out;
    char name[8][16];
    uint32_t n, dim[8], present; /* the one that is scanned */
    double weight[8];
};

static int dump_modality(void *cookie, const struct store_modality *m)
{
    struct vectors_dump *d = cookie;
    assert_true(d->n < 8);
    snprintf(d->name[d->n], sizeof(d->name[0]), "%s", m->name);
    d->weight[d->n] = m->weight;
    d->dim[d->n++] = m->dim;
    return 0;
}

static int dump_vector(void *cookie, uint32_t item, const float *vector)
{
    struct vectors_dump *d = cookie;
    buf_printf(d->out, "vector %u", item);
    for (uint32_t i = 0; i < d->dim[d->present]; i++)
        buf_printf(d->out, " %.9g", (double)vector[i]);
    buf_puts(d->out, "\n");
    return 0;
}

static void dump_vectors(const struct store_backend *ops, struct store *s,
                         struct buf *out)
{
    struct vectors_dump d = {.out = out};
    ok(ops->scan_modalities(s, dump_modality, &d, &err));
    for (d.present = 0; d.present < d.n; d.present++) {
        const char *name = d.name[d.present];
        buf_printf(out, "modality %s %u %g\n", name, d.dim[d.present],
                   d.weight[d.present]);
        ok(ops->scan_vectors(s, name, dump_vector, &d, &err));
    }
    ok(ops->scan_vectors(s, "no such name", dump_vector, &d, &err));
}

static char *dump(const struct store_backend *ops, struct store *s)
{
    struct buf out;
    char fact[64];
    struct store_counts n;
    buf_init(&out, 1 << 26);
    ok(ops->scan_users(s, dump_name, &out, &err));
    ok(ops->scan_types(s, dump_name, &out, &err));
    ok(ops->scan_items(s, dump_item, &out, &err));
    ok(ops->scan_events(s, 0, dump_event, &out, &err));
    ok(ops->scan_slates(s, 0, dump_slate, &out, &err));
    ok(ops->get_fact(s, "clock", fact, sizeof(fact), &err));
    ok(ops->counts(s, &n, &err));
    buf_printf(&out, "clock %s counts %llu %llu %llu %llu last %llu\n", fact,
               (unsigned long long)n.events, (unsigned long long)n.users,
               (unsigned long long)n.items, (unsigned long long)n.slates,
               (unsigned long long)n.last_seq);
    dump_vectors(ops, s, &out);
    char *text = strdup(out.data);
    buf_release(&out);
    return text;
}

static void assert_vectors(struct fixture *f, const char *want)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    dump_vectors(f->ops, f->store, &out);
    assert_string_equal(out.data, want);
    buf_release(&out);
}

static void assert_dump(struct fixture *f, const char *want)
{
    char *have = dump(f->ops, f->store);
    assert_string_equal(have, want);
    free(have);
}

/* ---- the suite of every store ---- */

static void fill(struct fixture *f)
{
    static const uint32_t items[] = {1, 0};
    static const float p[] = {0.5f, 0.25f};
    const struct store_item item = {.item_id = "sku-1",
                                    .title = "T\xC3\xA9",
                                    .category = "a|b",
                                    .price = 9.5,
                                    .available = true};
    const struct store_item bare = {.item_id = "sku-0", .price = NAN, .available = true};
    struct event e = event_of(1, 0, 1);
    begin(f);
    ok(f->ops->add_user(f->store, 0, "ann", &err));
    ok(f->ops->add_user(f->store, 1, "bob", &err));
    ok(f->ops->add_type(f->store, 0, "impression", &err));
    ok(f->ops->add_type(f->store, 1, "view", &err));
    ok(f->ops->put_item(f->store, 0, &bare, &err));
    ok(f->ops->put_item(f->store, 1, &item, &err));
    ok(f->ops->append_event(f->store, &e, &err));
    e = (struct event){.seq = 2,
                       .ts_us = INT64_C(1700000000000001),
                       .user = 1,
                       .item = NAMES_NONE,
                       .type = 200,
                       .value = -1.25,
                       .quantity = 3,
                       .session = "s",
                       .recommendation = "r",
                       .extra = "{\"query\":\"x\"}"};
    ok(f->ops->append_event(f->store, &e, &err));
    const struct store_slate slates[] = {
        {.id = "r1",
         .ts_us = 5,
         .user = 1,
         .n = 2,
         .items = items,
         .propensities = p,
         .model_version = 7,
         .placement = "home"},
        {.id = "r2", .ts_us = 6, .user = NAMES_NONE, .n = 1, .items = items},
        {.id = "r3", .ts_us = 7, .user = 0},
    };
    for (size_t i = 0; i < 3; i++)
        ok(f->ops->append_slate(f->store, &slates[i], &err));
    ok(f->ops->put_fact(f->store, "clock", "1", &err));
    commit(f);
}

static const char filled[] = "name 0 ann\nname 1 bob\nname 0 impression\nname 1 view\n"
                             "item 0 sku-0|-|-|-|nan|10\n"
                             "item 1 sku-1|T\xC3\xA9|a|b|-|9.5|10\n"
                             "event 1 1000 0 1 1 nan nan -|-|-\n"
                             "event 2 1700000000000001 1 -1 200 -1.25 3 s|r|"
                             "{\"query\":\"x\"}\n"
                             "slate r1 5 1 7 home 1:0.5 0:0.25\n"
                             "slate r2 6 -1 0 - 1:1\n"
                             "slate r3 7 0 0 -\n"
                             "clock 1 counts 2 2 2 3 last 2\n";

/* ---- lists that were drawn ---- */

static void execute(const char *path, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static int count_event(void *n, const struct event *e)
{
    (void)e;
    ++*(uint64_t *)n;
    return 0;
}

static void append_drawn(struct fixture *f, const char *id, bool unsure)
{
    static const uint32_t shown[] = {1, 0}, item[] = {0, 1, 7};
    static const float p[] = {0.5f, 0.25f}, score[] = {3, 2.5f, -1};
    static const float uncertainty[] = {0.5f, 0, 0.125f};
    static const float features[] = {1.5f, -2, 0};
    const struct store_choice c = {.share = 0.25,
                                   .temperature = 0.5,
                                   .kappa = 1.5,
                                   .epsilon = 0.02,
                                   .log_normaliser = 4.5,
                                   .pool = 70,
                                   .n = 3,
                                   .item = item,
                                   .score = score,
                                   .uncertainty = unsure ? uncertainty : NULL};
    const struct store_slate slate = {.id = id,
                                      .ts_us = 8,
                                      .user = 1,
                                      .n = 2,
                                      .items = shown,
                                      .propensities = p,
                                      .after_event = 2,
                                      .choice = &c,
                                      .features = unsure ? features : NULL,
                                      .n_features = unsure ? 3 : 0};
    ok(f->ops->append_slate(f->store, &slate, &err));
}

#define DRAWN " drawn 0.25 0.5 1.5 0.02 of 70 in 4.5: 0:3:0 1:2.5:0 7:-1:0"
#define DRAWN_UNSURE                                                                     \
    " drawn 0.25 0.5 1.5 0.02 of 70 in 4.5: 0:3:0.5 1:2.5:0 7:-1:0.125 features 1.5 -2 " \
    "0"

static void assert_slates(struct fixture *f, uint64_t after, const char *want)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    ok(f->ops->scan_slates(f->store, after, dump_slate, &out, &err));
    assert_string_equal(out.data, want);
    buf_release(&out);
}

static void test_store__keeps_how_a_list_was_drawn(void **state)
{
    struct fixture *f = *state;
    const struct store_slate plain = {.id = "plain", .ts_us = 9, .user = NAMES_NONE};
    struct store_counts n;
    begin(f);
    append_drawn(f, "a", true);
    append_drawn(f, "b", false);
    ok(f->ops->append_slate(f->store, &plain, &err)); /* nothing of the one before */
    commit(f);
    assert_slates(f, 0,
                  "slate a 8 1 0 - 1:0.5 0:0.25 after 2" DRAWN_UNSURE "\n"
                  "slate b 8 1 0 - 1:0.5 0:0.25 after 2" DRAWN "\n"
                  "slate plain 9 -1 0 -\n");
    assert_slates(f, 1,
                  "slate b 8 1 0 - 1:0.5 0:0.25 after 2" DRAWN "\n"
                  "slate plain 9 -1 0 -\n");
    assert_slates(f, 3, "");
    begin(f);
    append_drawn(f, "gone", true);
    f->ops->rollback(f->store);
    begin(f);
    append_drawn(f, "c", true);
    commit(f);
    assert_slates(f, 3, "slate c 8 1 0 - 1:0.5 0:0.25 after 2" DRAWN_UNSURE "\n");
    ok(f->ops->counts(f->store, &n, &err));
    assert_int_equal(n.last_slate, 4);
}

static void test_store_sqlite__a_choice_that_cannot_be_is_told(void **state)
{
    static const char *const bad[] = {
        "scores = x'0000'",  "scores = NULL",       "uncertainties = x'00000000'",
        "candidates = NULL", "propensities = NULL", "pool = -1"};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        char sql[128];
        struct buf out;
        buf_init(&out, 1 << 16);
        begin(f);
        append_drawn(f, "a", true);
        commit(f);
        snprintf(sql, sizeof(sql), "UPDATE slates SET %s", bad[i]);
        execute(f->path, sql);
        assert_int_equal(f->ops->scan_slates(f->store, 0, dump_slate, &out, &err),
                         PENCHANT_ECORRUPT);
        execute(f->path, "DELETE FROM slates");
        buf_release(&out);
        f->ops->close(f->store);
        f->store = open_at(f->ops, f->path);
    }
}

struct nested {
    struct fixture *f;
    struct buf *out;
};

/* The events up to the slate's, as whoever replays both asks for them. */
static int dump_with_events(void *cookie, const struct store_slate *s)
{
    const struct nested *n = cookie;
    uint64_t events = 0;
    ok(n->f->ops->scan_events(n->f->store, s->after_event - 1, count_event, &events,
                              &err));
    buf_printf(n->out, "%llu:%s:%llu ", (unsigned long long)s->seq, s->id,
               (unsigned long long)events);
    return 0;
}

static void test_store__events_may_be_scanned_beside_slates(void **state)
{
    struct fixture *f = *state;
    struct buf out;
    buf_init(&out, 1 << 20);
    begin(f);
    append(f, 1, 0, 0);
    append(f, 2, 0, 0);
    append_drawn(f, "a", true);
    append(f, 3, 0, 0);
    append_drawn(f, "b", true);
    append(f, 4, 0, 0);
    commit(f);
    ok(f->ops->scan_slates(f->store, 0, dump_with_events,
                           &(struct nested){.f = f, .out = &out}, &err));
    assert_string_equal(out.data, "1:a:3 2:b:3 ");
    buf_release(&out);
}

/* Put into the present transaction; every number tells whose and where it is. */
static void put_vectors(struct fixture *f, const char *name, uint32_t dim,
                        const uint32_t *item, size_t n)
{
    const struct store_modality m = {name, dim, 0.5 + dim};
    ok(f->ops->put_modality(f->store, &m, &err));
    for (size_t i = 0; i < n; i++) {
        float v[8];
        for (uint32_t j = 0; j < dim; j++)
            v[j] = (float)item[i] + (float)j / 8;
        ok(f->ops->put_vector(f->store, item[i], v, &err));
    }
}

static void test_store__vectors_are_replaced_as_a_whole(void **state)
{
    struct fixture *f = *state;
    static const uint32_t a[] = {9, 2, 100000}, b[] = {7, 2};
    const float other[] = {-1, -2};
    begin(f);
    put_vectors(f, "text", 3, a, 3);
    put_vectors(f, "image", 2, b, 2);
    ok(f->ops->put_vector(f->store, 7, other, &err)); /* the newest counts */
    commit(f);
    static const char both[] = "modality image 2 2.5\nvector 2 2 2.125\nvector 7 -1 -2\n"
                               "modality text 3 3.5\nvector 2 2 2.125 2.25\n"
                               "vector 9 9 9.125 9.25\n"
                               "vector 100000 100000 100000.125 100000.25\n";
    assert_vectors(f, both);
    begin(f);
    put_vectors(f, "text", 1, b, 1);
    ok(f->ops->remove_modality(f->store, "image", &err));
    ok(f->ops->remove_modality(f->store, "nothing", &err));
    assert_vectors(f, "modality text 1 1.5\nvector 7 7\n");
    f->ops->rollback(f->store);
    assert_vectors(f, both);
    begin(f);
    assert_int_equal(f->ops->put_vector(f->store, 1, other, &err), PENCHANT_EINVALID);
    put_vectors(f, "text", 1, b, 2);
    ok(f->ops->remove_modality(f->store, "image", &err));
    assert_int_equal(f->ops->put_vector(f->store, 1, other, &err), PENCHANT_EINVALID);
    commit(f);
    assert_vectors(f, "modality text 1 1.5\nvector 2 2\nvector 7 7\n");
    const struct store_modality m = {"late", 1, 1};
    assert_int_equal(f->ops->put_modality(f->store, &m, &err), PENCHANT_EINVALID);
}

static void test_store__gives_back_what_was_written(void **state)
{
    fill(*state);
    assert_dump(*state, filled);
}

static void test_store__rollback_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    const struct store_item other = {.item_id = "sku-1", .price = 1, .deleted = true};
    const struct store_slate slate = {.id = "gone", .user = 0};
    bool seen = true;
    fill(f);
    begin(f);
    ok(f->ops->add_user(f->store, 2, "eve", &err));
    ok(f->ops->put_item(f->store, 1, &other, &err));
    ok(f->ops->put_fact(f->store, "clock", "0", &err));
    ok(f->ops->append_slate(f->store, &slate, &err));
    append(f, 3, 2, 0);
    ok(f->ops->add_event_id(f->store, 77, &seen, &err));
    assert_false(seen);
    f->ops->rollback(f->store);
    assert_dump(f, filled);
    begin(f);
    ok(f->ops->add_event_id(f->store, 77, &seen, &err));
    assert_false(seen);
    append(f, 3, 0, 0);
    f->ops->rollback(f->store);
    f->ops->rollback(f->store); /* harmless */
    assert_dump(f, filled);
}

static void test_store__refuses_a_gap_in_the_log(void **state)
{
    struct fixture *f = *state;
    begin(f);
    append(f, 1, 0, 0);
    const struct event gap = event_of(3, 0, 0), again = event_of(1, 0, 0);
    assert_int_equal(f->ops->append_event(f->store, &gap, &err), PENCHANT_EINVALID);
    assert_int_equal(f->ops->append_event(f->store, &again, &err), PENCHANT_EINVALID);
    append(f, 2, 0, 0);
    commit(f);
}

static void test_store__writes_only_inside_a_transaction(void **state)
{
    struct fixture *f = *state;
    const struct event e = event_of(1, 0, 0);
    assert_int_equal(f->ops->append_event(f->store, &e, &err), PENCHANT_EINVALID);
    assert_int_equal(f->ops->put_fact(f->store, "a", "b", &err), PENCHANT_EINVALID);
    begin(f);
    assert_int_equal(f->ops->begin(f->store, &err), PENCHANT_EIO);
    append(f, 1, 0, 0);
    commit(f);
    begin(f);
    commit(f);
}

static void test_store__knows_event_ids_again(void **state)
{
    struct fixture *f = *state;
    bool seen;
    for (int round = 0; round < 2; round++) {
        begin(f);
        for (uint64_t i = 0; i < 5000; i++) {
            ok(f->ops->add_event_id(f->store, rng_mix(i), &seen, &err));
            assert_int_equal(seen, round);
        }
        ok(f->ops->add_event_id(f->store, rng_mix(3), &seen, &err));
        assert_true(seen);
        commit(f);
    }
}

static void test_store__facts_are_replaced_and_removed(void **state)
{
    struct fixture *f = *state;
    char text[8];
    begin(f);
    ok(f->ops->put_fact(f->store, "a", "one", &err));
    ok(f->ops->put_fact(f->store, "a", "two", &err));
    commit(f);
    ok(f->ops->get_fact(f->store, "a", text, sizeof(text), &err));
    assert_string_equal(text, "two");
    begin(f);
    ok(f->ops->put_fact(f->store, "a", NULL, &err));
    ok(f->ops->put_fact(f->store, "long", "more than eight bytes", &err));
    commit(f);
    ok(f->ops->get_fact(f->store, "a", text, sizeof(text), &err));
    assert_string_equal(text, "");
    assert_int_equal(f->ops->get_fact(f->store, "long", text, sizeof(text), &err),
                     PENCHANT_ELIMIT);
}

static int stop_at_two(void *cookie, const struct event *e)
{
    ++*(int *)cookie;
    return e->seq == 4 ? 42 : 0;
}

static void test_store__a_scan_starts_and_stops_where_asked(void **state)
{
    struct fixture *f = *state;
    begin(f);
    for (uint64_t i = 1; i <= 9; i++)
        append(f, i, 0, 0);
    int n = 0;
    assert_int_equal(f->ops->scan_events(f->store, 2, stop_at_two, &n, &err), 42);
    assert_int_equal(n, 2);
    commit(f);
    n = 0;
    ok(f->ops->scan_events(f->store, 4, stop_at_two, &n, &err));
    assert_int_equal(n, 5);
}

static void test_store__erases_users(void **state)
{
    struct fixture *f = *state;
    fill(f);
    begin(f);
    ok(f->ops->add_user(f->store, 2, "cat", &err));
    append(f, 3, 2, 0);
    commit(f);
    const uint32_t gone[] = {2, 1};
    ok(f->ops->erase_users(f->store, gone, 2, &err));
    const char left[] = "name 0 ann\nname 1 \nname 2 \nname 0 impression\nname 1 view\n"
                        "item 0 sku-0|-|-|-|nan|10\n"
                        "item 1 sku-1|T\xC3\xA9|a|b|-|9.5|10\n"
                        "event 1 1000 0 1 1 nan nan -|-|-\n"
                        "slate r2 6 -1 0 - 1:1\n"
                        "slate r3 7 0 0 -\n"
                        "clock 1 counts 1 1 2 2 last 3\n";
    assert_dump(f, left);
    ok(f->ops->erase_users(f->store, gone, 2, &err)); /* nothing is left to erase */
    assert_dump(f, left);
    begin(f);
    append(f, 4, 0, 0); /* numbers are not given again */
    const struct store_slate slate = {.id = "r4", .user = 0};
    ok(f->ops->append_slate(f->store, &slate, &err));
    commit(f);
    struct store_counts n;
    ok(f->ops->counts(f->store, &n, &err));
    assert_int_equal(n.events, 2);
    assert_int_equal(n.slates, 3);
}

static int odd_user(void *cookie, const struct event *e)
{
    ++*(int *)cookie;
    assert_true(isnan(e->value));
    return e->user % 2 == 1;
}

static void test_store__drops_events_of_its_transaction(void **state)
{
    struct fixture *f = *state;
    uint64_t dropped;
    int asked = 0;
    begin(f);
    append(f, 1, 1, 0);
    commit(f);
    begin(f);
    for (uint64_t i = 2; i <= 7; i++)
        append(f, i, (uint32_t)i, 0);
    assert_int_equal(f->ops->drop_events(f->store, 1, odd_user, &asked, &dropped, &err),
                     PENCHANT_EINVALID);
    ok(f->ops->drop_events(f->store, 2, odd_user, &asked, &dropped, &err));
    assert_int_equal(asked, 6);
    assert_int_equal(dropped, 3);
    append(f, 8, 0, 0);
    commit(f);
    struct store_counts n;
    ok(f->ops->counts(f->store, &n, &err));
    assert_int_equal(n.events, 5);
    assert_int_equal(n.last_seq, 8);
    begin(f);
    append(f, 9, 1, 0);
    ok(f->ops->drop_events(f->store, 9, odd_user, &asked, &dropped, &err));
    assert_int_equal(dropped, 1);
    f->ops->rollback(f->store);
    ok(f->ops->counts(f->store, &n, &err));
    assert_int_equal(n.events, 5);
    assert_int_equal(n.last_seq, 8);
}

static void test_store__holds_the_largest_values(void **state)
{
    struct fixture *f = *state;
    char *text = malloc(65537);
    memset(text, 'x', 65536);
    text[65536] = 0;
    uint32_t items[1000];
    for (uint32_t i = 0; i < 1000; i++)
        items[i] = UINT32_MAX - 1 - i;
    const struct store_slate slate = {.id = "r", .n = 1000, .items = items};
    struct event e = event_of(1, NAMES_NONE - 1, NAMES_NONE - 1);
    e.ts_us = TIMESTAMP_MAX_US;
    e.value = 1e308;
    e.extra = text;
    begin(f);
    ok(f->ops->append_event(f->store, &e, &err));
    ok(f->ops->append_slate(f->store, &slate, &err));
    commit(f);
    char *have = dump(f->ops, f->store);
    assert_non_null(strstr(have, "event 1 253402300799999999 4294967294 -2 1 1e+308"));
    assert_non_null(strstr(have, text));
    assert_non_null(strstr(have, " 4294966295:1\n"));
    free(have);
    free(text);
}

/* ---- the specification ---- */

static void random_step(struct rng *r, const struct store_backend *ops, struct store *s,
                        uint32_t *users, uint32_t *items, uint64_t *seq)
{
    char text[32];
    bool seen;
    const uint32_t what = rng_below(r, 100), id = rng_below(r, 40);
    snprintf(text, sizeof(text), "n%u", rng_below(r, 1000));
    if (what < 10) {
        ok(ops->add_user(s, (*users)++, text, &err));
    } else if (what < 25) {
        const struct store_item item = {.item_id = text,
                                        .title = id & 1 ? text : NULL,
                                        .price = id,
                                        .deleted = id & 2};
        const uint32_t at = rng_below(r, *items + 1);
        *items += at == *items;
        ok(ops->put_item(s, at, &item, &err));
    } else if (what < 75) {
        struct event e = event_of(++*seq, id, id & 4 ? NAMES_NONE : id);
        e.session = id & 8 ? text : NULL;
        ok(ops->append_event(s, &e, &err));
    } else if (what < 85) {
        static const float one = 1;
        const struct store_choice c = {
            .pool = id, .n = 1, .item = &id, .score = &one, .log_normaliser = NAN};
        const struct store_slate slate = {.id = text,
                                          .user = id & 1 ? NAMES_NONE : id,
                                          .n = 1,
                                          .items = &id,
                                          .propensities = &one,
                                          .after_event = *seq,
                                          .choice = id & 2 ? &c : NULL};
        ok(ops->append_slate(s, &slate, &err));
    } else if (what < 95) {
        ok(ops->add_event_id(s, id, &seen, &err));
        ok(ops->put_fact(s, "clock", seen ? "seen" : "new", &err));
    } else if (what < 98) {
        ok(ops->put_fact(s, "clock", id & 1 ? text : NULL, &err));
    } else {
        const struct store_modality m = {id & 1 ? "text" : "image", 2, id};
        const float v[] = {(float)id, (float)*seq};
        ok(id < 4 ? ops->remove_modality(s, m.name, &err)
                  : ops->put_modality(s, &m, &err));
        for (uint32_t i = 0; id >= 4 && i < id; i += 3)
            ok(ops->put_vector(s, 40 - i, v, &err));
    }
}

/* The same seed makes the same history on every store. */
static void random_transactions(const struct store_backend *ops, struct store *s,
                                uint64_t seed, uint32_t *users, uint32_t *items,
                                uint64_t *seq)
{
    struct rng r;
    rng_init(&r, seed, 0);
    for (int t = 0; t < 12; t++) {
        const uint32_t users0 = *users, items0 = *items, n = rng_below(&r, 30);
        const uint64_t seq0 = *seq;
        uint64_t dropped;
        int asked = 0;
        ok(ops->begin(s, &err));
        for (uint32_t i = 0; i < n; i++)
            random_step(&r, ops, s, users, items, seq);
        if (rng_below(&r, 4) == 0)
            ok(ops->drop_events(s, seq0 + 1, odd_user, &asked, &dropped, &err));
        if (rng_below(&r, 3) != 0) {
            ok(ops->commit(s, &err));
        } else {
            ops->rollback(s);
            *users = users0;
            *items = items0;
            *seq = seq0;
        }
        const uint32_t gone = rng_below(&r, *users + 1);
        if (rng_below(&r, 4) == 0 && gone < *users)
            ok(ops->erase_users(s, &gone, 1, &err));
    }
}

static void test_store__holds_what_memory_holds(void **state)
{
    struct fixture *f = *state;
    struct store *spec = open_at(&store_memory, NULL);
    uint32_t users[2] = {0}, items[2] = {0};
    uint64_t seq[2] = {0};
    for (uint64_t seed = 1; seed <= 40; seed++) {
        random_transactions(f->ops, f->store, seed, &users[0], &items[0], &seq[0]);
        random_transactions(&store_memory, spec, seed, &users[1], &items[1], &seq[1]);
        char *want = dump(&store_memory, spec);
        assert_dump(f, want);
        free(want);
        if (f->ops == &store_sqlite && seed % 8 == 0) {
            f->ops->close(f->store);
            f->store = open_at(f->ops, f->path);
        }
    }
    store_memory.close(spec);
}

/* ---- what only a file has ---- */

static void test_store_sqlite__is_the_same_after_reopening(void **state)
{
    struct fixture *f = *state;
    fill(f);
    f->ops->close(f->store);
    f->store = open_at(f->ops, f->path);
    assert_dump(f, filled);
    begin(f);
    append(f, 3, 0, 0);
    f->ops->close(f->store); /* an open transaction is rolled back */
    f->store = open_at(f->ops, f->path);
    assert_dump(f, filled);
}

static bool file_holds(const char *path, const char *suffix, const char *text)
{
    char name[128];
    snprintf(name, sizeof(name), "%s%s", path, suffix);
    const int fd = open(name, O_RDONLY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0 || st.st_size == 0) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    char *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    const bool found = memmem(bytes, (size_t)st.st_size, text, strlen(text)) != NULL;
    munmap(bytes, (size_t)st.st_size);
    close(fd);
    return found;
}

static void test_store_sqlite__erasure_leaves_no_bytes(void **state)
{
    struct fixture *f = *state;
    begin(f);
    ok(f->ops->add_user(f->store, 0, "zuleika-the-visitor", &err));
    for (uint64_t i = 1; i <= 3000; i++) {
        struct event e = event_of(i, i % 2 ? 0 : 1, 0);
        e.session = i % 2 ? "zuleika-session" : "someone";
        ok(f->ops->append_event(f->store, &e, &err));
    }
    commit(f);
    assert_true(file_holds(f->path, "", "zuleika") ||
                file_holds(f->path, "-wal", "zuleika"));
    const uint32_t gone = 0;
    ok(f->ops->erase_users(f->store, &gone, 1, &err));
    assert_false(file_holds(f->path, "", "zuleika"));
    assert_false(file_holds(f->path, "-wal", "zuleika"));
    assert_true(file_holds(f->path, "", "someone"));
}

static void test_store_sqlite__a_reader_sees_one_moment(void **state)
{
    struct fixture *f = *state;
    fill(f);
    struct store *reader = NULL;
    const struct store_options o = {.path = f->path, .read_only = true};
    ok(f->ops->open(&reader, &o, &err));
    ok(f->ops->begin(reader, &err));
    char *before = dump(f->ops, reader);
    begin(f);
    append(f, 3, 0, 0);
    commit(f);
    char *during = dump(f->ops, reader);
    assert_string_equal(during, before);
    f->ops->rollback(reader);
    char *after = dump(f->ops, reader);
    assert_non_null(strstr(after, "event 3 "));
    ok(f->ops->begin(reader, &err));
    const struct event e = event_of(4, 0, 0);
    assert_int_equal(f->ops->append_event(reader, &e, &err), PENCHANT_EREADONLY);
    f->ops->close(reader);
    free(before);
    free(during);
    free(after);
}

static void test_store_sqlite__a_missing_file_is_not_found(void **state)
{
    struct fixture *f = *state;
    struct store *s;
    char path[128];
    snprintf(path, sizeof(path), "%s.missing", f->path);
    const struct store_options reading = {
        .path = path, .read_only = true, .create = true};
    const struct store_options writing = {.path = path};
    assert_int_equal(f->ops->open(&s, &reading, &err), PENCHANT_ENOTFOUND);
    assert_int_equal(f->ops->open(&s, &writing, &err), PENCHANT_ENOTFOUND);
    assert_null(s);
    assert_int_equal(access(path, F_OK), -1);
}

/* What an older program left: the same without vectors and choices. */
static void make_version_1(struct fixture *f)
{
    f->ops->close(f->store);
    execute(f->path,
            "ALTER TABLE slates DROP COLUMN features;"
            "ALTER TABLE slates DROP COLUMN after_event;"
            "ALTER TABLE slates DROP COLUMN share;"
            "ALTER TABLE slates DROP COLUMN temperature;"
            "ALTER TABLE slates DROP COLUMN kappa;"
            "ALTER TABLE slates DROP COLUMN epsilon;"
            "ALTER TABLE slates DROP COLUMN log_normaliser;"
            "ALTER TABLE slates DROP COLUMN pool;"
            "ALTER TABLE slates DROP COLUMN candidates;"
            "ALTER TABLE slates DROP COLUMN scores;"
            "ALTER TABLE slates DROP COLUMN uncertainties;"
            "DROP TABLE vectors; DROP TABLE modalities; PRAGMA user_version = 1");
}

static void test_store_sqlite__an_older_database_is_brought_up_to_date(void **state)
{
    struct fixture *f = *state;
    struct store *s;
    static const uint32_t item[] = {1};
    fill(f);
    make_version_1(f);
    const struct store_options reading = {.path = f->path, .read_only = true};
    ok(f->ops->open(&s, &reading, &err)); /* which changes nothing */
    char *have = dump(f->ops, s);
    assert_string_equal(have, filled);
    free(have);
    f->ops->close(s);
    f->store = open_at(f->ops, f->path);
    assert_dump(f, filled);
    begin(f);
    put_vectors(f, "text", 1, item, 1);
    append_drawn(f, "r4", false);
    commit(f);
    assert_slates(f, 3, "slate r4 8 1 0 - 1:0.5 0:0.25 after 2" DRAWN "\n");
    assert_vectors(f, "modality text 1 1.5\nvector 1 1\n");
    f->ops->close(f->store);
    f->store = open_at(f->ops, f->path); /* once is enough */
    assert_vectors(f, "modality text 1 1.5\nvector 1 1\n");
    execute(f->path, "UPDATE vectors SET vector = x'0000803f00'");
    assert_int_equal(f->ops->scan_vectors(f->store, "text", dump_vector, NULL, &err),
                     PENCHANT_ECORRUPT);
}

/* Version 3 had choices, and no features yet. */
static void test_store_sqlite__lists_without_features_are_read(void **state)
{
    struct fixture *f = *state;
    struct store *s;
    struct buf out;
    buf_init(&out, 1 << 20);
    fill(f);
    begin(f);
    append_drawn(f, "r4", true);
    commit(f);
    f->ops->close(f->store);
    execute(f->path, "ALTER TABLE slates DROP COLUMN features; PRAGMA user_version = 3");
    const struct store_options reading = {.path = f->path, .read_only = true};
    ok(f->ops->open(&s, &reading, &err));
    ok(f->ops->scan_slates(s, 3, dump_slate, &out, &err));
    assert_non_null(strstr(out.data, " drawn 0.25"));
    assert_null(strstr(out.data, "features"));
    f->ops->close(s);
    f->store = open_at(f->ops, f->path);
    begin(f);
    append_drawn(f, "r5", true);
    commit(f);
    assert_slates(f, 4, "slate r5 8 1 0 - 1:0.5 0:0.25 after 2" DRAWN_UNSURE "\n");
    execute(f->path, "UPDATE slates SET features = x'0000803f00' WHERE id = 'r5'");
    assert_int_equal(f->ops->scan_slates(f->store, 4, dump_slate, &out, &err),
                     PENCHANT_ECORRUPT);
    buf_release(&out);
}

static void test_store_sqlite__other_versions_are_refused(void **state)
{
    struct fixture *f = *state;
    struct store *s;
    char other[128];
    const struct store_options o = {.path = f->path, .create = true};
    f->ops->close(f->store);
    execute(f->path, "PRAGMA user_version = 5");
    assert_int_equal(f->ops->open(&s, &o, &err), PENCHANT_EVERSION);
    execute(f->path, "PRAGMA user_version = -1");
    assert_int_equal(f->ops->open(&s, &o, &err), PENCHANT_ECORRUPT);
    execute(f->path, "PRAGMA user_version = 4");
    f->store = open_at(f->ops, f->path);

    snprintf(other, sizeof(other), "%s.other", f->path);
    execute(other, "CREATE TABLE somebody_elses(a)");
    const struct store_options o2 = {.path = other, .create = true};
    assert_int_equal(f->ops->open(&s, &o2, &err), PENCHANT_ECORRUPT);
}

static void test_store_sqlite__people_can_read_it(void **state)
{
    struct fixture *f = *state;
    char command[256], line[128] = "";
    fill(f);
    f->ops->close(f->store);
    snprintf(command, sizeof(command),
             "sqlite3 -readonly %s 'SELECT seq, user_id, item_id, event FROM event_log'",
             f->path);
    FILE *program = popen(command, "r");
    assert_non_null(program);
    assert_non_null(fgets(line, sizeof(line), program));
    assert_string_equal(line, "1|ann|sku-1|view\n");
    assert_int_equal(pclose(program), 0);
    f->store = open_at(f->ops, f->path);
}

static void overwrite(const char *path, off_t from, off_t step)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    const int fd = open(path, O_WRONLY);
    char junk[512];
    memset(junk, 0xA5, sizeof(junk));
    for (off_t at = from; at < st.st_size; at += step)
        assert_int_equal(pwrite(fd, junk, sizeof(junk), at), (ssize_t)sizeof(junk));
    close(fd);
}

static void test_store_sqlite__a_damaged_file_is_told(void **state)
{
    struct fixture *f = *state;
    uint64_t n = 0;
    begin(f);
    for (uint64_t i = 1; i <= 5000; i++)
        append(f, i, 0, 0);
    commit(f);
    f->ops->close(f->store);
    overwrite(f->path, 16 * 4096, 1 << 20); /* a page of the log */
    f->store = open_at(f->ops, f->path);
    assert_int_equal(f->ops->scan_events(f->store, 0, count_event, &n, &err),
                     PENCHANT_ECORRUPT);
    f->ops->close(f->store);
    overwrite(f->path, 0, 4096); /* the header too */
    const struct store_options o = {.path = f->path, .create = true};
    assert_int_equal(f->ops->open(&f->store, &o, &err), PENCHANT_ECORRUPT);
    unlink(f->path);
    f->store = open_at(f->ops, f->path);
}

/* ---- a process that dies, a disk that is full ---- */

/* Appends groups of 1..20 events and tells through shared memory what was acknowledged,
   until it is killed or a commit fails. */
static void append_for_ever(const char *path, _Atomic uint64_t *acknowledged)
{
    struct store *s = open_at(&store_sqlite, path);
    struct rng r;
    rng_init(&r, 5, (uint64_t)getpid());
    uint64_t seq = *acknowledged;
    for (;;) {
        if (store_sqlite.begin(s, &err) != 0)
            break;
        uint64_t next = seq;
        int status = 0;
        for (uint32_t n = 1 + rng_below(&r, 20); n && status == 0; n--) {
            const struct event e = event_of(++next, 3, 4);
            status = store_sqlite.append_event(s, &e, &err);
        }
        if (status != 0)
            store_sqlite.rollback(s);
        if (status != 0 || store_sqlite.commit(s, &err) != 0)
            break;
        *acknowledged = seq = next;
    }
    /* A store whose write failed takes no more of them. */
    _exit(store_sqlite.begin(s, &err) == PENCHANT_EIO ? 7 : 8);
}

static uint64_t count_events(struct fixture *f)
{
    struct store_counts counts;
    uint64_t n = 0;
    f->store = open_at(f->ops, f->path);
    ok(f->ops->scan_events(f->store, 0, count_event, &n, &err));
    ok(f->ops->counts(f->store, &counts, &err));
    assert_int_equal(counts.last_seq, n); /* 1, 2, .. n without a gap */
    f->ops->close(f->store);
    return n;
}

static void test_store_sqlite__kill_loses_no_acknowledged_event(void **state)
{
    struct fixture *f = *state;
    const int rounds = getenv("LONG") ? 100 : 12;
    _Atomic uint64_t *acknowledged =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct rng r;
    rng_init(&r, 1, 0);
    f->ops->close(f->store);
    for (int i = 0; i < rounds; i++) {
        const pid_t child = fork();
        if (child == 0)
            append_for_ever(f->path, acknowledged);
        const uint64_t before = *acknowledged;
        for (int wait = 0; wait < 5000 && *acknowledged == before; wait++)
            usleep(1000);
        usleep(1000 + rng_below(&r, 30000));
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        const uint64_t n = count_events(f);
        assert_true(*acknowledged > before);
        assert_true(n >= *acknowledged);
        assert_true(n <= *acknowledged + 20); /* at most the group that was on its way */
        *acknowledged = n;
    }
    f->store = open_at(f->ops, f->path);
    munmap(acknowledged, 4096);
}

static void test_store_sqlite__a_full_disk_keeps_what_was_acknowledged(void **state)
{
    struct fixture *f = *state;
    _Atomic uint64_t *acknowledged =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    f->ops->close(f->store);
    static const rlim_t sizes[] = {120000, 123457, 200000, 300001};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        const uint64_t before = *acknowledged;
        const pid_t child = fork();
        if (child == 0) {
            const struct rlimit limit = {sizes[i] + 40000 * i, sizes[i] + 40000 * i};
            signal(SIGXFSZ, SIG_IGN);
            if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
                _exit(1);
            append_for_ever(f->path, acknowledged);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 7);
        assert_true(*acknowledged > before);
        assert_int_equal(count_events(f), *acknowledged);
    }
    f->store = open_at(f->ops, f->path);
    munmap(acknowledged, 4096);
}

#define BOTH(test)                                                                       \
    {"memory: " #test, test, set_up_memory, tear_down, NULL},                            \
    {                                                                                    \
        "sqlite: " #test, test, set_up_sqlite, tear_down, NULL                           \
    }
#define FILE_ONLY(test) cmocka_unit_test_setup_teardown(test, set_up_sqlite, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_store__gives_back_what_was_written),
        BOTH(test_store__rollback_leaves_nothing),
        BOTH(test_store__refuses_a_gap_in_the_log),
        BOTH(test_store__writes_only_inside_a_transaction),
        BOTH(test_store__knows_event_ids_again),
        BOTH(test_store__facts_are_replaced_and_removed),
        BOTH(test_store__a_scan_starts_and_stops_where_asked),
        BOTH(test_store__keeps_how_a_list_was_drawn),
        BOTH(test_store__events_may_be_scanned_beside_slates),
        BOTH(test_store__erases_users),
        BOTH(test_store__drops_events_of_its_transaction),
        BOTH(test_store__holds_the_largest_values),
        BOTH(test_store__vectors_are_replaced_as_a_whole),
        FILE_ONLY(test_store__holds_what_memory_holds),
        FILE_ONLY(test_store_sqlite__is_the_same_after_reopening),
        FILE_ONLY(test_store_sqlite__erasure_leaves_no_bytes),
        FILE_ONLY(test_store_sqlite__a_reader_sees_one_moment),
        FILE_ONLY(test_store_sqlite__a_missing_file_is_not_found),
        FILE_ONLY(test_store_sqlite__lists_without_features_are_read),
        FILE_ONLY(test_store_sqlite__other_versions_are_refused),
        FILE_ONLY(test_store_sqlite__an_older_database_is_brought_up_to_date),
        FILE_ONLY(test_store_sqlite__a_choice_that_cannot_be_is_told),
        FILE_ONLY(test_store_sqlite__people_can_read_it),
        FILE_ONLY(test_store_sqlite__a_damaged_file_is_told),
        FILE_ONLY(test_store_sqlite__kill_loses_no_acknowledged_event),
        FILE_ONLY(test_store_sqlite__a_full_disk_keeps_what_was_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

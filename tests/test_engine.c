/* SPDX-License-Identifier: Apache-2.0 */
/* A shop through penchant.h: what goes in comes out, also after a restart. */
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/timing.h"
#include "engine/engine.h"
#include "shop_fixture.h"

static void reopen(struct shop *s)
{
    penchant_close(&s->p);
    assert_null(s->p);
    s->p = open_shop(s, false);
}

static struct penchant_event event(const char *user, const char *item, const char *type,
                                   int64_t ts)
{
    struct penchant_event e;
    penchant_event_default(&e);
    e.user_id = user;
    e.item_id = item;
    e.event = type;
    e.timestamp_us = ts;
    return e;
}

static struct penchant_accepted add(struct shop *s, struct penchant_event e)
{
    struct penchant_accepted out;
    ok(penchant_add_events(s->p, &e, 1, &out, &err));
    return out;
}

static struct penchant_status_report status_of(struct shop *s)
{
    struct penchant_status_report r;
    ok(penchant_status(s->p, &r, &err));
    return r;
}

static const int64_t T0 = INT64_C(1700000000000000);

/* Everything that can be asked about some users and items, as text. */
static char *picture(struct shop *s, const char *const *users, const char *const *items)
{
    struct buf out;
    buf_init(&out, 1 << 22);
    const struct penchant_status_report r = status_of(s);
    buf_printf(&out, "events %llu users %llu items %llu from %lld to %lld clock %d\n",
               (unsigned long long)r.events, (unsigned long long)r.users,
               (unsigned long long)r.items, (long long)r.first_us, (long long)r.last_us,
               r.has_clock);
    for (; *users; users++) {
        struct penchant_user *u;
        if (penchant_get_user(s->p, *users, &u, &err) != PENCHANT_OK) {
            buf_printf(&out, "no user %s\n", *users);
            continue;
        }
        buf_printf(&out, "user %s %llu %lld %lld:", u->user_id,
                   (unsigned long long)u->events, (long long)u->first_us,
                   (long long)u->last_us);
        for (size_t i = 0; i < u->n_recent; i++)
            buf_printf(&out, " %s/%s@%lld", u->recent[i].event, u->recent[i].item_id,
                       (long long)u->recent[i].timestamp_us);
        buf_puts(&out, "\n");
        penchant_user_free(u);
    }
    for (; *items; items++) {
        struct penchant_item *i;
        if (penchant_get_item(s->p, *items, &i, &err) != PENCHANT_OK) {
            buf_printf(&out, "no item %s\n", *items);
            continue;
        }
        buf_printf(&out, "item %s %s|%s|%s|%g %d %llu\n", i->item_id,
                   i->title ? i->title : "", i->category ? i->category : "",
                   i->brand ? i->brand : "", i->price, i->available,
                   (unsigned long long)i->events);
        penchant_item_free(i);
    }
    struct penchant_list *list;
    ok(penchant_popular(s->p, 10, NULL, &list, &err));
    for (size_t i = 0; i < list->n; i++)
        buf_printf(&out, "popular %s %a\n", list->items[i].item_id, list->items[i].score);
    penchant_list_free(list);
    char *text = strdup(out.data);
    assert_false(out.failed);
    buf_release(&out);
    return text;
}

/* ---- events ---- */

static void test_engine__events_go_in_and_the_user_comes_out(void **state)
{
    struct shop *s = *state;
    struct penchant_user *u;
    add(s, event("ann", "a", "view", T0));
    add(s, event("ann", "b", "cart", T0 + 1));
    add(s, event("ann", NULL, "search", T0 + 2));
    struct penchant_accepted out = add(s, event("bob", "a", "my.own-event", T0 + 3));
    assert_int_equal(out.accepted, 1);
    assert_int_equal(out.last_seq, 4);
    ok(penchant_get_user(s->p, "ann", &u, &err));
    assert_string_equal(u->user_id, "ann");
    assert_int_equal(u->events, 3);
    assert_int_equal(u->first_us, T0);
    assert_int_equal(u->last_us, T0 + 2);
    assert_int_equal(u->n_recent, 2);
    assert_string_equal(u->recent[0].item_id, "a");
    assert_string_equal(u->recent[1].item_id, "b");
    assert_string_equal(u->recent[1].event, "cart");
    penchant_user_free(u);
    assert_int_equal(penchant_get_user(s->p, "carol", &u, &err), PENCHANT_ENOTFOUND);
    assert_null(u);
    struct penchant_item *item;
    ok(penchant_get_item(s->p, "a", &item, &err));
    assert_int_equal(item->events, 2);
    assert_true(isnan(item->price));
    penchant_item_free(item);
}

static void test_engine__a_user_shows_the_newest_fifty(void **state)
{
    struct shop *s = *state;
    struct penchant_event e[70];
    char id[70][16];
    for (int i = 0; i < 70; i++) {
        snprintf(id[i], sizeof(id[i]), "i%d", i);
        e[i] = event("ann", id[i], "view", T0 + i);
    }
    ok(penchant_add_events(s->p, e, 70, NULL, &err));
    struct penchant_user *u;
    ok(penchant_get_user(s->p, "ann", &u, &err));
    assert_int_equal(u->n_recent, 50);
    assert_string_equal(u->recent[0].item_id, "i20");
    assert_string_equal(u->recent[49].item_id, "i69");
    penchant_user_free(u);
}

static void test_engine__a_missing_time_is_now(void **state)
{
    struct shop *s = *state;
    struct penchant_user *u;
    const int64_t before = timing_now_us();
    add(s, event("ann", "a", "view", 0));
    ok(penchant_get_user(s->p, "ann", &u, &err));
    assert_true(u->last_us >= before && u->last_us <= timing_now_us());
    penchant_user_free(u);
}

static int see_extra(void *cookie, const struct event *e)
{
    buf_printf(cookie, "%s %s;", e->session ? e->session : "-",
               e->extra ? e->extra : "-");
    return 0;
}

static int scan_extra(struct penchant *p, void *arg, struct penchant_error *e)
{
    return p->store->ops->scan_events(p->store, 0, see_extra, arg, e);
}

static void test_engine__a_session_stands_in_for_a_missing_user(void **state)
{
    struct shop *s = *state;
    struct buf out;
    struct penchant_user *u;
    struct penchant_event e = event(NULL, "a", "view", T0);
    e.session_id = "s1";
    add(s, e);
    e.user_id = "s1";
    add(s, e);
    e.query = "x\"y";
    e.placement = "home";
    add(s, e);
    add(s, event("ann", "a", "view", T0));
    ok(penchant_get_user(s->p, "s1", &u, &err));
    assert_int_equal(u->events, 3);
    penchant_user_free(u);
    buf_init(&out, 4096);
    ok(engine_with_store(s->p, scan_extra, &out, &err));
    assert_string_equal(out.data,
                        "s1 {\"anonymous\":true};s1 -;"
                        "s1 {\"query\":\"x\\\"y\",\"placement\":\"home\"};- -;");
    buf_release(&out);
}

static void test_engine__all_events_of_a_call_or_none(void **state)
{
    struct shop *s = *state;
    add(s, event("ann", "a", "view", T0));
    struct penchant_event e[] = {event("eve", "x", "view", T0),
                                 event("eve", "y", "view", T0),
                                 event("eve", NULL, "view", T0)};
    struct penchant_accepted out;
    assert_int_equal(penchant_add_events(s->p, e, 3, &out, &err), PENCHANT_EINVALID);
    assert_int_equal(err.index, 2);
    assert_string_equal(err.field, "item_id");
    assert_int_equal(penchant_submit_events(s->p, e, 3, NULL, NULL, &err),
                     PENCHANT_EINVALID);
    struct penchant_user *u;
    struct penchant_item *i;
    assert_int_equal(penchant_get_user(s->p, "eve", &u, &err), PENCHANT_ENOTFOUND);
    assert_int_equal(penchant_get_item(s->p, "x", &i, &err), PENCHANT_ENOTFOUND);
    assert_int_equal(add(s, event("ann", "a", "view", T0)).last_seq, 2);
    ok(penchant_add_events(s->p, e, 0, &out, &err));
    assert_int_equal(out.accepted, 0);
}

static void test_engine__an_event_id_is_taken_once(void **state)
{
    struct shop *s = *state;
    struct penchant_event e[] = {event("ann", "a", "view", T0),
                                 event("ann", "b", "view", T0),
                                 event("ann", "c", "view", T0)};
    struct penchant_accepted out;
    e[0].event_id = e[2].event_id = "same";
    ok(penchant_add_events(s->p, e, 3, &out, &err));
    assert_int_equal(out.accepted, 2);
    assert_int_equal(out.duplicates, 1);
    reopen(s);
    ok(penchant_add_events(s->p, e, 3, &out, &err));
    assert_int_equal(out.accepted, 1); /* the one without an id is taken again */
    assert_int_equal(out.duplicates, 2);
    assert_int_equal(status_of(s).events, 3);
    struct penchant_item *i;
    assert_int_equal(penchant_get_item(s->p, "c", &i, &err), PENCHANT_ENOTFOUND);
}

static void test_engine__too_many_event_names_are_refused(void **state)
{
    struct shop *s = *state;
    char name[16];
    for (int i = EVENT_KNOWN_TYPES; i < EVENT_MAX_TYPES; i++) {
        snprintf(name, sizeof(name), "own-%d", i);
        add(s, event("ann", "a", name, T0));
    }
    struct penchant_event e[] = {event("ann", "a", "view", T0),
                                 event("new", "b", "one-too-many", T0)};
    const uint64_t before = status_of(s).events;
    assert_int_equal(penchant_add_events(s->p, e, 2, NULL, &err), PENCHANT_EINVALID);
    assert_int_equal(err.index, 1);
    assert_string_equal(err.field, "event");
    assert_int_equal(status_of(s).events, before);
    add(s, event("ann", "a", "own-200", T0));
}

static const char *const some_users[] = {"ann", "bob", "s1", "late", "nobody", NULL};
static const char *const some_items[] = {"a", "b", "c", "d", "gone", NULL};

/* A bit of everything. */
static void use(struct shop *s)
{
    struct penchant_item item;
    penchant_item_default(&item);
    item.item_id = "d";
    item.title = "T\xC3\xA9 \"quoted\", tall";
    item.category = "tea|cups";
    item.brand = "acme";
    item.price = 12.5;
    ok(penchant_put_item(s->p, &item, NULL, &err));
    item.item_id = "gone";
    ok(penchant_put_item(s->p, &item, NULL, &err));
    ok(penchant_delete_item(s->p, "gone", &err));
    struct penchant_event e = event(NULL, "a", "view", T0);
    e.session_id = "s1";
    e.placement = "home";
    add(s, e);
    e = event("ann", NULL, "search", T0 + 1000000);
    e.query = "a cup, \"blue\"";
    add(s, e);
    for (int i = 0; i < 400; i++) {
        e = event(i % 3 ? "ann" : "bob", (const char *[]){"a", "b", "c"}[i % 7 % 3],
                  i % 5 ? "view" : "purchase", T0 + i * INT64_C(1000000));
        e.value = i;
        add(s, e);
    }
    add(s, event("ann", "a", "refund", T0 + INT64_C(500000000)));
    add(s, event("late", "b", "view", T0 - 5));
    add(s, event("late", "c", "view", T0 - 7));
}

static void test_engine__a_restart_gives_the_same(void **state)
{
    struct shop *s = *state;
    use(s);
    char *before = picture(s, some_users, some_items);
    for (int i = 0; i < 2; i++) {
        reopen(s);
        char *after = picture(s, some_users, some_items);
        assert_string_equal(after, before);
        free(after);
    }
    assert_non_null(strstr(before, "events 405 users 4 items 4 "));
    assert_non_null(strstr(before, "user s1 1 "));
    assert_non_null(strstr(before, "no user nobody\n"));
    assert_non_null(strstr(before, "no item gone\n"));
    assert_non_null(strstr(before, " view/c@1699999999999993 view/b@1699999999999995\n"));
    free(before);
}

/* ---- items ---- */

static void test_engine__items_are_put_got_and_deleted(void **state)
{
    struct shop *s = *state;
    struct penchant_item item, *out;
    bool created;
    penchant_item_default(&item);
    item.item_id = "a";
    item.title = "one";
    ok(penchant_put_item(s->p, &item, &created, &err));
    assert_true(created);
    item.title = "";
    item.price = 3;
    item.available = false;
    ok(penchant_put_item(s->p, &item, &created, &err));
    assert_false(created);
    for (int i = 0; i < 2; i++, reopen(s)) {
        ok(penchant_get_item(s->p, "a", &out, &err));
        assert_null(out->title);
        assert_true(out->price == 3);
        assert_false(out->available);
        penchant_item_free(out);
    }
    add(s, event("ann", "a", "view", T0));
    ok(penchant_delete_item(s->p, "a", &err));
    for (int i = 0; i < 2; i++, reopen(s)) {
        assert_int_equal(penchant_get_item(s->p, "a", &out, &err), PENCHANT_ENOTFOUND);
        assert_int_equal(penchant_delete_item(s->p, "a", &err), PENCHANT_ENOTFOUND);
        assert_int_equal(status_of(s).items, 0);
        assert_int_equal(status_of(s).events, 1);
    }
    add(s, event("ann", "a", "view", T0)); /* an event does not bring it back */
    assert_int_equal(penchant_get_item(s->p, "a", &out, &err), PENCHANT_ENOTFOUND);
    ok(penchant_put_item(s->p, &item, &created, &err));
    assert_true(created);
    ok(penchant_get_item(s->p, "a", &out, &err));
    assert_int_equal(out->events, 2);
    penchant_item_free(out);
    item.price = -1;
    assert_int_equal(penchant_put_item(s->p, &item, NULL, &err), PENCHANT_EINVALID);
    assert_string_equal(err.field, "price");
}

/* ---- erasure ---- */

static bool dir_holds(const struct shop *s, const char *text)
{
    char command[160];
    snprintf(command, sizeof(command), "grep -q -a -r %s %s", text, s->dir);
    return system(command) == 0;
}

static void test_engine__a_deleted_user_leaves_no_trace(void **state)
{
    struct shop *s = *state;
    static const char *const users[] = {"zuleika", "bob", NULL};
    static const char *const items[] = {"a", "b", NULL};
    struct penchant_list *list;
    struct penchant_request r;
    for (int i = 0; i < 50; i++) {
        struct penchant_event e = event("zuleika", "a", "view", T0 + i);
        e.session_id = "zuleika-session";
        add(s, e);
        add(s, event("bob", "b", "view", T0 + i));
    }
    penchant_request_default(&r);
    r.user_id = "zuleika";
    ok(penchant_recommend(s->p, &r, &list, &err)); /* its slate waits for its commit */
    penchant_list_free(list);
    assert_true(dir_holds(s, "zuleika"));
    ok(penchant_delete_user(s->p, "zuleika", &err));
    assert_false(dir_holds(s, "zuleika"));
    assert_int_equal(penchant_delete_user(s->p, "zuleika", &err), PENCHANT_ENOTFOUND);
    assert_int_equal(status_of(s).events, 50);
    assert_int_equal(status_of(s).users, 1);
    reopen(s);
    assert_int_equal(status_of(s).slates, 0);
    char *now = picture(s, users, items);
    assert_non_null(strstr(now, "events 50 users 1 items 2 "));
    assert_non_null(strstr(now, "no user zuleika\nuser bob 50 "));
    free(now);
    assert_false(dir_holds(s, "zuleika"));
    add(s, event("zuleika", "b", "view", T0 + 99)); /* somebody new */
    struct penchant_user *u;
    reopen(s);
    ok(penchant_get_user(s->p, "zuleika", &u, &err));
    assert_int_equal(u->events, 1);
    penchant_user_free(u);
}

/* ---- slates ---- */

static int see_slate(void *cookie, const struct store_slate *slate)
{
    struct store_slate *out = cookie;
    *out = *slate;
    return slate->n == 2 && slate->items[0] == 7 && slate->items[1] == 9 &&
                   slate->propensities[1] == 0.5f && strcmp(slate->id, "rid") == 0 &&
                   strcmp(slate->placement, "home") == 0
               ? 1
               : 2;
}

static int scan_slates(struct penchant *p, void *arg, struct penchant_error *e)
{
    return p->store->ops->scan_slates(p->store, 0, see_slate, arg, e);
}

static void test_engine__slates_are_logged(void **state)
{
    struct shop *s = *state;
    static const uint32_t items[] = {7, 9};
    static const float propensities[] = {1, 0.5f};
    struct store_slate slate = {.id = "rid",
                                .ts_us = T0,
                                .user = 3,
                                .n = 2,
                                .items = items,
                                .propensities = propensities,
                                .model_version = 5,
                                .placement = "home"};
    struct store_slate seen = {0};
    engine_submit_slate(s->p, &slate);
    for (int i = 0; i < 5000 && status_of(s).slates == 0; i++)
        usleep(1000); /* without any event to take it along */
    assert_int_equal(status_of(s).slates, 1);
    engine_submit_slate(s->p, &slate);
    reopen(s); /* closing writes what waits */
    assert_int_equal(status_of(s).slates, 2);
    assert_int_equal(engine_with_store(s->p, scan_slates, &seen, &err), 1);
    assert_int_equal(seen.user, 3);
    assert_int_equal(seen.ts_us, T0);
    assert_int_equal(seen.model_version, 5);
    engine_submit_slate(s->p, &slate);
    slate.user = 4;
    engine_submit_slate(s->p, &slate);
    writer_drop_slates(s->p, 3);
    reopen(s);
    assert_true(status_of(s).slates == 3 || status_of(s).slates == 4);
}

/* ---- opening ---- */

static void test_engine__a_reader_stands_beside_the_writer(void **state)
{
    struct shop *s = *state;
    use(s);
    struct shop reader = *s;
    reader.p = open_shop(s, true);
    char *theirs = picture(s, some_users, some_items);
    char *ours = picture(&reader, some_users, some_items);
    assert_string_equal(ours, theirs);
    add(s, event("ann", "a", "view", T0)); /* the writer goes on meanwhile */
    assert_true(status_of(&reader).read_only);
    const struct penchant_event e = event("ann", "a", "view", T0);
    assert_int_equal(penchant_add_events(reader.p, &e, 1, NULL, &err),
                     PENCHANT_EREADONLY);
    assert_int_equal(penchant_delete_user(reader.p, "ann", &err), PENCHANT_EREADONLY);
    assert_int_equal(penchant_delete_item(reader.p, "a", &err), PENCHANT_EREADONLY);
    penchant_close(&reader.p);
    free(theirs);
    free(ours);
}

static void test_engine__one_process_writes(void **state)
{
    struct shop *s = *state;
    struct penchant_options o;
    struct penchant *p;
    penchant_options_default(&o);
    o.dir = s->dir;
    assert_int_equal(penchant_open(&p, &o, &err), PENCHANT_ELOCKED);
    assert_null(p);
    penchant_close(&s->p);
    ok(penchant_open(&p, &o, &err));
    penchant_close(&p);
    s->p = open_shop(s, false);
}

static void test_engine__what_is_not_there_is_not_made(void **state)
{
    struct shop *s = *state;
    struct penchant_options o;
    struct penchant *p;
    char dir[96];
    snprintf(dir, sizeof(dir), "%s/a/b", s->dir);
    penchant_options_default(&o);
    o.dir = dir;
    o.create = false;
    assert_int_equal(penchant_open(&p, &o, &err), PENCHANT_ENOTFOUND);
    o.create = true;
    o.read_only = true;
    assert_int_equal(penchant_open(&p, &o, &err), PENCHANT_ENOTFOUND);
    assert_int_equal(access(dir, F_OK), -1);
    o.read_only = false;
    ok(penchant_open(&p, &o, &err));
    penchant_close(&p);
    o.store = "papyrus";
    assert_int_equal(penchant_open(&p, &o, &err), PENCHANT_EINVALID);
    o.store = "memory";
    o.dir = NULL;
    ok(penchant_open(&p, &o, &err));
    const struct penchant_event e = event("ann", "a", "view", T0);
    ok(penchant_add_events(p, &e, 1, NULL, &err));
    penchant_close(&p);
    penchant_close(&p);
}

/* ---- import and export ---- */

static void write_text(const struct shop *s, const char *name, const char *text,
                       char *path)
{
    snprintf(path, 128, "%s/%s", s->dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static struct penchant_import_report import(struct shop *s,
                                            struct penchant_import_options *o, int want)
{
    struct penchant_import_report r;
    const int status = penchant_import(s->p, o, &r, &err);
    if (status != want)
        fail_msg("%d: %s", status, err.text);
    return r;
}

static const char events_csv[] = "user_id,item_id,event,timestamp,event_id\n"
                                 "ann,a,view,1700000000,e1\n"
                                 "ann,a,purchase,1700000100,e2\n"
                                 "ann,b,purchase,1700000200,e3\n"
                                 "ann,a,refund,1700000300,e4\n"
                                 "bob,b,view,1700000400,e5\n"
                                 "bob,b,view,1700000400,e5\n";
static const char items_csv[] = "item_id,title,category,price\n"
                                "b,Bowl,cups,4.5\n"
                                "z,Zither,music,99\n";

static void test_engine__import_reports_and_survives_a_restart(void **state)
{
    struct shop *s = *state;
    char events[128], items[128];
    static const char *const users[] = {"ann", "bob", NULL};
    static const char *const names[] = {"a", "b", "z", NULL};
    write_text(s, "e.csv", events_csv, events);
    write_text(s, "i.csv", items_csv, items);
    struct penchant_import_options o;
    penchant_import_options_default(&o);
    o.events = events;
    o.items = items;
    o.check = true;
    struct penchant_import_report r = import(s, &o, PENCHANT_OK);
    assert_int_equal(r.errors, 0);
    assert_int_equal(r.events, 5); /* counted as if it were taken */
    assert_int_equal(r.duplicates, 1);
    assert_int_equal(r.users, 2);
    assert_int_equal(r.items, 3);
    assert_int_equal(r.cancelled, 1);
    char *unchanged = picture(s, users, names);
    assert_non_null(strstr(unchanged, "events 0 users 0 items 0 "));
    free(unchanged);
    o.check = false;
    r = import(s, &o, PENCHANT_OK);
    assert_int_equal(r.events, 5);
    assert_int_equal(r.duplicates, 1);
    assert_int_equal(r.users, 2);
    assert_int_equal(r.items, 3);
    assert_int_equal(r.cancelled, 1);
    assert_true(r.has_clock);
    char *before = picture(s, users, names);
    assert_non_null(strstr(before, "events 5 users 2 items 3 "));
    assert_non_null(strstr(before, "item b Bowl|cups||4.5 1 2\n"));
    assert_non_null(strstr(before, "item z Zither|music||99 1 0\n"));
    assert_non_null(strstr(before,
                           "user ann 4 1700000000000000 1700000300000000: "
                           "view/a@1700000000000000 purchase/b@1700000200000000\n"));
    reopen(s);
    char *after = picture(s, users, names);
    assert_string_equal(after, before);
    r = import(s, &o, PENCHANT_OK);
    assert_int_equal(r.events, 0);
    assert_int_equal(r.duplicates, 6);
    assert_int_equal(r.users + r.items, 0);
    free(before);
    free(after);
}

static int stop(void *cookie, const char *what, uint64_t done, uint64_t total,
                const char *detail)
{
    (void)what, (void)done, (void)total, (void)detail;
    return ++*(int *)cookie > 1;
}

/* n lines of events; every `bad`-th is broken (0: none). */
static void write_many(const struct shop *s, const char *name, int n, int bad, char *path)
{
    struct buf text;
    buf_init(&text, 1 << 26);
    buf_puts(&text, "user_id,item_id,event,timestamp\n");
    for (int i = 1; i <= n; i++)
        buf_printf(&text, "u%d,i%d,view,%s%d\n", i % 997, i % 1013,
                   bad && i % bad == 0 ? "x" : "", 1700000000 + i * 60);
    write_text(s, name, text.data, path);
    buf_release(&text);
}

static void test_engine__a_stopped_import_leaves_nothing(void **state)
{
    struct shop *s = *state;
    char path[128];
    int calls = 0;
    use(s);
    struct penchant_import_options o;
    penchant_import_options_default(&o);
    o.events = path;
    o.cookie = &calls;
    char *before = picture(s, some_users, some_items);
    write_many(s, "bad.csv", 30000, 250, path); /* 120 bad ones */
    import(s, &o, PENCHANT_ELIMIT);
    char *after = picture(s, some_users, some_items);
    assert_string_equal(after, before);
    free(after);
    write_many(s, "good.csv", 30000, 0, path);
    o.progress = stop;
    import(s, &o, PENCHANT_EINTERRUPTED);
    after = picture(s, some_users, some_items);
    assert_string_equal(after, before);
    free(after);
    free(before);
    const uint64_t events = status_of(s).events;
    o.progress = NULL; /* the shop is well: the same file goes in now */
    assert_int_equal(import(s, &o, PENCHANT_OK).events, 30000);
    assert_int_equal(status_of(s).events, events + 30000);
    add(s, event("u7", "i7", "cart", T0));
    static const char *const users[] = {"ann", "u1", "u7", "u996", NULL};
    static const char *const items[] = {"a", "i1", "i7", "i1012", NULL};
    before = picture(s, users, items);
    reopen(s);
    after = picture(s, users, items);
    assert_string_equal(after, before);
    free(before);
    free(after);
}

static int told(void *cookie, const char *what, uint64_t done, uint64_t total,
                const char *detail)
{
    (void)what, (void)done, (void)total, (void)detail;
    ++*(_Atomic int *)cookie;
    usleep(2000);
    return 0;
}

static void test_engine__an_import_that_is_killed_leaves_nothing(void **state)
{
    struct shop *s = *state;
    char path[128];
    use(s);
    write_many(s, "good.csv", 120000, 0, path);
    char *before = picture(s, some_users, some_items);
    _Atomic int *calls =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    penchant_close(&s->p);
    const pid_t child = fork();
    if (child == 0) {
        struct penchant_import_options o;
        penchant_import_options_default(&o);
        o.events = path;
        o.progress = told;
        o.cookie = calls;
        s->p = open_shop(s, false);
        penchant_import(s->p, &o, NULL, &err);
        _exit(0);
    }
    for (int i = 0; i < 20000 && *calls < 9; i++)
        usleep(500);
    kill(child, SIGKILL);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status)); /* it had not come to its end */
    s->p = open_shop(s, false);
    char *after = picture(s, some_users, some_items);
    assert_string_equal(after, before);
    free(before);
    free(after);
    munmap(calls, 4096);
}

static void test_engine__times_that_are_positions_are_no_clock(void **state)
{
    struct shop *s = *state;
    char path[128];
    write_text(s, "e.csv",
               "user_id,item_id,timestamp\nann,a,1\nann,b,2\nbob,a,1\nbob,c,2\nbob,b,3\n",
               path);
    assert_true(status_of(s).has_clock);
    struct penchant_import_options o;
    penchant_import_options_default(&o);
    o.events = path;
    assert_false(import(s, &o, PENCHANT_OK).has_clock);
    assert_false(status_of(s).has_clock);
    const int64_t newest = status_of(s).last_us;
    assert_int_equal(engine_now(s->p), newest); /* nobody is here yet */
    reopen(s);
    assert_false(status_of(s).has_clock);
    assert_int_equal(engine_now(s->p), newest);
    add(s, event("ann", "a", "view", 0));
    assert_true(engine_now(s->p) >= T0);
    reopen(s);
    assert_true(engine_now(s->p) >= T0);
}

static void test_engine__a_live_shop_lives_in_the_present(void **state)
{
    struct shop *s = *state;
    assert_true(engine_now(s->p) > T0);    /* an empty one too */
    add(s, event("ann", "a", "view", T0)); /* late, but it came in live */
    assert_true(engine_now(s->p) > T0 + INT64_C(1000000));
    reopen(s);
    assert_true(engine_now(s->p) > T0 + INT64_C(1000000));
    const int64_t future = timing_now_us() + INT64_C(3600000000);
    add(s, event("ann", "a", "view", future));
    assert_true(engine_now(s->p) < future); /* it does not carry the shop there */
}

static void test_engine__what_cleaning_finds_is_dropped_on_request(void **state)
{
    struct shop *s = *state;
    char path[128];
    struct buf text;
    buf_init(&text, 1 << 22);
    buf_puts(&text, "user_id,item_id,event,timestamp\n");
    for (int i = 0; i < 2000; i++) /* a bot: four events a second */
        buf_printf(&text, "bot,i%d,view,%lld\n", i % 50,
                   (long long)1700000000000 + i * 250);
    buf_puts(&text, "ann,a,view,1700000000000\nann,a,view,1700000000100\n");
    write_text(s, "e.csv", text.data, path);
    buf_release(&text);
    struct penchant_import_options o;
    penchant_import_options_default(&o);
    o.events = path;
    o.check = o.drop_bots = o.drop_double_clicks = true;
    struct penchant_import_report r = import(s, &o, PENCHANT_OK);
    assert_int_equal(r.bots, 2000);
    assert_int_equal(r.dropped, 2001);
    assert_int_equal(r.events, 1);
    assert_int_equal(status_of(s).events, 0);
    o.check = o.drop_bots = o.drop_double_clicks = false;
    r = import(s, &o, PENCHANT_OK);
    assert_int_equal(r.bots, 2000);
    assert_int_equal(r.double_clicks, 1);
    assert_int_equal(r.dropped, 0);
    assert_int_equal(r.events, 2002);
    o.drop_bots = o.drop_double_clicks = true;
    r = import(s, &o, PENCHANT_OK);
    assert_int_equal(r.bots, 2000);
    assert_int_equal(r.dropped, 2001);
    assert_int_equal(r.events, 1);
    assert_int_equal(status_of(s).events, 2003);
    add(s, event("ann", "a", "view", T0)); /* the log goes on after the gap */
    reopen(s);
    assert_int_equal(status_of(s).events, 2004);
}

static char *slurp(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    char *text = calloc(1, (size_t)st.st_size + 1);
    FILE *f = fopen(path, "r");
    assert_int_equal(fread(text, 1, (size_t)st.st_size, f), st.st_size);
    fclose(f);
    return text;
}

static void test_engine__export_gives_everything_back(void **state)
{
    struct shop *s = *state;
    char path[4][128], command[512];
    use(s);
    for (int i = 0; i < 4; i++)
        snprintf(path[i], sizeof(path[i]), "%s/%d.csv", s->dir, i);
    ok(penchant_export(s->p, path[0], path[1], &err));
    char *before = picture(s, some_users, some_items);
    penchant_close(&s->p);
    snprintf(command, sizeof(command), "rm %s/shop.db", s->dir);
    assert_int_equal(system(command), 0);
    s->p = open_shop(s, false);
    struct penchant_import_options o;
    penchant_import_options_default(&o);
    o.events = path[0];
    o.items = path[1];
    assert_int_equal(import(s, &o, PENCHANT_OK).errors, 0);
    char *after = picture(s, some_users, some_items);
    assert_string_equal(after, before);
    struct shop reader = *s;
    reader.p = open_shop(s, true); /* a reader may export too */
    ok(penchant_export(reader.p, path[2], path[3], &err));
    penchant_close(&reader.p);
    for (int i = 0; i < 2; i++) {
        char *first = slurp(path[i]), *second = slurp(path[i + 2]);
        assert_true(strlen(first) > 50);
        if (i == 0)
            assert_string_equal(second, first);
        else
            assert_int_equal(strlen(second),
                             strlen(first)); /* items by first appearance */
        free(first);
        free(second);
    }
    char *log = slurp(path[0]);
    assert_non_null(strstr(log, "\"a cup, \"\"blue\"\"\""));
    free(log);
    free(before);
    free(after);
    assert_int_equal(penchant_export(s->p, "/nowhere/at/all", NULL, &err), PENCHANT_EIO);
    ok(penchant_export(s->p, "/dev/null", NULL, &err));
    struct stat st;
    assert_int_equal(stat("/dev/null", &st), 0);
    assert_true(S_ISCHR(st.st_mode));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, shop_set_up, shop_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_engine__events_go_in_and_the_user_comes_out),
        TEST(test_engine__a_user_shows_the_newest_fifty),
        TEST(test_engine__a_missing_time_is_now),
        TEST(test_engine__a_session_stands_in_for_a_missing_user),
        TEST(test_engine__all_events_of_a_call_or_none),
        TEST(test_engine__an_event_id_is_taken_once),
        TEST(test_engine__too_many_event_names_are_refused),
        TEST(test_engine__a_restart_gives_the_same),
        TEST(test_engine__items_are_put_got_and_deleted),
        TEST(test_engine__a_deleted_user_leaves_no_trace),
        TEST(test_engine__slates_are_logged),
        TEST(test_engine__a_reader_stands_beside_the_writer),
        TEST(test_engine__one_process_writes),
        TEST(test_engine__what_is_not_there_is_not_made),
        TEST(test_engine__import_reports_and_survives_a_restart),
        TEST(test_engine__a_stopped_import_leaves_nothing),
        TEST(test_engine__an_import_that_is_killed_leaves_nothing),
        TEST(test_engine__times_that_are_positions_are_no_clock),
        TEST(test_engine__a_live_shop_lives_in_the_present),
        TEST(test_engine__what_cleaning_finds_is_dropped_on_request),
        TEST(test_engine__export_gives_everything_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * penchant bench ingest: penchant_import of a CSV file to disk, beside SQLite writing the
 * same rows, ready in memory, into the same schema with the same PRAGMAs in batches of
 * 1,000. The peer parses, checks and counts nothing, but it syncs every batch, while an
 * import is one transaction: the ratio says how the two add up.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/timing.h"
#include "cli/cli.h"
#include "lab/bench.h"
#include "lab/shop_world.h"
#include "lab/temp_dir.h"
#include "store/store.h"

enum { BATCH = 1000, MOST_ROUNDS = 99, PATH_SIZE = TEMP_DIR_SIZE + 32 };
static const char COMMAND[] = "bench ingest";

/* The rows that an import leaves behind; strings are owned. */
struct rows {
    struct event *event;
    struct store_item *item;
    char **user;
    size_t n_events, n_items, n_users, cap_events, cap_items, cap_users;
};

static void *grown(void *array, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return array;
    *cap = *cap ? 2 * *cap : 4096;
    return realloc(array, *cap * size);
}

static char *copy(const char *s)
{
    return s ? strdup(s) : NULL;
}

static int keep_event(void *cookie, const struct event *e)
{
    struct rows *r = cookie;
    struct event *more = grown(r->event, r->n_events, &r->cap_events, sizeof(*more));
    if (!more)
        return PENCHANT_ENOMEM;
    r->event = more;
    more += r->n_events++;
    *more = *e;
    more->session = copy(e->session);
    more->recommendation = copy(e->recommendation);
    more->extra = copy(e->extra);
    return 0;
}

static int keep_item(void *cookie, uint32_t id, const struct store_item *item)
{
    struct rows *r = cookie;
    struct store_item *more = grown(r->item, r->n_items, &r->cap_items, sizeof(*more));
    (void)id;
    if (!more)
        return PENCHANT_ENOMEM;
    r->item = more;
    more += r->n_items++;
    *more = *item;
    more->item_id = copy(item->item_id);
    more->title = copy(item->title);
    more->category = copy(item->category);
    more->brand = copy(item->brand);
    return 0;
}

static int keep_user(void *cookie, uint32_t id, const char *name)
{
    struct rows *r = cookie;
    char **more = grown(r->user, r->n_users, &r->cap_users, sizeof(*more));
    (void)id;
    if (!more)
        return PENCHANT_ENOMEM;
    r->user = more;
    r->user[r->n_users++] = copy(name);
    return 0;
}

static void rows_release(struct rows *r)
{
    for (size_t i = 0; i < r->n_events; i++) {
        free((char *)r->event[i].session);
        free((char *)r->event[i].recommendation);
        free((char *)r->event[i].extra);
    }
    for (size_t i = 0; i < r->n_items; i++) {
        free((char *)r->item[i].item_id);
        free((char *)r->item[i].title);
        free((char *)r->item[i].category);
        free((char *)r->item[i].brand);
    }
    for (size_t i = 0; i < r->n_users; i++)
        free(r->user[i]);
    free(r->event);
    free(r->item);
    free(r->user);
}

/* Opens DIR/shop.db as the engine's store does, so that schema and settings are its own. */
static int open_store(struct store **out, const char *dir, bool create,
                      struct penchant_error *err)
{
    char path[PATH_SIZE + 16];
    snprintf(path, sizeof(path), "%s/shop.db", dir);
    const struct store_options o = {.path = path, .create = create, .read_only = !create};
    return store_sqlite.open(out, &o, err);
}

static int read_rows(struct rows *r, const char *dir, struct penchant_error *err)
{
    struct store *s = NULL;
    int status = open_store(&s, dir, false, err);
    if (status)
        return status;
    status = s->ops->scan_users(s, keep_user, r, err);
    if (status == PENCHANT_OK)
        status = s->ops->scan_items(s, keep_item, r, err);
    if (status == PENCHANT_OK)
        status = s->ops->scan_events(s, 0, keep_event, r, err);
    s->ops->close(s);
    return status;
}

/* ---- the peer ------------------------------------------------------------------ */

struct peer {
    sqlite3 *db;
    sqlite3_stmt *begin, *commit, *user, *item, *event;
    size_t in_batch;
};

static bool prepare(struct peer *p, const char *sql, sqlite3_stmt **out)
{
    return sqlite3_prepare_v3(p->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) ==
           SQLITE_OK;
}

static bool peer_open(struct peer *p, const char *dir)
{
    char path[PATH_SIZE + 16];
    snprintf(path, sizeof(path), "%s/shop.db", dir);
    const char *settings =
        "PRAGMA cache_size = -32768; PRAGMA temp_store = MEMORY; PRAGMA journal_mode = "
        "WAL;"
        "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000;"
        "PRAGMA secure_delete = ON; PRAGMA journal_size_limit = 67108864;";
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    return sqlite3_open_v2(path, &p->db, flags, NULL) == SQLITE_OK &&
           sqlite3_exec(p->db, settings, NULL, NULL, NULL) == SQLITE_OK &&
           prepare(p, "BEGIN IMMEDIATE", &p->begin) && prepare(p, "COMMIT", &p->commit) &&
           prepare(p, "INSERT INTO users VALUES(?,?)", &p->user) &&
           prepare(p, "INSERT INTO items VALUES(?,?,?,?,?,?,?,?)", &p->item) &&
           prepare(p, "INSERT INTO events VALUES(?,?,?,?,?,?,?,?,?,?)", &p->event);
}

static void peer_close(struct peer *p)
{
    sqlite3_finalize(p->begin);
    sqlite3_finalize(p->commit);
    sqlite3_finalize(p->user);
    sqlite3_finalize(p->item);
    sqlite3_finalize(p->event);
    sqlite3_close(p->db);
}

static bool run(sqlite3_stmt *st)
{
    const bool done = sqlite3_step(st) == SQLITE_DONE;
    sqlite3_reset(st);
    return done;
}

/* One bound row, in batches of BATCH; NULL ends the last batch. */
static bool write_row(struct peer *p, sqlite3_stmt *st)
{
    bool ok = true;
    if (st) {
        ok = (p->in_batch || run(p->begin)) && run(st);
        p->in_batch++;
    }
    if (p->in_batch == BATCH || (!st && p->in_batch)) {
        p->in_batch = 0;
        ok = run(p->commit) && ok;
    }
    return ok;
}

static void bind_text(sqlite3_stmt *st, int at, const char *text)
{
    sqlite3_bind_text(st, at, text, -1, SQLITE_STATIC); /* NULL binds NULL */
}

static bool write_user(struct peer *p, size_t id, const char *name)
{
    sqlite3_bind_int64(p->user, 1, (sqlite3_int64)id);
    bind_text(p->user, 2, name);
    return write_row(p, p->user);
}

static bool write_item(struct peer *p, size_t id, const struct store_item *item)
{
    sqlite3_bind_int64(p->item, 1, (sqlite3_int64)id);
    bind_text(p->item, 2, item->item_id);
    bind_text(p->item, 3, item->title);
    bind_text(p->item, 4, item->category);
    bind_text(p->item, 5, item->brand);
    sqlite3_bind_double(p->item, 6, item->price);
    sqlite3_bind_int(p->item, 7, item->available);
    sqlite3_bind_int(p->item, 8, item->deleted);
    return write_row(p, p->item);
}

static bool write_event(struct peer *p, const struct event *e)
{
    sqlite3_bind_int64(p->event, 1, (sqlite3_int64)e->seq);
    sqlite3_bind_int64(p->event, 2, e->ts_us);
    sqlite3_bind_int64(p->event, 3, e->user);
    if (e->item == NAMES_NONE)
        sqlite3_bind_null(p->event, 4);
    else
        sqlite3_bind_int64(p->event, 4, e->item);
    sqlite3_bind_int64(p->event, 5, e->type);
    sqlite3_bind_double(p->event, 6, e->value);
    sqlite3_bind_double(p->event, 7, e->quantity);
    bind_text(p->event, 8, e->session);
    bind_text(p->event, 9, e->recommendation);
    bind_text(p->event, 10, e->extra);
    return write_row(p, p->event);
}

/* Seconds, or a negative number. */
static double time_peer(const struct rows *r, const char *dir, struct penchant_error *err)
{
    struct store *s = NULL;
    struct peer p = {0};
    if (open_store(&s, dir, true, err))
        return -1;
    s->ops->close(s);
    bool ok = peer_open(&p, dir);
    const int64_t began = timing_steady_ns();
    for (size_t i = 0; ok && i < r->n_users; i++)
        ok = write_user(&p, i, r->user[i]);
    for (size_t i = 0; ok && i < r->n_items; i++)
        ok = write_item(&p, i, &r->item[i]);
    for (size_t i = 0; ok && i < r->n_events; i++)
        ok = write_event(&p, &r->event[i]);
    ok = ok && write_row(&p, NULL);
    const double seconds = (double)(timing_steady_ns() - began) * 1e-9;
    if (!ok)
        error_set(err, PENCHANT_EIO, "the peer cannot write: %s",
                  p.db ? sqlite3_errmsg(p.db) : "no database");
    peer_close(&p);
    return ok ? seconds : -1;
}

/* ---- ours ---------------------------------------------------------------------- */

struct input {
    const char *events, *items, *map;
};

static double time_ours(const struct input *in, const char *dir, uint64_t *events,
                        struct penchant_error *err)
{
    struct penchant_options o;
    struct penchant_import_options import;
    struct penchant_import_report report = {0};
    struct penchant *shop = NULL;
    penchant_options_default(&o);
    penchant_import_options_default(&import);
    o.dir = dir;
    import.events = in->events;
    import.items = in->items;
    import.map = in->map;
    if (penchant_open(&shop, &o, err))
        return -1;
    const int64_t began = timing_steady_ns();
    const int status = penchant_import(shop, &import, &report, err);
    const double seconds = (double)(timing_steady_ns() - began) * 1e-9;
    penchant_close(&shop);
    *events = report.events;
    return status ? -1 : seconds;
}

/* ---- the rounds ---------------------------------------------------------------- */

struct ingest {
    char dir[TEMP_DIR_SIZE];
    double ours[MOST_ROUNDS], peer[MOST_ROUNDS], ratio[MOST_ROUNDS];
    uint64_t events;
};

static int round_trip(struct ingest *in, const struct input *input, struct rows *rows,
                      uint32_t i, struct penchant_error *err)
{
    char ours[PATH_SIZE], peer[PATH_SIZE];
    snprintf(ours, sizeof(ours), "%s/ours", in->dir);
    snprintf(peer, sizeof(peer), "%s/peer", in->dir);
    const double ours_s = time_ours(input, ours, &in->events, err);
    if (ours_s < 0)
        return err->status;
    if (i == 0) {
        const int status = read_rows(rows, ours, err);
        if (status)
            return status;
    }
    if (files_make_dir(peer, err))
        return err->status;
    const double peer_s = time_peer(rows, peer, err);
    if (peer_s < 0)
        return err->status;
    in->ours[i] = (double)in->events / ours_s;
    in->peer[i] = (double)rows->n_events / peer_s;
    in->ratio[i] = in->ours[i] / in->peer[i];
    temp_dir_remove(ours);
    temp_dir_remove(peer);
    return PENCHANT_OK;
}

/* A past of the made-up shop with about `n` events. */
static int make_log(const char *dir, uint32_t n, char events[PATH_SIZE],
                    char items[PATH_SIZE], struct penchant_error *err)
{
    struct shop_world *w = NULL;
    struct shop_act *act = NULL;
    size_t acts = 0;
    const struct shop_world_options o = {.items = 2400,
                                         .shoppers = n / 50 + 1,
                                         .days = 60,
                                         .now_us = timing_now_us(),
                                         .seed = 1};
    snprintf(events, PATH_SIZE, "%s/events.csv", dir);
    snprintf(items, PATH_SIZE, "%s/items.csv", dir);
    int status = shop_world_new(&w, &o, err);
    if (status == PENCHANT_OK)
        status = shop_world_past(w, &act, &acts, err);
    if (status == PENCHANT_OK)
        status = shop_world_write_items(w, items, err);
    if (status == PENCHANT_OK)
        status = shop_world_write_events(w, act, acts, events, err);
    free(act);
    shop_world_free(w);
    return status;
}

int bench_ingest(int argc, char **argv)
{
    struct ingest in = {0};
    struct input input = {0};
    struct rows rows = {0};
    struct penchant_error err = {0};
    char events[PATH_SIZE], items[PATH_SIZE];
    uint32_t rounds = 5, size = 500000;
    const char *csv = NULL;
    bool json = false;
    const struct cli_option options[] = {
        {"events", 0, CLI_STRING, &input.events, "F", "a made-up shop's", 0, 0,
         "the log"},
        {"items", 0, CLI_STRING, &input.items, "F", NULL, 0, 0, "the catalogue"},
        {"map", 0, CLI_STRING, &input.map, "M", NULL, 0, 0, "as for import"},
        {"size", 0, CLI_U32, &size, "N", NULL, 1000, 2e7, "events of the made-up shop"},
        {"rounds", 0, CLI_U32, &rounds, "N", NULL, 1, MOST_ROUNDS, "of both in turn"},
        CLI_JSON(&json),
        BENCH_CSV(&csv),
    };
    const struct cli_spec spec = {COMMAND, "import to disk against SQLite alone", NULL,
                                  options, sizeof(options) / sizeof(options[0])};
    int status = cli_parse(&spec, argc, argv);
    if (status != CLI_CONTINUE)
        return status;
    int failed = temp_dir_make(in.dir, &err);
    if (!failed && !input.events) {
        failed = make_log(in.dir, size, events, items, &err);
        input.events = events;
        input.items = items;
    }
    for (uint32_t i = 0; !failed && i < rounds; i++)
        failed = round_trip(&in, &input, &rows, i, &err);
    temp_dir_remove(in.dir);
    rows_release(&rows);
    if (failed)
        return cli_fail_error(COMMAND, &err);
    const struct bench_figure figure[] = {
        {"events", (double)in.events},
        {"rounds", rounds},
        {"ours_events_per_s", bench_quantile(in.ours, rounds, 0.5)},
        {"sqlite_events_per_s", bench_quantile(in.peer, rounds, 0.5)},
        {"ratio", bench_quantile(in.ratio, rounds, 0.5)},
    };
    return bench_print(argc, argv, figure, sizeof(figure) / sizeof(figure[0]), json, csv);
}

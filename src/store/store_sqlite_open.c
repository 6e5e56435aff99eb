/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing the database: settings, schema, versions. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/store_sqlite.h"

enum {
    APPLICATION_ID = 0x50454E43, /* "PENC" */
    SCHEMA_VERSION = 4,
    BUSY_MS = 5000
};

/* A vector's row is modality * 2^32 + item, so that a modality is one range of rows. */
#define VECTOR_TABLES                                                                    \
    "CREATE TABLE modalities(id INTEGER PRIMARY KEY, name TEXT NOT NULL "                \
    "UNIQUE, dim INTEGER NOT NULL, weight REAL NOT NULL) STRICT;"                        \
    "CREATE TABLE vectors(id INTEGER PRIMARY KEY, vector BLOB NOT NULL) STRICT;"

/* What a list was drawn from and how; all NULL where it is the ranking. */
#define CHOICE_COLUMNS(BEGIN, NEXT, END)                                                 \
    BEGIN "after_event INTEGER" NEXT "share REAL" NEXT "temperature REAL" NEXT           \
          "kappa REAL" NEXT "epsilon REAL" NEXT "log_normaliser REAL" NEXT               \
          "pool INTEGER" NEXT "candidates BLOB" NEXT "scores BLOB" NEXT                  \
          "uncertainties BLOB" END

/* An append-only log in row order; the view is for people with the sqlite3 program. */
static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;"
    "CREATE TABLE types(id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;"
    "CREATE TABLE items(id INTEGER PRIMARY KEY, item_id TEXT NOT NULL, title TEXT, "
    "category TEXT, brand TEXT, price REAL, available INTEGER NOT NULL, "
    "deleted INTEGER NOT NULL) STRICT;"
    "CREATE TABLE events(seq INTEGER PRIMARY KEY, ts_us INTEGER NOT NULL, "
    "user INTEGER NOT NULL, item INTEGER, type INTEGER NOT NULL, value REAL, "
    "quantity REAL, session TEXT, recommendation TEXT, extra TEXT) STRICT;"
    "CREATE TABLE event_ids(hash INTEGER PRIMARY KEY) STRICT;"
    "CREATE TABLE slates(seq INTEGER PRIMARY KEY, id TEXT NOT NULL, "
    "ts_us INTEGER NOT NULL, user INTEGER, items BLOB NOT NULL, propensities BLOB, "
    "model_version INTEGER NOT NULL, placement TEXT" CHOICE_COLUMNS(
        ", ", ", ",
        ", features BLOB) STRICT;") "CREATE TABLE facts(name TEXT PRIMARY KEY, value "
                                    "ANY) "
                                    "STRICT, WITHOUT ROWID;"
                                    "CREATE VIEW event_log AS SELECT e.seq, e.ts_us, "
                                    "u.name "
                                    "AS user_id, i.item_id, "
                                    "t.name AS event, e.value, e.quantity, e.session, "
                                    "e.recommendation, e.extra "
                                    "FROM events e JOIN users u ON u.id = e.user JOIN "
                                    "types "
                                    "t ON t.id = e.type "
                                    "LEFT JOIN items i ON i.id = e.item;" VECTOR_TABLES
                                    "PRAGMA application_id = 1346719299;"
                                    "PRAGMA user_version = 4;"
                                    "COMMIT;";

/* What each version lacks of the next one: [0] brings version 1 to 2. */
static const char *const steps[SCHEMA_VERSION - 1] = {
    "BEGIN IMMEDIATE;" VECTOR_TABLES "PRAGMA user_version = 2; COMMIT;",
    "BEGIN IMMEDIATE;" CHOICE_COLUMNS("ALTER TABLE slates ADD COLUMN ",
                                      "; ALTER TABLE slates ADD COLUMN ",
                                      ";") "PRAGMA user_version = 3; COMMIT;",
    "BEGIN IMMEDIATE; ALTER TABLE slates ADD COLUMN features BLOB;"
    "PRAGMA user_version = 4; COMMIT;",
};

_Static_assert(APPLICATION_ID == 1346719299 && SCHEMA_VERSION == 4,
               "the texts above state both");

static const char reader_settings[] = "PRAGMA cache_size = -2048;";
static const char writer_settings[] =
    "PRAGMA cache_size = -32768; PRAGMA temp_store = MEMORY; PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000;"
    "PRAGMA secure_delete = ON; PRAGMA journal_size_limit = 67108864;";

static int query_number(struct sqlite_store *s, const char *sql, sqlite3_int64 *out,
                        struct penchant_error *err)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(st, 0);
    const int status =
        rc == SQLITE_ROW ? PENCHANT_OK : sqlite_error(s, rc, "read the database", err);
    sqlite3_finalize(st);
    return status;
}

static int execute(struct sqlite_store *s, const char *sql, const char *what,
                   struct penchant_error *err)
{
    const int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? PENCHANT_OK : sqlite_error(s, rc, what, err);
}

/* Adds what an older program's database lacks. One that is only read stays as it is. */
static int migrate(struct sqlite_store *s, sqlite3_int64 version,
                   struct penchant_error *err)
{
    int status = PENCHANT_OK;
    for (; !s->read_only && version < SCHEMA_VERSION && status == PENCHANT_OK; version++)
        status = execute(s, steps[version - 1], "bring the tables up to date", err);
    return status;
}

/* Makes the schema in an empty database, and refuses what is not ours or is newer. */
static int check_schema(struct sqlite_store *s, const char *path,
                        struct penchant_error *err)
{
    sqlite3_int64 application = 0, version = 0, tables = 0;
    int status = query_number(s, "PRAGMA application_id", &application, err);
    if (status == PENCHANT_OK)
        status = query_number(s, "PRAGMA user_version", &version, err);
    if (status == PENCHANT_OK)
        status = query_number(s, "SELECT count(*) FROM sqlite_schema", &tables, err);
    if (status != PENCHANT_OK)
        return status;
    if (application == 0 && version == 0 && tables == 0)
        return s->read_only
                   ? error_set(err, PENCHANT_ENOTFOUND, "%s holds no shop yet", path)
                   : execute(s, schema, "make the tables", err);
    s->plain_slates = s->read_only && version < 3;
    s->bare_slates = s->read_only && version < 4;
    if (application != APPLICATION_ID)
        return error_set(err, PENCHANT_ECORRUPT, "%s is not a shop's database", path);
    if (version > SCHEMA_VERSION)
        return error_set(err, PENCHANT_EVERSION,
                         "%s has schema version %lld, this program knows up to %d", path,
                         (long long)version, SCHEMA_VERSION);
    if (version < 1)
        return error_set(err, PENCHANT_ECORRUPT, "%s has no schema version", path);
    return migrate(s, version, err);
}

static int configure(struct sqlite_store *s, const char *path, struct penchant_error *err)
{
    char what[300];
    snprintf(what, sizeof(what), "set up %s", path);
    sqlite3_busy_timeout(s->db, BUSY_MS);
    sqlite3_extended_result_codes(s->db, 1);
    /* A reader only scans; the writer looks event ids up all over their table. */
    int status = execute(s, s->read_only ? reader_settings : writer_settings, what, err);
    if (status == PENCHANT_OK)
        status = check_schema(s, path, err);
    if (status != PENCHANT_OK)
        return status;
    const int rc = sqlite_erase_functions(s);
    return rc == SQLITE_OK ? PENCHANT_OK : sqlite_error(s, rc, what, err);
}

int sqlite_open(struct store **out, const struct store_options *o,
                struct penchant_error *err)
{
    *out = NULL;
    if ((o->read_only || !o->create) && access(o->path, F_OK) != 0)
        return errno == ENOENT
                   ? error_set(err, PENCHANT_ENOTFOUND, "there is no %s", o->path)
                   : error_set(err, PENCHANT_EIO, "cannot reach %s", o->path);
    struct sqlite_store *s = calloc(1, sizeof(*s));
    if (!s)
        return error_memory(err);
    s->base.ops = &store_sqlite;
    s->read_only = o->read_only;
    const int flags =
        SQLITE_OPEN_NOMUTEX |
        (o->read_only ? SQLITE_OPEN_READONLY
                      : SQLITE_OPEN_READWRITE | (o->create ? SQLITE_OPEN_CREATE : 0));
    const int rc = sqlite3_open_v2(o->path, &s->db, flags, NULL);
    int status = rc == SQLITE_OK ? configure(s, o->path, err)
                                 : sqlite_error(s, rc, "open the database", err);
    if (status == PENCHANT_OK)
        status = sqlite_last_numbers(s, &s->last_seq, &s->last_slate, err);
    if (status != PENCHANT_OK) {
        sqlite_close(&s->base);
        return status;
    }
    s->committed_seq = s->last_seq;
    s->committed_slate = s->last_slate;
    *out = &s->base;
    return PENCHANT_OK;
}

void sqlite_close(struct store *store)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    if (!s)
        return;
    if (s->db)
        store->ops->rollback(store);
    sqlite_clean_wal(s);
    for (int i = 0; i < SQL_STATEMENTS; i++)
        sqlite3_finalize(s->statement[i]);
    sqlite3_close(s->db);
    free(s);
}

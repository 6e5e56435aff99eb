/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SQLite store: transactions, prepared statements, errors, and the table's row. The
 * log is one table in order of its row number without a secondary index, in WAL mode with
 * synchronous=FULL: a commit is one append and one sync.
 */
#include "store/store_sqlite.h"

static const char *const statement_text[SQL_STATEMENTS] = {
#define X(id, sql) sql,
    SQLITE_STATEMENTS(X)
#undef X
};

static int status_of(int rc)
{
    switch (rc & 0xFF) {
    case SQLITE_NOMEM:
        return PENCHANT_ENOMEM;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CONSTRAINT: /* a number that is taken already */
        return PENCHANT_ECORRUPT;
    case SQLITE_READONLY:
        return PENCHANT_EREADONLY;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return PENCHANT_ELOCKED;
    case SQLITE_TOOBIG:
        return PENCHANT_ELIMIT;
    default:
        return PENCHANT_EIO;
    }
}

int sqlite_error(struct sqlite_store *s, int rc, const char *what,
                 struct penchant_error *err)
{
    const int status = status_of(rc);
    if (status == PENCHANT_EIO || status == PENCHANT_ECORRUPT)
        s->failed = true;
    return error_set(err, status, "cannot %s: %s", what,
                     s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc));
}

int sqlite_prepared(struct sqlite_store *s, enum sqlite_statement id, sqlite3_stmt **out,
                    struct penchant_error *err)
{
    int rc = SQLITE_OK;
    if (s->statement[id])
        sqlite3_reset(s->statement[id]);
    else
        rc = sqlite3_prepare_v3(s->db, statement_text[id], -1, SQLITE_PREPARE_PERSISTENT,
                                &s->statement[id], NULL);
    *out = s->statement[id];
    return rc == SQLITE_OK ? PENCHANT_OK : sqlite_error(s, rc, "use the database", err);
}

/* A statement without parameters and rows. */
static int run_plain(struct sqlite_store *s, enum sqlite_statement id, const char *what,
                     struct penchant_error *err)
{
    sqlite3_stmt *st;
    const int ready = sqlite_prepared(s, id, &st, err);
    return ready == PENCHANT_OK ? sqlite_run(s, st, what, err) : ready;
}

int sqlite_run(struct sqlite_store *s, sqlite3_stmt *st, const char *what,
               struct penchant_error *err)
{
    int rc = sqlite3_step(st);
    if (rc == SQLITE_DONE)
        rc = sqlite3_reset(st);
    if (rc == SQLITE_OK)
        return PENCHANT_OK;
    const int status = sqlite_error(s, rc, what, err);
    sqlite3_reset(st);
    return status;
}

bool sqlite_number(sqlite3_stmt *st, int column, uint32_t *out)
{
    const sqlite3_int64 v = sqlite3_column_int64(st, column);
    *out = (uint32_t)v;
    return v >= 0 && v < NAMES_NONE;
}

void sqlite_clean_wal(struct sqlite_store *s)
{
    if (s->clean_wal && sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE,
                                                  NULL, NULL) == SQLITE_OK)
        s->clean_wal = false;
}

static int sqlite_begin(struct store *store, struct penchant_error *err)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    if (s->failed && !s->read_only)
        return error_set(err, PENCHANT_EIO,
                         "an earlier write failed: the shop must be opened anew");
    if (!sqlite3_get_autocommit(s->db))
        return error_set(err, PENCHANT_EIO, "a transaction has been begun already");
    s->modality = 0;
    return run_plain(s, s->read_only ? SQL_BEGIN_READ : SQL_BEGIN_WRITE,
                     "begin a transaction", err);
}

static void sqlite_rollback(struct store *store)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    /* SQLite may have rolled back by itself, after a full disk for one. */
    if (!sqlite3_get_autocommit(s->db)) {
        if (run_plain(s, SQL_ROLLBACK, "roll back", NULL) != PENCHANT_OK)
            s->failed = true;
    }
    s->last_seq = s->committed_seq;
    s->last_slate = s->committed_slate;
}

static int sqlite_commit(struct store *store, struct penchant_error *err)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    const int status = run_plain(s, SQL_COMMIT, "commit", err);
    if (status != PENCHANT_OK) {
        s->failed = s->failed || !s->read_only;
        sqlite_rollback(store);
        return status;
    }
    s->committed_seq = s->last_seq;
    s->committed_slate = s->last_slate;
    sqlite_clean_wal(s);
    return PENCHANT_OK;
}

const struct store_backend store_sqlite = {
    .name = "sqlite",
    .open = sqlite_open,
    .close = sqlite_close,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .add_user = sqlite_add_user,
    .add_type = sqlite_add_type,
    .put_item = sqlite_put_item,
    .append_event = sqlite_append_event,
    .add_event_id = sqlite_add_event_id,
    .append_slate = sqlite_append_slate,
    .put_fact = sqlite_put_fact,
    .put_modality = sqlite_put_modality,
    .put_vector = sqlite_put_vector,
    .remove_modality = sqlite_remove_modality,
    .scan_users = sqlite_scan_users,
    .scan_types = sqlite_scan_types,
    .scan_items = sqlite_scan_items,
    .scan_events = sqlite_scan_events,
    .scan_slates = sqlite_scan_slates,
    .scan_modalities = sqlite_scan_modalities,
    .scan_vectors = sqlite_scan_vectors,
    .get_fact = sqlite_get_fact,
    .counts = sqlite_counts,
    .erase_users = sqlite_erase_users,
    .drop_events = sqlite_drop_events,
};

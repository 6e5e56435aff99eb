/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the SQLite store share; nobody else includes it. */
#ifndef STORE_STORE_SQLITE_H
#define STORE_STORE_SQLITE_H

#include <sqlite3.h>

#include "store/store.h"

/* Every statement that is kept prepared, with its text. */
#define SQLITE_STATEMENTS(X)                                                             \
    X(BEGIN_WRITE, "BEGIN IMMEDIATE")                                                    \
    X(BEGIN_READ, "BEGIN")                                                               \
    X(COMMIT, "COMMIT")                                                                  \
    X(ROLLBACK, "ROLLBACK")                                                              \
    X(ADD_USER, "INSERT INTO users(id, name) VALUES(?, ?)")                              \
    X(ADD_TYPE, "INSERT INTO types(id, name) VALUES(?, ?)")                              \
    X(PUT_ITEM, "INSERT INTO items(id, item_id, title, category, brand, price, "         \
                "available, deleted) VALUES(?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(id) "    \
                "DO UPDATE SET item_id = excluded.item_id, title = excluded.title, "     \
                "category = excluded.category, brand = excluded.brand, "                 \
                "price = excluded.price, available = excluded.available, "               \
                "deleted = excluded.deleted")                                            \
    X(APPEND_EVENT, "INSERT INTO events(seq, ts_us, user, item, type, value, quantity, " \
                    "session, recommendation, extra) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, " \
                    "?)")                                                                \
    X(ADD_EVENT_ID, "INSERT OR IGNORE INTO event_ids(hash) VALUES(?)")                   \
    X(APPEND_SLATE, "INSERT INTO slates(seq, id, ts_us, user, items, propensities, "     \
                    "model_version, placement, after_event, share, temperature, "        \
                    "kappa, epsilon, log_normaliser, pool, candidates, scores, "         \
                    "uncertainties, features) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "  \
                    "?, ?, ?, ?, ?, ?, ?, ?)")                                           \
    X(PUT_FACT, "INSERT INTO facts(name, value) VALUES(?, ?) ON CONFLICT(name) DO "      \
                "UPDATE SET value = excluded.value")                                     \
    X(REMOVE_FACT, "DELETE FROM facts WHERE name = ?")                                   \
    X(ADD_TO_FACT, "INSERT INTO facts(name, value) VALUES(?, ?) ON CONFLICT(name) DO "   \
                   "UPDATE SET value = CAST(value AS INTEGER) + excluded.value")         \
    X(GET_FACT, "SELECT value FROM facts WHERE name = ?")                                \
    X(SCAN_USERS, "SELECT id, name FROM users ORDER BY id")                              \
    X(SCAN_TYPES, "SELECT id, name FROM types ORDER BY id")                              \
    X(SCAN_ITEMS, "SELECT id, item_id, title, category, brand, price, available, "       \
                  "deleted FROM items ORDER BY id")                                      \
    X(SCAN_EVENTS, "SELECT seq, ts_us, user, item, type, value, quantity, session, "     \
                   "recommendation, extra FROM events WHERE seq > ? ORDER BY seq")       \
    X(SCAN_SLATES, "SELECT seq, id, ts_us, user, items, propensities, model_version, "   \
                   "placement, after_event, share, temperature, kappa, epsilon, "        \
                   "log_normaliser, pool, candidates, scores, uncertainties, features "  \
                   "FROM slates WHERE seq > ? ORDER BY seq")                             \
    X(SCAN_BARE_SLATES, "SELECT seq, id, ts_us, user, items, propensities, "             \
                        "model_version, placement, after_event, share, temperature, "    \
                        "kappa, epsilon, log_normaliser, pool, candidates, scores, "     \
                        "uncertainties FROM slates WHERE seq > ? ORDER BY seq")          \
    X(SCAN_PLAIN_SLATES, "SELECT seq, id, ts_us, user, items, propensities, "            \
                         "model_version, placement, NULL, NULL FROM slates WHERE "       \
                         "seq > ? ORDER BY seq")                                         \
    X(ADD_MODALITY, "INSERT INTO modalities(name, dim, weight) VALUES(?, ?, ?)")         \
    X(FIND_MODALITY, "SELECT id, dim FROM modalities WHERE name = ?")                    \
    X(REMOVE_MODALITY, "DELETE FROM modalities WHERE id = ?")                            \
    X(PUT_VECTOR, "INSERT INTO vectors(id, vector) VALUES(?, ?) ON CONFLICT(id) DO "     \
                  "UPDATE SET vector = excluded.vector")                                 \
    X(REMOVE_VECTORS, "DELETE FROM vectors WHERE id BETWEEN ? AND ?")                    \
    X(HAS_MODALITIES, "SELECT count(*) FROM sqlite_schema WHERE name = 'modalities'")    \
    X(SCAN_MODALITIES, "SELECT name, dim, weight FROM modalities ORDER BY name")         \
    X(SCAN_VECTORS, "SELECT id, vector FROM vectors WHERE id BETWEEN ? AND ? ORDER BY "  \
                    "id")                                                                \
    X(MAX_EVENT, "SELECT ifnull(max(seq), 0) FROM events")                               \
    X(MAX_SLATE, "SELECT ifnull(max(seq), 0) FROM slates")                               \
    X(COUNT_USERS, "SELECT ifnull(max(id) + 1, 0) FROM users")                           \
    X(COUNT_ITEMS, "SELECT ifnull(max(id) + 1, 0) FROM items")                           \
    X(ERASE_EVENTS, "DELETE FROM events WHERE erased(user)")                             \
    X(ERASE_SLATES, "DELETE FROM slates WHERE erased(user)")                             \
    X(ERASE_NAMES, "UPDATE users SET name = '' WHERE erased(id) AND name <> ''")         \
    X(DROP_EVENTS, "DELETE FROM events WHERE seq >= ? AND dropped(seq, ts_us, user, "    \
                   "item, type, value, quantity, session, recommendation, extra)")

enum sqlite_statement {
#define X(id, sql) SQL_##id,
    SQLITE_STATEMENTS(X)
#undef X
        SQL_STATEMENTS
};

/* The users being erased, sorted. */
struct sqlite_erasure {
    const uint32_t *id;
    size_t n;
};

struct sqlite_drop {
    store_event_fn *fn;
    void *cookie;
};

struct sqlite_store {
    struct store base;
    sqlite3 *db;
    sqlite3_stmt *statement[SQL_STATEMENTS];
    bool read_only;
    bool plain_slates; /* only read, and its slates have no choices yet */
    bool bare_slates;  /* the same, no features yet */
    bool failed;       /* a write failed: no more transactions */
    bool clean_wal;    /* erased bytes may still stand in the write-ahead log */
    uint64_t last_seq; /* of the last event appended, this transaction's included */
    uint64_t last_slate;
    uint64_t committed_seq, committed_slate;
    sqlite3_int64 modality; /* put last in this transaction; 0: none */
    uint32_t modality_dim;
    struct sqlite_erasure erasure; /* for erased() */
    struct sqlite_drop drop;       /* for dropped() */
};

/* Facts that count what was erased, so that counts need no scan. */
#define FACT_LAST_SEQ      "store.last_seq"
#define FACT_LAST_SLATE    "store.last_slate"
#define FACT_EVENTS_ERASED "store.events_erased"
#define FACT_SLATES_ERASED "store.slates_erased"
#define FACT_USERS_ERASED  "store.users_erased"

/* store_sqlite.c: the status of SQLite's result `rc`, told in err. */
int sqlite_error(struct sqlite_store *s, int rc, const char *what,
                 struct penchant_error *err);
/* The prepared statement, reset. */
int sqlite_prepared(struct sqlite_store *s, enum sqlite_statement id, sqlite3_stmt **out,
                    struct penchant_error *err);
/* Steps a statement that returns no rows. */
int sqlite_run(struct sqlite_store *s, sqlite3_stmt *st, const char *what,
               struct penchant_error *err);
/* Empties the write-ahead log when erased bytes may stand in it and nobody reads. */
void sqlite_clean_wal(struct sqlite_store *s);
/* Columns that must be of a 32-bit number; false when the value is none. */
bool sqlite_number(sqlite3_stmt *st, int column, uint32_t *out);

/* store_sqlite_open.c */
int sqlite_open(struct store **out, const struct store_options *o,
                struct penchant_error *err);
void sqlite_close(struct store *store);

/* store_sqlite_append.c */
int sqlite_add_user(struct store *store, uint32_t id, const char *name,
                    struct penchant_error *err);
int sqlite_add_type(struct store *store, uint32_t id, const char *name,
                    struct penchant_error *err);
int sqlite_put_item(struct store *store, uint32_t id, const struct store_item *item,
                    struct penchant_error *err);
int sqlite_append_event(struct store *store, const struct event *e,
                        struct penchant_error *err);
int sqlite_add_event_id(struct store *store, uint64_t hash, bool *seen,
                        struct penchant_error *err);
int sqlite_append_slate(struct store *store, const struct store_slate *slate,
                        struct penchant_error *err);
int sqlite_put_fact(struct store *store, const char *name, const char *value,
                    struct penchant_error *err);

/* The statement, unless no transaction was begun. */
int sqlite_writing(struct sqlite_store *s, enum sqlite_statement id, sqlite3_stmt **out,
                   struct penchant_error *err);

/* store_sqlite_vectors.c */
int sqlite_put_modality(struct store *store, const struct store_modality *m,
                        struct penchant_error *err);
int sqlite_put_vector(struct store *store, uint32_t item, const float *vector,
                      struct penchant_error *err);
int sqlite_remove_modality(struct store *store, const char *name,
                           struct penchant_error *err);
int sqlite_scan_modalities(struct store *store, store_modality_fn *fn, void *cookie,
                           struct penchant_error *err);
int sqlite_scan_vectors(struct store *store, const char *name, store_vector_fn *fn,
                        void *cookie, struct penchant_error *err);

/* store_sqlite_scan.c */
/* The end of a scan: rc is SQLite's last answer, answer what the callback said. */
int sqlite_finish(struct sqlite_store *s, sqlite3_stmt *st, int rc, int answer,
                  struct penchant_error *err);
int sqlite_scan_users(struct store *store, store_name_fn *fn, void *cookie,
                      struct penchant_error *err);
int sqlite_scan_types(struct store *store, store_name_fn *fn, void *cookie,
                      struct penchant_error *err);
int sqlite_scan_items(struct store *store, store_item_fn *fn, void *cookie,
                      struct penchant_error *err);
int sqlite_scan_events(struct store *store, uint64_t after_seq, store_event_fn *fn,
                       void *cookie, struct penchant_error *err);
int sqlite_scan_slates(struct store *store, uint64_t after_seq, store_slate_fn *fn,
                       void *cookie, struct penchant_error *err);
int sqlite_get_fact(struct store *store, const char *name, char *text, size_t n,
                    struct penchant_error *err);
int sqlite_last_numbers(struct sqlite_store *s, uint64_t *seq, uint64_t *slate,
                        struct penchant_error *err);
int sqlite_counts(struct store *store, struct store_counts *out,
                  struct penchant_error *err);

/* store_sqlite_erase.c */
/* Makes erased() and dropped() known; SQLite's result. */
int sqlite_erase_functions(struct sqlite_store *s);
int sqlite_erase_users(struct store *store, const uint32_t *id, size_t n,
                       struct penchant_error *err);
int sqlite_drop_events(struct store *store, uint64_t first_seq, store_event_fn *drop,
                       void *cookie, uint64_t *dropped, struct penchant_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that reads. What a row may not hold is PENCHANT_ECORRUPT. */
#include "store/store_sqlite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static const char *text_at(sqlite3_stmt *st, int column)
{
    return (const char *)sqlite3_column_text(st, column);
}

static double real_at(sqlite3_stmt *st, int column)
{
    return sqlite3_column_type(st, column) == SQLITE_NULL
               ? NAN
               : sqlite3_column_double(st, column);
}

static int corrupt(const char *table, struct penchant_error *err)
{
    return error_set(err, PENCHANT_ECORRUPT, "a row of %s cannot be", table);
}

int sqlite_finish(struct sqlite_store *s, sqlite3_stmt *st, int rc, int answer,
                  struct penchant_error *err)
{
    const int status =
        answer || rc == SQLITE_DONE ? answer : sqlite_error(s, rc, "read the shop", err);
    sqlite3_reset(st);
    return status;
}

static int scan_names(struct store *store, enum sqlite_statement id, store_name_fn *fn,
                      void *cookie, struct penchant_error *err)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    sqlite3_stmt *st;
    const int ready = sqlite_prepared(s, id, &st, err);
    if (ready != PENCHANT_OK)
        return ready;
    int rc, answer = 0;
    while (!answer && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        uint32_t number;
        const char *name = text_at(st, 1);
        answer = sqlite_number(st, 0, &number) && name ? fn(cookie, number, name)
                                                       : corrupt("names", err);
    }
    return sqlite_finish(s, st, rc, answer, err);
}

int sqlite_scan_users(struct store *store, store_name_fn *fn, void *cookie,
                      struct penchant_error *err)
{
    return scan_names(store, SQL_SCAN_USERS, fn, cookie, err);
}

int sqlite_scan_types(struct store *store, store_name_fn *fn, void *cookie,
                      struct penchant_error *err)
{
    return scan_names(store, SQL_SCAN_TYPES, fn, cookie, err);
}

int sqlite_scan_items(struct store *store, store_item_fn *fn, void *cookie,
                      struct penchant_error *err)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    sqlite3_stmt *st;
    const int ready = sqlite_prepared(s, SQL_SCAN_ITEMS, &st, err);
    if (ready != PENCHANT_OK)
        return ready;
    int rc, answer = 0;
    while (!answer && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        uint32_t number;
        const struct store_item item = {
            .item_id = text_at(st, 1),
            .title = text_at(st, 2),
            .category = text_at(st, 3),
            .brand = text_at(st, 4),
            .price = real_at(st, 5),
            .available = sqlite3_column_int(st, 6) != 0,
            .deleted = sqlite3_column_int(st, 7) != 0,
        };
        answer = sqlite_number(st, 0, &number) && item.item_id ? fn(cookie, number, &item)
                                                               : corrupt("items", err);
    }
    return sqlite_finish(s, st, rc, answer, err);
}

int sqlite_scan_events(struct store *store, uint64_t after_seq, store_event_fn *fn,
                       void *cookie, struct penchant_error *err)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    sqlite3_stmt *st;
    const int ready = sqlite_prepared(s, SQL_SCAN_EVENTS, &st, err);
    if (ready != PENCHANT_OK)
        return ready;
    sqlite3_bind_int64(st, 1, (sqlite3_int64)after_seq);
    int rc, answer = 0;
    while (!answer && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct event e = {
            .seq = (uint64_t)sqlite3_column_int64(st, 0),
            .ts_us = sqlite3_column_int64(st, 1),
            .item = NAMES_NONE,
            .value = real_at(st, 5),
            .quantity = real_at(st, 6),
            .session = text_at(st, 7),
            .recommendation = text_at(st, 8),
            .extra = text_at(st, 9),
        };
        const bool good =
            sqlite_number(st, 2, &e.user) && sqlite_number(st, 4, &e.type) &&
            (sqlite3_column_type(st, 3) == SQLITE_NULL || sqlite_number(st, 3, &e.item));
        answer = good ? fn(cookie, &e) : corrupt("events", err);
    }
    return sqlite_finish(s, st, rc, answer, err);
}

/* An array of n 4-byte values, or NULL; false when the column holds another number. */
static bool array_at(sqlite3_stmt *st, int column, uint32_t n, const void **out)
{
    *out = sqlite3_column_blob(st, column);
    return !*out || (size_t)sqlite3_column_bytes(st, column) == n * sizeof(uint32_t);
}

/* From column `at` on; false when they cannot be. */
static bool read_choice(sqlite3_stmt *st, int at, struct store_choice *c)
{
    const int bytes = sqlite3_column_bytes(st, at + 6);
    const void *item, *score, *uncertainty;
    *c = (struct store_choice){
        .share = sqlite3_column_double(st, at),
        .temperature = sqlite3_column_double(st, at + 1),
        .kappa = sqlite3_column_double(st, at + 2),
        .epsilon = sqlite3_column_double(st, at + 3),
        .log_normaliser = real_at(st, at + 4),
        .n = (uint32_t)bytes / sizeof(uint32_t),
    };
    const bool good = c->n > 0 && sqlite_number(st, at + 5, &c->pool) &&
                      array_at(st, at + 6, c->n, &item) &&
                      array_at(st, at + 7, c->n, &score) &&
                      array_at(st, at + 8, c->n, &uncertainty) && item && score;
    if (!good)
        return false;
    c->item = item;
    c->score = score;
    c->uncertainty = uncertainty;
    return true;
}

/* The row that the statement stands at. */
static bool read_slate(sqlite3_stmt *st, struct store_slate *slate,
                       struct store_choice *choice)
{
    const void *items, *propensities;
    *slate = (struct store_slate){
        .seq = (uint64_t)sqlite3_column_int64(st, 0),
        .id = text_at(st, 1),
        .ts_us = sqlite3_column_int64(st, 2),
        .user = NAMES_NONE,
        .n = (uint32_t)sqlite3_column_bytes(st, 4) / sizeof(uint32_t),
        .model_version = (uint64_t)sqlite3_column_int64(st, 6),
        .placement = text_at(st, 7),
        .after_event = (uint64_t)sqlite3_column_int64(st, 8),
    };
    const bool drawn = sqlite3_column_type(st, 9) != SQLITE_NULL;
    const bool good = slate->id && array_at(st, 4, slate->n, &items) &&
                      array_at(st, 5, slate->n, &propensities) &&
                      (!drawn || propensities) &&
                      (sqlite3_column_type(st, 3) == SQLITE_NULL ||
                       sqlite_number(st, 3, &slate->user)) &&
                      (!drawn || read_choice(st, 9, choice));
    if (!good)
        return false;
    slate->items = items;
    slate->propensities = propensities;
    slate->choice = drawn ? choice : NULL;
    if (sqlite3_column_count(st) <= 18)
        return true;
    slate->n_features = (uint32_t)sqlite3_column_bytes(st, 18) / sizeof(float);
    if (!array_at(st, 18, slate->n_features, &items))
        return false;
    slate->features = items;
    return true;
}

int sqlite_scan_slates(struct store *store, uint64_t after_seq, store_slate_fn *fn,
                       void *cookie, struct penchant_error *err)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    sqlite3_stmt *st;
    const int ready = sqlite_prepared(s,
                                      s->plain_slates  ? SQL_SCAN_PLAIN_SLATES
                                      : s->bare_slates ? SQL_SCAN_BARE_SLATES
                                                       : SQL_SCAN_SLATES,
                                      &st, err);
    if (ready != PENCHANT_OK)
        return ready;
    sqlite3_bind_int64(st, 1, (sqlite3_int64)after_seq);
    int rc, answer = 0;
    while (!answer && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct store_slate slate;
        struct store_choice choice;
        answer =
            read_slate(st, &slate, &choice) ? fn(cookie, &slate) : corrupt("slates", err);
    }
    return sqlite_finish(s, st, rc, answer, err);
}

int sqlite_get_fact(struct store *store, const char *name, char *text, size_t n,
                    struct penchant_error *err)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    *text = 0;
    sqlite3_stmt *st;
    const int ready = sqlite_prepared(s, SQL_GET_FACT, &st, err);
    if (ready != PENCHANT_OK)
        return ready;
    sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
    const int rc = sqlite3_step(st);
    int status = PENCHANT_OK;
    if (rc == SQLITE_ROW) {
        const char *value = text_at(st, 0);
        if (value && (size_t)snprintf(text, n, "%s", value) >= n)
            status = error_set(err, PENCHANT_ELIMIT, "the fact %s is too long", name);
    } else if (rc != SQLITE_DONE) {
        status = sqlite_error(s, rc, "read a fact", err);
    }
    sqlite3_reset(st);
    return status;
}

/* A fact that is a number; 0 when it is missing. */
static int fact_number(struct store *store, const char *name, uint64_t *out,
                       struct penchant_error *err)
{
    char text[32];
    const int status = sqlite_get_fact(store, name, text, sizeof(text), err);
    *out = strtoull(text, NULL, 10);
    return status;
}

static int one_number(struct sqlite_store *s, enum sqlite_statement id, uint64_t *out,
                      struct penchant_error *err)
{
    sqlite3_stmt *st;
    const int ready = sqlite_prepared(s, id, &st, err);
    if (ready != PENCHANT_OK)
        return ready;
    const int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        *out = (uint64_t)sqlite3_column_int64(st, 0);
    return sqlite_finish(s, st, rc == SQLITE_ROW ? SQLITE_DONE : rc, 0, err);
}

/* The largest number that a table ever gave: what it holds or held before an erasure. */
static int last_number(struct sqlite_store *s, enum sqlite_statement id, const char *fact,
                       uint64_t *out, struct penchant_error *err)
{
    uint64_t held = 0;
    int status = one_number(s, id, out, err);
    if (status == PENCHANT_OK)
        status = fact_number(&s->base, fact, &held, err);
    if (held > *out)
        *out = held;
    return status;
}

int sqlite_last_numbers(struct sqlite_store *s, uint64_t *seq, uint64_t *slate,
                        struct penchant_error *err)
{
    const int status = last_number(s, SQL_MAX_EVENT, FACT_LAST_SEQ, seq, err);
    return status ? status : last_number(s, SQL_MAX_SLATE, FACT_LAST_SLATE, slate, err);
}

static uint64_t file_bytes(const char *path)
{
    struct stat st;
    return path && stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

int sqlite_counts(struct store *store, struct store_counts *out,
                  struct penchant_error *err)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    const char *path = sqlite3_db_filename(s->db, "main");
    uint64_t events = 0, slates = 0, users = 0;
    *out = (struct store_counts){.bytes = file_bytes(path)};
    out->bytes += file_bytes(sqlite3_filename_wal(path));
    int status = sqlite_last_numbers(s, &out->last_seq, &out->slates, err);
    if (status == PENCHANT_OK)
        status = one_number(s, SQL_COUNT_USERS, &out->users, err);
    if (status == PENCHANT_OK)
        status = one_number(s, SQL_COUNT_ITEMS, &out->items, err);
    if (status == PENCHANT_OK)
        status = fact_number(store, FACT_EVENTS_ERASED, &events, err);
    if (status == PENCHANT_OK)
        status = fact_number(store, FACT_SLATES_ERASED, &slates, err);
    if (status == PENCHANT_OK)
        status = fact_number(store, FACT_USERS_ERASED, &users, err);
    out->last_slate = out->slates;
    out->events = out->last_seq - events;
    out->slates -= slates;
    out->users -= users;
    return status;
}

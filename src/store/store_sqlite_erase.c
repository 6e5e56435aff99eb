/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Erasure by one scan of the log for any number of users (there is no index on users),
 * and the dropping of events during an import. Both are DELETE statements that ask a
 * function of ours. secure_delete overwrites the bytes in the database, and the
 * write-ahead log is emptied afterwards.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/store_sqlite.h"

static int compare_ids(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* erased(user): whether it is one of those being erased. */
static void erased(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    const struct sqlite_store *s = sqlite3_user_data(context);
    (void)argc;
    if (sqlite3_value_type(argv[0]) == SQLITE_NULL) {
        sqlite3_result_int(context, 0);
        return;
    }
    const uint32_t user = (uint32_t)sqlite3_value_int64(argv[0]);
    sqlite3_result_int(context, bsearch(&user, s->erasure.id, s->erasure.n, sizeof(user),
                                        compare_ids) != NULL);
}

static double real_of(sqlite3_value *v)
{
    return sqlite3_value_type(v) == SQLITE_NULL ? NAN : sqlite3_value_double(v);
}

/* dropped(the columns of an event): whether the callback wants it out. */
static void dropped(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    const struct sqlite_store *s = sqlite3_user_data(context);
    (void)argc;
    const struct event e = {
        .seq = (uint64_t)sqlite3_value_int64(argv[0]),
        .ts_us = sqlite3_value_int64(argv[1]),
        .user = (uint32_t)sqlite3_value_int64(argv[2]),
        .item = sqlite3_value_type(argv[3]) == SQLITE_NULL
                    ? NAMES_NONE
                    : (uint32_t)sqlite3_value_int64(argv[3]),
        .type = (uint32_t)sqlite3_value_int64(argv[4]),
        .value = real_of(argv[5]),
        .quantity = real_of(argv[6]),
        .session = (const char *)sqlite3_value_text(argv[7]),
        .recommendation = (const char *)sqlite3_value_text(argv[8]),
        .extra = (const char *)sqlite3_value_text(argv[9]),
    };
    sqlite3_result_int(context, s->drop.fn(s->drop.cookie, &e) != 0);
}

int sqlite_erase_functions(struct sqlite_store *s)
{
    const int flags = SQLITE_UTF8 | SQLITE_DIRECTONLY;
    const int rc = sqlite3_create_function_v2(s->db, "erased", 1, flags, s, erased, NULL,
                                              NULL, NULL);
    return rc == SQLITE_OK ? sqlite3_create_function_v2(s->db, "dropped", 10, flags, s,
                                                        dropped, NULL, NULL, NULL)
                           : rc;
}

/* Adds to a fact that is a number. */
static int add_to_fact(struct sqlite_store *s, const char *name, uint64_t n,
                       struct penchant_error *err)
{
    sqlite3_stmt *st;
    const int ready = sqlite_prepared(s, SQL_ADD_TO_FACT, &st, err);
    if (ready != PENCHANT_OK)
        return ready;
    sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(st, 2, (sqlite3_int64)n);
    return sqlite_run(s, st, "write a fact", err);
}

static int put_number(struct sqlite_store *s, const char *name, uint64_t n,
                      struct penchant_error *err)
{
    char text[32];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
    return sqlite_put_fact(&s->base, name, text, err);
}

/* Runs one DELETE or UPDATE and adds the number of its rows to a fact. */
static int erase_rows(struct sqlite_store *s, enum sqlite_statement id, const char *fact,
                      struct penchant_error *err)
{
    sqlite3_stmt *st;
    int status = sqlite_prepared(s, id, &st, err);
    if (status == PENCHANT_OK)
        status = sqlite_run(s, st, "erase", err);
    return status ? status
                  : add_to_fact(s, fact, (uint64_t)sqlite3_changes64(s->db), err);
}

static int erase_all(struct sqlite_store *s, struct penchant_error *err)
{
    int status = put_number(s, FACT_LAST_SEQ, s->last_seq, err);
    if (status == PENCHANT_OK)
        status = put_number(s, FACT_LAST_SLATE, s->last_slate, err);
    if (status == PENCHANT_OK)
        status = erase_rows(s, SQL_ERASE_EVENTS, FACT_EVENTS_ERASED, err);
    if (status == PENCHANT_OK)
        status = erase_rows(s, SQL_ERASE_SLATES, FACT_SLATES_ERASED, err);
    return status ? status : erase_rows(s, SQL_ERASE_NAMES, FACT_USERS_ERASED, err);
}

int sqlite_erase_users(struct store *store, const uint32_t *id, size_t n,
                       struct penchant_error *err)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    uint32_t *sorted = malloc((n ? n : 1) * sizeof(*sorted));
    if (!sorted)
        return error_memory(err);
    memcpy(sorted, id, n * sizeof(*sorted));
    qsort(sorted, n, sizeof(*sorted), compare_ids);
    s->erasure = (struct sqlite_erasure){sorted, n};
    int status = store->ops->begin(store, err);
    if (status == PENCHANT_OK) {
        s->clean_wal = true;
        status = erase_all(s, err);
        if (status == PENCHANT_OK)
            status = store->ops->commit(store, err);
        else
            store->ops->rollback(store);
    }
    s->erasure = (struct sqlite_erasure){0};
    free(sorted);
    return status;
}

int sqlite_drop_events(struct store *store, uint64_t first_seq, store_event_fn *drop,
                       void *cookie, uint64_t *n, struct penchant_error *err)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    *n = 0;
    if (first_seq <= s->committed_seq)
        return error_set(err, PENCHANT_EINVALID,
                         "only events of this transaction can be dropped");
    sqlite3_stmt *st;
    const int ready = sqlite_prepared(s, SQL_DROP_EVENTS, &st, err);
    if (ready != PENCHANT_OK)
        return ready;
    s->drop = (struct sqlite_drop){drop, cookie};
    sqlite3_bind_int64(st, 1, (sqlite3_int64)first_seq);
    int status = sqlite_run(s, st, "drop events", err);
    s->drop = (struct sqlite_drop){0};
    if (status == PENCHANT_OK) {
        *n = (uint64_t)sqlite3_changes64(s->db);
        status = add_to_fact(s, FACT_EVENTS_ERASED, *n, err);
    }
    return status ? status : put_number(s, FACT_LAST_SEQ, s->last_seq, err);
}

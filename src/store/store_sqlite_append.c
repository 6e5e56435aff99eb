/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that adds rows; called inside a transaction. */
#include "store/store_sqlite.h"

int sqlite_writing(struct sqlite_store *s, enum sqlite_statement id, sqlite3_stmt **out,
                   struct penchant_error *err)
{
    if (s->read_only)
        return error_set(err, PENCHANT_EREADONLY, "the shop is open for reading only");
    if (sqlite3_get_autocommit(s->db))
        return error_set(err, PENCHANT_EINVALID, "no transaction was begun");
    return sqlite_prepared(s, id, out, err);
}

static void bind_text(sqlite3_stmt *st, int at, const char *text)
{
    /* The statement is reset before the caller's text can go away. */
    if (text)
        sqlite3_bind_text(st, at, text, -1, SQLITE_STATIC);
    else
        sqlite3_bind_null(st, at);
}

static void bind_number(sqlite3_stmt *st, int at, uint32_t number)
{
    if (number == NAMES_NONE)
        sqlite3_bind_null(st, at);
    else
        sqlite3_bind_int64(st, at, number);
}

static int add_name(struct store *store, enum sqlite_statement id, uint32_t number,
                    const char *name, struct penchant_error *err)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    sqlite3_stmt *st;
    const int ready = sqlite_writing(s, id, &st, err);
    if (ready != PENCHANT_OK)
        return ready;
    sqlite3_bind_int64(st, 1, number);
    bind_text(st, 2, name);
    return sqlite_run(s, st, "add a name", err);
}

int sqlite_add_user(struct store *store, uint32_t id, const char *name,
                    struct penchant_error *err)
{
    return add_name(store, SQL_ADD_USER, id, name, err);
}

int sqlite_add_type(struct store *store, uint32_t id, const char *name,
                    struct penchant_error *err)
{
    return add_name(store, SQL_ADD_TYPE, id, name, err);
}

int sqlite_put_item(struct store *store, uint32_t id, const struct store_item *item,
                    struct penchant_error *err)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    sqlite3_stmt *st;
    const int ready = sqlite_writing(s, SQL_PUT_ITEM, &st, err);
    if (ready != PENCHANT_OK)
        return ready;
    sqlite3_bind_int64(st, 1, id);
    bind_text(st, 2, item->item_id);
    bind_text(st, 3, item->title);
    bind_text(st, 4, item->category);
    bind_text(st, 5, item->brand);
    sqlite3_bind_double(st, 6, item->price); /* a NaN becomes NULL */
    sqlite3_bind_int(st, 7, item->available);
    sqlite3_bind_int(st, 8, item->deleted);
    return sqlite_run(s, st, "write an item", err);
}

int sqlite_append_event(struct store *store, const struct event *e,
                        struct penchant_error *err)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    sqlite3_stmt *st;
    const int ready = sqlite_writing(s, SQL_APPEND_EVENT, &st, err);
    if (ready != PENCHANT_OK)
        return ready;
    if (e->seq != s->last_seq + 1)
        return error_set(err, PENCHANT_EINVALID, "event %llu follows %llu",
                         (unsigned long long)e->seq, (unsigned long long)s->last_seq);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)e->seq);
    sqlite3_bind_int64(st, 2, e->ts_us);
    sqlite3_bind_int64(st, 3, e->user);
    bind_number(st, 4, e->item);
    sqlite3_bind_int64(st, 5, e->type);
    sqlite3_bind_double(st, 6, e->value);
    sqlite3_bind_double(st, 7, e->quantity);
    bind_text(st, 8, e->session);
    bind_text(st, 9, e->recommendation);
    bind_text(st, 10, e->extra);
    const int status = sqlite_run(s, st, "append an event", err);
    if (status == PENCHANT_OK)
        s->last_seq = e->seq;
    return status;
}

int sqlite_add_event_id(struct store *store, uint64_t hash, bool *seen,
                        struct penchant_error *err)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    sqlite3_stmt *st;
    const int ready = sqlite_writing(s, SQL_ADD_EVENT_ID, &st, err);
    if (ready != PENCHANT_OK)
        return ready;
    sqlite3_bind_int64(st, 1, (sqlite3_int64)hash);
    const int status = sqlite_run(s, st, "remember an event_id", err);
    *seen = status == PENCHANT_OK && sqlite3_changes(s->db) == 0;
    return status;
}

static void bind_array(sqlite3_stmt *st, int at, const void *array, size_t n)
{
    if (!array)
        sqlite3_bind_null(st, at);
    else if (n)
        sqlite3_bind_blob64(st, at, array, n * sizeof(uint32_t), SQLITE_STATIC);
    else
        sqlite3_bind_zeroblob(st, at, 0);
}

/* Columns from `at` on; a statement that was bound before holds the last slate's. */
static void bind_choice(sqlite3_stmt *st, int at, const struct store_choice *c)
{
    for (int i = 0; i < 9; i++)
        sqlite3_bind_null(st, at + i);
    if (!c)
        return;
    sqlite3_bind_double(st, at, c->share);
    sqlite3_bind_double(st, at + 1, c->temperature);
    sqlite3_bind_double(st, at + 2, c->kappa);
    sqlite3_bind_double(st, at + 3, c->epsilon);
    sqlite3_bind_double(st, at + 4, c->log_normaliser); /* a NaN becomes NULL */
    sqlite3_bind_int64(st, at + 5, c->pool);
    bind_array(st, at + 6, c->item, c->n);
    bind_array(st, at + 7, c->score, c->n);
    bind_array(st, at + 8, c->uncertainty, c->n);
}

int sqlite_append_slate(struct store *store, const struct store_slate *slate,
                        struct penchant_error *err)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    sqlite3_stmt *st;
    const int ready = sqlite_writing(s, SQL_APPEND_SLATE, &st, err);
    if (ready != PENCHANT_OK)
        return ready;
    sqlite3_bind_int64(st, 1, (sqlite3_int64)(s->last_slate + 1));
    bind_text(st, 2, slate->id);
    sqlite3_bind_int64(st, 3, slate->ts_us);
    bind_number(st, 4, slate->user);
    bind_array(st, 5, slate->n ? (const void *)slate->items : "", slate->n);
    bind_array(st, 6, slate->propensities, slate->n);
    sqlite3_bind_int64(st, 7, (sqlite3_int64)slate->model_version);
    bind_text(st, 8, slate->placement);
    sqlite3_bind_int64(st, 9, (sqlite3_int64)slate->after_event);
    bind_choice(st, 10, slate->choice);
    bind_array(st, 19, slate->features, slate->n_features);
    const int status = sqlite_run(s, st, "append a slate", err);
    if (status == PENCHANT_OK)
        s->last_slate++;
    return status;
}

int sqlite_put_fact(struct store *store, const char *name, const char *value,
                    struct penchant_error *err)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    sqlite3_stmt *st;
    const int ready = sqlite_writing(s, value ? SQL_PUT_FACT : SQL_REMOVE_FACT, &st, err);
    if (ready != PENCHANT_OK)
        return ready;
    bind_text(st, 1, name);
    if (value)
        bind_text(st, 2, value);
    return sqlite_run(s, st, "write a fact", err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Imported vectors: a modality is a row with its name, its vectors are the rows
 * [id * 2^32, (id + 1) * 2^32) of one table, float32 in the machine's order.
 */
#include "store/store_sqlite.h"

enum { ITEM_BITS = 32 };

static void bind_range(sqlite3_stmt *st, sqlite3_int64 modality)
{
    sqlite3_bind_int64(st, 1, modality << ITEM_BITS);
    sqlite3_bind_int64(st, 2, (modality << ITEM_BITS) + UINT32_MAX);
}

/* *id is 0 when there is none. */
static int find(struct sqlite_store *s, const char *name, sqlite3_int64 *id,
                uint32_t *dim, struct penchant_error *err)
{
    sqlite3_stmt *st;
    const int ready = sqlite_prepared(s, SQL_FIND_MODALITY, &st, err);
    *id = 0;
    if (ready != PENCHANT_OK)
        return ready;
    sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
    const int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        *id = sqlite3_column_int64(st, 0);
        *dim = (uint32_t)sqlite3_column_int64(st, 1);
    }
    return sqlite_finish(s, st, rc == SQLITE_ROW ? SQLITE_DONE : rc, 0, err);
}

int sqlite_remove_modality(struct store *store, const char *name,
                           struct penchant_error *err)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    sqlite3_stmt *st;
    sqlite3_int64 id;
    uint32_t dim;
    int status = sqlite_writing(s, SQL_REMOVE_MODALITY, &st, err);
    s->modality = 0;
    if (status == PENCHANT_OK)
        status = find(s, name, &id, &dim, err);
    if (status != PENCHANT_OK || !id)
        return status;
    sqlite3_bind_int64(st, 1, id);
    status = sqlite_run(s, st, "remove vectors", err);
    if (status == PENCHANT_OK)
        status = sqlite_writing(s, SQL_REMOVE_VECTORS, &st, err);
    if (status != PENCHANT_OK)
        return status;
    bind_range(st, id);
    return sqlite_run(s, st, "remove vectors", err);
}

int sqlite_put_modality(struct store *store, const struct store_modality *m,
                        struct penchant_error *err)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    sqlite3_stmt *st;
    int status = sqlite_remove_modality(store, m->name, err);
    if (status == PENCHANT_OK)
        status = sqlite_writing(s, SQL_ADD_MODALITY, &st, err);
    if (status != PENCHANT_OK)
        return status;
    sqlite3_bind_text(st, 1, m->name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(st, 2, m->dim);
    sqlite3_bind_double(st, 3, m->weight);
    status = sqlite_run(s, st, "add vectors", err);
    s->modality = status == PENCHANT_OK ? sqlite3_last_insert_rowid(s->db) : 0;
    s->modality_dim = m->dim;
    return status;
}

int sqlite_put_vector(struct store *store, uint32_t item, const float *vector,
                      struct penchant_error *err)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    sqlite3_stmt *st;
    const int ready = sqlite_writing(s, SQL_PUT_VECTOR, &st, err);
    if (ready != PENCHANT_OK)
        return ready;
    if (!s->modality)
        return error_set(err, PENCHANT_EINVALID, "no modality was put");
    sqlite3_bind_int64(st, 1, (s->modality << ITEM_BITS) + item);
    sqlite3_bind_blob64(st, 2, vector, s->modality_dim * sizeof(float), SQLITE_STATIC);
    return sqlite_run(s, st, "add a vector", err);
}

/* A database of an older program that is only read has no such tables. */
static int has_tables(struct sqlite_store *s, bool *has, struct penchant_error *err)
{
    sqlite3_stmt *st;
    const int ready = sqlite_prepared(s, SQL_HAS_MODALITIES, &st, err);
    if (ready != PENCHANT_OK)
        return ready;
    const int rc = sqlite3_step(st);
    *has = rc == SQLITE_ROW && sqlite3_column_int(st, 0) > 0;
    return sqlite_finish(s, st, rc == SQLITE_ROW ? SQLITE_DONE : rc, 0, err);
}

int sqlite_scan_modalities(struct store *store, store_modality_fn *fn, void *cookie,
                           struct penchant_error *err)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    sqlite3_stmt *st;
    bool has = false;
    int status = has_tables(s, &has, err);
    if (status != PENCHANT_OK || !has)
        return status;
    if ((status = sqlite_prepared(s, SQL_SCAN_MODALITIES, &st, err)) != PENCHANT_OK)
        return status;
    int rc, answer = 0;
    while (!answer && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct store_modality m = {.name = (const char *)sqlite3_column_text(st, 0),
                                   .weight = sqlite3_column_double(st, 2)};
        answer = m.name && sqlite_number(st, 1, &m.dim)
                     ? fn(cookie, &m)
                     : error_set(err, PENCHANT_ECORRUPT, "a row of modalities cannot be");
    }
    return sqlite_finish(s, st, rc, answer, err);
}

int sqlite_scan_vectors(struct store *store, const char *name, store_vector_fn *fn,
                        void *cookie, struct penchant_error *err)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    sqlite3_stmt *st;
    sqlite3_int64 id = 0;
    uint32_t dim = 0;
    bool has = false;
    int status = has_tables(s, &has, err);
    if (status == PENCHANT_OK && has)
        status = find(s, name, &id, &dim, err);
    if (status != PENCHANT_OK || !id)
        return status;
    if ((status = sqlite_prepared(s, SQL_SCAN_VECTORS, &st, err)) != PENCHANT_OK)
        return status;
    bind_range(st, id);
    int rc, answer = 0;
    while (!answer && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        const uint32_t item = (uint32_t)sqlite3_column_int64(st, 0);
        const float *vector = sqlite3_column_blob(st, 1);
        const bool whole =
            vector && (size_t)sqlite3_column_bytes(st, 1) == dim * sizeof(float);
        answer = whole ? fn(cookie, item, vector)
                       : error_set(err, PENCHANT_ECORRUPT, "a row of vectors cannot be");
    }
    return sqlite_finish(s, st, rc, answer, err);
}

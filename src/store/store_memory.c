/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store that keeps nothing: plain arrays, as the executable specification of store.h
 * and for tests. Every write adds a row at the end of a table (a replaced item or fact
 * gets a newer row that counts), so undoing a transaction is cutting the tables to the
 * lengths that they had at its begin.
 */
#include "store/store_memory_tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- opening and transactions ---- */

static int memory_open(struct store **out, const struct store_options *o,
                       struct penchant_error *err)
{
    *out = NULL;
    if (o->read_only)
        return error_set(err, PENCHANT_EINVALID,
                         "a store in memory cannot be read beside its writer");
    struct memory_store *s = calloc(1, sizeof(*s));
    if (!s)
        return error_memory(err);
    s->base.ops = &store_memory;
    *out = &s->base;
    return PENCHANT_OK;
}

static void memory_close(struct store *store)
{
    struct memory_store *s = (struct memory_store *)store;
    if (!s)
        return;
    for (enum table_id id = 0; id < TABLES; id++) {
        memory_cut(s, id, 0);
        free(s->table[id].row);
    }
    free(s->seen);
    free(s);
}

static int memory_begin(struct store *store, struct penchant_error *err)
{
    struct memory_store *s = (struct memory_store *)store;
    if (s->writing)
        return error_set(err, PENCHANT_EIO, "a transaction has been begun already");
    for (enum table_id id = 0; id < TABLES; id++)
        s->table[id].begun = s->table[id].n;
    s->begun_seq = s->last_seq;
    s->begun_slate = s->last_slate;
    s->writing = true;
    return PENCHANT_OK;
}

static int memory_commit(struct store *store, struct penchant_error *err)
{
    struct memory_store *s = (struct memory_store *)store;
    if (!s->writing)
        return error_set(err, PENCHANT_EIO, "no transaction was begun");
    s->writing = false;
    return PENCHANT_OK;
}

static size_t hash_slot(const struct memory_store *s, uint64_t hash)
{
    const uint64_t *id = (const uint64_t *)(void *)s->table[EVENT_IDS].row;
    size_t i = hash & (s->slots - 1);
    while (s->seen[i] && id[s->seen[i] - 1] != hash)
        i = (i + 1) & (s->slots - 1);
    return i;
}

static void index_event_ids(struct memory_store *s)
{
    const uint64_t *id = (const uint64_t *)(void *)s->table[EVENT_IDS].row;
    if (s->slots)
        memset(s->seen, 0, s->slots * sizeof(*s->seen));
    for (size_t i = 0; i < s->table[EVENT_IDS].n; i++)
        s->seen[hash_slot(s, id[i])] = i + 1;
}

static void memory_rollback(struct store *store)
{
    struct memory_store *s = (struct memory_store *)store;
    if (!s->writing)
        return;
    for (enum table_id id = 0; id < TABLES; id++)
        memory_cut(s, id, s->table[id].begun);
    s->last_seq = s->begun_seq;
    s->last_slate = s->begun_slate;
    index_event_ids(s);
    s->writing = false;
}

/* ---- writing ---- */

static int add_name(struct store *store, enum table_id table, uint32_t id,
                    const char *name, struct penchant_error *err)
{
    struct memory_store *s = (struct memory_store *)store;
    if (id != s->table[table].n)
        return error_set(err, PENCHANT_ECORRUPT, "number %u follows %zu", id,
                         s->table[table].n);
    bool complete = true;
    const char *row = memory_copy_text(name, &complete);
    return memory_add_row(s, table, &row, complete, err);
}

static int memory_add_user(struct store *store, uint32_t id, const char *name,
                           struct penchant_error *err)
{
    return add_name(store, USERS, id, name, err);
}

static int memory_add_type(struct store *store, uint32_t id, const char *name,
                           struct penchant_error *err)
{
    return add_name(store, TYPES, id, name, err);
}

static int memory_put_item(struct store *store, uint32_t id,
                           const struct store_item *item, struct penchant_error *err)
{
    bool complete = true;
    struct item_row row = {.id = id, .item = *item};
    row.item.item_id = memory_copy_text(item->item_id, &complete);
    row.item.title = memory_copy_text(item->title, &complete);
    row.item.category = memory_copy_text(item->category, &complete);
    row.item.brand = memory_copy_text(item->brand, &complete);
    return memory_add_row((struct memory_store *)store, ITEMS, &row, complete, err);
}

static int memory_append_event(struct store *store, const struct event *e,
                               struct penchant_error *err)
{
    struct memory_store *s = (struct memory_store *)store;
    if (e->seq != s->last_seq + 1)
        return error_set(err, PENCHANT_EINVALID, "event %llu follows %llu",
                         (unsigned long long)e->seq, (unsigned long long)s->last_seq);
    bool complete = true;
    struct event row = *e;
    row.session = memory_copy_text(e->session, &complete);
    row.recommendation = memory_copy_text(e->recommendation, &complete);
    row.extra = memory_copy_text(e->extra, &complete);
    row.query = row.text = NULL; /* as the log has them in `extra` */
    const int status = memory_add_row(s, EVENTS, &row, complete, err);
    if (status == PENCHANT_OK)
        s->last_seq = e->seq;
    return status;
}

static int memory_add_event_id(struct store *store, uint64_t hash, bool *seen,
                               struct penchant_error *err)
{
    struct memory_store *s = (struct memory_store *)store;
    const size_t n = s->table[EVENT_IDS].n;
    if (2 * n >= s->slots) {
        const size_t slots = s->slots ? 2 * s->slots : 64;
        uint64_t *grown = realloc(s->seen, slots * sizeof(*grown));
        if (!grown)
            return error_memory(err);
        s->seen = grown;
        s->slots = slots;
        index_event_ids(s);
    }
    const size_t slot = hash_slot(s, hash);
    *seen = s->seen[slot] != 0;
    const int status =
        *seen ? PENCHANT_OK : memory_add_row(s, EVENT_IDS, &hash, true, err);
    if (!*seen && status == PENCHANT_OK)
        s->seen[slot] = n + 1;
    return status;
}

static const struct store_choice *copy_choice(const struct store_choice *c,
                                              bool *complete)
{
    struct store_choice *out = c ? memory_copy(c, sizeof(*c), complete) : NULL;
    if (!out)
        return NULL;
    out->item = memory_copy(c->item, c->n * sizeof(uint32_t), complete);
    out->score = memory_copy(c->score, c->n * sizeof(float), complete);
    out->uncertainty = memory_copy(c->uncertainty, c->n * sizeof(float), complete);
    return out;
}

static int memory_append_slate(struct store *store, const struct store_slate *slate,
                               struct penchant_error *err)
{
    bool complete = true;
    struct memory_store *s = (struct memory_store *)store;
    struct store_slate row = *slate;
    row.seq = s->last_slate + 1;
    row.id = memory_copy_text(slate->id, &complete);
    row.placement = memory_copy_text(slate->placement, &complete);
    row.items = memory_copy(slate->items, slate->n * sizeof(uint32_t), &complete);
    row.propensities =
        memory_copy(slate->propensities, slate->n * sizeof(float), &complete);
    row.choice = copy_choice(slate->choice, &complete);
    row.features =
        memory_copy(slate->features, slate->n_features * sizeof(float), &complete);
    const int status = memory_add_row(s, SLATES, &row, complete, err);
    s->last_slate += status == PENCHANT_OK;
    return status;
}

static int memory_put_fact(struct store *store, const char *name, const char *value,
                           struct penchant_error *err)
{
    bool complete = true;
    struct fact_row row = {.name = memory_copy_text(name, &complete)};
    row.value = memory_copy_text(value, &complete);
    return memory_add_row((struct memory_store *)store, FACTS, &row, complete, err);
}

/* ---- reading ---- */

static int scan_names(struct store *store, enum table_id table, store_name_fn *fn,
                      void *cookie)
{
    struct memory_store *s = (struct memory_store *)store;
    int answer = 0;
    for (uint32_t i = 0; !answer && i < s->table[table].n; i++)
        answer = fn(cookie, i, *(const char **)memory_row(s, table, i));
    return answer;
}

static int memory_scan_users(struct store *store, store_name_fn *fn, void *cookie,
                             struct penchant_error *err)
{
    (void)err;
    return scan_names(store, USERS, fn, cookie);
}

static int memory_scan_types(struct store *store, store_name_fn *fn, void *cookie,
                             struct penchant_error *err)
{
    (void)err;
    return scan_names(store, TYPES, fn, cookie);
}

/* How many items there are: numbers are dense. */
static uint32_t count_items(struct memory_store *s)
{
    uint32_t n = 0;
    for (size_t i = 0; i < s->table[ITEMS].n; i++) {
        const struct item_row *row = memory_row(s, ITEMS, i);
        n = row->id >= n ? row->id + 1 : n;
    }
    return n;
}

static int memory_scan_items(struct store *store, store_item_fn *fn, void *cookie,
                             struct penchant_error *err)
{
    struct memory_store *s = (struct memory_store *)store;
    const uint32_t n = count_items(s);
    const struct store_item **newest = calloc(n ? n : 1, sizeof(struct store_item *));
    if (!newest)
        return error_memory(err);
    for (size_t i = 0; i < s->table[ITEMS].n; i++) {
        const struct item_row *row = memory_row(s, ITEMS, i);
        newest[row->id] = &row->item;
    }
    int answer = 0;
    for (uint32_t id = 0; !answer && id < n; id++)
        if (newest[id])
            answer = fn(cookie, id, newest[id]);
    free(newest);
    return answer;
}

static uint64_t seq_of(struct memory_store *s, enum table_id table, size_t i)
{
    return table == EVENTS ? ((const struct event *)memory_row(s, EVENTS, i))->seq
                           : ((const struct store_slate *)memory_row(s, SLATES, i))->seq;
}

/* The first row of the events or slates past that number. */
static size_t first_after(struct memory_store *s, enum table_id table, uint64_t seq)
{
    size_t low = 0, high = s->table[table].n;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (seq_of(s, table, middle) > seq)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static int memory_scan_events(struct store *store, uint64_t after_seq, store_event_fn *fn,
                              void *cookie, struct penchant_error *err)
{
    struct memory_store *s = (struct memory_store *)store;
    (void)err;
    int answer = 0;
    const size_t first = first_after(s, EVENTS, after_seq);
    for (size_t i = first; !answer && i < s->table[EVENTS].n; i++)
        answer = fn(cookie, memory_row(s, EVENTS, i));
    return answer;
}

static int memory_scan_slates(struct store *store, uint64_t after_seq, store_slate_fn *fn,
                              void *cookie, struct penchant_error *err)
{
    struct memory_store *s = (struct memory_store *)store;
    (void)err;
    int answer = 0;
    const size_t first = first_after(s, SLATES, after_seq);
    for (size_t i = first; !answer && i < s->table[SLATES].n; i++)
        answer = fn(cookie, memory_row(s, SLATES, i));
    return answer;
}

static int memory_get_fact(struct store *store, const char *name, char *text, size_t n,
                           struct penchant_error *err)
{
    struct memory_store *s = (struct memory_store *)store;
    *text = 0;
    for (size_t i = s->table[FACTS].n; i-- > 0;) {
        const struct fact_row *row = memory_row(s, FACTS, i);
        if (strcmp(row->name, name) != 0)
            continue;
        if (row->value && (size_t)snprintf(text, n, "%s", row->value) >= n)
            return error_set(err, PENCHANT_ELIMIT, "the fact %s is too long", name);
        break;
    }
    return PENCHANT_OK;
}

static int memory_counts(struct store *store, struct store_counts *out,
                         struct penchant_error *err)
{
    struct memory_store *s = (struct memory_store *)store;
    (void)err;
    *out = (struct store_counts){
        .events = s->table[EVENTS].n,
        .items = count_items(s),
        .slates = s->table[SLATES].n,
        .last_seq = s->last_seq,
        .last_slate = s->last_slate,
    };
    for (size_t i = 0; i < s->table[USERS].n; i++)
        out->users += **(const char **)memory_row(s, USERS, i) != 0;
    return PENCHANT_OK;
}

/* ---- erasing ---- */

struct user_list {
    const uint32_t *id;
    size_t n;
};

static bool listed(const struct user_list *users, uint32_t user)
{
    for (size_t i = 0; i < users->n; i++)
        if (users->id[i] == user)
            return true;
    return false;
}

static bool event_of(const void *row, void *users)
{
    return listed(users, ((const struct event *)row)->user);
}

static bool slate_of(const void *row, void *users)
{
    return listed(users, ((const struct store_slate *)row)->user);
}

static int memory_erase_users(struct store *store, const uint32_t *id, size_t n,
                              struct penchant_error *err)
{
    struct memory_store *s = (struct memory_store *)store;
    if (s->writing)
        return error_set(err, PENCHANT_EIO, "users are erased outside a transaction");
    struct user_list users = {id, n};
    memory_remove_rows(s, EVENTS, 0, event_of, &users);
    memory_remove_rows(s, SLATES, 0, slate_of, &users);
    for (size_t i = 0; i < n; i++) {
        char *name = *(char **)memory_row(s, USERS, id[i]);
        memset(name, 0, strlen(name));
    }
    return PENCHANT_OK;
}

struct drop {
    store_event_fn *fn;
    void *cookie;
    uint64_t first_seq;
};

static bool event_dropped(const void *row, void *arg)
{
    const struct drop *d = arg;
    const struct event *e = row;
    return e->seq >= d->first_seq && d->fn(d->cookie, e) != 0;
}

static int memory_drop_events(struct store *store, uint64_t first_seq,
                              store_event_fn *drop, void *cookie, uint64_t *dropped,
                              struct penchant_error *err)
{
    struct memory_store *s = (struct memory_store *)store;
    *dropped = 0;
    if (!s->writing || first_seq <= s->begun_seq)
        return error_set(err, PENCHANT_EINVALID,
                         "only events of this transaction can be dropped");
    struct drop d = {drop, cookie, first_seq};
    *dropped = memory_remove_rows(s, EVENTS, s->table[EVENTS].begun, event_dropped, &d);
    return PENCHANT_OK;
}

const struct store_backend store_memory = {
    .name = "memory",
    .open = memory_open,
    .close = memory_close,
    .begin = memory_begin,
    .commit = memory_commit,
    .rollback = memory_rollback,
    .add_user = memory_add_user,
    .add_type = memory_add_type,
    .put_item = memory_put_item,
    .append_event = memory_append_event,
    .add_event_id = memory_add_event_id,
    .append_slate = memory_append_slate,
    .put_fact = memory_put_fact,
    .put_modality = memory_put_modality,
    .put_vector = memory_put_vector,
    .remove_modality = memory_remove_modality,
    .scan_users = memory_scan_users,
    .scan_types = memory_scan_types,
    .scan_items = memory_scan_items,
    .scan_events = memory_scan_events,
    .scan_slates = memory_scan_slates,
    .scan_modalities = memory_scan_modalities,
    .scan_vectors = memory_scan_vectors,
    .get_fact = memory_get_fact,
    .counts = memory_counts,
    .erase_users = memory_erase_users,
    .drop_events = memory_drop_events,
};

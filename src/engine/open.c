/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a shop: its lock, its store, the replay of its log; closing; the clock. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/files.h"
#include "base/timing.h"
#include "engine/engine.h"
#include "model/encoder.h"

enum { DEFAULT_STATE_MB = 256, HALF_LIFE_DAYS = 30, LOG_LINE_MAX = 1024 };
#define DAY_US INT64_C(86400000000)

/* ---- small things for everybody ---- */

void engine_log(struct penchant *p, int level, const char *format, ...)
{
    if (!p->log)
        return;
    char line[LOG_LINE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    pthread_mutex_lock(&p->log_lock);
    p->log(p->log_cookie, level, line);
    pthread_mutex_unlock(&p->log_lock);
}

int engine_path(const struct penchant *p, const char *name, char *out,
                struct penchant_error *err)
{
    if (!p->dir)
        return error_set(err, PENCHANT_EINVALID, "a shop in memory has no folder");
    const int n = snprintf(out, ENGINE_PATH_MAX, "%s/%s", p->dir, name);
    return n > 0 && n < ENGINE_PATH_MAX
               ? PENCHANT_OK
               : error_set(err, PENCHANT_EINVALID, "the folder's name is too long");
}

int64_t engine_now(const struct penchant *p)
{
    const int64_t newest = p->last_us, today = timing_now_us();
    const bool live = p->live || newest == INT64_MIN || newest > today - DAY_US;
    return live && today > newest ? today : newest;
}

/* ---- one event ---- */

static int observe(struct penchant *p, const struct event *e)
{
    const struct user_state *u = user_states_peek(p->states, e->user);
    const struct evidence_event seen = {
        .item = e->item,
        .type = e->type,
        .ts_us = e->ts_us,
        .recent = u ? u->recent : NULL,
        .recent_us = u ? u->recent_us : NULL,
        .n_recent = user_state_position(u, e->ts_us),
    };
    return evidence_observe(&p->evidence, &seen);
}

int engine_apply(struct penchant *p, const struct event *e)
{
    if (e->item != NAMES_NONE) {
        __atomic_fetch_add(&p->catalog.item[e->item].events, 1, __ATOMIC_RELAXED);
        if (event_type_wanted(e->type) && observe(p, e) != PENCHANT_OK)
            return PENCHANT_ENOMEM;
    }
    bool cancelled;
    const int status = user_states_apply(p->states, e, &cancelled);
    if (e->ts_us < p->first_us)
        p->first_us = e->ts_us;
    if (e->ts_us > p->last_us)
        p->last_us = e->ts_us;
    p->cancelled += cancelled;
    p->events++;
    return status;
}

/* ---- replay ---- */

struct replay {
    struct penchant *p;
    struct penchant_error *err;
};

static int bad_name(const struct replay *r, const char *what, uint32_t id)
{
    return error_set(r->err, PENCHANT_ECORRUPT, "%s %u cannot be", what, id);
}

static int replay_user(void *cookie, uint32_t id, const char *name)
{
    const struct replay *r = cookie;
    struct names *users = &r->p->users;
    if (id != users->n)
        return bad_name(r, "user", id);
    const uint32_t added =
        *name ? names_add(users, name, strlen(name)) : names_skip(users);
    if (added == NAMES_NONE)
        return error_memory(r->err);
    return added == id ? PENCHANT_OK : bad_name(r, "user", id);
}

static int replay_type(void *cookie, uint32_t id, const char *name)
{
    const struct replay *r = cookie;
    const uint32_t added = names_add(&r->p->types, name, strlen(name));
    return added == id && id < EVENT_MAX_TYPES ? PENCHANT_OK
                                               : bad_name(r, "event type", id);
}

static int replay_item(void *cookie, uint32_t id, const struct store_item *row)
{
    const struct replay *r = cookie;
    struct catalog *c = &r->p->catalog;
    if (id != c->ids.n || !*row->item_id)
        return bad_name(r, "item", id);
    const uint32_t number = catalog_intern(c, row->item_id);
    if (number == NAMES_NONE)
        return error_memory(r->err);
    if (number != id)
        return bad_name(r, "item", id);
    const struct penchant_item item = {.item_id = row->item_id,
                                       .title = row->title,
                                       .category = row->category,
                                       .brand = row->brand,
                                       .price = row->price,
                                       .available = row->available};
    if (catalog_put(c, id, &item) != PENCHANT_OK)
        return error_memory(r->err);
    if (row->deleted)
        catalog_delete(c, id);
    return PENCHANT_OK;
}

static int replay_event(void *cookie, const struct event *e)
{
    const struct replay *r = cookie;
    struct penchant *p = r->p;
    if (p->stopping)
        return PENCHANT_ECLOSED;
    if (e->user >= p->users.n || e->type >= p->types.n ||
        (e->item != NAMES_NONE && e->item >= p->catalog.ids.n))
        return error_set(r->err, PENCHANT_ECORRUPT, "event %llu names what is not there",
                         (unsigned long long)e->seq);
    return engine_apply(p, e) == PENCHANT_OK ? PENCHANT_OK : error_memory(r->err);
}

int engine_replay_events(struct penchant *p, uint64_t after_seq,
                         struct penchant_error *err)
{
    struct replay r = {p, err};
    return p->store->ops->scan_events(p->store, after_seq, replay_event, &r, err);
}

static int init_evidence(struct penchant *p, struct penchant_error *err)
{
    const struct evidence_options o = {.has_clock = p->has_clock,
                                       .half_life_days = HALF_LIFE_DAYS};
    return evidence_init(&p->evidence, &o) == PENCHANT_OK ? PENCHANT_OK
                                                          : error_memory(err);
}

int engine_set_clock(struct penchant *p, bool has_clock, struct penchant_error *err)
{
    int status = PENCHANT_OK;
    pthread_rwlock_wrlock(&p->lock);
    if (p->has_clock != has_clock) {
        p->has_clock = has_clock;
        evidence_release(&p->evidence);
        status = init_evidence(p, err);
    }
    pthread_rwlock_unlock(&p->lock);
    return status;
}

static int replay_all(struct penchant *p, struct penchant_error *err)
{
    const struct store_backend *ops = p->store->ops;
    struct replay r = {p, err};
    struct store_counts counts;
    char clock[8], live[8];
    int status = ops->get_fact(p->store, "clock", clock, sizeof(clock), err);
    if (status == PENCHANT_OK)
        status = ops->get_fact(p->store, "live", live, sizeof(live), err);
    if (status != PENCHANT_OK)
        return status;
    p->has_clock = strcmp(clock, "0") != 0;
    p->live = strcmp(live, "1") == 0;
    if ((status = init_evidence(p, err)) != PENCHANT_OK ||
        (status = ops->scan_users(p->store, replay_user, &r, err)) != PENCHANT_OK ||
        (status = ops->scan_types(p->store, replay_type, &r, err)) != PENCHANT_OK ||
        (status = ops->scan_items(p->store, replay_item, &r, err)) != PENCHANT_OK ||
        (status = engine_replay_events(p, 0, err)) != PENCHANT_OK ||
        (status = ops->counts(p->store, &counts, err)) != PENCHANT_OK)
        return status;
    p->last_seq = counts.last_seq;
    p->slates = counts.slates;
    return PENCHANT_OK;
}

/* The names of the known event types stand in the store too, for its readers. */
static int write_types(struct penchant *p, struct penchant_error *err)
{
    const struct store_backend *ops = p->store->ops;
    char made[8];
    int status = ops->get_fact(p->store, "types", made, sizeof(made), err);
    if (status != PENCHANT_OK || made[0])
        return status;
    if ((status = ops->begin(p->store, err)) != PENCHANT_OK)
        return status;
    for (uint32_t i = 0; i < p->types.n && status == PENCHANT_OK; i++)
        status = ops->add_type(p->store, i, names_text(&p->types, i), err);
    if (status == PENCHANT_OK)
        status = ops->put_fact(p->store, "types", "1", err);
    if (status == PENCHANT_OK)
        return ops->commit(p->store, err);
    ops->rollback(p->store);
    return status;
}

/* ---- the watcher ---- */

static void *watch(void *arg)
{
    struct penchant *p = arg;
    pthread_mutex_lock(&p->watch_lock);
    while (!p->closing) {
        struct timespec next;
        clock_gettime(CLOCK_REALTIME, &next);
        next.tv_sec++;
        pthread_cond_timedwait(&p->watch_wake, &p->watch_lock, &next);
        if (p->closing)
            break;
        pthread_mutex_unlock(&p->watch_lock);
        engine_snapshot_refresh(p);
        pthread_mutex_lock(&p->watch_lock);
    }
    pthread_mutex_unlock(&p->watch_lock);
    return NULL;
}

static void stop_watching(struct penchant *p)
{
    if (!p->watching)
        return;
    pthread_mutex_lock(&p->watch_lock);
    p->closing = true;
    pthread_cond_signal(&p->watch_wake);
    pthread_mutex_unlock(&p->watch_lock);
    pthread_join(p->watcher, NULL);
}

/* ---- open ---- */

void penchant_options_default(struct penchant_options *o)
{
    *o = (struct penchant_options){
        .store = "sqlite", .create = true, .state_mb = DEFAULT_STATE_MB};
}

static void free_encoder(void *state)
{
    encoder_state_free(state);
}

/* The struct with its locks and empty tables; NULL: no memory. */
static struct penchant *new_shop(const struct penchant_options *o)
{
    struct penchant *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    pthread_rwlockattr_t fair;
    pthread_rwlockattr_init(&fair);
    pthread_rwlockattr_setkind_np(&fair, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&p->lock, &fair);
    pthread_rwlockattr_destroy(&fair);
    pthread_mutex_init(&p->log_lock, NULL);
    pthread_mutex_init(&p->store_lock, NULL);
    pthread_mutex_init(&p->snapshot_lock, NULL);
    pthread_mutex_init(&p->refresh_lock, NULL);
    pthread_mutex_init(&p->watch_lock, NULL);
    pthread_cond_init(&p->watch_wake, NULL);
    p->lock_fd = -1;
    p->first_us = INT64_MAX;
    p->last_us = INT64_MIN;
    p->read_only = o->read_only;
    p->state_bytes = o->state_mb << 20;
    p->log = o->log;
    p->log_cookie = o->log_cookie;
    names_init(&p->users);
    catalog_init(&p->catalog);
    p->dir = o->dir ? strdup(o->dir) : NULL;
    p->states = user_states_new(ENGINE_RECENT, p->state_bytes, free_encoder);
    if (event_types_init(&p->types) != 0 || !p->states || (o->dir && !p->dir))
        penchant_close(&p);
    return p;
}

/* The folder, its lock, and the store in it. */
static int open_store(struct penchant *p, const struct penchant_options *o,
                      struct penchant_error *err)
{
    const struct store_backend *ops = store_backend_find(o->store ? o->store : "sqlite");
    if (!ops)
        return error_set(err, PENCHANT_EINVALID, "there is no store \"%s\"", o->store);
    struct store_options so = {.read_only = o->read_only, .create = o->create};
    if (ops == &store_memory)
        return ops->open(&p->store, &so, err);
    char path[ENGINE_PATH_MAX];
    int status = engine_path(p, "lock", path, err);
    struct stat st;
    const bool there = status == PENCHANT_OK && stat(p->dir, &st) == 0;
    if (status == PENCHANT_OK && !there && (!o->create || o->read_only))
        status = error_set(err, PENCHANT_ENOTFOUND, "there is no shop at %s", p->dir);
    if (status == PENCHANT_OK && !there)
        status = files_make_dir(p->dir, err);
    if (status == PENCHANT_OK && !o->read_only)
        status = files_lock(path, &p->lock_fd, err);
    if (status == PENCHANT_OK)
        status = engine_path(p, "shop.db", path, err);
    so.path = path;
    return status == PENCHANT_OK ? ops->open(&p->store, &so, err) : status;
}

static int load(struct penchant *p, struct penchant_error *err)
{
    if (!p->read_only)
        return write_types(p, err) == PENCHANT_OK ? replay_all(p, err) : err->status;
    int status = p->store->ops->begin(p->store, err); /* one consistent view */
    if (status == PENCHANT_OK)
        status = replay_all(p, err);
    p->store->ops->rollback(p->store);
    return status;
}

static int start_threads(struct penchant *p, struct penchant_error *err)
{
    int status = p->read_only ? PENCHANT_OK : writer_start(p, err);
    if (status != PENCHANT_OK || !p->dir)
        return status;
    p->watching = pthread_create(&p->watcher, NULL, watch, p) == 0;
    return p->watching ? PENCHANT_OK
                       : error_set(err, PENCHANT_ENOMEM, "cannot start a thread");
}

int penchant_open(struct penchant **out, const struct penchant_options *o,
                  struct penchant_error *err)
{
    struct penchant_error why = {0};
    *out = NULL;
    struct penchant *p = new_shop(o);
    int status = p ? open_store(p, o, &why) : error_memory(&why);
    if (status == PENCHANT_OK)
        status = load(p, &why);
    if (status == PENCHANT_OK)
        status = engine_snapshot_open(p, &why);
    if (status == PENCHANT_OK)
        status = start_threads(p, &why);
    if (status != PENCHANT_OK) {
        penchant_close(&p);
        if (err)
            *err = why;
        return status;
    }
    engine_log(p, PENCHANT_INFO, "opened events=%llu users=%u items=%u",
               (unsigned long long)p->events, p->users.n, p->catalog.ids.n);
    *out = p;
    return PENCHANT_OK;
}

void penchant_close(struct penchant **out)
{
    struct penchant *p = *out;
    *out = NULL;
    if (!p)
        return;
    stop_watching(p);
    writer_stop(p);
    if (p->store)
        p->store->ops->close(p->store);
    files_unlock(p->lock_fd);
    user_states_free(p->states);
    engine_snapshot_close(p);
    evidence_release(&p->evidence);
    catalog_release(&p->catalog);
    names_release(&p->users);
    names_release(&p->types);
    pthread_rwlock_destroy(&p->lock);
    pthread_mutex_destroy(&p->log_lock);
    pthread_mutex_destroy(&p->store_lock);
    pthread_mutex_destroy(&p->snapshot_lock);
    pthread_mutex_destroy(&p->refresh_lock);
    pthread_mutex_destroy(&p->watch_lock);
    pthread_cond_destroy(&p->watch_wake);
    free(p->dir);
    free(p);
}

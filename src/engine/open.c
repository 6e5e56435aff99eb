/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a shop: its folder, lock, store and threads; closing; the clock. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/files.h"
#include "base/timing.h"
#include "engine/adapt.h"
#include "engine/engine.h"
#include "engine/feedback.h"
#include "engine/shop_balance.h"
#include "engine/modalities.h"
#include "engine/online_learner.h"
#include "engine/experiments.h"
#include "engine/shop_content.h"
#include "engine/shop_segments.h"
#include "model/encoder.h"

enum {
    DEFAULT_STATE_MB = 256,
    LOG_LINE_MAX = 1024,
    READY_ITEMS = 20000 /* at most, for their content to be read before the shop opens */
};
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
    return live ? today : newest;
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
        shop_content_tend(p);
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
    pthread_rwlock_init(&p->segments_lock, &fair);
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
    engine_config_default(&p->config);
    p->state_bytes = o->state_mb << 20;
    p->log = o->log;
    p->log_cookie = o->log_cookie;
    names_init(&p->users);
    catalog_init(&p->catalog);
    p->dir = o->dir ? strdup(o->dir) : NULL;
    p->states = user_states_new(ENGINE_RECENT, p->state_bytes, free_encoder);
    p->content = shop_content_new();
    p->experiments = experiments_new();
    if (event_types_init(&p->types) != 0 || !p->states || !p->content ||
        !p->experiments || (o->dir && !p->dir))
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
    if (status == PENCHANT_ELOCKED)
        error_set(err, status, "another process has the shop at %s open for writing",
                  p->dir);
    if (status == PENCHANT_OK)
        status = engine_path(p, "shop.db", path, err);
    so.path = path;
    return status == PENCHANT_OK ? ops->open(&p->store, &so, err) : status;
}

/* The configuration, and what stands on it. */
static int configure(struct penchant *p, struct penchant_error *err)
{
    char path[ENGINE_PATH_MAX];
    int status = p->dir ? engine_path(p, "penchant.conf", path, err) : PENCHANT_OK;
    if (status == PENCHANT_OK && p->dir)
        status = engine_config_read(&p->config, path, err);
    if (status != PENCHANT_OK)
        return status;
    p->feedback = feedback_new(&p->config.rewards, FEEDBACK_SLATES, FEEDBACK_SLOTS);
    p->balance = shop_balance_new(p->config.target);
    if (!p->feedback || !p->balance)
        return error_memory(err);
    if (!p->config.adapt)
        return PENCHANT_OK;
    p->adapt = adapt_new(&p->config.rewards, &p->catalog);
    if (!p->adapt)
        return error_memory(err);
    feedback_watch(p->feedback, adapt_told, p->adapt);
    return PENCHANT_OK;
}

static int start_threads(struct penchant *p, const struct penchant_options *o,
                         struct penchant_error *err)
{
    int status = p->read_only ? PENCHANT_OK : writer_start(p, err);
    if (status == PENCHANT_OK && o->learn && !p->read_only)
        status = online_learner_start(p, err);
    if (status != PENCHANT_OK)
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
        status = configure(p, &why);
    if (status == PENCHANT_OK)
        status = engine_load(p, &why);
    if (status == PENCHANT_OK)
        engine_snapshot_refresh(p); /* a shop without a usable model still serves lists */
    if (status == PENCHANT_OK && p->catalog.ids.n <= READY_ITEMS)
        shop_content_tend(p); /* so that the first list is as good as the next */
    if (status == PENCHANT_OK)
        status = start_threads(p, o, &why);
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
    p->stopping = true;
    stop_watching(p);
    online_learner_stop(p);
    writer_stop(p);
    online_learner_free(p);
    if (p->store)
        p->store->ops->close(p->store);
    files_unlock(p->lock_fd);
    user_states_free(p->states);
    feedback_free(p->feedback);
    shop_balance_free(p->balance);
    adapt_free(p->adapt);
    engine_segments_close(p);
    engine_snapshot_close(p);
    shop_content_free(p->content);
    experiments_free(p->experiments);
    modalities_release(p->modalities);
    evidence_release(&p->evidence);
    catalog_release(&p->catalog);
    names_release(&p->users);
    names_release(&p->types);
    pthread_rwlock_destroy(&p->lock);
    pthread_rwlock_destroy(&p->segments_lock);
    pthread_mutex_destroy(&p->log_lock);
    pthread_mutex_destroy(&p->store_lock);
    pthread_mutex_destroy(&p->snapshot_lock);
    pthread_mutex_destroy(&p->refresh_lock);
    pthread_mutex_destroy(&p->watch_lock);
    pthread_cond_destroy(&p->watch_wake);
    free(p->dir);
    free(p);
}

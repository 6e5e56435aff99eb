/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one thread that changes a shop. It takes everything that waits (up to a group's
 * size), writes it in one transaction, commits, applies it to the state in memory in the
 * same order, and only then answers. While one group is being synced the next one
 * gathers, so groups grow with the load by themselves and nobody waits for company.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/timing.h"
#include "engine/engine.h"
#include "engine/feedback.h"
#include "engine/shop_balance.h"

enum { GROUP_EVENTS = 1000, SLATE_WAIT_MS = 100, EXTRA_MAX = 1 << 16 };

struct pending_slate {
    struct pending_slate *next;
    struct store_slate slate; /* its arrays and texts follow */
};

struct writer {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;

    /* Under the lock. */
    struct work *first, **end;
    size_t n_events;
    struct pending_slate *slate, **slate_end;
    size_t n_slates;
    int64_t slate_due_ns; /* when the oldest pending slate must be written */
    bool stopping;

    /* The thread's own. */
    struct newcomers newcomers;
    struct transaction transaction;
    bool behind; /* the whole log is to be applied; p->lock is held */
    int broken;  /* the state in memory lacks events of the log: no more work */
};

/* ---- taking and giving work ---- */

int writer_submit(struct penchant *p, struct work *w, struct penchant_error *err)
{
    struct writer *wr = p->writer;
    if (!wr)
        return error_set(err, PENCHANT_EREADONLY, "the shop is open for reading only");
    int status = PENCHANT_OK;
    pthread_mutex_lock(&wr->lock);
    if (wr->stopping) {
        status = error_set(err, PENCHANT_ECLOSED, "the shop is closing");
    } else if (wr->n_events && wr->n_events + w->n_events > ENGINE_QUEUE_EVENTS) {
        status = error_set(err, PENCHANT_ELIMIT, "%zu events wait to be written",
                           wr->n_events);
    } else {
        w->next = NULL;
        *wr->end = w;
        wr->end = &w->next;
        wr->n_events += w->n_events;
        pthread_cond_signal(&wr->wake);
    }
    pthread_mutex_unlock(&wr->lock);
    return status;
}

/* Waits until there is something to do; false when all is done and the shop closes. */
static bool wait_for_work(struct writer *wr)
{
    while (!wr->first && !wr->stopping) {
        if (!wr->slate) {
            pthread_cond_wait(&wr->wake, &wr->lock);
            continue;
        }
        if (timing_steady_ns() >= wr->slate_due_ns)
            return true;
        const struct timespec due = {.tv_sec = wr->slate_due_ns / 1000000000,
                                     .tv_nsec = wr->slate_due_ns % 1000000000};
        pthread_cond_timedwait(&wr->wake, &wr->lock, &due);
    }
    return wr->first || wr->slate;
}

/* The next group: one work that runs alone, or as many others as fit, and the slates. */
static bool take_group(struct writer *wr, struct work **works,
                       struct pending_slate **slates)
{
    *works = NULL;
    *slates = NULL;
    pthread_mutex_lock(&wr->lock);
    const bool more = wait_for_work(wr);
    struct work **end = works;
    size_t events = 0;
    while (wr->first && (!*works || (!wr->first->alone &&
                                     events + wr->first->n_events <= GROUP_EVENTS))) {
        struct work *w = wr->first;
        wr->first = w->next;
        events += w->n_events;
        w->next = NULL;
        *end = w;
        end = &w->next;
        if (w->alone)
            break;
    }
    if (!wr->first)
        wr->end = &wr->first;
    wr->n_events -= events;
    if (!*works || !(*works)->alone) {
        *slates = wr->slate;
        wr->slate = NULL;
        wr->slate_end = &wr->slate;
        wr->n_slates = 0;
    }
    pthread_mutex_unlock(&wr->lock);
    return more;
}

/* ---- slates ---- */

/* Copies n bytes to *at, which moves on, keeping 8-byte steps. */
static void *place(char **at, const void *bytes, size_t n)
{
    if (!bytes)
        return NULL;
    void *here = *at;
    memcpy(here, bytes, n);
    *at += (n + 7) & ~(size_t)7;
    return here;
}

/* A copy of how a list was drawn; 0 bytes for NULL. */
static size_t choice_bytes(const struct store_choice *c)
{
    return c ? sizeof(*c) + 3 * (c->n * sizeof(uint32_t) + 8) : 0;
}

static const struct store_choice *copy_choice(char **at, const struct store_choice *c)
{
    struct store_choice *copy = place(at, c, sizeof(*c));
    if (!copy)
        return NULL;
    copy->item = place(at, c->item, c->n * sizeof(uint32_t));
    copy->score = place(at, c->score, c->n * sizeof(float));
    copy->uncertainty = place(at, c->uncertainty, c->n * sizeof(float));
    return copy;
}

static struct pending_slate *copy_slate(const struct store_slate *slate)
{
    const size_t id = strlen(slate->id) + 1, rows = slate->n * sizeof(uint32_t);
    const size_t placement = slate->placement ? strlen(slate->placement) + 1 : 0;
    struct pending_slate *s =
        malloc(sizeof(*s) + id + 2 * rows + placement + 40 + choice_bytes(slate->choice) +
               slate->n_features * sizeof(float));
    if (!s)
        return NULL;
    char *at = (char *)(s + 1);
    *s = (struct pending_slate){.slate = *slate};
    s->slate.items = place(&at, slate->items, rows);
    s->slate.propensities = place(&at, slate->propensities, rows);
    s->slate.id = place(&at, slate->id, id);
    s->slate.placement = place(&at, slate->placement, placement);
    s->slate.choice = copy_choice(&at, slate->choice);
    s->slate.features = place(&at, slate->features, slate->n_features * sizeof(float));
    return s;
}

bool engine_submit_slate(struct penchant *p, const struct store_slate *slate)
{
    struct writer *wr = p->writer;
    struct pending_slate *s = wr ? copy_slate(slate) : NULL;
    if (!s)
        return false;
    pthread_mutex_lock(&wr->lock);
    const bool taken = !wr->stopping && wr->n_slates < ENGINE_QUEUE_SLATES;
    if (taken) {
        if (!wr->slate) {
            wr->slate_due_ns = timing_steady_ns() + SLATE_WAIT_MS * INT64_C(1000000);
            pthread_cond_signal(&wr->wake);
        }
        *wr->slate_end = s;
        wr->slate_end = &s->next;
        wr->n_slates++;
    }
    pthread_mutex_unlock(&wr->lock);
    if (!taken)
        free(s);
    return taken;
}

void writer_drop_slates(struct penchant *p, uint32_t user)
{
    struct writer *wr = p->writer;
    pthread_mutex_lock(&wr->lock);
    struct pending_slate **at = &wr->slate;
    while (*at) {
        struct pending_slate *s = *at;
        if (s->slate.user == user) {
            *at = s->next;
            wr->n_slates--;
            free(s);
        } else {
            at = &s->next;
        }
    }
    wr->slate_end = at;
    pthread_mutex_unlock(&wr->lock);
}

/* ---- a group ---- */

int writer_begin(struct penchant *p, struct penchant_error *err)
{
    struct writer *wr = p->writer;
    if (wr->broken)
        return error_set(err, wr->broken,
                         "an earlier failure left the state in memory behind the log: "
                         "the shop must be opened anew");
    wr->transaction.last_seq = p->last_seq;
    return p->store->ops->begin(p->store, err);
}

void writer_rollback(struct penchant *p)
{
    p->store->ops->rollback(p->store);
    newcomers_release(&p->writer->newcomers);
}

int writer_commit(struct penchant *p, struct penchant_error *err)
{
    const int status = p->store->ops->commit(p->store, err);
    if (status != PENCHANT_OK) {
        writer_rollback(p);
        return status;
    }
    p->commits++;
    p->last_seq = p->writer->transaction.last_seq;
    return newcomers_join(&p->writer->newcomers, p) == PENCHANT_OK ? PENCHANT_OK
                                                                   : writer_broke(p, err);
}

int writer_broke(struct penchant *p, struct penchant_error *err)
{
    p->writer->broken = PENCHANT_ENOMEM;
    engine_log(p, PENCHANT_ERROR, "writer_stopped reason=memory");
    return error_memory(err);
}

struct transaction *writer_transaction(struct penchant *p)
{
    return &p->writer->transaction;
}

void writer_apply_later(struct penchant *p)
{
    pthread_rwlock_wrlock(&p->lock);
    p->writer->behind = true;
}

static void catch_up(struct penchant *p)
{
    struct penchant_error err = {0};
    const int status = engine_replay_events(p, 0, &err);
    p->writer->behind = false;
    pthread_rwlock_unlock(&p->lock);
    if (status != PENCHANT_OK && status != PENCHANT_ECLOSED)
        writer_broke(p, &err);
}

/* A work's outcome, until it can be told. */
struct outcome {
    bool rejected;
    int status;
    struct penchant_error err;
};

/* Inside the transaction: the slates, then every work, so that what follows a list stands
   after it in the log. */
static int write_all(struct penchant *p, struct work *works, struct outcome *outcome,
                     struct pending_slate *slates, struct penchant_error *err)
{
    int status =
        shop_balance_is_due(p->balance) ? shop_balance_write(p, err) : PENCHANT_OK;
    uint64_t seq = p->last_slate;
    for (struct pending_slate *s = slates; s && status == PENCHANT_OK; s = s->next) {
        s->slate.seq = ++seq;
        s->slate.after_event = writer_transaction(p)->last_seq;
        status = p->store->ops->append_slate(p->store, &s->slate, err);
    }
    for (struct work *w = works; w && status == PENCHANT_OK; w = w->next, outcome++) {
        outcome->status =
            w->write(p, writer_transaction(p), w, &outcome->rejected, &outcome->err);
        if (outcome->status != PENCHANT_OK && !outcome->rejected) {
            *err = outcome->err;
            status = outcome->status;
        }
    }
    return status;
}

static int write_group(struct penchant *p, struct work *works, struct outcome *outcome,
                       struct pending_slate *slates, struct penchant_error *err)
{
    int status = writer_begin(p, err);
    if (status != PENCHANT_OK)
        return status;
    status = write_all(p, works, outcome, slates, err);
    if (status != PENCHANT_OK) {
        writer_rollback(p);
        return status;
    }
    if ((status = writer_commit(p, err)) != PENCHANT_OK)
        return status;
    for (const struct pending_slate *s = slates; s && status == PENCHANT_OK;
         s = s->next) {
        p->slates++;
        p->last_slate = s->slate.seq;
        status = engine_take_slate(p, &s->slate);
    }
    for (struct work *w = works; w && status == PENCHANT_OK; w = w->next, outcome++)
        if (!outcome->rejected && w->apply)
            status = w->apply(p, w);
    return status == PENCHANT_OK ? PENCHANT_OK : writer_broke(p, err);
}

static void run_group(struct penchant *p, struct work *works,
                      struct pending_slate *slates)
{
    size_t n = 0;
    for (const struct work *w = works; w; w = w->next)
        n++;
    struct penchant_error err = {0};
    struct outcome *outcome = calloc(n ? n : 1, sizeof(*outcome));
    const int status =
        outcome ? write_group(p, works, outcome, slates, &err) : error_memory(&err);
    if (status != PENCHANT_OK)
        engine_log(p, PENCHANT_ERROR, "commit_failed status=%s reason=\"%s\"",
                   penchant_status_name(status), err.text);
    for (size_t i = 0; works; i++) {
        struct work *w = works;
        works = w->next;
        if (status != PENCHANT_OK)
            w->done(w, status, &err);
        else
            w->done(w, outcome[i].status, &outcome[i].err);
    }
    while (slates) {
        struct pending_slate *s = slates;
        slates = s->next;
        free(s);
    }
    free(outcome);
}

static void *writer_main(void *arg)
{
    struct penchant *p = arg;
    struct work *works;
    struct pending_slate *slates;
    while (take_group(p->writer, &works, &slates)) {
        if (works && works->alone) {
            struct penchant_error err = {0};
            const int status = works->alone(p, works, &err);
            works->done(works, status, &err);
            if (p->writer->behind)
                catch_up(p);
        } else {
            run_group(p, works, slates);
        }
    }
    return NULL;
}

/* ---- start and stop ---- */

int writer_start(struct penchant *p, struct penchant_error *err)
{
    struct writer *wr = calloc(1, sizeof(*wr));
    if (!wr)
        return error_memory(err);
    pthread_condattr_t steady;
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_cond_init(&wr->wake, &steady);
    pthread_condattr_destroy(&steady);
    pthread_mutex_init(&wr->lock, NULL);
    wr->end = &wr->first;
    wr->slate_end = &wr->slate;
    newcomers_init(&wr->newcomers);
    wr->transaction.newcomers = &wr->newcomers;
    buf_init(&wr->transaction.extra, EXTRA_MAX);
    p->writer = wr;
    if (pthread_create(&wr->thread, NULL, writer_main, p) == 0)
        return PENCHANT_OK;
    pthread_cond_destroy(&wr->wake);
    pthread_mutex_destroy(&wr->lock);
    free(wr);
    p->writer = NULL;
    return error_set(err, PENCHANT_ENOMEM, "cannot start the writing thread");
}

void writer_stop(struct penchant *p)
{
    struct writer *wr = p->writer;
    if (!wr)
        return;
    pthread_mutex_lock(&wr->lock);
    wr->stopping = true;
    pthread_cond_signal(&wr->wake);
    pthread_mutex_unlock(&wr->lock);
    pthread_join(wr->thread, NULL);
    newcomers_release(&wr->newcomers);
    buf_release(&wr->transaction.extra);
    pthread_cond_destroy(&wr->wake);
    pthread_mutex_destroy(&wr->lock);
    free(wr);
    p->writer = NULL;
}

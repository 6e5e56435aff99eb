/* SPDX-License-Identifier: Apache-2.0 */
/* Having the writer do something and waiting for it. */
#include "engine/engine.h"

/* Somebody who waits for a work. */
struct waiter {
    struct work work; /* stands in the queue for the caller's */
    struct work *inner;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool finished;
    int status;
    struct penchant_error *err;
};

static int waiter_write(struct penchant *p, struct transaction *t, struct work *w,
                        bool *rejected, struct penchant_error *err)
{
    struct work *inner = ((struct waiter *)w)->inner;
    return inner->write(p, t, inner, rejected, err);
}

static int waiter_apply(struct penchant *p, struct work *w)
{
    struct work *inner = ((struct waiter *)w)->inner;
    return inner->apply ? inner->apply(p, inner) : PENCHANT_OK;
}

static int waiter_alone(struct penchant *p, struct work *w, struct penchant_error *err)
{
    struct work *inner = ((struct waiter *)w)->inner;
    return inner->alone(p, inner, err);
}

static void waiter_done(struct work *w, int status, const struct penchant_error *err)
{
    struct waiter *me = (struct waiter *)w;
    pthread_mutex_lock(&me->lock);
    me->finished = true;
    me->status = status;
    if (status != PENCHANT_OK && me->err)
        *me->err = *err;
    pthread_cond_signal(&me->wake);
    pthread_mutex_unlock(&me->lock);
}

int writer_run(struct penchant *p, struct work *w, struct penchant_error *err)
{
    struct waiter me = {
        .work = {.n_events = w->n_events,
                 .write = waiter_write,
                 .apply = waiter_apply,
                 .alone = w->alone ? waiter_alone : NULL,
                 .done = waiter_done},
        .inner = w,
        .err = err,
    };
    pthread_mutex_init(&me.lock, NULL);
    pthread_cond_init(&me.wake, NULL);
    int status = writer_submit(p, &me.work, err);
    if (status == PENCHANT_OK) {
        pthread_mutex_lock(&me.lock);
        while (!me.finished)
            pthread_cond_wait(&me.wake, &me.lock);
        pthread_mutex_unlock(&me.lock);
        status = me.status;
    }
    pthread_cond_destroy(&me.wake);
    pthread_mutex_destroy(&me.lock);
    return status;
}

/* ---- the store for others ---- */

struct store_job {
    struct work work;
    int (*fn)(struct penchant *p, void *arg, struct penchant_error *err);
    void *arg;
};

static int run_job(struct penchant *p, struct work *w, struct penchant_error *err)
{
    const struct store_job *job = (const struct store_job *)w;
    return job->fn(p, job->arg, err);
}

int engine_with_store(struct penchant *p,
                      int (*fn)(struct penchant *p, void *arg,
                                struct penchant_error *err),
                      void *arg, struct penchant_error *err)
{
    if (p->writer) {
        struct store_job job = {.work = {.alone = run_job}, .fn = fn, .arg = arg};
        return writer_run(p, &job.work, err);
    }
    struct penchant_error why = {0};
    pthread_mutex_lock(&p->store_lock);
    int status = p->store->ops->begin(p->store, &why); /* one consistent view */
    if (status == PENCHANT_OK)
        status = fn(p, arg, &why);
    p->store->ops->rollback(p->store);
    pthread_mutex_unlock(&p->store_lock);
    if (status != PENCHANT_OK && err)
        *err = why;
    return status;
}

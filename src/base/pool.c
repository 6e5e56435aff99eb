/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pool.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct worker {
    struct pool *pool;
    pthread_t thread;
    uint32_t number;
};

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t start, done;
    uint64_t round; /* counts pool_run calls; a worker sleeps until it changes */
    uint32_t busy, threads, tasks;
    bool stop;
    void (*fn)(void *arg, uint32_t i);
    void *arg;
    struct worker worker[]; /* [0] is the caller and has no thread */
};

static void run_share(const struct pool *p, uint32_t number)
{
    for (uint32_t i = number; i < p->tasks; i += p->threads)
        p->fn(p->arg, i);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct pool *p = w->pool;
    uint64_t seen = 0;
    for (;;) {
        pthread_mutex_lock(&p->lock);
        while (p->round == seen && !p->stop)
            pthread_cond_wait(&p->start, &p->lock);
        seen = p->round;
        const bool stop = p->stop;
        pthread_mutex_unlock(&p->lock);
        if (stop)
            return NULL;
        run_share(p, w->number);
        pthread_mutex_lock(&p->lock);
        if (--p->busy == 0)
            pthread_cond_signal(&p->done);
        pthread_mutex_unlock(&p->lock);
    }
}

struct pool *pool_new(uint32_t threads)
{
    if (threads < 1)
        threads = 1;
    struct pool *p = calloc(1, sizeof(*p) + threads * sizeof(p->worker[0]));
    if (!p)
        return NULL;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->start, NULL);
    pthread_cond_init(&p->done, NULL);
    p->threads = 1;
    for (uint32_t i = 1; i < threads; i++) {
        p->worker[i] = (struct worker){.pool = p, .number = i};
        if (pthread_create(&p->worker[i].thread, NULL, work, &p->worker[i]) != 0) {
            pool_free(p);
            return NULL;
        }
        p->threads++;
    }
    return p;
}

void pool_free(struct pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_broadcast(&p->start);
    pthread_mutex_unlock(&p->lock);
    for (uint32_t i = 1; i < p->threads; i++)
        pthread_join(p->worker[i].thread, NULL);
    pthread_cond_destroy(&p->done);
    pthread_cond_destroy(&p->start);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

uint32_t pool_threads(const struct pool *p)
{
    return p->threads;
}

void pool_run(struct pool *p, void (*fn)(void *arg, uint32_t i), void *arg, uint32_t n)
{
    pthread_mutex_lock(&p->lock);
    p->fn = fn;
    p->arg = arg;
    p->tasks = n;
    p->busy = p->threads - 1;
    p->round++;
    if (p->busy)
        pthread_cond_broadcast(&p->start);
    pthread_mutex_unlock(&p->lock);
    run_share(p, 0);
    pthread_mutex_lock(&p->lock);
    while (p->busy)
        pthread_cond_wait(&p->done, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

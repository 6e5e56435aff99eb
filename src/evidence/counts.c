/* SPDX-License-Identifier: Apache-2.0 */
#include "evidence/counts.h"

#include <stdlib.h>

#include "evidence/sources.h"

struct counts {
    pthread_rwlock_t lock;
    uint32_t *events; /* (cap) */
    uint32_t cap;
};

struct counts *counts_new(void)
{
    struct counts *c = calloc(1, sizeof *c);
    if (c && evidence_lock_init(&c->lock)) {
        free(c);
        return NULL;
    }
    return c;
}

void counts_free(struct counts *c)
{
    if (!c)
        return;
    pthread_rwlock_destroy(&c->lock);
    free(c->events);
    free(c);
}

int counts_add(struct counts *c, uint32_t item)
{
    pthread_rwlock_wrlock(&c->lock);
    uint32_t *events = evidence_grow(c->events, &c->cap, sizeof *events, item);
    c->events = events ? events : c->events;
    if (events && events[item] < UINT32_MAX)
        events[item]++;
    pthread_rwlock_unlock(&c->lock);
    return events ? PENCHANT_OK : PENCHANT_ENOMEM;
}

void counts_novelty(struct counts *c, const uint32_t *item, size_t n, float *out)
{
    pthread_rwlock_rdlock(&c->lock);
    for (size_t i = 0; i < n; i++)
        out[i] = 1.0F / (1.0F + (item[i] < c->cap ? (float)c->events[item[i]] : 0.0F));
    pthread_rwlock_unlock(&c->lock);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The table of sources, and what is done with all of them together. */
#include "evidence/evidence.h"

#include <stdlib.h>
#include <string.h>

#include "behaviour/event.h"
#include "evidence/counts.h"
#include "evidence/sources.h"
#include "evidence/tally.h"
#include "retrieval/best.h"

const struct evidence_source *const evidence_sources[EVIDENCE_SOURCES] = {
    [EVIDENCE_SEQUENCE] = &evidence_sequence,
    [EVIDENCE_COVISITATION] = &evidence_covisitation,
    [EVIDENCE_NEIGHBOURS] = &evidence_neighbours,
    [EVIDENCE_REPEAT] = &evidence_repeat,
    [EVIDENCE_CONTENT] = &evidence_content,
    [EVIDENCE_SEARCH] = &evidence_search,
    [EVIDENCE_POPULARITY] = &evidence_popularity,
};

int evidence_init(struct evidence *e, const struct evidence_options *o)
{
    memset(e, 0, sizeof *e);
    e->counts = counts_new();
    if (!e->counts)
        return PENCHANT_ENOMEM;
    for (int s = 0; s < EVIDENCE_SOURCES; s++) {
        if (!evidence_sources[s]->create)
            continue;
        e->state[s] = evidence_sources[s]->create(o);
        if (!e->state[s]) {
            evidence_release(e);
            return PENCHANT_ENOMEM;
        }
    }
    return PENCHANT_OK;
}

void evidence_release(struct evidence *e)
{
    for (int s = 0; s < EVIDENCE_SOURCES; s++)
        if (e->state[s])
            evidence_sources[s]->destroy(e->state[s]);
    counts_free(e->counts);
    memset(e, 0, sizeof *e);
}

int evidence_observe(struct evidence *e, const struct evidence_event *event)
{
    int rc = counts_add(e->counts, event->item);
    for (int s = 0; s < EVIDENCE_SOURCES; s++) {
        if (!evidence_sources[s]->observe)
            continue;
        int one = evidence_sources[s]->observe(e->state[s], event);
        rc = rc ? rc : one;
    }
    return rc;
}

int evidence_parse(const char *names, uint32_t *mask, struct penchant_error *err)
{
    *mask = 0;
    if (strcmp(names, "all") == 0) {
        *mask = (1U << EVIDENCE_SOURCES) - 1;
        return PENCHANT_OK;
    }
    for (const char *name = names;; name++) {
        size_t len = strcspn(name, ",");
        int s = 0;
        while (s < EVIDENCE_SOURCES &&
               (strlen(evidence_sources[s]->name) != len ||
                memcmp(evidence_sources[s]->name, name, len) != 0))
            s++;
        if (s == EVIDENCE_SOURCES)
            return error_field(err, PENCHANT_EINVALID, 0, "sources",
                               "there is no evidence source \"%.*s\"",
                               len > 40 ? 40 : (int)len, name);
        *mask |= 1U << s;
        name += len;
        if (*name == '\0')
            return PENCHANT_OK;
    }
}

size_t evidence_candidates(struct evidence *e, uint32_t mask,
                           const struct evidence_query *q, size_t k_each, uint32_t *item)
{
    struct tally seen;
    size_t n = 0;
    if (tally_init(&seen, EVIDENCE_SOURCES * k_each))
        return 0;
    for (int s = 0; s < EVIDENCE_SOURCES; s++) {
        if (!(mask >> s & 1))
            continue;
        size_t got = evidence_sources[s]->candidates(e->state[s], q, k_each, item + n);
        size_t end = n + got;
        for (size_t i = n; i < end; i++)
            if (tally_add(&seen, item[i], 0.0F))
                item[n++] = item[i];
    }
    tally_release(&seen);
    return n;
}

/* ---- what the sources share ---- */

int evidence_lock_init(pthread_rwlock_t *lock)
{
    pthread_rwlockattr_t attr;
    int rc = pthread_rwlockattr_init(&attr);
    if (rc)
        return rc;
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    rc = pthread_rwlock_init(lock, &attr);
    pthread_rwlockattr_destroy(&attr);
    return rc;
}

void *evidence_grow(void *array, uint32_t *cap, size_t size, uint32_t at)
{
    if (at < *cap)
        return array;
    size_t want = *cap ? *cap : 1024;
    while (want <= at)
        want *= 2;
    char *more = want > UINT32_MAX ? NULL : reallocarray(array, want, size);
    if (!more)
        return NULL;
    memset(more + *cap * size, 0, (want - *cap) * size);
    *cap = (uint32_t)want;
    return more;
}

size_t evidence_take(struct best *best, uint32_t *item)
{
    best_sort(best);
    for (uint32_t i = 0; i < best->n; i++)
        item[i] = best->hit[i].row;
    return best->n;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* How a shop is doing, in numbers. */
#include <sys/stat.h>

#include "engine/engine.h"

static uint64_t file_bytes(const struct penchant *p, const char *name)
{
    char path[ENGINE_PATH_MAX];
    struct stat st;
    return p->dir && engine_path(p, name, path, NULL) == PENCHANT_OK &&
                   stat(path, &st) == 0
               ? (uint64_t)st.st_size
               : 0;
}

/* What is in the log; users with a name, items that are not deleted. */
static void count_names(struct penchant *p, struct penchant_status_report *out)
{
    pthread_rwlock_rdlock(&p->lock);
    out->events = p->events;
    out->first_us = p->events ? p->first_us : 0;
    out->last_us = p->events ? p->last_us : 0;
    for (uint32_t i = 0; i < p->users.n; i++)
        out->users += *names_text(&p->users, i) != 0;
    for (uint32_t i = 0; i < p->catalog.ids.n; i++)
        out->items += !p->catalog.item[i].deleted;
    out->has_clock = p->has_clock;
    pthread_rwlock_unlock(&p->lock);
}

int penchant_status(struct penchant *p, struct penchant_status_report *out,
                    struct penchant_error *err)
{
    *out = (struct penchant_status_report){
        .slates = p->slates,
        .read_only = p->read_only,
        .requests = p->requests,
        .commits = p->commits,
        .disk_bytes = file_bytes(p, "shop.db") + file_bytes(p, "shop.db-wal"),
    };
    (void)err;
    count_names(p, out);
    user_states_cache_stats(p->states, &out->states_cached, &out->state_bytes);
    engine_snapshot_status(p, out);
    return PENCHANT_OK;
}

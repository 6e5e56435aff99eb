/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The window of a user's recent events lies in one block (times, items, likings, types)
 * that slides: it starts small, grows to a quarter more than the window, and is then moved
 * to its front once for every quarter window of events, so the recent ones are always
 * contiguous.
 */
#include "interest/user_window.h"

#include <stdlib.h>
#include <string.h>

enum {
    FIRST_CAP = 4,
    ENTRY_BYTES = sizeof(int64_t) + sizeof(uint32_t) + sizeof(float) + 1
};

/* Points the window at entry `begin` of a block with `cap` entries. */
static void point_at(struct user_state *u, void *block, uint32_t begin, uint32_t cap)
{
    int64_t *us = block;
    uint32_t *item = (uint32_t *)(us + cap);
    float *liking = (float *)(item + cap);
    u->recent_us = us + begin;
    u->recent = item + begin;
    u->recent_liking = liking + begin;
    u->recent_type = (uint8_t *)(liking + cap) + begin;
    u->begin = begin;
    u->cap = cap;
}

/* Makes room for one more entry at the end. 0 or PENCHANT_ENOMEM. */
static int make_room(struct user_state *u, uint32_t recent)
{
    if (u->begin + u->n_recent < u->cap)
        return PENCHANT_OK;
    const uint32_t most = recent + recent / 4;
    uint32_t cap = u->cap ? u->cap + u->cap / 2 + 1 : FIRST_CAP;
    cap = cap < most ? cap : most;
    const struct user_state old = *u;
    void *block = old.recent_us ? old.recent_us - old.begin : NULL;
    if (u->cap < most) { /* grow; into a new block since the arrays lie in one */
        void *grown = malloc((size_t)cap * ENTRY_BYTES);
        if (!grown)
            return PENCHANT_ENOMEM;
        point_at(u, grown, 0, cap);
    } else {
        point_at(u, block, 0, u->cap);
    }
    if (old.n_recent) {
        memmove(u->recent_us, old.recent_us, old.n_recent * sizeof(*u->recent_us));
        memmove(u->recent, old.recent, old.n_recent * sizeof(*u->recent));
        memmove(u->recent_liking, old.recent_liking,
                old.n_recent * sizeof(*u->recent_liking));
        memmove(u->recent_type, old.recent_type, old.n_recent);
    }
    if (u->cap != old.cap)
        free(block);
    return PENCHANT_OK;
}

/* Moves the entries from `at` on by one place, up or down. */
static void shift(struct user_state *u, uint32_t at, uint32_t to)
{
    const size_t n = u->n_recent - (at > to ? at : to - 1);
    memmove(u->recent_us + to, u->recent_us + at, n * sizeof(*u->recent_us));
    memmove(u->recent + to, u->recent + at, n * sizeof(*u->recent));
    memmove(u->recent_liking + to, u->recent_liking + at, n * sizeof(*u->recent_liking));
    memmove(u->recent_type + to, u->recent_type + at, n);
}

uint32_t user_state_position(const struct user_state *u, int64_t ts_us)
{
    uint32_t at = u ? u->n_recent : 0;
    while (at && u->recent_us[at - 1] > ts_us)
        at--;
    return at;
}

int user_window_insert(struct user_state *u, uint32_t most, uint32_t at,
                       const struct event *e, float liking)
{
    if (make_room(u, most) != PENCHANT_OK)
        return PENCHANT_ENOMEM;
    shift(u, at, at + 1);
    u->recent_us[at] = e->ts_us;
    u->recent[at] = e->item;
    u->recent_liking[at] = liking;
    u->recent_type[at] = (uint8_t)e->type;
    if (++u->n_recent > most) {
        point_at(u, u->recent_us - u->begin, u->begin + 1, u->cap);
        u->n_recent--;
    }
    return PENCHANT_OK;
}

void user_window_remove(struct user_state *u, uint32_t at)
{
    shift(u, at + 1, at);
    u->n_recent--;
}

void user_window_release(struct user_state *u)
{
    free(u->recent_us ? u->recent_us - u->begin : NULL);
}

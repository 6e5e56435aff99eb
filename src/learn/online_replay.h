/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the learner of an open shop learns from beside the newest events, and which items
 * it draws as negatives.
 *
 *   anchors  windows of before it began: what must not be forgotten
 *   recent   the windows that came since, a ring: the newest take the place of the oldest
 *   drawn    the items of the last events of both, a ring: draws by frequency
 *
 * Replay takes every other window from the anchors (Lin 1992; a memory with both keeps
 * what the model knew, Rolnick et al. 2019). Nothing here depends on the time of day.
 *
 * Memory: ONLINE_ANCHORS + ONLINE_RECENT windows of 9 * (ONLINE_LENGTH + 1) + 4 bytes
 * (1.3 MB), 4 * ONLINE_DRAWN bytes, and 8 bytes an item of the model.
 */
#ifndef LEARN_ONLINE_REPLAY_H
#define LEARN_ONLINE_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "model/network.h"

enum {
    ONLINE_LENGTH = 32, /* tokens of a window at most */
    ONLINE_ANCHORS = 2048,
    ONLINE_RECENT = 2048,
    ONLINE_DRAWN = 16384
};

/* The newest events of a user; every one but the first is to be predicted. */
struct online_window {
    uint32_t n; /* 2..ONLINE_LENGTH + 1 */
    uint32_t item[ONLINE_LENGTH + 1];
    uint8_t type[ONLINE_LENGTH + 1];
    float time[ONLINE_LENGTH + 1]; /* seconds since the first; without a clock 0 */
};

struct online_replay {
    struct online_window *anchor, *recent; /* (ONLINE_ANCHORS), (ONLINE_RECENT) */
    uint32_t n_anchors, n_recent, next_recent;
    uint32_t *drawn; /* (ONLINE_DRAWN) */
    uint32_t n_drawn, next_drawn;
    uint32_t n_items;
    uint32_t *count;  /* (n_items) how often each stands in drawn */
    float *frequency; /* (n_items) count / n_drawn, by online_replay_frequencies() */
};

/* 0 or PENCHANT_ENOMEM. */
int online_replay_init(struct online_replay *r, uint32_t n_items);
void online_replay_release(struct online_replay *r);

/* An event that negatives are drawn like from now on. */
void online_replay_count(struct online_replay *r, uint32_t item);

/* A window of before, whose events count; those past ONLINE_ANCHORS are passed over. */
void online_replay_anchor(struct online_replay *r, const struct online_window *w);

/* A window that has come since; does not count. */
void online_replay_add(struct online_replay *r, const struct online_window *w);

/* Forgets all that has come since the anchors. */
void online_replay_forget(struct online_replay *r);

/* One of them; NULL: there is none. */
const struct online_window *online_replay_draw(const struct online_replay *r, uint32_t i,
                                               struct rng *rng);

/* Brings r->frequency to what is in r->drawn now. */
void online_replay_frequencies(struct online_replay *r);

/* Appends a window to a batch that has room for it; with `last` its newest event alone is
   a target. */
void online_window_fill(struct batch *b, const struct online_window *w, bool last);

#endif

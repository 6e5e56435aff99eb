/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The histories cut into windows for one epoch. A window is a run of events of one user
 * of at most max_length + 1: all but the last are tokens, all but the first are targets.
 * A history longer than that is cut from its end into windows, with another cut in every
 * epoch, so that every event is a target about once.
 */
#ifndef LEARN_WINDOWS_H
#define LEARN_WINDOWS_H

#include "base/rng.h"
#include "learn/train.h"
#include "model/network.h"

struct window {
    uint64_t first; /* number of the first token in the history */
    uint32_t n;     /* tokens */
};

struct windows {
    struct window *window;
    uint32_t n, cap;
};

void windows_init(struct windows *w);
void windows_release(struct windows *w);

/* *out, new, is the same plan; PENCHANT_ENOMEM. */
int windows_copy(struct windows *out, const struct windows *w);

/* Cuts and shuffles; PENCHANT_ENOMEM. */
int windows_plan(struct windows *w, const struct train_data *data, uint32_t max_length,
                 struct rng *rng);

/* Appends a window to a batch that has room for it. */
void windows_fill(struct batch *b, const struct history *h, const struct window *w);

/*
 * The tokens [first, end) of a user, for prediction: the event `end` is the target of the
 * last one and gives its time; targets are not set. Items from `known` on are passed
 * over, as if they had not been; without any other nothing is appended. Returns how many
 * tokens were.
 */
uint32_t windows_fill_prefix(struct batch *b, const struct history *h, uint64_t first,
                             uint64_t end, uint32_t known);

#endif

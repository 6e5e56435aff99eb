/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The segments of an open shop. When a model comes in, everybody is placed as of the last
 * event that its training saw, and every later event of the log is taken in one by one:
 * so what a user's segment is depends on the model's file and the log alone, and an open
 * shop comes to the same as one that is opened anew (but for users that were erased, who
 * are out of the log then).
 *
 * Items that the model does not know move nobody until the next training.
 *
 * Threads: the writer alone changes them, under p->segments_lock, which comes last in the
 * order of locks. Memory: 3 bytes a user, 4 an item; while a model comes in and the log
 * has gone on since its training, the windows of all users once more.
 */
#ifndef ENGINE_SHOP_SEGMENTS_H
#define ENGINE_SHOP_SEGMENTS_H

#include "engine/snapshot.h"
#include "interest/segments.h"

struct shop_segments {
    struct segments live;
    struct segment_space space; /* the snapshot's item vectors */
    struct snapshot *snapshot;  /* held as long as this lives */
    uint32_t n_choices;
    float *choices; /* (n_choices, 4) as in segments_train.h */
    double prior;   /* of the choice that was taken */
    float *vector;  /* (dim) the writer's scratch */
};

/* Makes the segments of a model that was just picked up the shop's. A shop whose model has
   none has none. The caller is no writer and holds no lock but p->refresh_lock. */
void engine_segments_load(struct penchant *p, const char *path);

/* After an event was applied to the user's state. On the writer, or while opening. 0 or
   PENCHANT_ENOMEM. */
int engine_segments_apply(struct penchant *p, const struct event *e);

void engine_segments_erase(struct penchant *p, uint32_t user);
void engine_segments_close(struct penchant *p);

/* The item space of the present segments, with a reference to the snapshot that it
   borrows from; release both. PENCHANT_ENOMODEL without segments. Any thread. */
int engine_segments_space(struct penchant *p, struct segment_space *space,
                          struct snapshot **snapshot, struct penchant_error *err);

/* The segment of a user, SEGMENT_NONE without. Any thread. */
uint8_t engine_segment_of(struct penchant *p, uint32_t user);

#endif

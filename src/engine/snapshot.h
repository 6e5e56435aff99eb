/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model in use, ready to serve. A snapshot is immutable and counted: a request
 * acquires the present one, uses it without any lock, and releases it; the last to let go
 * frees it. A new model replaces the old one between two requests.
 */
#ifndef ENGINE_SNAPSHOT_H
#define ENGINE_SNAPSHOT_H

#include "engine/engine.h"
#include "evidence/blend.h"
#include "interest/outlook.h"
#include "learn/critic.h"
#include "model/encoder.h"
#include "retrieval/topk.h"

/* Notes of a checkpoint (model/checkpoint.h) that the engine writes and reads. */
#define NOTE_PRESET     "preset"
#define NOTE_LOSS       "loss"
#define NOTE_DROPOUT    "dropout"
#define NOTE_NEGATIVES  "negatives"
#define NOTE_DECAY      "weight_decay"
#define NOTE_SEED       "seed"
#define NOTE_NDCG       "ndcg10" /* of the blend, on the held-out events */
#define NOTE_TRAINED_US "trained_us"
#define NOTE_TRAINED_SEQ                                                                 \
    "trained_seq" /* the last event of the log that was looked at                        \
                   */

/* Where a shop keeps its model, below its folder. */
#define SNAPSHOT_DIR  "model"
#define SNAPSHOT_FILE SNAPSHOT_DIR "/model.safetensors"
/* The same model before it learned the held-out events: what can be judged by them. */
#define SNAPSHOT_JUDGED SNAPSHOT_DIR "/judged.safetensors"

struct snapshot {
    struct model *model;
    struct encoder *encoder;
    float *item_vectors; /* (n_items, dim) */
    float *middle;       /* (dim) interest_middle() of them */
    struct topk_index *index;
    struct names attributes; /* the model's, by name */
    uint32_t n_items, dim;
    struct blend blend;
    struct outlook_model outlook;
    struct critic *critic; /* NULL: no values */
    uint64_t version; /* 1, 2, .. by the order in which this process picked models up */
    uint64_t trained_seq;
    int64_t trained_us;
    double ndcg10;
    char preset[16];
    /* private */
    uint32_t users; /* under snapshot_lock: who may still look, the shop included */
};

/* NULL: there is no model. Any thread. */
struct snapshot *engine_snapshot_acquire(struct penchant *p);
struct snapshot *engine_snapshot_share(struct penchant *p,
                                       struct snapshot *s);           /* once more */
void engine_snapshot_release(struct penchant *p, struct snapshot *s); /* NULL is fine */

/* The model in use as it was before it learned the held-out events, from its own file:
   *out is the caller's alone to release. NULL: it is the present one. */
int engine_snapshot_judged(struct penchant *p, const struct snapshot *present,
                           struct snapshot **out, struct penchant_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model in use, ready to serve. A snapshot is immutable and counted: a request
 * acquires the present one, uses it without any lock, and releases it; the last to let go
 * frees it. A new model replaces the old one between two requests. So does what the
 * background learner makes of it (online_learner.h), which is a snapshot of its own.
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
    uint64_t version; /* 1, 2, .. by the order in which this process took them into use */
    uint64_t base; /* version of the model as it was read from its file: this one, or the
                      one that it was learned from (online_learner.h) */
    struct snapshot
        *champion;           /* that one, of which critic and attributes are; else NULL */
    uint32_t published, era; /* how many-th of that base; counts up at every roll-back */
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

/*
 * Which encoder states go with a snapshot: a state is used while its version is this.
 * Keys and values of one publication serve those after it, for SNAPSHOT_STATES of them,
 * since a publication moves them by little; then the user is encoded anew, each user at
 * another time. A new model and a roll-back make all states worthless. `epoch` is
 * shop_content_epoch().
 */
enum { SNAPSHOT_STATES = 64 };
uint64_t engine_snapshot_states(const struct snapshot *s, uint32_t user, uint32_t epoch);

/* What the background learner hands over. */
struct snapshot_change {
    struct snapshot *champion; /* that it began with */
    const struct model *model; /* the same form; copied */
    const uint32_t *rows;      /* (n) rows of its item table that may differ from the */
    uint32_t n;                /* snapshot in use */
    bool rolled_back;          /* the model is the champion's again */
};

/*
 * Puts a changed model in use; everything but its parameters stays the champion's.
 * PENCHANT_ENOMODEL: the shop has picked up another model meanwhile, and nothing was done.
 * PENCHANT_ENOMEM. One caller at a time.
 */
int engine_snapshot_publish(struct penchant *p, const struct snapshot_change *change,
                            struct penchant_error *err);

/* The model in use as it was before it learned the held-out events, from its own file:
   *out is the caller's alone to release. NULL: it is the present one. */
int engine_snapshot_judged(struct penchant *p, const struct snapshot *present,
                           struct snapshot **out, struct penchant_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The published ways of asking a log whether its next event was foreseen. A
 * protocol gives every event of the log a stage: learned from (FIT), for choices
 * (VALIDATION), for the report (TEST); within a user stages never go back. All else
 * follows from the stages:
 *
 *   leave-one-out  of a user with at least 3 events the last is TEST, the one before it
 *                  VALIDATION; what the user had before is not ranked
 *   sessions       the second file is TEST, the last tenth of the first file's sessions
 *                  VALIDATION; nothing is excluded
 *   temporal       the last `test_share` of time-ordered events are TEST, the same share
 *                  of the rest VALIDATION; nothing is excluded; needs a clock
 *   prequential    the same stages, but every TEST event is a case and is learned from
 *                  after it was predicted (lab/prequential.h)
 *   cold-items     leave-one-out, but a share of the items, by a hash of their names and the
 *                  seed, is new: of their events only those that are reported are left in
 *                  the log, so nothing is learned, counted or chosen by them; all items are
 *                  ranked
 *
 * The report is on TEST or on VALIDATION. In the second case TEST events are taken out of
 * the log before anything is learned, counted or even numbered from it.
 */
#ifndef LAB_PROTOCOL_H
#define LAB_PROTOCOL_H

#include "lab/dataset.h"

enum protocol_kind {
    PROTOCOL_LEAVE_ONE_OUT,
    PROTOCOL_SESSIONS,
    PROTOCOL_TEMPORAL,
    PROTOCOL_PREQUENTIAL,
    PROTOCOL_COLD_ITEMS
};
enum protocol_stage { STAGE_FIT, STAGE_VALIDATION, STAGE_TEST };

struct protocol_options {
    enum protocol_kind kind;
    enum protocol_stage report; /* STAGE_VALIDATION or STAGE_TEST */
    uint32_t min_prefix;        /* sessions: events before a case, at least 1 */
    double test_share;          /* temporal, prequential: in (0, 1) */
    double cold_share;          /* cold-items: in (0, 1) */
    uint64_t seed;
};

struct protocol {
    struct protocol_options o;
    struct dataset *data; /* borrowed; numbered, without TEST when that is not reported */
    uint8_t *stage;       /* (history.n) enum protocol_stage */
    bool exclude_seen;
    uint32_t n_warm; /* items [n_warm, n_items) are hidden; only cold-items hides any */
};

/* Assigns the stages and numbers the data, which must outlive the protocol. */
int protocol_init(struct protocol *p, struct dataset *d, const struct protocol_options *o,
                  struct penchant_error *err);
void protocol_release(struct protocol *p);

/* A name of the list above; PENCHANT_EINVALID for any other. */
int protocol_parse(const char *name, enum protocol_kind *kind,
                   struct penchant_error *err);
const char *protocol_name(enum protocol_kind kind);

/* How many items are known once everything before `stage` has been seen: [0, result). All
   items of the log are, where a protocol ranks them all. */
uint32_t protocol_known(const struct protocol *p, enum protocol_stage stage);

/* The items that the model is given: [0, result). */
uint32_t protocol_learned(const struct protocol *p);

/* Places in the history and whose they are. */
struct places {
    uint64_t *at;   /* (n) */
    uint32_t *user; /* (n) */
    size_t n;
};
void places_release(struct places *p);

/* The events of a stage that are to be predicted, in the history's order. */
int protocol_cases(const struct protocol *p, enum protocol_stage stage,
                   struct places *out, struct penchant_error *err);

/*
 * The events of a stage in the order in which counting sources observe them. With a clock
 * that is time. Without one, sessions follow the file (they stand in time order); users'
 * histories, of which nobody knows when they were, run side by side from the first to the
 * last event of each, so that everyone's newest events are the newest of all and no user
 * comes as one block.
 */
int protocol_order(const struct protocol *p, enum protocol_stage stage,
                   struct places *out, struct penchant_error *err);

/* The history without TEST and where training ends in it, for learn/train.h. The history
   is a copy; release it, free *train_end. */
int protocol_training(const struct protocol *p, struct history *h, uint64_t **train_end,
                      struct penchant_error *err);

#endif

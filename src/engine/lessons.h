/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a shop's log teaches, and what is held out to judge by: the last event of every
 * user with at least three (of LESSONS_CASES users at most, chosen by a hash of their
 * number). Where users practically never come back to an item (less than one last event
 * in 200 does), those that do are left out, and what a user had before is not ranked.
 * Training and evaluation make the same choice from the same log.
 */
#ifndef ENGINE_LESSONS_H
#define ENGINE_LESSONS_H

#include "behaviour/catalog.h"
#include "behaviour/history.h"
#include "engine/describe.h"
#include "engine/modalities.h"
#include "engine/snapshot.h"
#include "engine/value_log.h"
#include "evidence/evidence.h"
#include "learn/train.h"
#include "store/store.h"

enum { LESSONS_CASES = 20000 };

struct lessons {
    struct catalog catalog;
    struct history history;
    uint64_t last_seq;   /* the newest event that is in it */
    uint64_t *train_end; /* (n_users) where a user's held-out events begin */
    uint64_t *at;        /* (n_cases) the held-out events */
    uint32_t *user;      /* (n_cases) whose they are */
    size_t n_cases;
    bool hides;   /* the evidence knows nothing of the new items of learn/held_out.h */
    bool repeats; /* users come back to items, so that seen ones are ranked too */
    struct evidence evidence;      /* has observed all that is not held out */
    struct modalities *modalities; /* imported vectors, or NULL: none */
    struct value_log values;       /* what events earn */
    /* By lessons_describe(); NULL when no item says anything. */
    struct content_space *space;
    float *content; /* (n_items, dim of the space) */
    struct topk_index *content_index;
    struct evidence_content view; /* the same, for questions; n 0: nothing */
    /* for struct train_data, which lessons_data() fills */
    uint32_t *attr_start, *attr;
    char **attribute_name; /* (n_attributes) borrowed from the catalogue */
    uint32_t n_types;
};

/*
 * Reads the log up to event `last_seq` (UINT64_MAX: all of it). The store is the caller's
 * alone meanwhile.
 */
int lessons_read(struct lessons *l, struct store *store, uint64_t last_seq,
                 struct penchant_error *err);

/* The same, all of it, for weighing the evidence: where any item says something of itself,
   it has observed nothing of the items that are new by learn/held_out.h. What events earn
   goes by the table. */
int lessons_read_to_weigh(struct lessons *l, struct store *store,
                          const struct rewards *rewards, struct penchant_error *err);

void lessons_release(struct lessons *l);

/*
 * What the items say, in the space of the checkpoint at `path`, or in a new one when path
 * is NULL or has none.
 */
int lessons_describe(struct lessons *l, const char *path, uint32_t threads,
                     struct penchant_error *err);

struct train_data lessons_data(const struct lessons *l);

/* The held-out events as questions to the sources. */
struct exam {
    const struct lessons *l;
    const struct snapshot *s; /* the model that is examined */
    float *vectors;           /* (n_cases, dim) */
};

int exam_init(struct exam *x, const struct lessons *l, const struct snapshot *s,
              uint32_t threads, struct penchant_error *err);
void exam_release(struct exam *x);

/*
 * Question c: what the user did before. `skip` is a bitmap of all items, zero before and
 * zeroed by exam_forget(); without repeats it is given the items the user had before.
 */
struct evidence_query exam_question(const struct exam *x, size_t c, uint64_t *skip);
void exam_forget(const struct exam *x, size_t c, uint64_t *skip);
uint32_t exam_answer(const struct exam *x, size_t c);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shop's experiments: in memory for requests, in the store as facts, "experiments" with
 * the names and "experiment.NAME" with each as JSON.
 *
 * Threads: requests read under the table's lock; the writer changes. An experiment that is
 * in the table is never changed, only replaced. Memory: PENCHANT_MAX_EXPERIMENTS of some
 * KB.
 */
#ifndef ENGINE_EXPERIMENTS_H
#define ENGINE_EXPERIMENTS_H

#include <pthread.h>

#include "engine/engine.h"

struct experiments {
    pthread_rwlock_t lock;
    size_t n;
    struct penchant_experiment
        *one[PENCHANT_MAX_EXPERIMENTS]; /* by name; one block each */
};

/* NULL: no memory. */
struct experiments *experiments_new(void);
void experiments_free(struct experiments *e);

/* Fills an empty table from the store; while opening. */
int experiments_read(struct penchant *p, struct penchant_error *err);

/* The arm's place among those of the experiment, or -1: the user is not in it. */
int experiment_arm(const struct penchant_experiment *e, const char *user_id);

/* One block; NULL: no memory. */
struct penchant_experiment *experiment_copy(const struct penchant_experiment *e);

/* One block of the experiment of that name; PENCHANT_ENOTFOUND. */
int experiments_copy(struct penchant *p, const char *name,
                     struct penchant_experiment **out, struct penchant_error *err);

/* What the arms of a request's user make of it. */
struct assignment {
    struct penchant_request request; /* what is to be answered */
    char sources[256];               /* behind request.sources */
    size_t n;
    struct penchant_assigned *assigned; /* one block; NULL: none */
};

/* 0 or PENCHANT_ENOMEM. */
int assignment_init(struct assignment *a, struct penchant *p,
                    const struct penchant_request *r, struct penchant_error *err);
void assignment_release(struct assignment *a);

/* Says it in the list, which takes the block. */
void assignment_tell(struct assignment *a, struct penchant_list *list);

/* ---- experiments_text.c ---- */

/* As the store keeps it; *out is the caller's until free(). */
int experiment_write(const struct penchant_experiment *e, char **out,
                     struct penchant_error *err);

/* The way back; one block. */
int experiment_read(const char *text, struct penchant_experiment **out,
                    struct penchant_error *err);

/* What an experiment must say. */
int experiment_check(const struct penchant_experiment *e, struct penchant_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of an open shop, shared by the files of this folder.
 *
 *   open.c             opening, closing, the clock
 *   replay.c           from the store into memory
 *   writer.c           the one thread that changes the store: group commit, in order
 *   errands.c          having the writer do something and waiting for it
 *   newcomers.c        numbers for names that the present transaction is the first to see
 *   events.c           penchant_add_events, _submit_events, _check_event
 *   items.c users.c    the catalogue and the shoppers as penchant.h shows them
 *   engine_interests.c engine_outlook.c  what a shopper is interested in and will do
 *   engine_import.c engine_export.c engine_status.c
 *   engine_vectors.c modalities.c  imported vectors: into the store, in memory
 *   snapshot.c         the model in use
 *   online_learner.c   the model learns on while the shop is open; delays.c
 *   shop_content.c     what the items say of themselves; describe.c, shop_content_bulk.c
 *   lists.c            what to show: want.c for whom, shortlist.c what of, draw.c by chance
 *   dials.c            what else a list is to be good at than being wanted
 *   shop_balance.c engine_balance.c  what lists come to, and targets for it
 *   engine_config.c    what DIR/penchant.conf says
 *   feedback.c feedback_settle.c feedback_read.c engine_slates.c  what became of the lists
 *   adapt.c adapt_features.c adapt_rates.c engine_adapt.c  what that teaches at once
 *   experiments.c      who is shown what; experiments_results.c what became of it
 *   engine_ope.c       what other lists would have earned
 *   shop_segments.c    groups of shoppers, kept up; segment_summary.c what they are
 *   engine_train.c engine_evaluate.c  learning and judging, both from lessons.c; resume.c
 *
 * Threads
 *   writer   one per shop that is open for writing. It alone calls the store, adds names,
 *            changes the catalogue, calls engine_apply(). A read-only shop has none and
 *            never changes after opening, but for its model.
 *   watcher  one per shop; calls engine_snapshot_refresh() and shop_content_tend() about
 *            once a second.
 *   learner  at most one per shop (penchant_options.learn); takes what the writer has
 *            applied and publishes snapshots.
 *   callers  everybody else. Hold p->lock for reading while looking at users, types,
 *            catalog or evidence; texts of names stay valid until the shop is closed
 *            (that of an erased user becomes ""), so they may be handed out. p->lock is
 *            not recursive and prefers the writer.
 *   Order of locks: p->lock, then a shard of p->states, then a source of evidence or
 *            p->segments_lock.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/names.h"
#include "base/status.h"
#include "behaviour/catalog.h"
#include "behaviour/event.h"
#include "engine/delays.h"
#include "engine/engine_config.h"
#include "evidence/evidence.h"
#include "interest/user_state.h"
#include "store/store.h"

enum {
    ENGINE_RECENT = 512,          /* wanted events kept in memory of each user */
    ENGINE_QUEUE_EVENTS = 100000, /* waiting at most; past it PENCHANT_ELIMIT */
    ENGINE_QUEUE_SLATES = 100000, /* waiting at most; past it slates are not logged */
    ENGINE_PATH_MAX = 4096
};

struct adapt;          /* adapt.h */
struct experiments;    /* experiments.h */
struct feedback;       /* feedback.h */
struct snapshot;       /* snapshot.c */
struct modalities;     /* modalities.h */
struct online_learner; /* online_learner.c */
struct shop_balance;   /* shop_balance.h */
struct shop_content;   /* shop_content.h */
struct shop_segments;  /* shop_segments.c */
struct writer;         /* writer.c */

struct penchant {
    /* Set by penchant_open, constant after it. */
    char *dir; /* NULL: kept nowhere */
    bool read_only;
    size_t state_bytes;
    struct engine_config config;
    penchant_log_fn *log;
    void *log_cookie;
    pthread_mutex_t log_lock; /* so that `log` is never re-entered */
    int lock_fd;

    struct store *store; /* the writer's; read-only: under store_lock */
    pthread_mutex_t store_lock;
    struct writer *writer; /* NULL: read-only */

    pthread_rwlock_t lock;
    struct names users, types;
    struct catalog catalog;
    bool has_clock; /* false: times only mean order; fixed once the log has an event */
    struct evidence evidence;
    struct modalities *modalities; /* NULL: no vectors were imported */
    struct shop_content *content;  /* never NULL in an open shop */
    uint64_t vectors_version;      /* counts up when they change */

    struct user_states *states;      /* locks itself */
    struct feedback *feedback;       /* the same; the writer writes */
    struct experiments *experiments; /* the same */
    struct shop_balance *balance;    /* the same */
    struct adapt *adapt;             /* the same; NULL: nothing is learned from it */

    /* The model in use: engine_snapshot_* are its only users. */
    struct snapshot *snapshot; /* under snapshot_lock; NULL: no model */
    uint64_t snapshots;        /* there have been; under snapshot_lock */
    pthread_mutex_t snapshot_lock;
    pthread_mutex_t refresh_lock; /* one looks for a new model at a time; before others */
    uint64_t model_tried; /* identity of the file last looked at; under refresh_lock */

    struct shop_segments *segments; /* under segments_lock; NULL: none */
    pthread_rwlock_t segments_lock; /* the writer changes them */

    struct online_learner *learner; /* NULL: none; set while opening */

    pthread_t watcher;
    bool watching; /* the watcher was started */
    bool closing;  /* under watch_lock */
    pthread_mutex_t watch_lock;
    pthread_cond_t watch_wake;

    /* Of the whole log. */
    _Atomic uint64_t events, slates, last_seq;
    uint64_t last_slate;               /* the number of the newest; the writer's */
    _Atomic int64_t first_us, last_us; /* smallest and largest time; without events the
                                          largest and smallest number */
    atomic_bool live;                  /* an event that was not imported has come in */

    _Atomic uint64_t requests, commits; /* since opening; lists.c counts requests */
    atomic_bool stopping;       /* the shop closes: a replay need not come to its end */
    struct delays to_list;      /* from submission to being in the next list */
    struct delays to_layer;     /* the same, of those that settled places of lists */
    _Atomic uint64_t cancelled; /* purchases undone by refunds, since opening */
};

/* ---- replay.c ---- */

/* Fills an empty shop from its store; makes a new store's first rows. */
int engine_load(struct penchant *p, struct penchant_error *err);

/*
 * Takes one event of the log into all state in memory: item counts, evidence, the user's
 * state. The one function that both the replay and the writer use, always in log order.
 */
int engine_apply(struct penchant *p, const struct event *e);

/* The same of a list that was shown; it stands before the events that follow. */
int engine_take_slate(struct penchant *p, const struct store_slate *s);

/* Applies the events of the store after `after_seq`. Writer, or while opening.
   PENCHANT_ECLOSED when the shop closes meanwhile. */
int engine_replay_events(struct penchant *p, uint64_t after_seq,
                         struct penchant_error *err);

/* Says whether the times of a shop that has no event yet are a clock. Writer. */
int engine_set_clock(struct penchant *p, bool has_clock, struct penchant_error *err);

/* ---- open.c ---- */

/* "Now" for a request: the time of day once the shop is live or the newest event is of
   the last day (an event from the future does not carry the shop there), else the newest
   event's time. */
int64_t engine_now(const struct penchant *p);

/* DIR/name into out[ENGINE_PATH_MAX]; PENCHANT_EINVALID when too long or without a DIR. */
int engine_path(const struct penchant *p, const char *name, char *out,
                struct penchant_error *err);

/* One log line, "event key=value .."; silent without a log function. */
void engine_log(struct penchant *p, int level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- users.c ---- */

/* The number of a user: PENCHANT_ENOTFOUND, or EINVALID without an id. p->lock is held. */
int engine_find_user(const struct penchant *p, const char *user_id, uint32_t *user,
                     struct penchant_error *err);

/* ---- newcomers.c ---- */

/*
 * Numbers of names inside a transaction: those of the shop, and those that are new in
 * this transaction, which get the next ones and go to the store at once. They join the
 * shop's tables (and become visible to others) with newcomers_join() after the commit;
 * without it nothing has happened to the shop.
 */
struct newcomers {
    struct names users, items, types;
};

void newcomers_init(struct newcomers *c);
void newcomers_release(struct newcomers *c);

/* The number, or NAMES_NONE with err filled: ENOMEM, ELIMIT, the store's failures, and
   EINVALID for one event type too many. */
uint32_t newcomers_user(struct newcomers *c, struct penchant *p, const char *name,
                        struct penchant_error *err);
uint32_t newcomers_item(struct newcomers *c, struct penchant *p, const char *name,
                        struct penchant_error *err);
uint32_t newcomers_type(struct newcomers *c, struct penchant *p, const char *name,
                        struct penchant_error *err);

/* Takes p->lock for writing when there is anything to join. 0 or PENCHANT_ENOMEM. */
int newcomers_join(struct newcomers *c, struct penchant *p);

/* ---- writer.c ---- */

/* What the works of one group share while it is written. */
struct transaction {
    struct newcomers *newcomers;
    uint64_t last_seq; /* of the last event appended */
    struct buf extra;  /* scratch for the text of event.extra */
};

/* Work for the writer. Submitted works are written in the order of submission, many in
   one transaction, and applied in that order once it is on disk. */
struct work {
    struct work *next;
    size_t n_events; /* counts against the queue's limit and the size of a group */
    /*
     * Inside the transaction. A failure that is this work's own fault (nothing was
     * written) is told by `rejected` and a status; any other non-zero answer fails the
     * whole group.
     */
    int (*write)(struct penchant *p, struct transaction *t, struct work *w,
                 bool *rejected, struct penchant_error *err);
    /* After the commit, in order; 0 or PENCHANT_ENOMEM. NULL: nothing to do. */
    int (*apply)(struct penchant *p, struct work *w);
    /* Instead of write and apply: alone, outside a transaction. */
    int (*alone)(struct penchant *p, struct work *w, struct penchant_error *err);
    /* Last, whatever happened. err is set when status is not 0. The work may be freed. */
    void (*done)(struct work *w, int status, const struct penchant_error *err);
};

int writer_start(struct penchant *p, struct penchant_error *err);
/* Writes what is waiting, pending slates too, and ends the thread. */
void writer_stop(struct penchant *p);

/* PENCHANT_EREADONLY, ELIMIT or ECLOSED (then done is not called and the work is still
   the caller's), or 0. */
int writer_submit(struct penchant *p, struct work *w, struct penchant_error *err);

/* The same and waits; the answer is the work's, and w->done is not called. */
int writer_run(struct penchant *p, struct work *w, struct penchant_error *err);

/*
 * Runs fn with the store to itself: on the writer, after everything submitted before, or
 * in the calling thread when the shop is read-only. For scans (export, train, evaluate)
 * too. Not from the writer itself, and not while holding p->lock.
 */
int engine_with_store(struct penchant *p,
                      int (*fn)(struct penchant *p, void *arg,
                                struct penchant_error *err),
                      void *arg, struct penchant_error *err);

/* A transaction of a work that runs alone; writer_commit() also lets new names join.
   After a failed commit there is nothing to roll back. */
int writer_begin(struct penchant *p, struct penchant_error *err);
int writer_commit(struct penchant *p, struct penchant_error *err);
void writer_rollback(struct penchant *p);
struct transaction *writer_transaction(struct penchant *p);

/*
 * For a work that filled an empty log: locks p->lock for writing, and the writer applies
 * the log after the work is done, then unlocks. So the caller may go on (a program that
 * only imports is at its end), and whoever looks at the shop waits until it is complete.
 */
void writer_apply_later(struct penchant *p);

/* The state in memory has fallen behind the log: nothing is written from now on.
   PENCHANT_ENOMEM. */
int writer_broke(struct penchant *p, struct penchant_error *err);

/* Copies a slate for the log: on disk with the next group, at the latest 100 ms later,
   and at closing. False when it will not be logged: the shop is read-only or closing, too
   many wait, or there is no memory. Any thread. */
bool engine_submit_slate(struct penchant *p, const struct store_slate *slate);

/* Forgets the slates of a user that wait for their commit; on the writer. */
void writer_drop_slates(struct penchant *p, uint32_t user);

/* ---- events.c ---- */

/*
 * Gives an event from outside its numbers, those of new names too. *seen: its event_id
 * had been taken before, and *out is left as it was. The time is taken as it is; the
 * texts in *out are borrowed from e and t->extra until the next call.
 */
int engine_number_event(struct penchant *p, struct transaction *t,
                        const struct penchant_event *e, struct event *out, bool *seen,
                        struct penchant_error *err);

/* Appends a numbered event to the log under the next sequence number. */
int engine_append_event(struct penchant *p, struct transaction *t, struct event *e,
                        struct penchant_error *err);

/* The row of an item as the store keeps it, and the way back; texts are borrowed. */
struct store_item engine_store_item(const struct penchant_item *item);
struct penchant_item engine_item_of_row(const struct store_item *row);

/* ---- engine_vectors.c ---- */

/* Reads the imported vectors of the store anew; while opening, or on the writer. */
int engine_read_vectors(struct penchant *p, struct penchant_error *err);

/* ---- snapshot.c ---- */

/* Picks DIR/model/model.safetensors up when it is there and new, before it returns; at
   opening, and the watcher's about once a second. */
void engine_snapshot_refresh(struct penchant *p);
void engine_snapshot_close(struct penchant *p);

/* Fills what the model tells of itself: has_model, preset, dim, blocks, model_*. */
void engine_snapshot_status(struct penchant *p, struct penchant_status_report *out);

#endif

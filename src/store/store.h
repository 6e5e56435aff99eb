/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is kept of a shop: users, items, event types, the event log, the slates that were
 * shown. A store is one implementation of the table below; store_sqlite.c is the default,
 * store_memory.c the executable specification (both pass tests/test_store.c).
 *
 * One thread at a time uses a store. Changes stand between begin and commit, and a commit
 * that returned PENCHANT_OK is on disk. A write that the disk refuses ends all writing:
 * the store goes on answering scans, but every later begin fails with PENCHANT_EIO until
 * it is opened anew (after a failed sync nobody knows what the disk holds). Scans may run
 * outside or inside a transaction. In a store that is read-only, begin .. rollback holds
 * one consistent view while another process writes.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "behaviour/event.h"

struct store;

/* How a list was drawn (policy/explore.h), so that its propensities can be told again. */
struct store_choice {
    double share, temperature, kappa, epsilon;
    double log_normaliser;    /* of all that it was drawn from; NaN: temperature 0 */
    uint32_t pool;            /* how many these were */
    uint32_t n;               /* the best of them and those that were shown; at least 1 */
    const uint32_t *item;     /* (n) */
    const float *score;       /* (n) */
    const float *uncertainty; /* (n), or NULL: all 0 */
};

struct store_slate {
    uint64_t seq;   /* 1, 2, .. in order; given by append_slate() */
    const char *id; /* recommendation_id */
    uint64_t
        after_event; /* the last event of the log when it was taken into it; 0 when an
                             older program wrote it */
    int64_t ts_us;
    uint32_t user; /* NAMES_NONE: unknown visitor */
    uint32_t n;
    const uint32_t *items;     /* (n) best first */
    const float *propensities; /* (n), or NULL: chosen deterministically, all 1 */
    uint64_t model_version;
    const char *placement;             /* NULL: none */
    const struct store_choice *choice; /* NULL: it is the ranking */
    /* What was known of the first places, for what learns from the list; NULL: nothing. */
    const float *features; /* (n_features / a width that its reader knows, that width) */
    uint32_t n_features;
};

struct store_item {
    const char *item_id, *title, *category, *brand; /* NULL: unknown */
    double price;                                   /* NaN: unknown */
    bool available, deleted;
};

/* Vectors of items that were imported under one name. */
struct store_modality {
    const char *name;
    uint32_t dim;
    double weight;
};

/* Scans call back per row, in order of number; a non-zero answer ends the scan with it. */
typedef int store_name_fn(void *cookie, uint32_t id, const char *name);
typedef int store_item_fn(void *cookie, uint32_t id, const struct store_item *item);
typedef int store_event_fn(void *cookie, const struct event *e);
typedef int store_slate_fn(void *cookie, const struct store_slate *s);
typedef int store_modality_fn(void *cookie, const struct store_modality *m);
typedef int store_vector_fn(void *cookie, uint32_t item, const float *vector);

struct store_options {
    const char *path; /* of the database file; ignored by memory */
    bool read_only;   /* reads beside a writer */
    bool create;      /* else a missing file is PENCHANT_ENOTFOUND */
};

/* Erased users are not counted, deleted items are. Cheap: nothing is scanned. */
struct store_counts {
    uint64_t events, users, items, slates;
    uint64_t last_seq;   /* the number of the last event that was ever appended */
    uint64_t last_slate; /* and of the last slate */
    uint64_t bytes;      /* on disk */
};

/* One row per implementation. Functions return 0 or a negative penchant_status. */
struct store_backend {
    const char *name;
    int (*open)(struct store **out, const struct store_options *o,
                struct penchant_error *err);
    void (*close)(struct store *s); /* an open transaction is rolled back */

    int (*begin)(struct store *s, struct penchant_error *err);
    /* On failure the transaction is rolled back. */
    int (*commit)(struct store *s, struct penchant_error *err);
    void (*rollback)(struct store *s); /* harmless without a transaction */

    /* Names get the numbers that the caller's tables gave them (0, 1, 2, ..). */
    int (*add_user)(struct store *s, uint32_t id, const char *name,
                    struct penchant_error *err);
    int (*add_type)(struct store *s, uint32_t id, const char *name,
                    struct penchant_error *err);
    int (*put_item)(struct store *s, uint32_t id, const struct store_item *item,
                    struct penchant_error *err);
    /* e->seq must be the last one plus 1. */
    int (*append_event)(struct store *s, const struct event *e,
                        struct penchant_error *err);
    /* Remembers an event_id's hash; *seen tells that it was there. */
    int (*add_event_id)(struct store *s, uint64_t hash, bool *seen,
                        struct penchant_error *err);
    /* Its seq is the last one's plus 1, whatever it says. */
    int (*append_slate)(struct store *s, const struct store_slate *slate,
                        struct penchant_error *err);
    /* Facts by name: "clock" = "0" | "1", .. value NULL removes. Names that begin with
       "store." are the store's own. */
    int (*put_fact)(struct store *s, const char *name, const char *value,
                    struct penchant_error *err);

    /* Begins a modality: vectors that stand under its name go. */
    int (*put_modality)(struct store *s, const struct store_modality *m,
                        struct penchant_error *err);
    /* Puts the vector of an item into the modality that was put last in this transaction;
       it has that one's dim. PENCHANT_EINVALID when none was, or one was removed since. */
    int (*put_vector)(struct store *s, uint32_t item, const float *vector,
                      struct penchant_error *err);
    /* Removes a modality and its vectors; none of that name is no failure. */
    int (*remove_modality)(struct store *s, const char *name, struct penchant_error *err);

    /* An erased user has the name "". */
    int (*scan_users)(struct store *s, store_name_fn *fn, void *cookie,
                      struct penchant_error *err);
    int (*scan_types)(struct store *s, store_name_fn *fn, void *cookie,
                      struct penchant_error *err);
    int (*scan_items)(struct store *s, store_item_fn *fn, void *cookie,
                      struct penchant_error *err);
    int (*scan_events)(struct store *s, uint64_t after_seq, store_event_fn *fn,
                       void *cookie, struct penchant_error *err);
    /* Those after `after_seq`. The callback may scan events meanwhile. */
    int (*scan_slates)(struct store *s, uint64_t after_seq, store_slate_fn *fn,
                       void *cookie, struct penchant_error *err);
    /* In order of name. The store must not be asked for anything else meanwhile. */
    int (*scan_modalities)(struct store *s, store_modality_fn *fn, void *cookie,
                           struct penchant_error *err);
    /* Of one modality, in order of item; of a name that is not there, none. */
    int (*scan_vectors)(struct store *s, const char *name, store_vector_fn *fn,
                        void *cookie, struct penchant_error *err);
    /* Copies a fact into text[n]; "" when it is missing. */
    int (*get_fact)(struct store *s, const char *name, char *text, size_t n,
                    struct penchant_error *err);
    int (*counts)(struct store *s, struct store_counts *out, struct penchant_error *err);

    /* Erases users' events, slates and names (their numbers stay used), the bytes
       overwritten. Outside a transaction; durable on return. */
    int (*erase_users)(struct store *s, const uint32_t *id, size_t n,
                       struct penchant_error *err);
    /* Takes those of the present transaction's events out again, from first_seq on, for
       which drop() is true (import cleaning). Their numbers stay used. */
    int (*drop_events)(struct store *s, uint64_t first_seq, store_event_fn *drop,
                       void *cookie, uint64_t *dropped, struct penchant_error *err);
};

/* Each implementation's struct store begins with this. */
struct store {
    const struct store_backend *ops;
};

extern const struct store_backend store_sqlite, store_memory;

/* The row of that name ("sqlite", "memory"), or NULL. */
const struct store_backend *store_backend_find(const char *name);

#endif

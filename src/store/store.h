/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is kept of a shop: users, items, event types, the event log, the slates that were
 * shown. A store is one implementation of the table below; store_sqlite.c is the default,
 * store_memory.c the executable specification (both pass tests/test_store.c).
 *
 * One thread writes (the engine's writer); changes stand between begin and commit, and a
 * commit that returned PENCHANT_OK is on disk. After PENCHANT_EIO from a commit the store
 * must be closed. Scans may run on the writing thread only, outside or inside a transaction.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "behaviour/event.h"

struct store;

struct store_slate {
    const char *id;    /* recommendation_id */
    int64_t ts_us;
    uint32_t user;     /* NAMES_NONE: unknown visitor */
    uint32_t n;
    const uint32_t *items;      /* (n) best first */
    const float *propensities;  /* (n), or NULL: chosen deterministically, all 1 */
    uint64_t model_version;
    const char *placement;      /* NULL: none */
};

struct store_item {
    const char *item_id, *title, *category, *brand; /* NULL: unknown */
    double price;                                   /* NaN: unknown */
    bool available, deleted;
};

/* Scans call back per row, in order of number; a non-zero answer ends the scan with it. */
typedef int store_name_fn(void *cookie, uint32_t id, const char *name);
typedef int store_item_fn(void *cookie, uint32_t id, const struct store_item *item);
typedef int store_event_fn(void *cookie, const struct event *e);
typedef int store_slate_fn(void *cookie, const struct store_slate *s);

struct store_options {
    const char *path; /* of the database file; ignored by memory */
    bool read_only;   /* reads beside a writer; sees what was committed at each scan */
    bool create;
};

struct store_counts {
    uint64_t events, users, items, slates, last_seq, bytes;
};

/* One row per implementation. Functions return 0 or a negative penchant_status. */
struct store_backend {
    const char *name;
    int (*open)(struct store **out, const struct store_options *o, struct penchant_error *);
    void (*close)(struct store *s);

    int (*begin)(struct store *s, struct penchant_error *);
    int (*commit)(struct store *s, struct penchant_error *);
    void (*rollback)(struct store *s);

    /* Names get the numbers that the caller's tables gave them (0, 1, 2, ..). */
    int (*add_user)(struct store *s, uint32_t id, const char *name, struct penchant_error *);
    int (*add_type)(struct store *s, uint32_t id, const char *name, struct penchant_error *);
    int (*put_item)(struct store *s, uint32_t id, const struct store_item *item,
                    struct penchant_error *);
    /* e->seq must be the last one plus 1. */
    int (*append_event)(struct store *s, const struct event *e, struct penchant_error *);
    /* Remembers an event_id's hash; *seen tells that it was there. */
    int (*add_event_id)(struct store *s, uint64_t hash, bool *seen, struct penchant_error *);
    int (*append_slate)(struct store *s, const struct store_slate *slate,
                        struct penchant_error *);
    /* Facts by name: "clock" = "0" | "1", .. value NULL removes. */
    int (*put_fact)(struct store *s, const char *name, const char *value,
                    struct penchant_error *);

    int (*scan_users)(struct store *s, store_name_fn *fn, void *cookie,
                      struct penchant_error *);
    int (*scan_types)(struct store *s, store_name_fn *fn, void *cookie,
                      struct penchant_error *);
    int (*scan_items)(struct store *s, store_item_fn *fn, void *cookie,
                      struct penchant_error *);
    int (*scan_events)(struct store *s, uint64_t after_seq, store_event_fn *fn, void *cookie,
                       struct penchant_error *);
    int (*scan_slates)(struct store *s, store_slate_fn *fn, void *cookie,
                       struct penchant_error *);
    /* Copies a fact into text[n]; "" when it is missing. */
    int (*get_fact)(struct store *s, const char *name, char *text, size_t n,
                    struct penchant_error *);
    int (*counts)(struct store *s, struct store_counts *out, struct penchant_error *);

    /* Erases users' events, slates and names (their numbers stay used); bytes overwritten. */
    int (*erase_users)(struct store *s, const uint32_t *id, size_t n,
                       struct penchant_error *);
    /* Erases the events in [first_seq, last_seq] for which drop() is true (import cleaning). */
    int (*drop_events)(struct store *s, uint64_t first_seq, store_event_fn *drop,
                       void *cookie, uint64_t *dropped, struct penchant_error *);
};

/* Each implementation's struct store begins with this. */
struct store {
    const struct store_backend *ops;
};

extern const struct store_backend store_sqlite, store_memory;

/* The row of that name ("sqlite", "memory"), or NULL. */
const struct store_backend *store_backend_find(const char *name);

#endif

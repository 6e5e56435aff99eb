/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of the store in memory: arrays of rows that own their texts. A table only
 * grows, but for cuts at its end and rows that are erased. For store_memory*.c alone.
 */
#ifndef STORE_MEMORY_TABLES_H
#define STORE_MEMORY_TABLES_H

#include "store/store.h"

enum table_id {
    USERS,
    TYPES,
    ITEMS,
    EVENTS,
    SLATES,
    FACTS,
    EVENT_IDS,
    MODALITIES,
    VECTORS,
    TABLES
};

struct item_row {
    uint32_t id;
    struct store_item item;
};

struct fact_row {
    const char *name, *value; /* value NULL: removed */
};

struct modality_row {
    const char *name;
    uint32_t dim; /* 0: removed */
    double weight;
};

struct vector_row {
    size_t modality; /* row of it */
    uint32_t item;
    float *vector;
};

struct table {
    char *row;
    size_t n, cap, begun; /* begun: n at the begin of the transaction */
};

struct memory_store {
    struct store base;
    struct table table[TABLES];
    bool writing;
    uint64_t last_seq, begun_seq, last_slate, begun_slate;
    uint64_t *seen; /* open addressing over EVENT_IDS: row + 1, or 0 */
    size_t slots;
};

/* Row i of a table; valid until a row is added. */
void *memory_row(struct memory_store *s, enum table_id id, size_t i);

/* Adds a row and takes its texts over; on failure they are released. `complete` is what
   the copies below have said of the row. */
int memory_add_row(struct memory_store *s, enum table_id id, void *row, bool complete,
                   struct penchant_error *err);

/* Copies n bytes; NULL stays NULL. *complete turns false when there is no memory. */
void *memory_copy(const void *bytes, size_t n, bool *complete);
const char *memory_copy_text(const char *text, bool *complete);

/* Shortens a table to n rows. */
void memory_cut(struct memory_store *s, enum table_id id, size_t n);

/* Keeps the rows from `first` on for which gone() is false; how many went. */
size_t memory_remove_rows(struct memory_store *s, enum table_id id, size_t first,
                          bool (*gone)(const void *row, void *arg), void *arg);

/* store_memory_vectors.c */
int memory_put_modality(struct store *store, const struct store_modality *m,
                        struct penchant_error *err);
int memory_put_vector(struct store *store, uint32_t item, const float *vector,
                      struct penchant_error *err);
int memory_remove_modality(struct store *store, const char *name,
                           struct penchant_error *err);
int memory_scan_modalities(struct store *store, store_modality_fn *fn, void *cookie,
                           struct penchant_error *err);
int memory_scan_vectors(struct store *store, const char *name, store_vector_fn *fn,
                        void *cookie, struct penchant_error *err);

#endif

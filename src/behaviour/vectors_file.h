/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads files of item vectors: NumPy (.npy), safetensors (one table, or one tensor an item),
 * or JSON lines ({"item_id": "a", "vector": [1, 2]}), told apart by their first bytes. Whose
 * the rows of a table are stands in a second file. Knows no store: what it reads goes to a
 * sink. Memory: the ids and one row; of safetensors also the header.
 */
#ifndef BEHAVIOUR_VECTORS_FILE_H
#define BEHAVIOUR_VECTORS_FILE_H

#include "base/status.h"

enum { VECTORS_MAX_DIM = 4096 };

struct vectors_files {
    const char *vectors;
    const char *ids;   /* one item_id a line for each row of a table, or NULL */
    const char *items; /* without ids: the item file whose order the rows have, or NULL */
    penchant_progress_fn *progress;
    void *cookie;
};

/* Gets the dim (1 to VECTORS_MAX_DIM) and then every vector: finite numbers, no item twice.
   A negative status stops the reading and is its result. */
struct vectors_sink {
    int (*begin)(void *cookie, uint32_t dim, struct penchant_error *err);
    int (*vector)(void *cookie, const char *item_id, const float *vector,
                  struct penchant_error *err);
    void *cookie;
};

/* The first thing that is wrong ends it: its message begins with the file, and names the
   line, the row or the byte. *rows is how many vectors the sink was given. */
int vectors_read(const struct vectors_files *f, const struct vectors_sink *sink,
                 uint64_t *rows, struct penchant_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What vectors_file.c and vectors_lines.c share; nobody else includes it. */
#ifndef BEHAVIOUR_VECTORS_READING_H
#define BEHAVIOUR_VECTORS_READING_H

#include <stdint.h>
#include <stdio.h>

#include "base/names.h"
#include "behaviour/vectors_file.h"

struct vectors_reading {
    const struct vectors_files *f;
    const struct vectors_sink *sink;
    uint64_t *rows;
    struct penchant_error *err;
    FILE *file;
    uint64_t size, total; /* of the file in bytes, and in vectors; 0: unknown */
    uint32_t dim;         /* 0: not known yet */
    float *row;           /* (dim) */
    unsigned char *bytes; /* (8 dim) */
    struct names ids;     /* of a table's rows, or those that were met */
};

/* Settles the dim. `why` gets no file's name: vectors_fail() puts it before. */
int vectors_begin(struct vectors_reading *r, uint64_t dim, struct penchant_error *why);

/* Hands one vector on. */
int vectors_deliver(struct vectors_reading *r, const char *item_id, const float *v,
                    struct penchant_error *why);

int vectors_fail(const struct vectors_reading *r, const struct penchant_error *why);

int vectors_read_lines(struct vectors_reading *r);

#endif

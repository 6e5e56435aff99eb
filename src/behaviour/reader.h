/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of a text file, plain, .gz or .zst (told apart by their first bytes), "-" for
 * standard input. Holds one window of the text, never the file. For one thread.
 */
#ifndef BEHAVIOUR_READER_H
#define BEHAVIOUR_READER_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { READER_LINE_MAX = 1 << 20 }; /* bytes; longer lines are skipped and reported */

struct reader_line {
    char *text;          /* without its end, NUL-terminated; may be written to */
    size_t len;          /* a byte of the line may itself be NUL */
    uint64_t number;     /* of its first line in the file, from 1 */
    const char *problem; /* why the line cannot be used, or NULL */
};

struct reader;

/* On failure *out is NULL. */
int reader_open(struct reader **out, const char *path, struct penchant_error *err);
void reader_close(struct reader *r);

/*
 * The next line, valid until the next call. 1: a line, 0: the end, negative: a status.
 * With a CSV delimiter (not 0) line ends between quotes belong to the line. A byte order
 * mark at the beginning is left out; "\r\n" ends a line like "\n".
 */
int reader_next(struct reader *r, char delimiter, struct reader_line *line,
                struct penchant_error *err);

/* The first byte that is not white space, without moving on; *byte is 0 in an empty file.
 */
int reader_peek(struct reader *r, char *byte, struct penchant_error *err);

/* Bytes of the file that have been read, and its size (0: unknown). */
uint64_t reader_done(const struct reader *r);
uint64_t reader_total(const struct reader *r);

#endif

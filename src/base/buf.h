/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growable byte buffer with a stated maximum. Once an append fails (out of memory or past
 * the maximum) the buffer is `failed`, later appends do nothing, and one check at the end is
 * enough. The bytes are always followed by a NUL that `len` does not count.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data; /* "" before the first append */
    size_t len, cap, max;
    bool failed;
};

void buf_init(struct buf *b, size_t max);
void buf_release(struct buf *b);
void buf_clear(struct buf *b); /* empties, keeps the memory, forgets a failure */

void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Makes room for n more bytes and returns where they go, or NULL; the caller moves `len`. */
char *buf_reserve(struct buf *b, size_t n);

#endif

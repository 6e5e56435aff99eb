/* SPDX-License-Identifier: Apache-2.0 */
/* Filling a caller's struct penchant_error; every layer reports through these two. */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#include "penchant.h"

/* Fills *err (which may be NULL) and returns `status`, so that `return error_set(..)` works. */
int error_set(struct penchant_error *err, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, naming the field and the element of an array at fault. */
int error_field(struct penchant_error *err, int status, size_t index, const char *field,
                const char *format, ...) __attribute__((format(printf, 5, 6)));

/* "out of memory" with PENCHANT_ENOMEM. */
int error_memory(struct penchant_error *err);

#endif

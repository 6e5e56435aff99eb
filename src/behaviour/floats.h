/* SPDX-License-Identifier: Apache-2.0 */
/* Little-endian floating point numbers of a file as floats. */
#ifndef BEHAVIOUR_FLOATS_H
#define BEHAVIOUR_FLOATS_H

#include <stddef.h>

enum floats_kind { FLOATS_F16, FLOATS_BF16, FLOATS_F32, FLOATS_F64 };

size_t floats_size(enum floats_kind kind);

/* n numbers; one that is too large for a float becomes an infinity. */
void floats_read(enum floats_kind kind, const unsigned char *bytes, size_t n, float *out);

#endif

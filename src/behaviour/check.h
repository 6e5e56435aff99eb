/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The promises that every value from outside must keep, whatever brings it (HTTP, a file,
 * a caller of the library). Failures are PENCHANT_EINVALID and name the field.
 */
#ifndef BEHAVIOUR_CHECK_H
#define BEHAVIOUR_CHECK_H

#include <stddef.h>

#include "base/status.h"

enum { CHECK_TEXT_MAX = 4096 }; /* bytes of a title, a category list, a query */

/* 1..PENCHANT_ID_MAX bytes of well-formed UTF-8 without control characters. NULL is "not
   given" and passes. */
int check_id(const char *s, size_t index, const char *field, struct penchant_error *err);

/* At most CHECK_TEXT_MAX bytes of well-formed UTF-8; of the control characters only tab
   and line ends. NULL and "" pass. */
int check_text(const char *s, size_t index, const char *field,
               struct penchant_error *err);

/* The same for a text of any length, of which only the beginning is kept. */
int check_long_text(const char *s, size_t index, const char *field,
                    struct penchant_error *err);

/* Not infinite; NaN is "not given" and passes. */
int check_number(double v, size_t index, const char *field, struct penchant_error *err);

#endif

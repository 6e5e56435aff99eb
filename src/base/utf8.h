/* SPDX-License-Identifier: Apache-2.0 */
/* Whether bytes are well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates). */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* How many bytes the well-formed character at s takes (1-4), or 0; n > 0 bytes are there. */
size_t utf8_char(const char *s, size_t n);
bool utf8_valid(const char *s, size_t n);

/* How many bytes of a text to keep so that there are at most n and, if the text is
   well-formed, no character is broken. */
size_t utf8_cut(const char *text, size_t n);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* docs/openapi.json, embedded. */
#ifndef SERVER_OPENAPI_TEXT_H
#define SERVER_OPENAPI_TEXT_H

#include <stddef.h>

extern const char openapi_text[]; /* ends with a NUL that the size does not count */
size_t openapi_text_size(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON from outside, read strictly: no duplicate keys, no broken UTF-8, no NUL, no number
 * that does not fit, no nesting deeper than JSON_INPUT_DEPTH (checked before the
 * recursive parser sees it). Thread-safe: no state.
 */
#ifndef SERVER_JSON_INPUT_H
#define SERVER_JSON_INPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { JSON_INPUT_DEPTH = 32, JSON_INPUT_WHY = 256 };

/* One object or array; NULL with the reason in why[JSON_INPUT_WHY]. The caller's
 * reference. */
json_t *json_input_load(const char *text, size_t n, char why[JSON_INPUT_WHY]);

/* Whether the first value ends on its line and another one follows on a later line. */
bool json_input_is_lines(const char *text, size_t n);

/*
 * The next line that is not blank, without its line end: false when there is none. Moves
 * *at; *line counts the lines passed, from 1.
 */
bool json_input_next_line(const char *text, size_t n, size_t *at, size_t *line,
                          const char **start, size_t *length);

#endif

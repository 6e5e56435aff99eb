/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From parsed JSON to the structs of penchant.h: types and field names are checked here,
 * what an event must say is checked by penchant_check_event(). A field that is not known
 * is an error, so that a misspelt one is not dropped in silence; null means "not given".
 *
 * Strings point into the JSON value and live as long as it does. Functions return 0 or
 * PENCHANT_EINVALID with err->field and err->text.
 */
#ifndef SERVER_PARSE_EVENT_H
#define SERVER_PARSE_EVENT_H

#include <jansson.h>

#include "penchant.h"

/* user_id session_id item_id event timestamp value quantity query event_id
   recommendation_id placement text */
int parse_event(const json_t *json, struct penchant_event *out,
                struct penchant_error *err);

/* title category brand price available; item_id only if it is the one of the path. */
int parse_item(const json_t *json, const char *item_id, struct penchant_item *out,
               struct penchant_error *err);

/* Microseconds from a number or a string, as base/timestamps.h reads them: HTTP accepts
   what import accepts, but for 1970-01-01T00:00:00 itself. */
int parse_timestamp(const json_t *json, int64_t *us, struct penchant_error *err);

/* A field of each type; null and absent leave *out alone. */
int parse_string(const json_t *json, const char *field, const char **out,
                 struct penchant_error *err);
int parse_number(const json_t *json, const char *field, double *out,
                 struct penchant_error *err);
int parse_bool(const json_t *json, const char *field, bool *out,
               struct penchant_error *err);
/* From 1 to `most`. */
int parse_count(const json_t *json, const char *field, size_t most, size_t *out,
                struct penchant_error *err);
/* An array of at most that many strings, which are `what` ("item ids"); free *out. */
int parse_strings(const json_t *json, const char *field, const char *what, size_t most,
                  const char ***out, size_t *n, struct penchant_error *err);

/* Whether it is an array of at most that many elements. */
int parse_array(const json_t *json, const char *field, size_t most,
                struct penchant_error *err);

#endif

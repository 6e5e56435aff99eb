/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes JSON into a buf, commas and escapes included; the caller keeps begin and end in
 * balance. Broken UTF-8 in a string is replaced by U+FFFD. A NaN or an infinity is null.
 */
#ifndef BASE_JSON_WRITER_H
#define BASE_JSON_WRITER_H

#include "base/buf.h"

struct json_writer {
    struct buf *out;
    bool comma; /* a value stands before in the present object or array */
};

void json_init(struct json_writer *w, struct buf *out);
void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);
void json_key(struct json_writer *w, const char *key);

void json_text(struct json_writer *w, const char *s); /* NULL writes null */
void json_bool(struct json_writer *w, bool v);
void json_int(struct json_writer *w, int64_t v);
void json_uint(struct json_writer *w, uint64_t v);
void json_double(struct json_writer *w, double v, int digits); /* significant digits */

/* A key with its value; _if: null unless it is known. */
void json_key_string(struct json_writer *w, const char *key, const char *s);
void json_key_bool(struct json_writer *w, const char *key, bool v);
void json_key_int(struct json_writer *w, const char *key, int64_t v);
void json_key_int_if(struct json_writer *w, const char *key, bool known, int64_t v);
void json_key_uint(struct json_writer *w, const char *key, uint64_t v);
void json_key_double(struct json_writer *w, const char *key, double v, int digits);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_writer.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/utf8.h"

void json_init(struct json_writer *w, struct buf *out)
{
    *w = (struct json_writer){.out = out};
}

static void before_value(struct json_writer *w)
{
    if (w->comma)
        buf_putc(w->out, ',');
    w->comma = true;
}

static void begin(struct json_writer *w, char c)
{
    before_value(w);
    buf_putc(w->out, c);
    w->comma = false;
}

static void end(struct json_writer *w, char c)
{
    buf_putc(w->out, c);
    w->comma = true;
}

void json_begin_object(struct json_writer *w)
{
    begin(w, '{');
}

void json_end_object(struct json_writer *w)
{
    end(w, '}');
}

void json_begin_array(struct json_writer *w)
{
    begin(w, '[');
}

void json_end_array(struct json_writer *w)
{
    end(w, ']');
}

static void quoted(struct buf *out, const char *s)
{
    size_t n = strlen(s);
    buf_putc(out, '"');
    while (n) {
        const unsigned char c = (unsigned char)*s;
        const size_t step = utf8_char(s, n);
        if (c == '"' || c == '\\') {
            buf_putc(out, '\\');
            buf_putc(out, (char)c);
        } else if (c == '\n') {
            buf_puts(out, "\\n");
        } else if (c < 0x20) {
            buf_printf(out, "\\u%04x", c);
        } else if (!step) {
            buf_puts(out, "\xEF\xBF\xBD");
        } else {
            buf_add(out, s, step);
        }
        s += step ? step : 1;
        n -= step ? step : 1;
    }
    buf_putc(out, '"');
}

void json_key(struct json_writer *w, const char *key)
{
    before_value(w);
    quoted(w->out, key);
    buf_putc(w->out, ':');
    w->comma = false;
}

void json_text(struct json_writer *w, const char *s)
{
    before_value(w);
    if (s)
        quoted(w->out, s);
    else
        buf_puts(w->out, "null");
}

void json_bool(struct json_writer *w, bool v)
{
    before_value(w);
    buf_puts(w->out, v ? "true" : "false");
}

void json_int(struct json_writer *w, int64_t v)
{
    before_value(w);
    buf_printf(w->out, "%" PRId64, v);
}

void json_uint(struct json_writer *w, uint64_t v)
{
    before_value(w);
    buf_printf(w->out, "%" PRIu64, v);
}

void json_double(struct json_writer *w, double v, int digits)
{
    before_value(w);
    if (isfinite(v))
        buf_printf(w->out, "%.*g", digits, v);
    else
        buf_puts(w->out, "null");
}

void json_key_string(struct json_writer *w, const char *key, const char *s)
{
    json_key(w, key);
    json_text(w, s);
}

void json_key_bool(struct json_writer *w, const char *key, bool v)
{
    json_key(w, key);
    json_bool(w, v);
}

void json_key_int(struct json_writer *w, const char *key, int64_t v)
{
    json_key(w, key);
    json_int(w, v);
}

void json_key_int_if(struct json_writer *w, const char *key, bool known, int64_t v)
{
    if (known)
        json_key_int(w, key, v);
    else
        json_key_string(w, key, NULL);
}

void json_key_uint(struct json_writer *w, const char *key, uint64_t v)
{
    json_key(w, key);
    json_uint(w, v);
}

void json_key_double(struct json_writer *w, const char *key, double v, int digits)
{
    json_key(w, key);
    json_double(w, v, digits);
}

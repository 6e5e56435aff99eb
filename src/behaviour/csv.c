/* SPDX-License-Identifier: Apache-2.0 */
#include "behaviour/csv.h"

#include <string.h>

static size_t first_line(const char *text, size_t n)
{
    const char *end = memchr(text, '\n', n);
    return end ? (size_t)(end - text) : n;
}

size_t csv_record_length(const char *text, size_t n, char delimiter)
{
    size_t i = 0;
    for (;;) { /* a field begins at i */
        if (i < n && text[i] == '"') {
            for (i++; i < n; i++) {
                if (text[i] != '"')
                    continue;
                if (i + 1 < n && text[i + 1] == '"')
                    i++;
                else
                    break;
            }
            if (i >= n)
                return n + 1;
            i++;
            if (i < n && text[i] != delimiter && text[i] != '\n' && text[i] != '\r')
                return first_line(text, n);
        }
        while (i < n && text[i] != delimiter && text[i] != '\n')
            i++;
        if (i == n || text[i] == '\n')
            return i;
        i++;
    }
}

/* Unquotes the field at text, which begins with a quote; returns what follows it, or
 * NULL. */
static char *unquote(char *text, const char *end)
{
    char *out = text;
    for (char *in = text + 1; in < end; in++) {
        if (*in == '"') {
            if (in + 1 == end || in[1] != '"') {
                *out = 0;
                return in + 1;
            }
            in++;
        }
        *out++ = *in;
    }
    return NULL;
}

size_t csv_split(char *text, size_t len, char delimiter, char *field[CSV_MAX_FIELDS],
                 const char **problem)
{
    char *at = text, *const end = text + len;
    if (memchr(text, 0, len)) {
        *problem = "the line contains a NUL byte";
        return 0;
    }
    for (size_t n = 0; n < CSV_MAX_FIELDS;) {
        field[n++] = at;
        if (at < end && *at == '"') {
            at = unquote(at, end);
            if (!at || (at < end && *at != delimiter)) {
                *problem = at ? "text follows a closed quote" : "a quote is not closed";
                return 0;
            }
        } else {
            while (at < end && *at != delimiter)
                at++;
        }
        if (at == end) {
            *at = 0;
            return n;
        }
        *at++ = 0;
    }
    *problem = "the line has more than 1024 fields";
    return 0;
}

char csv_delimiter(const char *header)
{
    if (strchr(header, ','))
        return ',';
    return strchr(header, '\t') ? '\t' : strchr(header, ';') ? ';' : ',';
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "server/json_input.h"

#include <stdio.h>
#include <string.h>

/* Follows brackets and strings byte by byte; knows nothing else of the grammar. */
struct scan {
    size_t depth;
    bool in_string, escaped;
};

static void scan_step(struct scan *s, char c)
{
    if (s->in_string) {
        if (s->escaped)
            s->escaped = false;
        else if (c == '\\')
            s->escaped = true;
        else if (c == '"')
            s->in_string = false;
    } else if (c == '"') {
        s->in_string = true;
    } else if (c == '{' || c == '[') {
        s->depth++;
    } else if ((c == '}' || c == ']') && s->depth) {
        s->depth--;
    }
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

json_t *json_input_load(const char *text, size_t n, char why[JSON_INPUT_WHY])
{
    struct scan s = {0};
    for (size_t i = 0; i < n; i++) {
        scan_step(&s, text[i]);
        if (s.depth > JSON_INPUT_DEPTH) {
            snprintf(why, JSON_INPUT_WHY, "nested deeper than %d levels (byte %zu)",
                     JSON_INPUT_DEPTH, i + 1);
            return NULL;
        }
    }
    json_error_t error = {0};
    json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);
    if (!root && memchr(text, '\n', n))
        snprintf(why, JSON_INPUT_WHY, "%s (line %d, column %d)", error.text, error.line,
                 error.column);
    else if (!root)
        snprintf(why, JSON_INPUT_WHY, "%s (column %d)", error.text, error.column);
    return root;
}

bool json_input_is_lines(const char *text, size_t n)
{
    struct scan s = {0};
    bool began = false, ended = false;
    for (size_t i = 0; i < n; i++) {
        if (is_blank(text[i])) {
            ended |= text[i] == '\n' && began && !s.depth && !s.in_string;
            continue;
        }
        if (ended)
            return true;
        began = true;
        scan_step(&s, text[i]);
    }
    return false;
}

bool json_input_next_line(const char *text, size_t n, size_t *at, size_t *line,
                          const char **start, size_t *length)
{
    while (*at < n) {
        const char *from = text + *at;
        const char *newline = memchr(from, '\n', n - *at);
        size_t len = newline ? (size_t)(newline - from) : n - *at;
        *at += len + (newline != NULL);
        ++*line;
        while (len && is_blank(from[len - 1]))
            len--;
        if (len) {
            *start = from;
            *length = len;
            return true;
        }
    }
    return false;
}

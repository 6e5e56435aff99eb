/* SPDX-License-Identifier: Apache-2.0 */
#include "base/config.h"

#include <errno.h>
#include <ini.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_DURATION_S (1000.0 * 366 * 86400)

struct reading {
    FILE *file;
    config_row_fn *fn;
    void *cookie;
    int line;
    int status;                /* the first failure's, with `why` */
    struct penchant_error why; /* of that line */
};

/* For inih: one line a call, so that its number is known. */
static char *next_line(char *text, int room, void *arg)
{
    struct reading *r = arg;
    int n = 0, c = r->status ? EOF : getc(r->file);
    if (c == EOF)
        return NULL;
    r->line++;
    for (; c != EOF && c != '\0' && n + 1 < room; c = getc(r->file)) {
        text[n++] = (char)c;
        if (c == '\n')
            break;
    }
    text[n] = '\0';
    if (c == EOF || c == '\n')
        return text;
    r->status = error_set(&r->why, PENCHANT_EINVALID, "%s",
                          c ? "the line is too long" : "the line holds a NUL");
    return NULL;
}

static int take_row(void *arg, const char *section, const char *name, const char *value)
{
    struct reading *r = arg;
    if (!r->status)
        r->status = r->fn(r->cookie, section, name, value, &r->why);
    return r->status == PENCHANT_OK;
}

int config_read(const char *path, config_row_fn *fn, void *cookie,
                struct penchant_error *err)
{
    struct reading r = {.fn = fn, .cookie = cookie};
    r.file = fopen(path, "re");
    if (!r.file)
        return errno == ENOENT ? PENCHANT_OK
                               : error_set(err, PENCHANT_EIO, "cannot read %s: %s", path,
                                           strerror(errno));
    /* inih goes on after a bad line, and tells the first. */
    const int bad = ini_parse_stream(next_line, &r, take_row, &r);
    const bool torn = ferror(r.file) != 0;
    fclose(r.file);
    if (r.status)
        return error_field(err, r.status, (size_t)r.line, r.why.field, "%s:%d: %s", path,
                           r.line, r.why.text);
    if (torn)
        return error_set(err, PENCHANT_EIO, "cannot read %s", path);
    if (bad > 0)
        return error_set(err, PENCHANT_EINVALID,
                         "%s:%d: this is neither [section] nor name = value", path, bad);
    return bad < 0 ? error_memory(err) : PENCHANT_OK;
}

bool config_number(const char *text, double *out)
{
    char *end;
    errno = 0;
    *out = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*out);
}

bool config_duration(const char *text, int64_t *out_us)
{
    static const char units[] = "smhd";
    static const double seconds[] = {1, 60, 3600, 86400};
    char *end;
    const double n = strtod(text, &end);
    const char *unit = end != text && *end ? strchr(units, *end) : NULL;
    if (!unit || end[1] || !(n >= 0 && n * seconds[unit - units] <= MOST_DURATION_S))
        return false;
    *out_us = (int64_t)(n * seconds[unit - units] * 1e6);
    return true;
}

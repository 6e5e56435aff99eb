/* SPDX-License-Identifier: Apache-2.0 */
#include "server/url.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Decodes in place; `plus` makes '+' a space. */
static int decode(char *s, bool plus, struct penchant_error *err)
{
    char *to = s;
    for (const char *from = s; *from; from++) {
        if (*from == '%') {
            const int high = hex(from[1]);
            const int low = high < 0 ? -1 : hex(from[2]);
            if (low < 0)
                return error_set(err, PENCHANT_EINVALID,
                                 "broken percent-encoding in the URL");
            if (!high && !low)
                return error_set(err, PENCHANT_EINVALID, "a NUL character in the URL");
            *to++ = (char)(high * 16 + low);
            from += 2;
        } else {
            *to++ = plus && *from == '+' ? ' ' : *from;
        }
    }
    *to = 0;
    if (!utf8_valid(s, (size_t)(to - s)))
        return error_set(err, PENCHANT_EINVALID, "the URL is not valid UTF-8");
    return PENCHANT_OK;
}

static int parse_path(struct url *u, char *path, struct penchant_error *err)
{
    for (char *s = path; s;) {
        char *end = strchr(s, '/');
        if (end)
            *end++ = 0;
        const int status = decode(s, false, err);
        if (status)
            return status;
        if (u->n_segments == URL_MAX_SEGMENTS)
            return error_set(err, PENCHANT_EINVALID, "too many segments in the path");
        u->segment[u->n_segments++] = s;
        s = end;
    }
    return PENCHANT_OK;
}

static int parse_query(struct url *u, char *query, struct penchant_error *err)
{
    for (char *s = query; s && *s;) {
        char *end = strchr(s, '&');
        if (end)
            *end++ = 0;
        char *value = strchr(s, '=');
        if (value)
            *value++ = 0;
        int status = decode(s, true, err);
        if (!status && value)
            status = decode(value, true, err);
        if (status)
            return status;
        if (u->n_params == URL_MAX_PARAMS)
            return error_set(err, PENCHANT_EINVALID, "more than %d query parameters",
                             URL_MAX_PARAMS);
        u->param[u->n_params++] = (struct url_param){s, value ? value : ""};
        s = end;
    }
    return PENCHANT_OK;
}

int url_parse(struct url *u, const char *target, struct penchant_error *err)
{
    u->n_segments = u->n_params = 0;
    if (!strncmp(target, "http://", 7)) { /* absolute form, RFC 9112 section 3.2.2 */
        target = strchr(target + 7, '/');
        if (!target)
            target = "/";
    }
    u->text = strdup(target);
    if (!u->text)
        return error_memory(err);
    if (u->text[0] != '/')
        return error_set(err, PENCHANT_EINVALID, "the path must begin with /");
    char *query = strchr(u->text, '?');
    if (query)
        *query++ = 0;
    const int status = parse_path(u, u->text + 1, err);
    return status ? status : parse_query(u, query, err);
}

void url_release(struct url *u)
{
    free(u->text);
    *u = (struct url){0};
}

bool url_fits(const struct url *u, const char *pattern)
{
    const char *p = pattern;
    for (size_t i = 0; i < u->n_segments; i++) {
        if (*p++ != '/')
            return false;
        const size_t n = strcspn(p, "/");
        const char *s = u->segment[i];
        const bool any = *p == '{' && *s;
        if (!any && (strlen(s) != n || memcmp(s, p, n) != 0))
            return false;
        p += n;
    }
    return !*p;
}

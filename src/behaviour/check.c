/* SPDX-License-Identifier: Apache-2.0 */
#include "behaviour/check.h"

#include <math.h>
#include <string.h>

#include "base/utf8.h"

enum verdict { GOOD, BROKEN_UTF8, CONTROL };

/* C0, DEL and C1 (U+0080..U+009F, in UTF-8 C2 80..9F). */
static enum verdict scan(const char *s, size_t n, bool line_ends)
{
    for (size_t i = 0; i < n;) {
        const unsigned char c = (unsigned char)s[i];
        if (c < 0x20 || c == 0x7F) {
            if (!line_ends || (c != '\t' && c != '\n' && c != '\r'))
                return CONTROL;
            i++;
        } else if (c < 0x80) {
            i++;
        } else {
            const size_t step = utf8_char(s + i, n - i);
            if (!step)
                return BROKEN_UTF8;
            if (c == 0xC2 && (unsigned char)s[i + 1] < 0xA0)
                return CONTROL;
            i += step;
        }
    }
    return GOOD;
}

static int check(const char *s, size_t n, bool line_ends, size_t index, const char *field,
                 struct penchant_error *err)
{
    switch (scan(s, n, line_ends)) {
    case BROKEN_UTF8:
        return error_field(err, PENCHANT_EINVALID, index, field,
                           "%s is not well-formed UTF-8", field);
    case CONTROL:
        return error_field(err, PENCHANT_EINVALID, index, field,
                           "%s contains a control character", field);
    case GOOD:
        break;
    }
    return PENCHANT_OK;
}

int check_id(const char *s, size_t index, const char *field, struct penchant_error *err)
{
    if (!s)
        return PENCHANT_OK;
    const size_t n = strnlen(s, PENCHANT_ID_MAX + 1);
    if (n == 0)
        return error_field(err, PENCHANT_EINVALID, index, field, "%s is empty", field);
    if (n > PENCHANT_ID_MAX)
        return error_field(err, PENCHANT_EINVALID, index, field,
                           "%s is longer than %d bytes", field, PENCHANT_ID_MAX);
    return check(s, n, false, index, field, err);
}

int check_text(const char *s, size_t index, const char *field, struct penchant_error *err)
{
    if (!s)
        return PENCHANT_OK;
    const size_t n = strnlen(s, CHECK_TEXT_MAX + 1);
    if (n > CHECK_TEXT_MAX)
        return error_field(err, PENCHANT_EINVALID, index, field,
                           "%s is longer than %d bytes", field, CHECK_TEXT_MAX);
    return check(s, n, true, index, field, err);
}

int check_long_text(const char *s, size_t index, const char *field,
                    struct penchant_error *err)
{
    return s ? check(s, strlen(s), true, index, field, err) : PENCHANT_OK;
}

int check_number(double v, size_t index, const char *field, struct penchant_error *err)
{
    if (isinf(v))
        return error_field(err, PENCHANT_EINVALID, index, field,
                           "%s is not a finite number", field);
    return PENCHANT_OK;
}

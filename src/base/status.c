/* SPDX-License-Identifier: Apache-2.0 */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>

const char *penchant_status_name(int status)
{
    switch (status) {
#define X(name, value, text)                                                             \
    case value:                                                                          \
        return #name;
        PENCHANT_STATUS_MAP(X)
#undef X
    default:
        return "UNKNOWN";
    }
}

const char *penchant_status_text(int status)
{
    switch (status) {
#define X(name, value, text)                                                             \
    case value:                                                                          \
        return text;
        PENCHANT_STATUS_MAP(X)
#undef X
    default:
        return "unknown status";
    }
}

const char *penchant_version(void)
{
    return PENCHANT_VERSION;
}

static int fill(struct penchant_error *err, int status, size_t index, const char *field,
                const char *format, va_list args)
{
    if (!err)
        return status;
    err->status = status;
    err->index = index;
    snprintf(err->field, sizeof(err->field), "%s", field ? field : "");
    vsnprintf(err->text, sizeof(err->text), format, args);
    return status;
}

int error_set(struct penchant_error *err, int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, status, 0, NULL, format, args);
    va_end(args);
    return status;
}

int error_field(struct penchant_error *err, int status, size_t index, const char *field,
                const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, status, index, field, format, args);
    va_end(args);
    return status;
}

int error_memory(struct penchant_error *err)
{
    return error_set(err, PENCHANT_ENOMEM, "out of memory");
}

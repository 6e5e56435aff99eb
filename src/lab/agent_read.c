/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "base/status.h"
#include "lab/agent_state.h"

enum { MOST_USER = 256 };

int agent_read_count(const json_t *line, const char *name, uint32_t low, uint32_t high,
                     uint32_t fallback, uint32_t *out, struct penchant_error *err)
{
    const json_t *v = json_object_get(line, name);
    *out = fallback;
    if (!v || json_is_null(v))
        return 0;
    const json_int_t x = json_is_integer(v) ? json_integer_value(v) : -1;
    if (x < (json_int_t)low || x > (json_int_t)high)
        return error_set(err, PENCHANT_EINVALID, "%s: needs a whole number from %u to %u",
                         name, low, high);
    *out = (uint32_t)x;
    return 0;
}

int agent_read_user(struct agent *a, const json_t *line, uint32_t *out,
                    struct penchant_error *err)
{
    const json_t *v = json_object_get(line, "user");
    if (!json_is_string(v) || !json_string_length(v) || json_string_length(v) > MOST_USER)
        return error_set(err, PENCHANT_EINVALID, "user: needs a text of 1 to %d bytes",
                         MOST_USER);
    *out = names_add(&a->users, json_string_value(v), json_string_length(v));
    return *out == NAMES_NONE ? error_memory(err) : 0;
}

int agent_read_ts(struct agent *a, const json_t *line, double *out,
                  struct penchant_error *err)
{
    const json_t *v = json_object_get(line, "ts");
    *out = a->last_ts;
    if (!v || json_is_null(v))
        return 0;
    if (!json_is_number(v) || !isfinite(json_number_value(v)))
        return error_set(err, PENCHANT_EINVALID, "ts: needs a number");
    *out = json_number_value(v);
    return 0;
}

int agent_read_items(const struct agent *a, const json_t *line, uint32_t *out,
                     uint32_t *n, struct penchant_error *err)
{
    const json_t *v = json_object_get(line, "items");
    if (!json_is_array(v) || json_array_size(v) > ACTOR_MOST_SLATE)
        return error_set(err, PENCHANT_EINVALID, "items: needs an array of at most %d",
                         ACTOR_MOST_SLATE);
    *n = (uint32_t)json_array_size(v);
    for (uint32_t i = 0; i < *n; i++) {
        const json_t *x = json_array_get(v, i);
        const json_int_t item = json_is_integer(x) ? json_integer_value(x) : -1;
        if (item < 0 || item >= (json_int_t)a->catalog.n)
            return error_set(err, PENCHANT_EINVALID,
                             "items[%u]: no item of the catalogue of %u", i,
                             a->catalog.n);
        out[i] = (uint32_t)item;
    }
    return 0;
}

int agent_read_rewards(const json_t *line, float *out, uint32_t *n,
                       struct penchant_error *err)
{
    const json_t *v = json_object_get(line, "reward");
    if (!json_is_array(v) || json_array_size(v) > ACTOR_MOST_SLATE)
        return error_set(err, PENCHANT_EINVALID, "reward: needs an array of at most %d",
                         ACTOR_MOST_SLATE);
    *n = (uint32_t)json_array_size(v);
    for (uint32_t i = 0; i < *n; i++) {
        const json_t *x = json_array_get(v, i);
        const double r = json_is_number(x) ? json_number_value(x) : -1;
        if (!(r >= 0 && r <= 1e9))
            return error_set(err, PENCHANT_EINVALID,
                             "reward[%u]: needs a number of at least 0", i);
        out[i] = (float)r;
    }
    return 0;
}

static int make_room(struct agent *a, size_t n, struct penchant_error *err)
{
    if (n <= a->row_cap)
        return 0;
    const size_t cap = n + n / 2;
    float *row = realloc(a->row, cap * sizeof(*row));
    if (!row)
        return error_memory(err);
    a->row = row;
    a->row_cap = cap;
    return 0;
}

int agent_read_floats(struct agent *a, const json_t *values, const char *name, size_t at,
                      struct penchant_error *err)
{
    const size_t n = json_array_size(values);
    if (make_room(a, at + n, err))
        return PENCHANT_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const json_t *x = json_array_get(values, i);
        if (!json_is_number(x) || !(fabs(json_number_value(x)) <= 1e12))
            return error_set(err, PENCHANT_EINVALID, "%s: value %zu is no number", name,
                             i);
        a->row[at + i] = (float)json_number_value(x);
    }
    return 0;
}

int agent_read_rows(struct agent *a, const json_t *rows, const char *name, uint32_t *n,
                    uint32_t *dim, struct penchant_error *err)
{
    *n = (uint32_t)json_array_size(rows);
    if (!json_is_array(rows) || json_array_size(rows) > AGENT_MOST_ITEMS || !*n)
        return error_set(err, PENCHANT_EINVALID, "%s: needs an array of 1 to %d rows",
                         name, AGENT_MOST_ITEMS);
    for (uint32_t i = 0; i < *n; i++) {
        const json_t *row = json_array_get(rows, i);
        const size_t width = json_array_size(row);
        if (!json_is_array(row) || !width || width > AGENT_MOST_DIM)
            return error_set(err, PENCHANT_EINVALID,
                             "%s[%u]: needs an array of 1 to %d numbers", name, i,
                             AGENT_MOST_DIM);
        if (!*dim)
            *dim = (uint32_t)width;
        if (width != *dim)
            return error_set(err, PENCHANT_EINVALID, "%s[%u]: has %zu numbers and not %u",
                             name, i, width, *dim);
        const int status = agent_read_floats(a, row, name, (size_t)i * *dim, err);
        if (status)
            return status;
    }
    return 0;
}

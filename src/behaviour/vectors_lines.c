/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors as JSON lines: {"item_id": "a", "vector": [0.5, ..]}; other keys are passed over. */
#include <jansson.h>
#include <string.h>

#include "behaviour/check.h"
#include "behaviour/reader.h"
#include "behaviour/vectors_reading.h"

/* A string, or a whole number as its digits. */
static int take_id(const json_t *json, char id[PENCHANT_ID_MAX + 1],
                   struct penchant_error *why)
{
    const char *text = json_string_value(json);
    if (json_is_integer(json)) {
        snprintf(id, PENCHANT_ID_MAX + 1, "%lld", (long long)json_integer_value(json));
        return PENCHANT_OK;
    }
    if (!text)
        return error_set(why, PENCHANT_EINVALID,
                         "item_id must be a string or a whole number");
    const int rc = check_id(text, 0, "item_id", why);
    if (rc == PENCHANT_OK)
        memcpy(id, text, strlen(text) + 1);
    return rc;
}

static int take_vector(struct vectors_reading *r, const json_t *json,
                       struct penchant_error *why)
{
    const size_t n = json_array_size(json);
    int rc = PENCHANT_OK;
    if (!json_is_array(json))
        return error_set(why, PENCHANT_EINVALID, "vector must be an array of numbers");
    if (!r->dim)
        rc = vectors_begin(r, n, why);
    if (rc == PENCHANT_OK && n != r->dim)
        rc = error_set(why, PENCHANT_EINVALID,
                       "vector has %zu numbers, the first one has %u", n, r->dim);
    for (size_t i = 0; i < n && rc == PENCHANT_OK; i++) {
        const json_t *number = json_array_get(json, i);
        if (!json_is_number(number))
            return error_set(why, PENCHANT_EINVALID, "number %zu of vector is none",
                             i + 1);
        r->row[i] = (float)json_number_value(number);
    }
    return rc;
}

static int take_line(struct vectors_reading *r, const struct reader_line *line,
                     struct penchant_error *why)
{
    char id[PENCHANT_ID_MAX + 1];
    json_error_t what;
    if (line->problem)
        return error_set(why, PENCHANT_EINVALID, "%s", line->problem);
    json_t *json = json_loadb(line->text, line->len, JSON_REJECT_DUPLICATES, &what);
    if (!json)
        return error_set(why, PENCHANT_EINVALID, "%.200s at byte %d", what.text,
                         what.position);
    int rc = json_is_object(json)
                 ? PENCHANT_OK
                 : error_set(why, PENCHANT_EINVALID, "is not a JSON object");
    if (rc == PENCHANT_OK)
        rc = take_id(json_object_get(json, "item_id"), id, why);
    if (rc == PENCHANT_OK)
        rc = take_vector(r, json_object_get(json, "vector"), why);
    json_decref(json);
    if (rc != PENCHANT_OK)
        return rc;
    const uint32_t n = r->ids.n, number = names_add(&r->ids, id, strlen(id));
    if (number == NAMES_NONE)
        return error_memory(why);
    if (number != n)
        return error_set(why, PENCHANT_EINVALID, "item %s is there twice", id);
    return vectors_deliver(r, id, r->row, why);
}

int vectors_read_lines(struct vectors_reading *r)
{
    struct reader *reader;
    struct reader_line line;
    struct penchant_error why = {0};
    char first;
    int rc = reader_open(&reader, r->f->vectors, r->err);
    if (rc != PENCHANT_OK)
        return rc;
    rc = reader_peek(reader, &first, r->err);
    if (rc == PENCHANT_OK && first != '{')
        rc = error_set(r->err, PENCHANT_EINVALID,
                       "%s is neither a NumPy file nor safetensors nor JSON lines",
                       r->f->vectors);
    while (rc == PENCHANT_OK && (rc = reader_next(reader, 0, &line, r->err)) == 1) {
        rc = PENCHANT_OK;
        if (!line.problem && strspn(line.text, " \t") == line.len)
            continue;
        rc = take_line(r, &line, &why);
        if (rc != PENCHANT_OK)
            error_set(r->err, rc, "%s:%llu: %s", r->f->vectors,
                      (unsigned long long)line.number, why.text);
    }
    reader_close(reader);
    return rc;
}

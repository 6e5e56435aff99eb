/* SPDX-License-Identifier: Apache-2.0 */
#include "server/parse_event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "base/timestamps.h"

static const char *type_name(const json_t *json)
{
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    case JSON_NULL:
        break;
    }
    return "null";
}

static int wrong_type(const json_t *json, const char *field, const char *want,
                      struct penchant_error *err)
{
    return error_field(err, PENCHANT_EINVALID, 0, field, "%s must be %s, not %s",
                       *field ? field : "the value", want, type_name(json));
}

int parse_string(const json_t *json, const char *field, const char **out,
                 struct penchant_error *err)
{
    if (!json || json_is_null(json))
        return PENCHANT_OK;
    if (!json_is_string(json))
        return wrong_type(json, field, "a string", err);
    *out = json_string_value(json);
    return PENCHANT_OK;
}

int parse_number(const json_t *json, const char *field, double *out,
                 struct penchant_error *err)
{
    if (!json || json_is_null(json))
        return PENCHANT_OK;
    if (!json_is_number(json))
        return wrong_type(json, field, "a number", err);
    *out = json_number_value(json);
    return PENCHANT_OK;
}

int parse_bool(const json_t *json, const char *field, bool *out,
               struct penchant_error *err)
{
    if (!json || json_is_null(json))
        return PENCHANT_OK;
    if (!json_is_boolean(json))
        return wrong_type(json, field, "true or false", err);
    *out = json_is_true(json);
    return PENCHANT_OK;
}

int parse_count(const json_t *json, const char *field, size_t most, size_t *out,
                struct penchant_error *err)
{
    if (!json || json_is_null(json))
        return PENCHANT_OK;
    const json_int_t v = json_integer_value(json);
    if (!json_is_integer(json) || v < 1 || v > (json_int_t)most)
        return error_field(err, PENCHANT_EINVALID, 0, field,
                           "%s must be a whole number from 1 to %zu", field, most);
    *out = (size_t)v;
    return PENCHANT_OK;
}

int parse_array(const json_t *json, const char *field, size_t most,
                struct penchant_error *err)
{
    if (!json_is_array(json))
        return error_field(err, PENCHANT_EINVALID, 0, field, "%s must be an array",
                           field);
    if (json_array_size(json) > most)
        return error_field(err, PENCHANT_EINVALID, 0, field,
                           "%s has more than %zu elements", field, most);
    return PENCHANT_OK;
}

int parse_strings(const json_t *json, const char *field, const char *what, size_t most,
                  const char ***out, size_t *n, struct penchant_error *err)
{
    if (!json || json_is_null(json))
        return PENCHANT_OK;
    const int status = parse_array(json, field, most, err);
    const size_t size = json_array_size(json);
    if (status || !size)
        return status;
    const char **text = calloc(size, sizeof(*text));
    if (!text)
        return error_memory(err);
    for (size_t i = 0; i < size; i++) {
        text[i] = json_string_value(json_array_get(json, i));
        if (!text[i]) {
            free(text);
            return error_field(err, PENCHANT_EINVALID, i, field,
                               "%s must hold %s, as strings", field, what);
        }
    }
    *out = text;
    *n = size;
    return PENCHANT_OK;
}

/* A number as import would find it written; more digits than it reads are out of range. */
static void number_text(const json_t *json, char *text, size_t size)
{
    if (json_is_integer(json))
        snprintf(text, size, "%" JSON_INTEGER_FORMAT, json_integer_value(json));
    else
        snprintf(text, size, "%.6f", json_real_value(json));
}

int parse_timestamp(const json_t *json, int64_t *us, struct penchant_error *err)
{
    static const char field[] = "timestamp";
    char number[64]; /* of a real up to 1e308 the first digits */
    if (!json || json_is_null(json))
        return PENCHANT_OK;
    if (!json_is_number(json) && !json_is_string(json))
        return wrong_type(json, field, "a number or a string", err);
    const char *text = number;
    if (json_is_string(json))
        text = json_string_value(json);
    else
        number_text(json, number, sizeof(number));
    int64_t t = 0;
    const char *reason = timestamp_parse(text, &t);
    if (reason)
        return error_field(err, PENCHANT_EINVALID, 0, field, "timestamp %s", reason);
    if (t == 0) /* which penchant.h takes for "now" */
        return error_field(err, PENCHANT_EINVALID, 0, field,
                           "timestamp must be after 1970-01-01");
    *us = t;
    return PENCHANT_OK;
}

/* One row per string field of an event: its name and where it goes. */
static const struct {
    const char *name;
    size_t at;
} event_strings[] = {
    {"user_id", offsetof(struct penchant_event, user_id)},
    {"session_id", offsetof(struct penchant_event, session_id)},
    {"item_id", offsetof(struct penchant_event, item_id)},
    {"event", offsetof(struct penchant_event, event)},
    {"event_id", offsetof(struct penchant_event, event_id)},
    {"recommendation_id", offsetof(struct penchant_event, recommendation_id)},
    {"query", offsetof(struct penchant_event, query)},
    {"placement", offsetof(struct penchant_event, placement)},
    {"text", offsetof(struct penchant_event, text)},
};

static int event_field(const char *key, const json_t *value, struct penchant_event *out,
                       struct penchant_error *err)
{
    for (size_t i = 0; i < sizeof(event_strings) / sizeof(event_strings[0]); i++)
        if (!strcmp(key, event_strings[i].name)) {
            char *to = (char *)out + event_strings[i].at;
            return parse_string(value, key, (const char **)(void *)to, err);
        }
    if (!strcmp(key, "timestamp"))
        return parse_timestamp(value, &out->timestamp_us, err);
    if (!strcmp(key, "value"))
        return parse_number(value, key, &out->value, err);
    if (!strcmp(key, "quantity"))
        return parse_number(value, key, &out->quantity, err);
    return error_field(err, PENCHANT_EINVALID, 0, key, "%.48s is not a field of an event",
                       key);
}

int parse_event(const json_t *json, struct penchant_event *out,
                struct penchant_error *err)
{
    penchant_event_default(out);
    if (!json_is_object(json))
        return wrong_type(json, "", "an object", err);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)json, key, value)
    {
        const int status = event_field(key, value, out, err);
        if (status)
            return status;
    }
    return PENCHANT_OK;
}

static int item_field(const char *key, const json_t *value, struct penchant_item *out,
                      struct penchant_error *err)
{
    if (!strcmp(key, "title"))
        return parse_string(value, key, &out->title, err);
    if (!strcmp(key, "category"))
        return parse_string(value, key, &out->category, err);
    if (!strcmp(key, "brand"))
        return parse_string(value, key, &out->brand, err);
    if (!strcmp(key, "price"))
        return parse_number(value, key, &out->price, err);
    if (!strcmp(key, "available"))
        return parse_bool(value, key, &out->available, err);
    if (!strcmp(key, "item_id")) {
        const char *id = out->item_id;
        const int status = parse_string(value, key, &id, err);
        if (!status && strcmp(id, out->item_id) != 0)
            return error_field(err, PENCHANT_EINVALID, 0, key,
                               "item_id is not the one of the path");
        return status;
    }
    return error_field(err, PENCHANT_EINVALID, 0, key, "%.48s is not a field of an item",
                       key);
}

int parse_item(const json_t *json, const char *item_id, struct penchant_item *out,
               struct penchant_error *err)
{
    penchant_item_default(out);
    out->item_id = item_id;
    if (!json_is_object(json))
        return wrong_type(json, "", "an object", err);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)json, key, value)
    {
        const int status = item_field(key, value, out, err);
        if (status)
            return status;
    }
    return PENCHANT_OK;
}

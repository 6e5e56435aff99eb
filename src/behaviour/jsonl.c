/* SPDX-License-Identifier: Apache-2.0 */
#include "behaviour/jsonl.h"

#include <stdio.h>
#include <string.h>

void jsonl_init(struct jsonl *j, struct column_map *map, enum columns_kind kind)
{
    *j = (struct jsonl){.map = map, .kind = kind};
    names_init(&j->keys);
    buf_init(&j->joined, JSONL_TEXT_MAX);
    buf_init(&j->event_id, JSONL_TEXT_MAX);
}

void jsonl_release(struct jsonl *j)
{
    json_decref(j->line);
    j->line = NULL;
    names_release(&j->keys);
    buf_release(&j->joined);
    buf_release(&j->event_id);
}

/* columns_find() with a memo: a log has the same few keys in every line. */
static struct column_match find(struct jsonl *j, const char *key)
{
    const size_t len = strlen(key);
    uint32_t id = names_find(&j->keys, key, len);
    if (id != NAMES_NONE)
        return j->match[id];
    const struct column_match match = columns_find(j->map, j->kind, key);
    if (j->keys.n < JSONL_KEYS && (id = names_add(&j->keys, key, len)) != NAMES_NONE)
        j->match[id] = match;
    return match;
}

static bool is_id(enum column c)
{
    return c == COLUMN_USER_ID || c == COLUMN_ITEM_ID || c == COLUMN_SESSION_ID ||
           c == COLUMN_EVENT_ID || c == COLUMN_RECOMMENDATION_ID;
}

static int refuse(enum column c, struct penchant_error *err)
{
    return error_field(err, PENCHANT_EINVALID, 0, column_name(c),
                       "%s must be a string or a %s", column_name(c),
                       is_id(c) ? "whole number" : "number");
}

static int join(struct jsonl *j, const json_t *array, const char **text,
                struct penchant_error *err)
{
    const json_t *part;
    size_t i;
    buf_clear(&j->joined);
    json_array_foreach(array, i, part)
    {
        if (!json_is_string(part))
            return refuse(COLUMN_CATEGORY, err);
        if (j->joined.len)
            buf_putc(&j->joined, '|');
        buf_puts(&j->joined, json_string_value(part));
    }
    if (j->joined.failed)
        return error_memory(err);
    *text = j->joined.len ? j->joined.data : NULL;
    return PENCHANT_OK;
}

/* A JSON value as the text that CSV would have; NULL for null and "". */
static int text_of(struct jsonl *j, enum column c, const json_t *v, const char **text,
                   struct penchant_error *err)
{
    char *number = j->number[c];
    *text = NULL;
    switch (json_typeof(v)) {
    case JSON_STRING:
        *text = json_string_value(v)[0] ? json_string_value(v) : NULL;
        return PENCHANT_OK;
    case JSON_INTEGER:
        snprintf(number, JSONL_NUMBER, "%lld", (long long)json_integer_value(v));
        *text = number;
        return PENCHANT_OK;
    case JSON_REAL:
        if (is_id(c))
            return refuse(c, err);
        /* Times need their digits, and would not take an exponent. */
        snprintf(number, JSONL_NUMBER, c == COLUMN_TIMESTAMP ? "%.6f" : "%.17g",
                 json_real_value(v));
        *text = number;
        return PENCHANT_OK;
    case JSON_TRUE:
    case JSON_FALSE:
        if (c != COLUMN_AVAILABLE)
            return refuse(c, err);
        *text = json_is_true(v) ? "true" : "false";
        return PENCHANT_OK;
    case JSON_NULL:
        return PENCHANT_OK;
    case JSON_ARRAY:
        return c == COLUMN_CATEGORY ? join(j, v, text, err) : refuse(c, err);
    case JSON_OBJECT:
        break;
    }
    return refuse(c, err);
}

/* The wanted columns that an object gives, the most certain name first. */
static int take(struct jsonl *j, const json_t *object, const bool wanted[COLUMNS],
                struct record *r, struct penchant_error *err)
{
    uint32_t rank[COLUMNS];
    const char *key;
    json_t *v;
    memset(rank, 0xFF, sizeof(rank));
    /* The macro wants a non-const object, and does not change it. */
    json_object_foreach((json_t *)(uintptr_t)object, key, v)
    {
        const struct column_match m = find(j, key);
        if (m.column == COLUMN_NONE || !wanted[m.column] ||
            (rank[m.column] <= m.rank && rank[m.column] != UINT32_MAX))
            continue;
        if (m.rank > 1 && json_is_object(v)) /* "user": {..} may be anything */
            continue;
        if (m.column == COLUMN_TEXT && m.rank && !json_is_string(v)) /* so may these */
            continue;
        const char *text;
        const int rc = text_of(j, m.column, v, &text, err);
        if (rc != 0)
            return rc;
        if (!text && m.rank != 0)
            continue;
        r->value[m.column] = text;
        rank[m.column] = m.rank;
        if (m.column == COLUMN_VALUE)
            j->ratings = column_is_rating(key);
    }
    return PENCHANT_OK;
}

/* [{"key": "ga_session_id", "value": {"int_value": 1}}, ..] */
static int take_params(struct jsonl *j, const json_t *params, struct penchant_error *err)
{
    static const struct {
        const char *key;
        enum column column;
    } known[] = {{"ga_session_id", COLUMN_SESSION_ID}, {"search_term", COLUMN_QUERY}};
    const json_t *param;
    size_t i;
    json_array_foreach(params, i, param)
    {
        const char *key = json_string_value(json_object_get(param, "key"));
        const json_t *value = json_object_get(param, "value");
        const json_t *v = json_object_get(value, "string_value");
        if (!v || json_is_null(v))
            v = json_object_get(value, "int_value");
        for (size_t k = 0; key && v && k < sizeof(known) / sizeof(*known); k++) {
            const enum column c = known[k].column;
            if (strcmp(key, known[k].key) != 0 || j->common.value[c])
                continue;
            const int rc = text_of(j, c, v, &j->common.value[c], err);
            if (rc != 0)
                return rc;
        }
    }
    return PENCHANT_OK;
}

static int parse_event(struct jsonl *j, struct penchant_error *err)
{
    const json_t *params = json_object_get(j->line, "event_params");
    const json_t *items = json_object_get(j->line, "items");
    const char *name = j->common.value[COLUMN_EVENT];
    if (json_is_array(params)) {
        const int rc = take_params(j, params, err);
        if (rc != 0)
            return rc;
    }
    if (json_is_array(items) && json_array_size(items)) {
        j->items = items;
        j->n = json_array_size(items);
    } else if (json_is_array(items) || json_is_array(params)) {
        /* Analytics count page views and much else that is about no item. */
        const char *ours = name ? event_name_canonical(name) : NULL;
        j->n = j->common.value[COLUMN_ITEM_ID] || (ours && strcmp(ours, "search") == 0);
    }
    return PENCHANT_OK;
}

int jsonl_parse(struct jsonl *j, const char *text, size_t len, struct penchant_error *err)
{
    json_error_t why;
    bool wanted[COLUMNS];
    memset(wanted, true, sizeof(wanted));
    json_decref(j->line);
    j->items = NULL;
    j->ratings = false;
    j->n = 1;
    j->common = (struct record){0};
    j->line = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    if (!j->line)
        return error_field(err, PENCHANT_EINVALID, 0, "line", "%s at byte %d", why.text,
                           why.position);
    if (!json_is_object(j->line))
        return error_field(err, PENCHANT_EINVALID, 0, "line", "is not a JSON object");
    const int rc = take(j, j->line, wanted, &j->common, err);
    return rc != 0 || j->kind == COLUMNS_ITEMS ? rc : parse_event(j, err);
}

int jsonl_record(struct jsonl *j, size_t i, struct record *r, struct penchant_error *err)
{
    static const bool wanted[COLUMNS] = {
        [COLUMN_ITEM_ID] = true, [COLUMN_VALUE] = true, [COLUMN_QUANTITY] = true};
    *r = j->common;
    if (!j->items)
        return PENCHANT_OK;
    const json_t *item = json_array_get(j->items, i);
    if (!json_is_object(item))
        return error_field(err, PENCHANT_EINVALID, 0, "items",
                           "item %zu is not a JSON object", i + 1);
    for (int c = 0; c < COLUMNS; c++)
        if (wanted[c])
            r->value[c] = NULL; /* the line's value is that of all its items */
    if (r->value[COLUMN_EVENT_ID] && j->n > 1) {
        buf_clear(&j->event_id);
        buf_printf(&j->event_id, "%s#%zu", r->value[COLUMN_EVENT_ID], i);
        if (j->event_id.failed)
            return error_memory(err);
        r->value[COLUMN_EVENT_ID] = j->event_id.data;
    }
    return take(j, item, wanted, r, err);
}

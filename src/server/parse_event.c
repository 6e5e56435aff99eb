/* SPDX-License-Identifier: Apache-2.0 */
#include "server/parse_event.h"

#include <math.h>
#include <string.h>

#include "base/status.h"

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

/* Days from 1970-01-01 of a date of the Gregorian calendar (Hinnant, days_from_civil). */
static int64_t days_from_civil(int64_t y, int64_t m, int64_t d)
{
    y -= m <= 2;
    const int64_t era = y / 400, yoe = y - era * 400;
    const int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    const int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + doe - 719468;
}

static int64_t days_in_month(int64_t y, int64_t m)
{
    static const char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    return m == 2 && leap ? 29 : days[m - 1];
}

/* Reads exactly n digits at *s and moves it; -1 when they are not there. */
static int64_t digits(const char **s, int n)
{
    int64_t v = 0;
    for (int i = 0; i < n; i++, ++*s) {
        if (**s < '0' || **s > '9')
            return -1;
        v = v * 10 + (**s - '0');
    }
    return v;
}

static bool skip(const char **s, const char *any_of)
{
    if (!**s || !strchr(any_of, **s))
        return false;
    ++*s;
    return true;
}

/* ".5" and ".123456789" to microseconds; further digits are cut off. */
static bool fraction(const char **s, int64_t *us)
{
    *us = 0;
    if (!skip(s, "."))
        return true;
    int n = 0;
    for (int64_t unit = 100000; **s >= '0' && **s <= '9'; ++*s, n++, unit /= 10)
        *us += unit * (**s - '0');
    return n > 0 && n <= 18;
}

static bool offset(const char **s, int64_t *seconds)
{
    *seconds = 0;
    if (skip(s, "Zz"))
        return true;
    const bool behind = **s == '-';
    if (!skip(s, "+-"))
        return false;
    const int64_t hours = digits(s, 2);
    if (hours < 0 || hours > 23 || !skip(s, ":"))
        return false;
    const int64_t minutes = digits(s, 2);
    if (minutes < 0 || minutes > 59)
        return false;
    *seconds = (hours * 3600 + minutes * 60) * (behind ? -1 : 1);
    return true;
}

bool parse_rfc3339(const char *s, int64_t *us)
{
    const int64_t year = digits(&s, 4);
    if (year < 1970 || !skip(&s, "-"))
        return false;
    const int64_t month = digits(&s, 2);
    if (month < 1 || month > 12 || !skip(&s, "-"))
        return false;
    const int64_t day = digits(&s, 2);
    if (day < 1 || day > days_in_month(year, month) || !skip(&s, "Tt "))
        return false;
    const int64_t hour = digits(&s, 2);
    if (hour < 0 || hour > 23 || !skip(&s, ":"))
        return false;
    const int64_t minute = digits(&s, 2);
    if (minute < 0 || minute > 59 || !skip(&s, ":"))
        return false;
    const int64_t second = digits(&s, 2); /* 60: a leap second */
    int64_t micro, ahead;
    if (second < 0 || second > 60 || !fraction(&s, &micro) || !offset(&s, &ahead) || *s)
        return false;
    const int64_t days = days_from_civil(year, month, day);
    *us = (days * 86400 + hour * 3600 + minute * 60 + second - ahead) * 1000000 + micro;
    return true;
}

/* Microseconds in the unit that a number of this size is in; 0: nanoseconds. */
static int64_t unit_of(int64_t number)
{
    if (number < INT64_C(100000000000))
        return 1000000;
    if (number < INT64_C(100000000000000))
        return 1000;
    return number < INT64_C(100000000000000000) ? 1 : 0;
}

static int64_t from_integer(int64_t t)
{
    const int64_t unit = unit_of(t);
    return t <= 0 ? 0 : unit ? t * unit : t / 1000;
}

static int64_t from_real(double t)
{
    if (!(t > 0 && t < 9e18))
        return 0;
    const int64_t unit = unit_of((int64_t)t);
    return llround(t * (unit ? (double)unit : 1e-3));
}

int parse_timestamp(const json_t *json, int64_t *us, struct penchant_error *err)
{
    static const char field[] = "timestamp";
    int64_t t;
    if (!json || json_is_null(json))
        return PENCHANT_OK;
    if (json_is_integer(json)) {
        t = from_integer(json_integer_value(json));
    } else if (json_is_real(json)) {
        t = from_real(json_real_value(json));
    } else if (!json_is_string(json)) {
        return wrong_type(json, field, "a number or a string", err);
    } else if (!parse_rfc3339(json_string_value(json), &t)) {
        return error_field(err, PENCHANT_EINVALID, 0, field,
                           "timestamp is not an RFC 3339 time such as "
                           "2024-05-01T12:34:56Z");
    }
    if (t <= 0)
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

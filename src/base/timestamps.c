/* SPDX-License-Identifier: Apache-2.0 */
#include "base/timestamps.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define E11 INT64_C(100000000000)
#define E14 INT64_C(100000000000000)
#define E17 INT64_C(100000000000000000)

const struct timestamp_unit timestamp_units[TIMESTAMP_UNITS] = {
    {1000000, 0, E11},
    {1000, E11, E14},
    {1, E14, E17},
};

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Microseconds of a number and its decimal fraction (a text of digits, maybe empty). */
static const char *from_number(uint64_t whole, const char *fraction, int64_t *us)
{
    if (whole >= E17) {
        *us = (int64_t)(whole / 1000);
        return NULL;
    }
    const struct timestamp_unit *unit = timestamp_units;
    while ((int64_t)whole >= unit->most)
        unit++;
    *us = (int64_t)whole * unit->us;
    for (int64_t place = unit->us / 10; place && digit(*fraction); place /= 10)
        *us += (*fraction++ - '0') * place;
    return *us <= TIMESTAMP_MAX_US ? NULL : "is after the year 9999";
}

/* Reads exactly n digits and moves on; -1 when they are not there. */
static int take_digits(const char **at, int n)
{
    int v = 0;
    for (int i = 0; i < n; i++, (*at)++) {
        if (!digit(**at))
            return -1;
        v = 10 * v + (**at - '0');
    }
    return v;
}

/* Days since 1970-01-01 of a day of the Gregorian calendar (H. Hinnant,
   days_from_civil). */
static int64_t days_from_date(int year, int month, int day)
{
    const int y = month <= 2 ? year - 1 : year;
    const int era = y / 400, yoe = y - era * 400;
    const int doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    const int doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return (int64_t)era * 146097 + doe - 719468;
}

static int month_days(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (leap && month == 2);
}

/* "HH:MM[:SS[.fraction]]" in microseconds; -1 when malformed. */
static int64_t take_time(const char **at)
{
    const int hour = take_digits(at, 2);
    if (hour < 0 || hour > 23 || *(*at)++ != ':')
        return -1;
    const int minute = take_digits(at, 2);
    if (minute < 0 || minute > 59)
        return -1;
    int64_t us = (hour * 60 + minute) * INT64_C(60000000);
    if (**at != ':')
        return us;
    (*at)++;
    const int second = take_digits(at, 2);
    if (second < 0 || second > 60) /* a leap second is the next minute's first */
        return -1;
    us += second * INT64_C(1000000);
    if (**at != '.')
        return us;
    (*at)++;
    if (!digit(**at))
        return -1;
    for (int64_t place = 100000; digit(**at); place /= 10, (*at)++)
        us += (**at - '0') * place;
    return us;
}

/* "", "Z", " UTC", "+02:00", "+0200", "+02": the offset in microseconds. */
static bool take_zone(const char **at, int64_t *offset_us)
{
    *offset_us = 0;
    if (**at == ' ' && (*at)[1])
        (*at)++;
    if (**at == 'Z' || **at == 'z') {
        (*at)++;
        return true;
    }
    if (strncmp(*at, "UTC", 3) == 0) {
        *at += 3;
        return true;
    }
    if (**at != '+' && **at != '-')
        return true;
    const int sign = *(*at)++ == '+' ? 1 : -1;
    const int hours = take_digits(at, 2);
    if (**at == ':')
        (*at)++;
    const int minutes = digit(**at) ? take_digits(at, 2) : 0;
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
        return false;
    *offset_us = sign * (hours * 60 + minutes) * INT64_C(60000000);
    return true;
}

static const char *from_date(const char *at, int64_t *us)
{
    static const char malformed[] = "is neither a number nor a date";
    const int year = take_digits(&at, 4);
    if (year < 0 || *at++ != '-')
        return malformed;
    const int month = take_digits(&at, 2);
    if (month < 0 || *at++ != '-')
        return malformed;
    const int day = take_digits(&at, 2);
    if (day < 0)
        return malformed;
    if (month < 1 || month > 12 || day < 1 || day > month_days(year, month))
        return "is a day that the calendar does not have";
    if (year < 1970)
        return "is before 1970";
    int64_t time = 0, zone = 0;
    if (*at == 'T' || *at == 't' || (*at == ' ' && digit(at[1]))) {
        at++;
        time = take_time(&at);
        if (time < 0 || !take_zone(&at, &zone))
            return "has a malformed time of day";
    }
    if (*at)
        return malformed;
    *us = days_from_date(year, month, day) * INT64_C(86400000000) + time - zone;
    if (*us < 0)
        return "is before 1970";
    return *us <= TIMESTAMP_MAX_US ? NULL : "is after the year 9999";
}

const char *timestamp_parse(const char *text, int64_t *us)
{
    uint64_t whole = 0;
    const char *at = text;
    for (; digit(*at); at++) {
        if (at - text == 19) /* more would not fit */
            return "is out of range";
        whole = 10 * whole + (uint64_t)(*at - '0');
    }
    if (at == text)
        return *at == '-' && digit(at[1]) ? "is negative" : from_date(text, us);
    if (!*at)
        return from_number(whole, "", us);
    if (*at == '.' && at[1 + strspn(at + 1, "0123456789")] == 0)
        return from_number(whole, at + 1, us);
    return from_date(text, us);
}

void timestamp_format(int64_t us, char text[TIMESTAMP_TEXT])
{
    const time_t seconds = (time_t)(us / 1000000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    snprintf(text, TIMESTAMP_TEXT, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ",
             (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)(tm.tm_mon + 1) % 100,
             (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100,
             (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100,
             (unsigned)(us % 1000000));
}

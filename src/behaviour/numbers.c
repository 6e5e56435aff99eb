/* SPDX-License-Identifier: Apache-2.0 */
#include "behaviour/numbers.h"

#include <ctype.h>
#include <locale.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char malformed[] = "is not a number";

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/*
 * [sign] digits [. digits] with at most 15 digits: mantissa and power of ten are exact,
 * so their quotient is rounded once (W. Clinger 1990). False for everything else.
 */
static bool parse_short(const char *text, double *v)
{
    static const double power[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    const char *at = text + (*text == '-' || *text == '+');
    int64_t mantissa = 0;
    int digits = 0, places = 0;
    for (; digit(*at) && digits < 16; at++, digits++)
        mantissa = 10 * mantissa + (*at - '0');
    if (*at == '.' && digits)
        for (at++; digit(*at) && digits < 16; at++, digits++, places++)
            mantissa = 10 * mantissa + (*at - '0');
    if (*at || !digits || digits > 15 || at[-1] == '.')
        return false;
    *v = (double)mantissa / power[places];
    if (*text == '-')
        *v = -*v;
    return true;
}

static const char *parse_long(const char *text, double *v)
{
    if (strcasecmp(text, "nan") == 0 || strcasecmp(text, "null") == 0 ||
        strcasecmp(text, "none") == 0) {
        *v = NAN;
        return NULL;
    }
    if (!strpbrk(text, "0123456789") || text[strspn(text, "0123456789+-.eE")])
        return malformed;
    const locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!c)
        return malformed;
    char *end;
    *v = strtod_l(text, &end, c);
    freelocale(c);
    if (*end)
        return malformed;
    return isinf(*v) ? "is out of range" : NULL;
}

const char *number_parse(const char *text, double *v)
{
    return parse_short(text, v) ? NULL : parse_long(text, v);
}

const char *number_parse_price(const char *text, double *v)
{
    char number[64];
    const size_t n = strcspn(text, " "), currency = strlen(text + n);
    if (currency != 4 || n >= sizeof(number) || !isupper((unsigned char)text[n + 1]))
        return number_parse(text, v);
    memcpy(number, text, n);
    number[n] = 0;
    return number_parse(number, v);
}

const char *number_parse_bool(const char *text, bool *v)
{
    static const char *const words[2][8] = {
        {"false", "0", "no", "n", "out_of_stock", "out of stock", "unavailable", "f"},
        {"true", "1", "yes", "y", "in_stock", "in stock", "available", "t"}};
    for (int truth = 0; truth < 2; truth++) {
        for (int i = 0; i < 8; i++) {
            if (strcasecmp(text, words[truth][i]) == 0) {
                *v = truth == 1;
                return NULL;
            }
        }
    }
    return "is neither true nor false";
}

void number_format(double v, char text[NUMBER_TEXT])
{
    text[0] = 0;
    if (isnan(v))
        return;
    for (int digits = 15; digits <= 17; digits++) {
        double back;
        snprintf(text, NUMBER_TEXT, "%.*g", digits, v);
        for (char *c = text; *c; c++) /* a locale's decimal comma */
            if (!digit(*c) && !strchr("+-e", *c))
                *c = '.';
        if (!number_parse(text, &back) && back == v)
            return;
    }
}

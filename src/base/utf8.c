/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include <string.h>

static bool continues(unsigned char c)
{
    return (c & 0xC0) == 0x80;
}

size_t utf8_char(const char *s, size_t n)
{
    const unsigned char *u = (const unsigned char *)s;
    if (u[0] < 0x80)
        return 1;
    if (u[0] >= 0xC2 && u[0] <= 0xDF)
        return n >= 2 && continues(u[1]) ? 2 : 0;
    if (u[0] >= 0xE0 && u[0] <= 0xEF) {
        if (n < 3 || !continues(u[1]) || !continues(u[2]))
            return 0;
        const bool overlong = u[0] == 0xE0 && u[1] < 0xA0;
        const bool surrogate = u[0] == 0xED && u[1] > 0x9F;
        return overlong || surrogate ? 0 : 3;
    }
    if (u[0] >= 0xF0 && u[0] <= 0xF4) {
        if (n < 4 || !continues(u[1]) || !continues(u[2]) || !continues(u[3]))
            return 0;
        const bool overlong = u[0] == 0xF0 && u[1] < 0x90;
        const bool too_high = u[0] == 0xF4 && u[1] > 0x8F;
        return overlong || too_high ? 0 : 4;
    }
    return 0;
}

bool utf8_valid(const char *s, size_t n)
{
    while (n) {
        const size_t step = utf8_char(s, n);
        if (!step)
            return false;
        s += step;
        n -= step;
    }
    return true;
}

size_t utf8_cut(const char *text, size_t n)
{
    const size_t len = strnlen(text, n + 1);
    if (len <= n)
        return len;
    while (n && continues((unsigned char)text[n]))
        n--;
    return n;
}

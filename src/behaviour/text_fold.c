/* SPDX-License-Identifier: Apache-2.0 */
#include "behaviour/text_fold.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "behaviour/text_rules.h"

/* U+FF66 to U+FF9D, half as wide as these. */
static const char *const wide_kana =
    "ヲァィゥェォャュョッーアイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマ"
    "ミムメモヤユヨラリルレロワン";

static uint32_t decode(const char *s, size_t len)
{
    const unsigned char *u = (const unsigned char *)s;
    switch (len) {
    case 2:
        return (u[0] & 0x1FU) << 6 | (u[1] & 0x3FU);
    case 3:
        return (u[0] & 0x0FU) << 12 | (u[1] & 0x3FU) << 6 | (u[2] & 0x3FU);
    case 4:
        return (u[0] & 0x07U) << 18 | (u[1] & 0x3FU) << 12 | (u[2] & 0x3FU) << 6 |
               (u[3] & 0x3FU);
    default:
        return u[0];
    }
}

/* ---- entities -------------------------------------------------------------------- */

struct entity {
    const char *name;
    uint32_t letter;
};

static const struct entity entities[] = {
    {"amp", '&'},      {"lt", '<'},        {"gt", '>'},       {"quot", '"'},
    {"apos", '\''},    {"nbsp", ' '},      {"copy", 0xA9},    {"reg", 0xAE},
    {"trade", 0x2122}, {"deg", 0xB0},      {"plusmn", 0xB1},  {"sup1", 0xB9},
    {"sup2", 0xB2},    {"sup3", 0xB3},     {"micro", 0xB5},   {"middot", 0xB7},
    {"frac12", 0xBD},  {"frac14", 0xBC},   {"frac34", 0xBE},  {"times", 0xD7},
    {"szlig", 0xDF},   {"aelig", 0xE6},    {"AElig", 0xC6},   {"oelig", 0x153},
    {"OElig", 0x152},  {"eth", 0xF0},      {"ETH", 0xD0},     {"thorn", 0xFE},
    {"THORN", 0xDE},   {"laquo", 0xAB},    {"raquo", 0xBB},   {"lsquo", 0x2018},
    {"rsquo", 0x2019}, {"ldquo", 0x201C},  {"rdquo", 0x201D}, {"ndash", 0x2013},
    {"mdash", 0x2014}, {"hellip", 0x2026}, {"bull", 0x2022},  {"euro", 0x20AC},
    {"pound", 0xA3},   {"yen", 0xA5},      {"cent", 0xA2},    {"hearts", 0x2665},
    {"ordf", 0xAA},    {"ordm", 0xBA},     {"iexcl", 0xA1},   {"iquest", 0xBF},
    {"shy", 0xAD},
};

/* "eacute": a letter and the name of its accent, which folding would take off anyway. */
static bool accented(const char *name, size_t len)
{
    static const char *const accents[] = {"acute", "grave", "circ",  "uml",   "tilde",
                                          "ring",  "cedil", "slash", "caron", NULL};
    const char letter = (char)(name[0] | 32);
    if (len < 2 || letter < 'a' || letter > 'z')
        return false;
    for (size_t i = 0; accents[i]; i++)
        if (strlen(accents[i]) == len - 1 && memcmp(name + 1, accents[i], len - 1) == 0)
            return true;
    return false;
}

static bool number(const char *name, size_t len, uint32_t *letter)
{
    const bool hex = len > 1 && (name[1] | 32) == 'x';
    const size_t from = hex ? 2 : 1;
    uint32_t value = 0;
    for (size_t i = from; i < len; i++) {
        const char c = name[i];
        uint32_t digit;
        if (c >= '0' && c <= '9')
            digit = (uint32_t)(c - '0');
        else if (hex && (c | 32) >= 'a' && (c | 32) <= 'f')
            digit = (uint32_t)((c | 32) - 'a' + 10);
        else
            return false;
        value = value * (hex ? 16 : 10) + digit;
        if (value > 0x10FFFF)
            return false;
    }
    if (len > from)
        *letter = value;
    return len > from;
}

/* Reads "&name;" at s; how many bytes it takes, or 0. */
static size_t entity(const char *s, size_t n, uint32_t *letter)
{
    enum { LONGEST = 10 };
    size_t len = 1;
    while (len < n && len <= LONGEST && s[len] != ';' && s[len] != '&' && s[len] != ' ')
        len++;
    if (len >= n || s[len] != ';' || len < 2)
        return 0;
    const char *name = s + 1;
    const size_t length = len - 1;
    size_t taken = 0;
    if (name[0] == '#') {
        taken = number(name, length, letter) ? len + 1 : 0;
    } else if (accented(name, length)) {
        *letter = (unsigned char)name[0];
        taken = len + 1;
    } else {
        for (size_t i = 0; i < sizeof(entities) / sizeof(*entities) && !taken; i++)
            if (strlen(entities[i].name) == length &&
                memcmp(entities[i].name, name, length) == 0) {
                *letter = entities[i].letter;
                taken = len + 1;
            }
    }
    return taken;
}

/* ---- letters --------------------------------------------------------------------- */

struct folding {
    uint32_t *out;
    size_t n, room;
    bool gap; /* a space is due before the next letter */
};

static void put(struct folding *f, uint32_t letter)
{
    if (f->gap && f->n && f->n < f->room)
        f->out[f->n++] = ' ';
    f->gap = false;
    if (f->n < f->room)
        f->out[f->n++] = letter;
}

static void put_letters(struct folding *f, const char *letters)
{
    if (letters[0] == ' ') {
        f->gap = true;
        return;
    }
    for (size_t len; *letters; letters += len) {
        len = utf8_char(letters, strlen(letters));
        put(f, decode(letters, len));
    }
}

static const struct text_rule *find_rule(uint32_t letter)
{
    size_t low = 0, high = text_n_rules;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (text_rules[middle].last < letter)
            low = middle + 1;
        else
            high = middle;
    }
    const bool found = low < text_n_rules && text_rules[low].first <= letter;
    return found ? &text_rules[low] : NULL;
}

/* The voice mark of half-width or decomposed kana goes into the kana before it. */
static void voice(struct folding *f, bool half)
{
    if (!f->n || f->gap)
        return;
    uint32_t *last = &f->out[f->n - 1];
    const uint32_t kana = *last >= 0x30A0 ? *last - 0x60 : *last; /* as hiragana */
    const bool lips = kana >= 0x306F && kana <= 0x307B && (kana - 0x306F) % 3 == 0;
    const bool other = (kana >= 0x304B && kana <= 0x3061 && kana % 2) ||
                       (kana >= 0x3064 && kana <= 0x3068 && kana % 2 == 0);
    if (lips)
        *last += half ? 2 : 1;
    else if (other && !half)
        *last += 1;
}

static void fold(struct folding *f, uint32_t letter)
{
    if (letter == 0x3099 || letter == 0x309A || letter == 0xFF9E || letter == 0xFF9F) {
        voice(f, letter == 0x309A || letter == 0xFF9F);
        return;
    }
    if (letter >= 0xFF66 && letter <= 0xFF9D) {
        put(f, decode(wide_kana + (size_t)3 * (letter - 0xFF66), 3));
        return;
    }
    const struct text_rule *rule = find_rule(letter);
    if (rule && rule->letters) {
        put_letters(f, rule->letters);
        return;
    }
    const bool shifts = rule && (rule->which == TEXT_RULE_ALL ||
                                 (rule->which == TEXT_RULE_EVEN) == (letter % 2 == 0));
    put(f, shifts ? letter + (uint32_t)rule->shift : letter);
}

/* An apostrophe does not part a word: "Children's". */
static bool is_apostrophe(uint32_t letter)
{
    return letter == '\'' || letter == 0x2019 || letter == 0x2BC;
}

size_t text_fold(const char *text, size_t n, uint32_t *out)
{
    struct folding f = {.out = out, .room = n};
    for (size_t i = 0; i < n;) {
        uint32_t letter = ' ';
        size_t len = utf8_char(text + i, n - i);
        if (len)
            letter = decode(text + i, len);
        if (letter == '&') {
            size_t taken = entity(text + i, n - i, &letter);
            if (taken && letter == '&') { /* "&amp;eacute;": escaped twice */
                const size_t again =
                    entity(text + i + taken - 1, n - i - taken + 1, &letter);
                taken += again ? again - 1 : 0;
            }
            len = taken ? taken : 1;
        }
        i += len ? len : 1;
        if (!is_apostrophe(letter) || f.gap)
            fold(&f, letter);
    }
    return f.n;
}

bool text_unspaced(uint32_t c)
{
    return (c >= 0x0E00 && c <= 0x109F) || (c >= 0x1100 && c <= 0x11FF) ||
           (c >= 0x1780 && c <= 0x17FF) || (c >= 0x2E80 && c <= 0x2FDF) ||
           (c >= 0x3005 && c <= 0x31FF) || (c >= 0x3400 && c <= 0x9FFF) ||
           (c >= 0xAC00 && c <= 0xD7FF) || (c >= 0xF900 && c <= 0xFAFF) ||
           (c >= 0x20000 && c <= 0x323AF);
}

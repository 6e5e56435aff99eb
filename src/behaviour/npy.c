/* SPDX-License-Identifier: Apache-2.0 */
#include "behaviour/npy.h"

#include <stdbool.h>
#include <string.h>

/* The dictionary while it is read: [at, end) is still to come. */
struct cursor {
    const char *text;
    size_t at, end, offset; /* offset: of the text in the file */
    struct penchant_error *err;
};

static int expected(const struct cursor *c, const char *what)
{
    return error_set(c->err, PENCHANT_EINVALID, "byte %zu of the header: expected %s",
                     c->offset + c->at, what);
}

static void skip_blanks(struct cursor *c)
{
    while (c->at < c->end && (c->text[c->at] == ' ' || c->text[c->at] == '\n'))
        c->at++;
}

/* Takes the character if it is the next one. */
static bool take(struct cursor *c, char want)
{
    skip_blanks(c);
    if (c->at == c->end || c->text[c->at] != want)
        return false;
    c->at++;
    return true;
}

/* 'text' or "text", without escapes. */
static int take_string(struct cursor *c, char *out, size_t size)
{
    skip_blanks(c);
    const char quote = c->at < c->end ? c->text[c->at] : 0;
    if (quote != '\'' && quote != '"')
        return expected(c, "a string");
    const char *from = c->text + c->at + 1;
    const char *to = memchr(from, quote, c->end - c->at - 1);
    if (!to || (size_t)(to - from) >= size || memchr(from, '\\', (size_t)(to - from)))
        return expected(c, "a short string");
    memcpy(out, from, (size_t)(to - from));
    out[to - from] = 0;
    c->at += (size_t)(to - from) + 2;
    return PENCHANT_OK;
}

static int take_number(struct cursor *c, uint64_t *out)
{
    skip_blanks(c);
    size_t digits = 0;
    *out = 0;
    for (; c->at < c->end && c->text[c->at] >= '0' && c->text[c->at] <= '9'; c->at++) {
        if (++digits > 18)
            return expected(c, "a number of at most 18 digits");
        *out = *out * 10 + (uint64_t)(c->text[c->at] - '0');
    }
    return digits ? PENCHANT_OK : expected(c, "a number");
}

static int take_kind(struct cursor *c, enum floats_kind *kind)
{
    static const struct {
        const char *name;
        enum floats_kind kind;
    } known[] = {{"<f2", FLOATS_F16}, {"<f4", FLOATS_F32}, {"<f8", FLOATS_F64}};
    char name[16];
    const int rc = take_string(c, name, sizeof(name));
    if (rc != PENCHANT_OK)
        return rc;
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        if (strcmp(name, known[i].name) == 0) {
            *kind = known[i].kind;
            return PENCHANT_OK;
        }
    }
    return expected(c, name[0] == '>' ? "numbers in little-endian order"
                                      : "numbers of type <f2, <f4 or <f8");
}

static int take_order(struct cursor *c)
{
    static const char good[] = "False";
    skip_blanks(c);
    if (c->end - c->at < sizeof(good) - 1 ||
        memcmp(c->text + c->at, good, sizeof(good) - 1) != 0)
        return expected(c, "'fortran_order': False (the numbers in C order)");
    c->at += sizeof(good) - 1;
    return PENCHANT_OK;
}

static int take_shape(struct cursor *c, struct npy *out)
{
    uint64_t size[2];
    if (!take(c, '('))
        return expected(c, "a shape");
    for (int i = 0; i < 2; i++) {
        const int rc = take_number(c, &size[i]);
        if (rc != PENCHANT_OK)
            return expected(c, "a shape of two dimensions");
        if (i == 0 && !take(c, ','))
            return expected(c, "a shape of two dimensions");
    }
    take(c, ',');
    if (!take(c, ')'))
        return expected(c, "a shape of two dimensions");
    out->rows = size[0];
    out->cols = size[1];
    return PENCHANT_OK;
}

/* The three entries in any order, each once. */
static int take_dictionary(struct cursor *c, struct npy *out)
{
    static const char *const key[] = {"descr", "fortran_order", "shape"};
    bool seen[3] = {false};
    if (!take(c, '{'))
        return expected(c, "{");
    for (int n = 0; n < 3; n++) {
        char name[16];
        int i = 0, rc = take_string(c, name, sizeof(name));
        if (rc != PENCHANT_OK)
            return rc;
        while (i < 3 && (seen[i] || strcmp(name, key[i]) != 0))
            i++;
        if (i == 3 || !take(c, ':'))
            return expected(c, "descr, fortran_order and shape, each once");
        seen[i] = true;
        rc = i == 0   ? take_kind(c, &out->kind)
             : i == 1 ? take_order(c)
                      : take_shape(c, out);
        if (rc != PENCHANT_OK)
            return rc;
        if (!take(c, ',') && n < 2)
            return expected(c, ",");
    }
    if (!take(c, '}'))
        return expected(c, "}");
    skip_blanks(c);
    return c->at == c->end ? PENCHANT_OK : expected(c, "the end of the header");
}

int npy_parse(struct npy *out, const unsigned char *bytes, size_t n,
              struct penchant_error *err)
{
    *out = (struct npy){0};
    if (n < 10 || memcmp(bytes, NPY_MAGIC, NPY_MAGIC_BYTES) != 0)
        return error_set(err, PENCHANT_EINVALID, "is no NumPy file");
    const unsigned version = bytes[6];
    if (version < 1 || version > 3)
        return error_set(err, PENCHANT_EINVALID,
                         "is a NumPy file of version %u; 1 to 3 "
                         "are known",
                         version);
    const size_t begin = version == 1 ? 10 : 12;
    if (n < begin)
        return error_set(err, PENCHANT_EINVALID, "ends within its header");
    size_t len = bytes[8] | (size_t)bytes[9] << 8;
    if (version > 1)
        len |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    if (len > NPY_HEADER_MAX - begin)
        return error_set(err, PENCHANT_EINVALID, "has a header of %zu bytes", len);
    if (len > n - begin)
        return error_set(err, PENCHANT_EINVALID, "ends within its header");
    struct cursor c = {
        .text = (const char *)bytes + begin, .end = len, .offset = begin, .err = err};
    out->data_at = begin + len;
    return take_dictionary(&c, out);
}

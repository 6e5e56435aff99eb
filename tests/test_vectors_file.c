/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of vectors, written byte by byte: what NumPy and safetensors write is read exactly,
 * and what is hostile, cut short or in another shape is refused with its place.
 */
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/rng.h"
#include "behaviour/floats.h"
#include "behaviour/npy.h"
#include "behaviour/vectors_file.h"

#define CORPUS "tests/data/vectors"

/* ---- files ---- */

static char path[2][64];

static const char *write_file(int which, const void *bytes, size_t n)
{
    snprintf(path[which], sizeof path[which], "/tmp/penchant-vectors-XXXXXX");
    const int fd = mkstemp(path[which]);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), n);
    close(fd);
    return path[which];
}

static void remove_files(void)
{
    for (int i = 0; i < 2; i++) {
        if (path[i][0])
            unlink(path[i]);
        path[i][0] = 0;
    }
}

/* ---- reading into a text ---- */

struct seen {
    struct buf out;
    uint32_t dim;
    int begun;
};

static int see_dim(void *cookie, uint32_t dim, struct penchant_error *err)
{
    struct seen *s = cookie;
    (void)err;
    s->dim = dim;
    s->begun++;
    return 0;
}

static int see_vector(void *cookie, const char *item_id, const float *v,
                      struct penchant_error *err)
{
    struct seen *s = cookie;
    (void)err;
    assert_int_equal(s->begun, 1);
    buf_puts(&s->out, item_id);
    for (uint32_t i = 0; i < s->dim; i++)
        buf_printf(&s->out, " %.9g", (double)v[i]);
    buf_puts(&s->out, "\n");
    return 0;
}

/* Reads what stands in two files; `ids` may be NULL. */
static int read_files(const struct buf *file, const char *ids, char *out, size_t size,
                      struct penchant_error *err)
{
    struct seen s = {0};
    uint64_t rows;
    buf_init(&s.out, 1 << 24);
    const struct vectors_sink sink = {see_dim, see_vector, &s};
    const struct vectors_files f = {
        .vectors = write_file(0, file->data, file->len),
        .ids = ids ? write_file(1, ids, strlen(ids)) : NULL,
    };
    const int rc = vectors_read(&f, &sink, &rows, err);
    snprintf(out, size, "%s", s.out.data);
    buf_release(&s.out);
    return rc;
}

static void expect(const struct buf *file, const char *ids, const char *want)
{
    char out[4096];
    struct penchant_error err = {0};
    if (read_files(file, ids, out, sizeof out, &err))
        fail_msg("%s", err.text);
    assert_string_equal(out, want);
    remove_files();
}

/* The message without the file's name. */
static void refuse(const struct buf *file, const char *ids, const char *want)
{
    char out[4096];
    struct penchant_error err = {0};
    assert_int_equal(read_files(file, ids, out, sizeof out, &err), PENCHANT_EINVALID);
    const char *text = err.text, *name = path[0];
    if (strncmp(text, name, strlen(name)) != 0)
        name = path[1];
    assert_int_equal(strncmp(text, name, strlen(name)), 0);
    text += strlen(name);
    if (strncmp(text, want, strlen(want)) != 0)
        fail_msg("\"%s\" does not begin with \"%s\"", text, want);
    remove_files();
}

/* ---- NumPy ---- */

static void put_npy(struct buf *b, int version, const char *dictionary, const void *data,
                    size_t n)
{
    const size_t head = version == 1 ? 10 : 12;
    const size_t len = (head + strlen(dictionary) + 1 + 63) / 64 * 64 - head;
    buf_clear(b);
    buf_add(b, NPY_MAGIC, NPY_MAGIC_BYTES);
    buf_putc(b, (char)version);
    buf_putc(b, 0);
    for (size_t i = 0; i < head - 8; i++)
        buf_putc(b, (char)(len >> (8 * i) & 255));
    buf_puts(b, dictionary);
    for (size_t i = strlen(dictionary); i + 1 < len; i++)
        buf_putc(b, ' ');
    buf_putc(b, '\n');
    buf_add(b, data, n);
}

static void test_vectors_file__numpy_tables_are_read(void **state)
{
    (void)state;
    static const float f4[] = {1, -2.5F, 3, 0.1F, 5e-9F, 6};
    static const double f8[] = {1, -2.5, 3, 0.1, 5e-9, 6};
    static const uint16_t f2[] = {0x3C00, 0xC100, 0x4200, 0x2E66, 0x0001, 0x7BFF};
    static const char want[] = "a 1 -2.5\nb 3 0.100000001\nc 4.99999997e-09 6\n";
    struct buf b;
    buf_init(&b, 1 << 20);
    for (int version = 1; version <= 3; version++) {
        put_npy(&b, version,
                "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }", f4,
                sizeof f4);
        expect(&b, "a\nb\nc\n", want);
        put_npy(&b, version, "{'shape':(3,2),\"descr\":\"<f8\",'fortran_order':False}",
                f8, sizeof f8);
        expect(&b, "a\r\nb\r\nc", want);
    }
    put_npy(&b, 1, "{'descr': '<f2', 'fortran_order': False, 'shape': (2, 3), }", f2,
            sizeof f2);
    expect(&b, "a\nb\n", "a 1 -2.5 3\nb 0.0999755859 5.96046448e-08 65504\n");
    buf_release(&b);
}

static void test_vectors_file__other_numpy_files_are_refused(void **state)
{
    (void)state;
    static const float data[] = {1, 2, 3, 4, 5, 6};
    static const struct {
        const char *dictionary, *want;
    } bad[] = {
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (3, 2), }",
         ": byte 25 of the header: expected numbers in little-endian order"},
        {"{'descr': '<i8', 'fortran_order': False, 'shape': (3, 2), }",
         ": byte 25 of the header: expected numbers of type <f2, <f4 or <f8"},
        {"{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (6,), }",
         ": byte 20 of the header: expected a string"},
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (3, 2), }",
         ": byte 44 of the header: expected 'fortran_order': False"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }",
         ": byte 63 of the header: expected a shape of two dimensions"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2, 1), }",
         ": byte 67 of the header: expected a shape of two dimensions"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (), }",
         ": byte 61 of the header: expected a shape of two dimensions"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 0), }",
         ": vectors of 0 numbers"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 5000), }",
         ": vectors of 5000 numbers; 1 to 4096 are taken"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4, 2), }",
         ": 24 bytes of numbers do not fit a shape of (4, 2)"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }",
         ": 24 bytes of numbers do not fit a shape of (2, 2)"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 2), }",
         ": byte 79 of the header: expected a shape of two dimensions"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (999999999999999999, 4096), "
         "}",
         ": 24 bytes of numbers do not fit"},
        {"{'descr': '<f4', 'descr': '<f4', 'shape': (3, 2), }",
         ": byte 34 of the header: expected descr, fortran_order and shape, each once"},
        {"{'descr': '<f4', 'fortran_order': False}",
         ": byte 49 of the header: expected ,"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), 'more': 1}",
         ": byte 68 of the header: expected }"},
        {"['descr']", ": byte 10 of the header: expected {"},
        {"{'descr", ": byte 11 of the header: expected a short string"},
    };
    struct buf b;
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put_npy(&b, 1, bad[i].dictionary, data, sizeof data);
        refuse(&b, "a\nb\nc\n", bad[i].want);
    }
    put_npy(&b, 9, "{}", data, sizeof data);
    refuse(&b, NULL, ": is a NumPy file of version 9; 1 to 3 are known");
    buf_clear(&b);
    buf_add(&b, NPY_MAGIC "\x02\0\xFF\xFF\xFF\xFF{}", 14);
    refuse(&b, NULL, ": has a header of 4294967295 bytes");
    buf_clear(&b);
    buf_add(&b, NPY_MAGIC "\x01\0\xFF\x0F{}", 12);
    refuse(&b, NULL, ": ends within its header");
    for (size_t n = 6; n < 12; n++) {
        buf_clear(&b);
        buf_add(&b, NPY_MAGIC "\x02\0\x10\0\0\0", n);
        refuse(&b, NULL, n < 10 ? ": is no NumPy file" : ": ends within its header");
    }
    buf_release(&b);
}

static void test_vectors_file__whose_the_rows_are_must_fit(void **state)
{
    (void)state;
    static const float data[] = {1, 2, NAN, 4, 5, 6};
    static const double large[] = {1, 1e300};
    struct buf b;
    buf_init(&b, 1 << 20);
    put_npy(&b, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }", data,
            sizeof data);
    refuse(&b, "a\nb\nc\n",
           ": row 2 (byte 136): number 1 of item b is not a finite float");
    refuse(&b, "a\nb\n", " has 3 rows, ");
    refuse(&b, "a\nb\na\n", ":3: item a is there twice");
    refuse(&b, "a\n\nc\n", ":2: item_id is empty");
    refuse(&b, "a\n\xFFx\nc\n", ":2: item_id is not well-formed UTF-8");
    refuse(&b, NULL, ": its rows do not say of which items they are");
    put_npy(&b, 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2), }", large,
            sizeof large);
    refuse(&b, "a\n", ": row 1 (byte 128): number 2 of item a is not a finite float");
    put_npy(&b, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 2), }", data,
            0);
    refuse(&b, "", " holds no vector");
    buf_release(&b);
}

/* ---- safetensors ---- */

static void put_tensors(struct buf *b, const char *header, const void *data, size_t n)
{
    buf_clear(b);
    for (int i = 0; i < 8; i++)
        buf_putc(b, (char)(strlen(header) >> (8 * i) & 255));
    buf_puts(b, header);
    buf_add(b, data, n);
}

static void test_vectors_file__safetensors_are_read(void **state)
{
    (void)state;
    static const float f4[] = {1, 2, 3, 4};
    static const uint16_t bf[] = {0x3F80, 0xC020, 0x4040, 0x3DCD};
    struct buf b;
    buf_init(&b, 1 << 20);
    put_tensors(
        &b,
        "{\"__metadata__\":{\"made\":\"by hand\"},\"e\":{\"dtype\":\"F32\",\"shape\":"
        "[2,2],\"data_offsets\":[0,16]}}",
        f4, sizeof f4);
    expect(&b, "x\ny\n", "x 1 2\ny 3 4\n");
    put_tensors(&b,
                "{\"tea/1\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]},"
                "\"茶\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}   ",
                f4, sizeof f4);
    expect(&b, NULL, "tea/1 3 4\n茶 1 2\n");
    put_tensors(&b, "{\"e\":{\"dtype\":\"BF16\",\"shape\":[1,4],\"data_offsets\":[0,8]}}",
                bf, sizeof bf);
    expect(&b, "x\n", "x 1 -2.5 3 0.100097656\n");
    put_tensors(&b, "{\"one\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]}}",
                (const double[]){0.25}, 8);
    expect(&b, NULL, "one 0.25\n");
    buf_release(&b);
}

static void test_vectors_file__other_safetensors_are_refused(void **state)
{
    (void)state;
    static const float data[] = {1, 2, 3, INFINITY};
#define T(name, rest) "\"" name "\":{" rest "}"
    static const struct {
        const char *header, *want;
    } bad[] = {
        {"{" T("e", "\"dtype\":\"I32\",\"shape\":[2,2],\"data_offsets\":[0,16]") "}",
         ": tensor \"e\" is not of type F16, BF16, F32 or F64"},
        {"{" T("e", "\"dtype\":\"F32\",\"shape\":[1,2,2],\"data_offsets\":[0,16]") "}",
         ": tensor \"e\" does not have one or two dimensions"},
        {"{" T("e", "\"dtype\":\"F32\",\"shape\":[-2,2],\"data_offsets\":[0,16]") "}",
         ": tensor \"e\" does not have one or two dimensions"},
        {"{" T("e", "\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[4,20]") "}",
         ": tensor \"e\" lies outside of the file"},
        {"{" T("e", "\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[16,0]") "}",
         ": tensor \"e\" lies outside of the file"},
        {"{" T("e", "\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,8]") "}",
         ": tensor \"e\" has another size than its shape says"},
        {"{" T("e", "\"dtype\":\"F32\",\"shape\":[4611686018427387905,4],"
                    "\"data_offsets\":[0,16]") "}",
         ": tensor \"e\" has another size than its shape says"},
        {"{" T("a", "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]") "," T(
             "b", "\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]") "}",
         ": tensor \"b\" has 1 numbers, the first one has 2"},
        {"{" T("a", "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]") "," T(
             "b", "\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[8,16]") "}",
         ": tensor \"b\" is a table beside other tensors"},
        {"{" T("", "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]") "}",
         ": item_id is empty"},
        {"{" T("a", "\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]") "}",
         ": number 4 of item a is not a finite float"},
        {"{" T("a", "\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]") "}",
         ": vectors of 0 numbers"},
        {"{\"a\":1}", ": tensor \"a\" is not of type"},
        {"{}", " holds no vector"},
        {"{\"a\":1,\"a\":2}", ": the header: duplicate object key"},
        {"{\"a\":", ": the header: "},
    };
    struct buf b;
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put_tensors(&b, bad[i].header, data, sizeof data);
        const bool table = strstr(bad[i].header, "{\"e\":") != NULL;
        refuse(&b, table ? "x\ny\n" : NULL, bad[i].want);
    }
    put_tensors(&b, bad[7].header, data, sizeof data);
    refuse(&b, "x\ny\n", " names its items itself; ");
    buf_release(&b);
}

/* ---- JSON lines ---- */

static void test_vectors_file__json_lines_are_read(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_puts(&b, "{\"item_id\":\"a\",\"vector\":[1,-2.5e-3]}\n\n"
                 "{\"vector\":[0,1],\"item_id\":7,\"more\":{}}");
    expect(&b, NULL, "a 1 -0.00249999994\n7 0 1\n");
    static const struct {
        const char *text, *want;
    } bad[] = {
        {"{\"item_id\":\"a\",\"vector\":[1]}\n{\"item_id\":\"a\",\"vector\":[2]}",
         ":2: item a is there twice"},
        {"{\"item_id\":\"a\",\"vector\":[1]}\n{\"item_id\":\"b\",\"vector\":[2,3]}",
         ":2: vector has 2 numbers, the first one has 1"},
        {"{\"item_id\":\"a\",\"vector\":[]}", ":1: vectors of 0 numbers"},
        {"{\"item_id\":\"a\",\"vector\":[1,\"2\"]}", ":1: number 2 of vector is none"},
        {"{\"item_id\":\"a\",\"vector\":[1,1e39]}",
         ":1: number 2 of item a is not a finite float"},
        {"{\"item_id\":\"a\"}", ":1: vector must be an array of numbers"},
        {"{\"vector\":[1]}", ":1: item_id must be a string or a whole number"},
        {"{\"item_id\":\"\",\"vector\":[1]}", ":1: item_id is empty"},
        {"{\"item_id\":\"a\",\"vector\":[NaN]}", ":1: invalid token near 'NaN'"},
        {"{} x", ":1: end of file expected"},
        {"[1]", " is neither a NumPy file nor safetensors nor JSON lines"},
        {"item_id,vector\n", " is neither"},
        {"", " is neither"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        buf_clear(&b);
        buf_puts(&b, bad[i].text);
        refuse(&b, NULL, bad[i].want);
    }
    buf_release(&b);
}

/* ---- numbers ---- */

static void test_vectors_file__halves_are_what_the_standard_says(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        const unsigned char bytes[2] = {(unsigned char)h, (unsigned char)(h >> 8)};
        const int sign = h >> 15 ? -1 : 1, exponent = (int)(h >> 10 & 31);
        const double fraction = h & 1023;
        float got;
        floats_read(FLOATS_F16, bytes, 1, &got);
        if (exponent == 31 && fraction > 0) {
            assert_true(isnan(got));
            continue;
        }
        const double want = exponent == 31  ? (double)INFINITY
                            : exponent == 0 ? ldexp(fraction, -24)
                                            : ldexp(1024 + fraction, exponent - 25);
        assert_true((double)got == sign * want);
        assert_int_equal(signbit(got) != 0, sign < 0);
    }
}

/* ---- hostile bytes ---- */

static int no_dim(void *cookie, uint32_t dim, struct penchant_error *err)
{
    (void)err;
    *(uint32_t *)cookie = dim;
    return dim >= 1 && dim <= VECTORS_MAX_DIM ? 0 : -99;
}

static int no_vector(void *cookie, const char *item_id, const float *v,
                     struct penchant_error *err)
{
    (void)err;
    for (uint32_t i = 0; i < *(uint32_t *)cookie; i++)
        assert_true(isfinite(v[i]));
    assert_true(*item_id);
    return 0;
}

static int read_quietly(const char *file, const char *ids, struct penchant_error *err)
{
    uint32_t dim = 0;
    uint64_t rows;
    const struct vectors_sink sink = {no_dim, no_vector, &dim};
    const struct vectors_files f = {.vectors = file, .ids = ids};
    return vectors_read(&f, &sink, &rows, err);
}

/* Files named good_* are vectors, others are refused; `make fuzz F=vectors` begins with
   them. Each is read whole, cut short, and with a byte changed. */
static void test_vectors_file__hostile_files_are_refused(void **state)
{
    (void)state;
    DIR *dir = opendir(CORPUS);
    size_t n = 0;
    struct rng r;
    rng_init(&r, 4, 0);
    assert_non_null(dir);
    for (struct dirent *d; (d = readdir(dir));) {
        char name[512], bytes[8192];
        struct penchant_error err = {0};
        if (d->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, CORPUS "/%s", d->d_name);
        FILE *f = fopen(name, "rb");
        const size_t size = fread(bytes, 1, sizeof bytes, f);
        fclose(f);
        write_file(1, "a\nb\nc\n", 6);
        const bool named = strstr(name, ".jsonl") || strstr(name, "_items");
        const int rc = read_quietly(name, named ? NULL : path[1], &err);
        if ((rc == 0) != (strncmp(d->d_name, "good_", 5) == 0))
            fail_msg("%s: %s", d->d_name, rc ? err.text : "was taken");
        for (int i = 0; i < 60; i++) {
            char changed[8192];
            memcpy(changed, bytes, size);
            const size_t len = i & 1 ? rng_below(&r, (uint32_t)size + 1) : size;
            if (len && !(i & 1))
                changed[rng_below(&r, (uint32_t)len)] = (char)rng_below(&r, 256);
            write_file(0, changed, len);
            err.text[0] = 0;
            assert_true(read_quietly(path[0], named ? NULL : path[1], &err) == 0 ||
                        err.text[0]);
            unlink(path[0]);
        }
        remove_files();
        n++;
    }
    closedir(dir);
    assert_true(n >= 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors_file__numpy_tables_are_read),
        cmocka_unit_test(test_vectors_file__other_numpy_files_are_refused),
        cmocka_unit_test(test_vectors_file__whose_the_rows_are_must_fit),
        cmocka_unit_test(test_vectors_file__safetensors_are_read),
        cmocka_unit_test(test_vectors_file__other_safetensors_are_refused),
        cmocka_unit_test(test_vectors_file__json_lines_are_read),
        cmocka_unit_test(test_vectors_file__halves_are_what_the_standard_says),
        cmocka_unit_test(test_vectors_file__hostile_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

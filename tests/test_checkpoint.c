/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints: what is written comes back, other tools can read it, damage is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/checkpoint.h"

static const char path[] = "test_checkpoint.safetensors";

static struct model *some_model(bool attributes)
{
    static const uint32_t start[] = {0, 2, 2, 3, 5, 5, 5, 6}, attr[] = {0, 1, 2, 1, 0, 2};
    static char shoes[] = "category:shoes", brand[] = "brand:\"A|B\"",
                price[] = "price:7 \xE9\x9E\x8B";
    static char *const name[] = {shoes, brand, price};
    const struct model_config c = {.dim = 6,
                                   .blocks = 2,
                                   .heads = 2,
                                   .max_length = 9,
                                   .ffn_dim = 4,
                                   .attention = MODEL_SILU,
                                   .gated = true,
                                   .bias_position = true,
                                   .bias_time = true,
                                   .position = true,
                                   .gap = true,
                                   .normalise = true,
                                   .temperature = 0.07f,
                                   .n_items = 7,
                                   .n_attributes = attributes ? 3 : 0,
                                   .n_types = 3};
    struct model *m;
    assert_int_equal(
        model_new(&m, &c, attributes ? start : NULL, attributes ? attr : NULL, NULL), 0);
    model_initialise(m, 5);
    if (attributes)
        assert_int_equal(model_name_attributes(m, name), 0);
    return m;
}

static void assert_same(const struct model *a, const struct model *b)
{
#define SAME(field) assert_true(a->config.field == b->config.field)
    SAME(dim), SAME(blocks), SAME(heads), SAME(max_length), SAME(ffn_dim),
        SAME(attention);
    SAME(gated), SAME(bias_position), SAME(bias_time), SAME(position), SAME(gap);
    SAME(normalise), SAME(temperature), SAME(n_items), SAME(n_attributes), SAME(n_types);
#undef SAME
    assert_int_equal(a->n_params, b->n_params);
    assert_memory_equal(a->param, b->param, a->n_params * sizeof(float));
    for (uint32_t i = 0; i < a->config.n_attributes; i++)
        assert_string_equal(a->attribute_name[i], b->attribute_name[i]);
    if (a->config.n_attributes)
        assert_memory_equal(a->attr, b->attr, 6 * sizeof(*a->attr));
}

static void test_checkpoint__what_is_written_comes_back(void **state)
{
    (void)state;
    for (int attributes = 0; attributes < 2; attributes++) {
        struct model *m = some_model(attributes), *back = NULL;
        const struct checkpoint_note note[] = {{"seed", "17"}, {"weights", "1,\"2\",3"}};
        char text[32];
        assert_int_equal(checkpoint_save(path, m, note, 2, NULL, 0, NULL), 0);
        assert_int_equal(checkpoint_load(&back, path, NULL), 0);
        assert_same(m, back);
        assert_int_equal(checkpoint_note(path, "weights", text, sizeof(text), NULL), 0);
        assert_string_equal(text, "1,\"2\",3");
        assert_int_equal(checkpoint_note(path, "missing", text, sizeof(text), NULL), 0);
        assert_string_equal(text, "");
        model_free(m);
        model_free(back);
    }
}

/* An independent reader: Python's struct and json, from the format's own description. */
static void test_checkpoint__an_independent_reader_agrees(void **state)
{
    (void)state;
    static const char reader[] =
        "/usr/bin/python3 - test_checkpoint.safetensors <<'END'\n"
        "import json, struct, sys\n"
        "data = open(sys.argv[1], 'rb').read()\n"
        "n, = struct.unpack('<Q', data[:8])\n"
        "head = json.loads(data[8:8 + n])\n"
        "meta = head.pop('__metadata__')\n"
        "assert all(isinstance(v, str) for v in meta.values())\n"
        "at = 0\n"
        "for name, t in sorted(head.items(), key=lambda e: e[1]['data_offsets']):\n"
        "    first, end = t['data_offsets']\n"
        "    size = 4\n"
        "    for s in t['shape']: size *= s\n"
        "    assert first == at and end - first == size, name\n"
        "    at = end\n"
        "assert 8 + n + at == len(data)\n"
        "item = head['item']\n"
        "assert item['dtype'] == 'F32' and item['shape'] == [7, 6]\n"
        "values = struct.unpack('<42f', data[8 + n + item['data_offsets'][0]:][:168])\n"
        "print('%.9g %.9g' % (values[0], values[41]))\n"
        "END\n";
    struct model *m = some_model(true);
    char line[64] = "", want[64];
    assert_int_equal(checkpoint_save(path, m, NULL, 0, NULL, 0, NULL), 0);
    FILE *p = popen(reader, "r");
    assert_non_null(p);
    assert_non_null(fgets(line, sizeof(line), p));
    assert_int_equal(pclose(p), 0);
    const float *item = model_at(m, &m->item);
    snprintf(want, sizeof(want), "%.9g %.9g\n", (double)item[0], (double)item[41]);
    assert_string_equal(line, want);
    model_free(m);
}

static size_t slurp(char *bytes, size_t n)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    const size_t got = fread(bytes, 1, n, f);
    fclose(f);
    return got;
}

static void spill(const char *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

static void assert_refused(int status)
{
    struct model *m;
    struct penchant_error err = {0};
    assert_int_equal(checkpoint_load(&m, path, &err), status);
    assert_null(m);
    assert_true(strlen(err.text) > 0);
}

static void test_checkpoint__damage_is_refused_with_a_reason(void **state)
{
    (void)state;
    static char bytes[65536], broken[65536];
    struct model *m = some_model(true);
    assert_int_equal(checkpoint_save(path, m, NULL, 0, NULL, 0, NULL), 0);
    const size_t n = slurp(bytes, sizeof(bytes));
    for (size_t cut = 0; cut < n; cut += cut < 64 ? 1 : 97) {
        spill(bytes, cut);
        assert_refused(PENCHANT_ECORRUPT);
    }
    const char *const edit[][2] = {
        {"\"dim\":\"6\"", "\"dim\":\"8\""},
        {"\"F32\"", "\"F16\""},
        {"\"n_items\":\"7\"", "\"n_items\":\"9\""},
        {"\"n_attributes\":\"3\"", "\"n_attributes\":\"9\""},
        {"\"attention\":\"1\"", "\"attention\":\"7\""},
        {"\"format\"", "\"formal\""},
        {"\"heads\":\"2\"", "\"heads\":\"4\""},
    };
    for (size_t i = 0; i < sizeof(edit) / sizeof(edit[0]); i++) {
        memcpy(broken, bytes, n);
        char *at = memmem(broken, n, edit[i][0], strlen(edit[i][0]));
        assert_non_null(at);
        memcpy(at, edit[i][1], strlen(edit[i][1]));
        spill(broken, n);
        assert_refused(PENCHANT_ECORRUPT);
    }
    memcpy(broken, bytes, n);
    char *version = memmem(broken, n, "\"version\":\"1\"", 13);
    assert_non_null(version);
    version[11] = '2';
    spill(broken, n);
    assert_refused(PENCHANT_EVERSION);
    memcpy(broken, bytes, n);
    memset(broken + n - 200, 0xFF, 4); /* a NaN, or an attribute out of range */
    spill(broken, n);
    assert_refused(PENCHANT_ECORRUPT);
    memcpy(broken, bytes, n);
    broken[n - 4] = 3; /* the last item's attribute, of three that there are */
    spill(broken, n);
    assert_refused(PENCHANT_ECORRUPT);
    unlink(path);
    assert_refused(PENCHANT_ENOTFOUND);
    model_free(m);
}

/* Files named good_* are models, others are refused; `make fuzz F=checkpoint` begins with
   them. */
static void test_checkpoint__the_corpus_is_read_or_refused(void **state)
{
    (void)state;
    static const char corpus[] = "tests/data/checkpoint";
    int good = 0;
    DIR *d = opendir(corpus);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char name[512];
        struct penchant_error err = {0};
        struct model *m;
        if (e->d_name[0] == '.')
            continue;
        snprintf(name, sizeof(name), "%s/%s", corpus, e->d_name);
        const int status = checkpoint_load(&m, name, &err);
        const bool good_one = strncmp(e->d_name, "good_", 5) == 0;
        if (status != (good_one ? PENCHANT_OK : PENCHANT_ECORRUPT))
            fail_msg("%s: %d, %s", name, status, err.text);
        good += good_one;
        model_free(m);
    }
    closedir(d);
    assert_true(good >= 2);
}

static void test_checkpoint__a_failed_write_keeps_the_old_file(void **state)
{
    (void)state;
    struct model *m = some_model(false), *back;
    struct penchant_error err = {0};
    assert_int_equal(checkpoint_save(path, m, NULL, 0, NULL, 0, NULL), 0);
    assert_int_equal(checkpoint_save("no/such/folder/model", m, NULL, 0, NULL, 0, &err),
                     PENCHANT_EIO);
    assert_int_equal(checkpoint_load(&back, path, NULL), 0);
    assert_same(m, back);
    model_free(m);
    model_free(back);
    unlink(path);
}

/* What other layers keep beside the parameters comes back; a wrong shape is damage. */
static void test_checkpoint__keeps_extra_matrices(void **state)
{
    (void)state;
    static const float numbers[6] = {1, -2, 3.5F, 0, 1e-20F, 7};
    const struct checkpoint_extra extra[2] = {{"blend.weights", 2, 3, numbers},
                                              {"content.scale", 1, 6, numbers}};
    struct penchant_error err = {0};
    struct model *m = some_model(false), *back;
    float *data;
    uint32_t rows, cols;
    assert_int_equal(checkpoint_save(path, m, NULL, 0, extra, 2, NULL), 0);
    assert_int_equal(checkpoint_load(&back, path, &err), 0);
    assert_int_equal(checkpoint_extra(path, "blend.weights", &data, &rows, &cols, &err),
                     0);
    assert_int_equal(rows, 2);
    assert_int_equal(cols, 3);
    assert_memory_equal(data, numbers, sizeof numbers);
    free(data);
    assert_int_equal(checkpoint_extra(path, "content.scale", &data, &rows, &cols, &err),
                     0);
    assert_int_equal(cols, 6);
    free(data);
    assert_int_equal(checkpoint_extra(path, "nothing", &data, &rows, &cols, &err),
                     PENCHANT_ENOTFOUND);
    assert_null(data);
    model_free(back);
    model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checkpoint__what_is_written_comes_back),
        cmocka_unit_test(test_checkpoint__an_independent_reader_agrees),
        cmocka_unit_test(test_checkpoint__damage_is_refused_with_a_reason),
        cmocka_unit_test(test_checkpoint__the_corpus_is_read_or_refused),
        cmocka_unit_test(test_checkpoint__keeps_extra_matrices),
        cmocka_unit_test(test_checkpoint__a_failed_write_keeps_the_old_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

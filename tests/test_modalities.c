/* SPDX-License-Identifier: Apache-2.0 */
/* Imported vectors in a shop: replaced as a whole or not at all, kept, given back, taught. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/lessons.h"
#include "engine/modalities.h"
#include "lab/temp_dir.h"

static char folder[TEMP_DIR_SIZE];
static struct penchant_error err;

static struct penchant *open_shop(const char *dir)
{
    struct penchant_options o;
    struct penchant *p = NULL;
    penchant_options_default(&o);
    o.dir = dir;
    o.store = dir ? "sqlite" : "memory";
    if (penchant_open(&p, &o, &err))
        fail_msg("%s", err.text);
    return p;
}

static void put(struct penchant *p, const char *id)
{
    struct penchant_item item;
    penchant_item_default(&item);
    item.item_id = id;
    assert_int_equal(penchant_put_item(p, &item, NULL, NULL), PENCHANT_OK);
}

static int make_folder(void **state)
{
    (void)state;
    return temp_dir_make(folder, &err);
}

static int remove_folder(void **state)
{
    (void)state;
    temp_dir_remove(folder);
    return 0;
}

/* Imports these lines under a name. */
static int give(struct penchant *p, const char *name, double weight, const char *lines,
                struct penchant_vectors_report *report)
{
    char path[TEMP_DIR_SIZE + 16];
    struct penchant_vectors_options o;
    snprintf(path, sizeof path, "%s/vectors", folder);
    FILE *f = fopen(path, "w");
    fputs(lines, f);
    fclose(f);
    penchant_vectors_options_default(&o);
    o.vectors = path;
    o.name = name;
    o.weight = weight;
    err = (struct penchant_error){0};
    return penchant_import_vectors(p, &o, report, &err);
}

static void expect_vector(const struct modalities *m, uint32_t at, uint32_t item,
                          const float *want)
{
    const float *v[CONTENT_MAX_MODALITIES];
    modalities_of_item(m, item, v);
    assert_int_equal(v[at] != NULL, want != NULL);
    if (want)
        assert_memory_equal(v[at], want, m->modality[at].dim * sizeof(float));
}

#define V(...) ((const float[]){__VA_ARGS__})

static const char two[] = "{\"item_id\":\"b\",\"vector\":[1,2]}\n"
                          "{\"item_id\":\"nobody\",\"vector\":[5,5]}\n"
                          "{\"item_id\":\"c\",\"vector\":[0,0]}\n"
                          "{\"item_id\":\"a\",\"vector\":[0.1,-3]}\n";

static void check_two(const struct modalities *m)
{
    assert_non_null(m);
    assert_int_equal(m->n, 2);
    assert_string_equal(m->modality[0].name, "image");
    assert_string_equal(m->modality[1].name, "text");
    assert_int_equal(m->modality[1].dim, 2);
    assert_true(m->modality[0].weight == 1 && m->modality[1].weight == 0.5F);
    expect_vector(m, 1, 0, V(0.1F, -3));
    expect_vector(m, 1, 1, V(1, 2));
    expect_vector(m, 1, 2, NULL);
    expect_vector(m, 0, 2, V(7));
    expect_vector(m, 0, 0, NULL);
    expect_vector(m, 0, 4000000, NULL);
}

static void fill(struct penchant *p)
{
    struct penchant_vectors_report r;
    put(p, "a");
    put(p, "b");
    put(p, "c");
    assert_int_equal(give(p, "text", 0.5, two, &r), PENCHANT_OK);
    assert_int_equal(r.rows, 4);
    assert_int_equal(r.vectors, 2);
    assert_int_equal(r.unknown, 1);
    assert_int_equal(r.empty, 1);
    assert_int_equal(r.dim, 2);
    assert_int_equal(give(p, "image", 1, "{\"item_id\":\"c\",\"vector\":[7]}", NULL), 0);
}

static void test_modalities__are_kept_and_read_at_opening_and_by_training(void **state)
{
    (void)state;
    struct penchant *p = open_shop(folder);
    fill(p);
    check_two(p->modalities);
    penchant_close(&p);
    p = open_shop(folder);
    check_two(p->modalities);
    struct lessons l;
    assert_int_equal(lessons_read(&l, p->store, UINT64_MAX, &err), PENCHANT_OK);
    check_two(l.modalities);
    lessons_release(&l);
    penchant_close(&p);
}

static void test_modalities__are_replaced_as_a_whole_or_not_at_all(void **state)
{
    (void)state;
    for (int kept = 0; kept < 2; kept++) {
        struct penchant *p = open_shop(kept ? folder : NULL);
        fill(p);
        const uint64_t version = p->vectors_version;
        struct modalities *old = modalities_share(p->modalities);
        assert_int_equal(give(p, "text", 2,
                              "{\"item_id\":\"c\",\"vector\":[1,2,3]}\n"
                              "{\"item_id\":\"a\",\"vector\":[1,2]}",
                              NULL),
                         PENCHANT_EINVALID);
        assert_non_null(strstr(err.text, "vectors:2: vector has 2 numbers"));
        assert_int_equal(
            give(p, "text", 2, "{\"item_id\":\"x\",\"vector\":[1,2,3]}", NULL),
            PENCHANT_EINVALID);
        check_two(p->modalities);
        assert_int_equal(p->vectors_version, version);
        assert_int_equal(
            give(p, "text", 2, "{\"item_id\":\"c\",\"vector\":[1,2,3]}", NULL), 0);
        assert_true(p->vectors_version > version);
        check_two(old); /* which somebody may still look at */
        modalities_release(old);
        assert_int_equal(p->modalities->modality[1].dim, 3);
        expect_vector(p->modalities, 1, 2, V(1, 2, 3));
        expect_vector(p->modalities, 1, 0, NULL);
        assert_int_equal(penchant_remove_vectors(p, "image", &err), PENCHANT_OK);
        assert_int_equal(p->modalities->n, 1);
        assert_int_equal(penchant_remove_vectors(p, "image", &err), PENCHANT_ENOTFOUND);
        assert_int_equal(penchant_remove_vectors(p, "text", &err), PENCHANT_OK);
        assert_null(p->modalities);
        penchant_close(&p);
    }
}

static void test_modalities__what_cannot_be_is_refused(void **state)
{
    (void)state;
    static const char one[] = "{\"item_id\":\"a\",\"vector\":[1]}";
    static const char *const bad[] = {
        "", "Text", "a b", "..../", NULL, "a-name-of-more-than-31-characters"};
    struct penchant *p = open_shop(NULL);
    put(p, "a");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(give(p, bad[i], 1, one, NULL), PENCHANT_EINVALID);
        assert_string_equal(err.field, "name");
    }
    static const double weight[] = {0, -1, 101, __builtin_nan("")};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(give(p, "text", weight[i], one, NULL), PENCHANT_EINVALID);
        assert_string_equal(err.field, "weight");
    }
    for (int i = 0; i < CONTENT_MAX_MODALITIES; i++) {
        char name[16];
        snprintf(name, sizeof name, "m%d", i);
        assert_int_equal(give(p, name, 1, one, NULL), PENCHANT_OK);
    }
    assert_int_equal(give(p, "m9", 1, one, NULL), PENCHANT_ELIMIT);
    assert_int_equal(give(p, "m3", 1, one, NULL), PENCHANT_OK);
    penchant_close(&p);
}

static char *read_whole(const char *path)
{
    char text[4096];
    FILE *f = fopen(path, "r");
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    return strdup(text);
}

static void test_modalities__a_check_keeps_nothing(void **state)
{
    (void)state;
    char path[TEMP_DIR_SIZE + 16];
    struct penchant_vectors_options o;
    struct penchant_vectors_report r;
    struct penchant *p = open_shop(folder);
    fill(p);
    snprintf(path, sizeof path, "%s/checked", folder);
    FILE *f = fopen(path, "w");
    fputs("{\"item_id\":\"new\",\"vector\":[1,2,3]}", f);
    fclose(f);
    penchant_vectors_options_default(&o);
    o.vectors = path;
    o.name = "text";
    o.check = true;
    assert_int_equal(penchant_import_vectors(p, &o, &r, &err), PENCHANT_OK);
    assert_int_equal(r.vectors, 1); /* it may be an item of files still to come */
    check_two(p->modalities);
    penchant_close(&p);
    p = open_shop(folder);
    check_two(p->modalities);
    penchant_close(&p);
}

static void test_modalities__come_back_as_they_were(void **state)
{
    (void)state;
    char path[TEMP_DIR_SIZE + 16];
    struct penchant *p = open_shop(folder);
    fill(p);
    snprintf(path, sizeof path, "%s/out", folder);
    assert_int_equal(penchant_export_vectors(p, "text", path, &err), PENCHANT_OK);
    char *text = read_whole(path);
    assert_string_equal(text, "{\"item_id\":\"a\",\"vector\":[0.100000001,-3]}\n"
                              "{\"item_id\":\"b\",\"vector\":[1,2]}\n");
    assert_int_equal(give(p, "text", 0.5, text, NULL), PENCHANT_OK);
    check_two(p->modalities);
    free(text);
    assert_int_equal(penchant_export_vectors(p, "sound", path, &err), PENCHANT_ENOTFOUND);
    assert_int_equal(penchant_export_vectors(p, "text", "/no/such/folder/x", &err),
                     PENCHANT_EIO);
    penchant_close(&p);
}

#define WITH_FOLDER(test)                                                                \
    cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(test_modalities__are_kept_and_read_at_opening_and_by_training),
        WITH_FOLDER(test_modalities__are_replaced_as_a_whole_or_not_at_all),
        WITH_FOLDER(test_modalities__what_cannot_be_is_refused),
        WITH_FOLDER(test_modalities__a_check_keeps_nothing),
        WITH_FOLDER(test_modalities__come_back_as_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The model's slab: what lies where, first values, copies, item vectors, time buckets. */
#include "model_fixture.h"

static const struct model_config whole = {.dim = 12,
                                          .blocks = 3,
                                          .heads = 2,
                                          .max_length = 21,
                                          .ffn_dim = 10,
                                          .attention = MODEL_SILU,
                                          .gated = true,
                                          .bias_position = true,
                                          .bias_time = true,
                                          .position = true,
                                          .gap = true,
                                          .n_items = 37,
                                          .n_attributes = 5,
                                          .n_types = 4};

static const uint32_t attr[] = {4, 1, 0, 0, 3, 2, 1};

/* Item i has i % 4 attributes while attr has some left. */
static void attribute_starts(uint32_t start[38])
{
    start[0] = 0;
    for (uint32_t i = 0; i < 37; i++)
        start[i + 1] = start[i] + (i < 5 ? i % 4 : 0);
}

static struct model *make(const struct model_config *c)
{
    uint32_t start[38];
    struct model *m;
    attribute_starts(start);
    assert_int_equal(model_new(&m, c, start, attr, NULL), PENCHANT_OK);
    return m;
}

/* ---- layout -------------------------------------------------------------------- */

struct layout {
    const struct model *m;
    size_t end; /* of the last tensor */
    uint32_t seen, stop_at;
    char names[64][32];
};

static int look_at(void *arg, const struct model_tensor *t)
{
    struct layout *l = arg;
    assert_true(t->rows > 0 && t->cols > 0);
    assert_int_equal(t->offset % 16, 0); /* 64 bytes */
    assert_in_range(t->offset, l->end, l->end + 15);
    for (uint32_t i = 0; i < l->seen; i++)
        assert_string_not_equal(l->names[i], t->name);
    snprintf(l->names[l->seen++], sizeof(l->names[0]), "%s", t->name);
    l->end = t->offset + (size_t)t->rows * t->cols;
    return l->seen == l->stop_at ? 17 : 0;
}

static void test_model__tensors_lie_one_behind_the_other_in_one_slab(void **state)
{
    (void)state;
    struct model *m = make(&whole);
    struct layout l = {.m = m};
    assert_int_equal(model_each_tensor(m, look_at, &l), 0);
    assert_int_equal(l.seen, 4 + 3 * 9 + 2);
    assert_in_range(m->n_params, l.end, l.end + 15);
    assert_string_equal(l.names[l.seen - 1], "item"); /* last: dense ones are before it */
    assert_int_equal((uintptr_t)m->param % 64, 0);
    assert_int_equal(m->block[2].in.cols, 48);
    assert_int_equal(m->block[0].bias_position.cols, 21);
    assert_int_equal(m->position.rows, 21);
    assert_ptr_equal(model_at(m, &m->norm), m->param + m->norm.offset);
    for (uint32_t stop = 1; stop <= l.seen; stop++) {
        struct layout early = {.m = m, .stop_at = stop};
        assert_int_equal(model_each_tensor(m, look_at, &early), 17);
        assert_int_equal(early.seen, stop);
    }
    model_free(m);
}

static void test_model__what_is_switched_off_is_absent(void **state)
{
    (void)state;
    const struct model_config bare = {
        .dim = 8, .blocks = 1, .heads = 1, .max_length = 2, .n_items = 1};
    struct model *m = make(&bare);
    struct layout l = {.m = m};
    assert_int_equal(model_each_tensor(m, look_at, &l), 0);
    assert_int_equal(l.seen, 5); /* norm1, in, out, norm, item */
    assert_null(model_at(m, &m->position));
    assert_null(model_at(m, &m->block[0].ffn1));
    assert_int_equal(m->block[0].in.cols, 24);
    model_free(m);
    struct model_config without = whole;
    assert_int_equal(model_new(&m, &without, NULL, NULL, NULL), PENCHANT_OK);
    assert_int_equal(m->config.n_attributes, 0); /* none are given */
    assert_null(model_at(m, &m->attribute));
    model_free(m);
}

static void test_model__refuses_shapes_that_make_no_sense(void **state)
{
    (void)state;
    struct row {
        const char *field;
        size_t at; /* of a uint32_t in the configuration */
        uint32_t value;
    };
#define ROW(name, wrong)                                                                 \
    {                                                                                    \
#name, offsetof(struct model_config, name), wrong                                \
    }
    const struct row row[] = {
        ROW(dim, 0),        ROW(dim, 2),        ROW(dim, 9),           ROW(dim, 1026),
        ROW(heads, 0),      ROW(heads, 65),     ROW(heads, 5),         ROW(blocks, 0),
        ROW(blocks, 17),    ROW(max_length, 1), ROW(max_length, 4097), ROW(ffn_dim, 3),
        ROW(ffn_dim, 8194), ROW(n_items, 0),    ROW(n_types, 257),
    };
#undef ROW
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        struct model_config c = whole;
        struct model *m;
        struct penchant_error err;
        memcpy((char *)&c + row[i].at, &row[i].value, sizeof(row[i].value));
        assert_int_equal(model_new(&m, &c, NULL, NULL, &err), PENCHANT_EINVALID);
        assert_null(m);
        assert_string_equal(err.field, row[i].field);
    }
    static const float wrong[] = {0, -1, NAN};
    for (size_t i = 0; i < 3; i++) {
        struct model_config c = whole;
        struct model *m;
        c.normalise = true;
        c.temperature = wrong[i];
        assert_int_equal(model_new(&m, &c, NULL, NULL, NULL), PENCHANT_EINVALID);
        c.normalise = false; /* then it does not matter */
        assert_int_equal(model_new(&m, &c, NULL, NULL, NULL), PENCHANT_OK);
        model_free(m);
    }
}

/* ---- values -------------------------------------------------------------------- */

static int look_at_values(void *arg, const struct model_tensor *t)
{
    const struct model *m = arg;
    const float *p = model_at(m, t);
    const size_t n = (size_t)t->rows * t->cols;
    double sum = 0, squares = 0;
    if (strstr(t->name, "norm") || strstr(t->name, "bias")) {
        for (size_t i = 0; i < n; i++)
            assert_true(p[i] == (strstr(t->name, "norm") && i < t->cols));
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        sum += (double)p[i];
        squares += (double)p[i] * (double)p[i];
    }
    const double share = 4 / sqrt((double)n); /* standard deviations of the estimates */
    assert_true(fabs(sum / (double)n) < 0.02 * share);
    assert_true(fabs(sqrt(squares / (double)n) / 0.02 - 1) < share);
    return 0;
}

static void test_model__begins_with_small_random_values_by_seed(void **state)
{
    (void)state;
    struct model *a = make(&whole), *b = make(&whole);
    const size_t bytes = a->n_params * sizeof(float);
    for (size_t i = 0; i < a->n_params; i++)
        assert_true(a->param[i] == 0);
    model_initialise(a, 1);
    model_initialise(b, 1);
    model_each_tensor(a, look_at_values, a);
    assert_memory_equal(a->param, b->param, bytes);
    model_initialise(b, 2);
    assert_memory_not_equal(a->param, b->param, bytes);
    model_free(a);
    model_free(b);
}

static void test_model__a_clone_shares_nothing(void **state)
{
    (void)state;
    char text[5][8] = {"a", "b", "c", "d", "e"};
    char *const name[] = {text[0], text[1], text[2], text[3], text[4]};
    struct model *m = make(&whole);
    model_initialise(m, 1);
    assert_int_equal(model_name_attributes(m, name), PENCHANT_OK);
    text[3][0] = 'x'; /* the names were copied */
    struct model *copy = model_clone(m);
    assert_non_null(copy);
    const uint32_t total = m->attr_start[37];
    assert_memory_equal(&copy->config, &m->config, sizeof(m->config));
    assert_memory_equal(copy->param, m->param, m->n_params * sizeof(float));
    float want[12], got[12];
    model_item_vector(m, 3, want);
    memset(m->param, 0, m->n_params * sizeof(float));
    memset(m->attr, 0, total * sizeof(*m->attr));
    memset(m->attr_start, 0, sizeof(uint32_t) * 38);
    model_free(m);
    model_item_vector(copy, 3, got);
    assert_memory_equal(got, want, sizeof(got));
    assert_string_equal(copy->attribute_name[3], "d");
    model_free(copy);
}

/* ---- item vectors -------------------------------------------------------------- */

/* E[i] + sum of A / sqrt(count), by hand. */
static void plain_vector(const struct model *m, uint32_t i, double out[12])
{
    const uint32_t first = m->attr_start[i], end = m->attr_start[i + 1];
    for (size_t j = 0; j < 12; j++) {
        out[j] = (double)model_at(m, &m->item)[i * 12 + j];
        for (uint32_t a = first; a < end; a++)
            out[j] += (double)model_at(m, &m->attribute)[attr[a] * 12 + j] /
                      sqrt((double)(end - first));
    }
}

static void test_model__item_vectors_add_their_attributes(void **state)
{
    (void)state;
    for (int normalise = 0; normalise < 2; normalise++) {
        struct model_config c = whole;
        c.normalise = normalise;
        c.temperature = 0.25f;
        struct model *m = make(&c);
        model_initialise(m, 4);
        float one[12], all[37 * 12];
        model_item_vectors(m, all);
        for (uint32_t i = 0; i < 37; i++) {
            double want[12], length = 0;
            plain_vector(m, i, want);
            model_item_vector(m, i, one);
            for (size_t j = 0; j < 12; j++) {
                assert_true(fabs((double)one[j] - want[j]) < 1e-8);
                length += want[j] * want[j];
            }
            const double by = normalise ? 4 / sqrt(length) : 1;
            for (size_t j = 0; j < 12; j++)
                assert_true(fabs((double)all[i * 12 + j] - want[j] * by) < 2e-6);
        }
        model_free(m);
    }
}

static void test_model__a_vector_of_zeros_stays_finite(void **state)
{
    (void)state;
    struct model_config c = whole;
    c.normalise = true;
    c.temperature = 0.1f;
    struct model *m = make(&c);
    float all[37 * 12];
    model_item_vectors(m, all);
    for (size_t i = 0; i < 37 * 12; i++)
        assert_true(all[i] == 0);
    model_free(m);
}

/* ---- time ---------------------------------------------------------------------- */

static void test_model__time_buckets_are_two_to_an_octave(void **state)
{
    (void)state;
    static const float unknown[] = {0, 0.999f, -1, -1e30f, NAN, -INFINITY};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
        assert_int_equal(model_time_bucket(unknown[i]), 0);
    for (uint32_t octave = 0; octave < 40; octave++) {
        const float low = ldexpf(1, (int)octave), half = 1.5f * low;
        const uint32_t first = 2 * octave + 1;
        const uint32_t want[] = {first, first, first + 1, first + 1};
        const float at[] = {low, nextafterf(half, 0), half, nextafterf(2 * low, 0)};
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(model_time_bucket(at[i]), want[i] < 63 ? want[i] : 63);
    }
    assert_int_equal(model_time_bucket(INFINITY), MODEL_TIME_BUCKETS - 1);
    /* A year has its bucket well inside. */
    assert_in_range(model_time_bucket(365.25f * 86400), 45, 55);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model__tensors_lie_one_behind_the_other_in_one_slab),
        cmocka_unit_test(test_model__what_is_switched_off_is_absent),
        cmocka_unit_test(test_model__refuses_shapes_that_make_no_sense),
        cmocka_unit_test(test_model__begins_with_small_random_values_by_seed),
        cmocka_unit_test(test_model__a_clone_shares_nothing),
        cmocka_unit_test(test_model__item_vectors_add_their_attributes),
        cmocka_unit_test(test_model__a_vector_of_zeros_stays_finite),
        cmocka_unit_test(test_model__time_buckets_are_two_to_an_octave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Every scanning kernel of every instruction set against plain C. */
#include "kernels/scan.h"

#include "base/rng.h"
#include "kernels/cpu.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <cmocka.h>

enum { MAX_DIM = 200, MAX_WIDTH = 224, MAX_GROUPS = 64 };

static const struct scan_kernels *table(enum cpu_level level)
{
    cpu_limit(level);
    const struct scan_kernels *t = scan_kernels();
    cpu_limit(CPU_AVX512_ALL);
    return t;
}

static void fill(struct rng *r, float *x, uint32_t n, float scale)
{
    for (uint32_t i = 0; i < n; i++)
        x[i] = scale * rng_normal(r);
}

/* The definition once more, written as it is stated. */
static double stated(const float *q, const float *e, uint32_t dim)
{
    double lane[8] = {0};
    for (uint32_t i = 0; i < dim; i++)
        lane[i % 8] += (double)q[i] * (double)e[i];
    return ((lane[0] + lane[1]) + (lane[2] + lane[3])) +
           ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

static void test_scan__a_lower_limit_chooses_another_table(void **state)
{
    (void)state;
    cpu_limit(CPU_AVX512_ALL);
    for (enum cpu_level l = CPU_AVX2; l <= cpu_level(); l++)
        assert_ptr_not_equal(table(l), table(l - 1));
    assert_ptr_equal(table(CPU_AVX512_ALL), table(cpu_level()));
}

static void test_scan__exact_gives_the_stated_bits(void **state)
{
    (void)state;
    static const float scales[] = {1, 1e-30f, 1e30f, 1e-42f};
    struct rng r;
    rng_init(&r, 1, 0);
    for (enum cpu_level l = CPU_PLAIN; l <= CPU_AVX512_ALL; l++) {
        const struct scan_kernels *t = table(l);
        for (uint32_t dim = 0; dim <= MAX_DIM; dim++) {
            /* Exactly as long as they are, so that a read past the end is seen by tools. */
            float *q = malloc(sizeof(float) * dim + 1),
                  *e = malloc(sizeof(float) * dim + 1);
            assert_true(q && e);
            fill(&r, q, dim, scales[dim % 4]);
            fill(&r, e, dim, scales[dim / 4 % 4]);
            const double a = t->exact(q, e, dim), b = stated(q, e, dim);
            assert_memory_equal(&a, &b, sizeof(a));
            free(q);
            free(e);
        }
    }
}

static void test_scan__exact_never_gives_minus_zero(void **state)
{
    (void)state;
    const float q[9] = {-1, -1, -1, -1, -1, -1, -1, -1, -1}, e[9] = {0};
    for (enum cpu_level l = CPU_PLAIN; l <= CPU_AVX512_ALL; l++)
        for (uint32_t dim = 0; dim <= 9; dim++)
            assert_false(signbit(table(l)->exact(q, e, dim)));
}

static void test_scan__project_is_near_the_sum_in_double(void **state)
{
    (void)state;
    static float x[MAX_DIM], m[MAX_DIM * MAX_WIDTH], y[MAX_WIDTH + 1];
    struct rng r;
    rng_init(&r, 2, 0);
    for (enum cpu_level l = CPU_PLAIN; l <= CPU_AVX512_ALL; l++) {
        for (uint32_t dim = 0; dim <= MAX_DIM; dim += dim < 20 ? 1 : 17) {
            for (uint32_t width = 16; width <= MAX_WIDTH; width += 16) {
                fill(&r, x, dim, 1);
                fill(&r, m, dim * width, 1);
                y[width] = 77;
                table(l)->project(y, x, m, dim, width);
                assert_true(y[width] == 77);
                for (uint32_t j = 0; j < width; j++) {
                    double sum = 0, size = 0;
                    for (uint32_t i = 0; i < dim; i++) {
                        sum += (double)x[i] * (double)m[i * width + j];
                        size += fabs((double)x[i] * (double)m[i * width + j]);
                    }
                    assert_true(fabs((double)y[j] - sum) <= size * (dim + 1) * 0x1p-24);
                }
            }
        }
    }
}

/* Sums of one part by the layout that the header states. */
static uint64_t stated_codes(int32_t *sums, const uint8_t *codes,
                             const struct scan_part *part, uint64_t groups, int32_t least)
{
    uint64_t found = 0;
    for (uint32_t row = 0; row < MAX_GROUPS * SCAN_GROUP; row++) {
        const uint32_t g = row / SCAN_GROUP, r = row % SCAN_GROUP;
        if (!(groups >> g & 1))
            continue;
        int64_t sum =
            part->shift == SCAN_FORGET ? 0 : (int64_t)sums[row] * (1 << part->shift);
        for (uint32_t i = 0; i < part->chunks * SCAN_CHUNK; i++) {
            const uint32_t chunk = i / SCAN_CHUNK, j = i % SCAN_CHUNK;
            const uint8_t byte =
                codes[((size_t)g * part->chunks + chunk) * SCAN_LINE + 4 * r + j % 4];
            sum += part->query[i] * (j < 4 ? byte & 15 : byte >> 4);
        }
        sums[row] = (int32_t)sum;
        if (sum >= least)
            found |= (uint64_t)1 << g;
    }
    return found;
}

static void codes_case(struct rng *r, const struct scan_kernels *t, uint32_t chunks,
                       bool extreme)
{
    static int32_t a[MAX_GROUPS * SCAN_GROUP], b[MAX_GROUPS * SCAN_GROUP];
    static int8_t query[SCAN_MAX_CHUNKS * SCAN_CHUNK];
    const size_t size = (size_t)chunks * SCAN_LINE * MAX_GROUPS;
    uint8_t *codes = malloc(size + 1);
    assert_non_null(codes);
    for (size_t i = 0; i < size; i++)
        codes[i] = extreme ? 255 : (uint8_t)rng_u64(r);
    for (uint32_t i = 0; i < chunks * SCAN_CHUNK; i++)
        query[i] = (int8_t)(extreme ? 127 - 254 * (int)(chunks % 2)
                                    : (int)rng_below(r, 255) - 127);
    for (uint32_t i = 0; i < MAX_GROUPS * SCAN_GROUP; i++)
        a[i] = b[i] = (int32_t)rng_below(r, 20001) - 10000;
    const uint64_t groups = rng_below(r, 2) ? UINT64_MAX : rng_u64(r) & rng_u64(r);
    const struct scan_part part = {
        .query = query,
        .chunks = chunks,
        .shift = rng_below(r, 2) ? SCAN_FORGET : rng_below(r, 8),
    };
    /* A sum that occurs, so that "at least" meets equality. */
    stated_codes(b, codes, &part, groups, 0);
    const int32_t least = b[rng_below(r, MAX_GROUPS * SCAN_GROUP)];
    memcpy(b, a, sizeof(b));
    const uint64_t expect = stated_codes(b, codes, &part, groups, least);
    assert_int_equal(t->codes(a, codes, &part, groups, least), expect);
    assert_memory_equal(a, b, sizeof(a));
    free(codes);
}

static void test_scan__code_sums_are_equal_everywhere(void **state)
{
    (void)state;
    struct rng r;
    rng_init(&r, 3, 0);
    for (enum cpu_level l = CPU_PLAIN; l <= CPU_AVX512_ALL; l++) {
        for (uint32_t chunks = 0; chunks <= 25; chunks++)
            for (uint32_t i = 0; i < 8; i++)
                codes_case(&r, table(l), chunks, false);
        for (uint32_t chunks = 1; chunks <= SCAN_MAX_CHUNKS; chunks = 2 * chunks + 1)
            codes_case(&r, table(l), chunks, true);
        codes_case(&r, table(l), SCAN_MAX_CHUNKS, true);
    }
}

static void test_scan__a_limit_above_all_finds_none(void **state)
{
    (void)state;
    static int32_t sums[SCAN_GROUP * 2];
    static const uint8_t codes[2 * SCAN_LINE] = {255, 3};
    static const int8_t query[SCAN_CHUNK] = {1, 2, 3, 4, 5, 6, 7, 8};
    const struct scan_part part = {.query = query, .chunks = 1, .shift = SCAN_FORGET};
    for (enum cpu_level l = CPU_PLAIN; l <= CPU_AVX512_ALL; l++) {
        assert_int_equal(table(l)->codes(sums, codes, &part, 3, INT32_MAX), 0);
        assert_int_equal(table(l)->codes(sums, codes, &part, 3, INT32_MIN), 3);
        assert_int_equal(table(l)->codes(sums, codes, &part, 2, INT32_MIN), 2);
        assert_int_equal(table(l)->codes(sums, codes, &part, 3, 1), 1);
        assert_int_equal(sums[0], 15 * (1 + 5) + 3 * 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scan__a_lower_limit_chooses_another_table),
        cmocka_unit_test(test_scan__exact_gives_the_stated_bits),
        cmocka_unit_test(test_scan__exact_never_gives_minus_zero),
        cmocka_unit_test(test_scan__project_is_near_the_sum_in_double),
        cmocka_unit_test(test_scan__code_sums_are_equal_everywhere),
        cmocka_unit_test(test_scan__a_limit_above_all_finds_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* topk_search against topk_scan: every size, kind of rows and instruction set, bit for
 * bit. */
#include "retrieval/topk.h"

#include "base/rng.h"
#include "kernels/cpu.h"

#include <float.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <cmocka.h>

enum kind {
    RANDOM,
    CLUSTERED,  /* with a decaying spectrum and varying lengths */
    DUPLICATES, /* few different rows */
    LAST_BITS,  /* rows that differ in the last bit of some values */
    SMALL_TIES, /* small whole numbers, so that many scores are equal */
    MAGNITUDES, /* lengths from 1e-30 to 1e30 */
    ZEROS,      /* most rows are zero */
    IDENTICAL,  /* all rows the same */
    DENORMALS,  /* below the normal floats */
    EXTREMES,   /* the largest floats of both signs */
    SPARSE,     /* one value a row */
    OUTLIERS,   /* one row in fifty a thousand times as long */
    KINDS
};

struct fixture {
    struct rng rng;
    uint32_t n, dim;
    float *rows, *query;
    uint64_t *skip;
};

static void fixture_init(struct fixture *f, uint64_t seed, uint32_t n, uint32_t dim)
{
    *f = (struct fixture){.n = n, .dim = dim};
    rng_init(&f->rng, seed, 1);
    f->rows = malloc(sizeof(float) * n * dim + 1);
    f->query = malloc(sizeof(float) * dim + 1);
    f->skip = malloc(sizeof(uint64_t) * (n / 64 + 1));
    assert_true(f->rows && f->query && f->skip);
}

static void fixture_release(struct fixture *f)
{
    free(f->rows);
    free(f->query);
    free(f->skip);
}

static float value_of(struct fixture *f, enum kind kind, uint32_t row, uint32_t i)
{
    struct rng *r = &f->rng;
    const float *before = f->rows + (size_t)(row % 7) * f->dim;
    const float x = rng_normal(r);
    switch (kind) {
    case CLUSTERED: {
        const float centre = (float)(rng_mix((row % 11) * 1000 + i) % 1000) / 500 - 1;
        return (centre + 0.5f * x) / sqrtf((float)(i + 1)) * (1 + (float)(row % 5));
    }
    case DUPLICATES:
        return row < 7 ? x : before[i];
    case LAST_BITS:
        return row < 7           ? x
               : rng_below(r, 2) ? before[i]
                                 : nextafterf(before[i], INFINITY);
    case SMALL_TIES:
        return (float)rng_below(r, 3) - 1;
    case MAGNITUDES:
        return x * powf(10, (float)(rng_mix(row) % 61) - 30);
    case ZEROS:
        return row % 10 ? 0 : x;
    case IDENTICAL:
        return row ? f->rows[i] : x;
    case DENORMALS:
        return x * 1e-41f;
    case EXTREMES:
        return rng_below(r, 2) ? FLT_MAX : -FLT_MAX * rng_float(r);
    case SPARSE:
        return rng_mix(row) % f->dim == i ? x : 0;
    case OUTLIERS:
        return row % 50 ? x : 1000 * x;
    default:
        return x;
    }
}

static void fill_rows(struct fixture *f, enum kind kind)
{
    for (uint32_t row = 0; row < f->n; row++)
        for (uint32_t i = 0; i < f->dim; i++)
            f->rows[(size_t)row * f->dim + i] = value_of(f, kind, row, i);
}

/* Eight kinds of queries. */
static void fill_query(struct fixture *f, uint32_t kind)
{
    const float *row = f->n ? f->rows + (size_t)rng_below(&f->rng, f->n) * f->dim : NULL;
    const uint32_t at = f->dim ? rng_below(&f->rng, f->dim) : 0;
    for (uint32_t i = 0; i < f->dim; i++) {
        const float x = rng_normal(&f->rng), like = row ? row[i] : x;
        const float choice[8] = {x,         like,       -like, i == at ? x : 0,
                                 x * 1e30f, x * 1e-30f, 0.0f,  x / (float)(i + 1)};
        f->query[i] = choice[kind % 8];
    }
}

/* None (NULL), about half, all but a few, all. */
static const uint64_t *fill_skip(struct fixture *f, uint32_t kind)
{
    const uint32_t words = f->n / 64 + 1;
    for (uint32_t i = 0; i < words; i++)
        f->skip[i] = kind % 4 == 1 ? rng_u64(&f->rng) : UINT64_MAX;
    for (uint32_t i = 0; f->n && kind % 4 == 2 && i < 5; i++) {
        const uint32_t row = rng_below(&f->rng, f->n);
        f->skip[row / 64] &= ~((uint64_t)1 << row % 64);
    }
    return kind % 4 == 0 ? NULL : f->skip;
}

static bool same_hits(const struct topk_hit *a, const struct topk_hit *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (a[i].row != b[i].row || memcmp(&a[i].score, &b[i].score, sizeof(double)) != 0)
            return false;
    return true;
}

/* One query, at every instruction set. */
static void compare(const struct fixture *f, const struct topk_index *index, uint32_t k,
                    const uint64_t *skip)
{
    struct topk_hit *truth = malloc(sizeof(*truth) * k + 1),
                    *hits = malloc(sizeof(*hits) * k + 1);
    assert_true(truth && hits);
    cpu_limit(CPU_PLAIN);
    const int64_t n = topk_scan(f->rows, f->n, f->dim, f->query, k, skip, truth);
    assert_true(n >= 0 && n <= k && n <= f->n);
    for (enum cpu_level l = CPU_PLAIN; l <= CPU_AVX512_ALL; l++) {
        cpu_limit(l);
        assert_int_equal(topk_search(index, f->query, k, skip, hits), n);
        assert_true(same_hits(hits, truth, n));
    }
    assert_int_equal(topk_scan(f->rows, f->n, f->dim, f->query, k, skip, hits), n);
    assert_true(same_hits(hits, truth, n));
    free(truth);
    free(hits);
}

static void one_case(uint64_t seed, enum kind kind, uint32_t n, uint32_t dim)
{
    struct fixture f;
    struct topk_index *index;
    struct penchant_error err;
    fixture_init(&f, seed, n, dim);
    fill_rows(&f, kind);
    cpu_limit((enum cpu_level)(seed % 4)); /* built with one, searched with all */
    assert_int_equal(topk_index_new(&index, f.rows, n, dim, &err), PENCHANT_OK);
    for (uint32_t q = 0; q < 8; q++) {
        const uint32_t ks[] = {1, 20, 3, n, n + 5, 100};
        fill_query(&f, q);
        compare(&f, index, ks[(q + seed) % 6], fill_skip(&f, rng_below(&f.rng, 4)));
    }
    topk_index_free(index);
    fixture_release(&f);
    cpu_limit(CPU_AVX512_ALL);
}

static void test_topk__small_cases_equal_the_full_scan(void **state)
{
    (void)state;
    struct rng r;
    rng_init(&r, 11, 0);
    for (uint32_t i = 0; i < 40 * KINDS; i++) {
        const uint32_t dim = 1 + rng_below(&r, i % 3 ? 40 : 200), n = rng_below(&r, 400);
        one_case(i, (enum kind)(i % KINDS), n, dim);
    }
}

static void test_topk__every_dimension_equals_the_full_scan(void **state)
{
    (void)state;
    for (uint32_t dim = 0; dim <= 80; dim++)
        one_case(dim, dim % 2 ? RANDOM : CLUSTERED, 150, dim);
    one_case(1, CLUSTERED, 300, 255);
    one_case(2, CLUSTERED, 300, 256);
    one_case(3, CLUSTERED, 300, 257); /* above 256 nothing is rotated */
    one_case(4, RANDOM, 40, TOPK_MAX_DIM);
}

static void test_topk__every_count_of_rows_equals_the_full_scan(void **state)
{
    (void)state;
    for (uint32_t n = 0; n <= 300; n += n < 40 ? 1 : 13)
        for (enum kind kind = 0; kind < KINDS; kind++)
            one_case(n, kind, n, 9);
}

/* Enough rows for several levels of clusters and for a first threshold. */
static void test_topk__larger_cases_equal_the_full_scan(void **state)
{
    (void)state;
    for (enum kind kind = 0; kind < KINDS; kind++) {
        one_case(kind, kind, 5000, 24);
        one_case(kind + 100, kind, 9000, 16 + (uint32_t)kind);
    }
}

static void test_topk__100000_rows_equal_the_full_scan(void **state)
{
    (void)state;
    static const enum kind kinds[] = {RANDOM, CLUSTERED, LAST_BITS};
    for (uint32_t i = 0; i < 3; i++) {
        struct fixture f;
        struct topk_index *index;
        fixture_init(&f, i, 100000, 64);
        fill_rows(&f, kinds[i]);
        assert_int_equal(topk_index_new(&index, f.rows, f.n, f.dim, NULL), PENCHANT_OK);
        for (uint32_t q = 0; q < 8; q++) {
            fill_query(&f, q);
            compare(&f, index, 20, q % 4 == 3 ? fill_skip(&f, q / 4 + 1) : NULL);
        }
        topk_index_free(index);
        fixture_release(&f);
    }
}

/* Changes some rows a little, a lot, to another row, or to nothing; returns how many. */
static uint32_t change_rows(struct fixture *f, enum kind kind, uint32_t *changed)
{
    const uint32_t n = f->n / 20 + 1;
    for (uint32_t c = 0; c < n; c++) {
        const uint32_t row = changed[c] = rng_below(&f->rng, f->n);
        const uint32_t how = rng_below(&f->rng, 8), other = rng_below(&f->rng, f->n);
        for (uint32_t i = 0; i < f->dim; i++) {
            float *x = f->rows + (size_t)row * f->dim + i;
            const float y = f->rows[(size_t)other * f->dim + i];
            const float choice[8] = {*x * 1.01f,
                                     *x + 0.01f * y,
                                     nextafterf(*x, y),
                                     y,
                                     0,
                                     y * 1e-20f,
                                     kind == EXTREMES ? y : y * 50,
                                     value_of(f, kind, row, i)};
            *x = isfinite(choice[how]) ? choice[how] : y;
        }
    }
    return n;
}

/* Updated again and again, until it is built anew. */
static void updated_case(uint64_t seed, enum kind kind, uint32_t n, uint32_t dim)
{
    struct fixture f;
    struct topk_index *index, *next;
    uint32_t *changed = malloc((n / 20 + 1) * sizeof *changed);
    fixture_init(&f, seed, n, dim);
    fill_rows(&f, kind);
    assert_non_null(changed);
    cpu_limit((enum cpu_level)(seed % 4));
    assert_int_equal(topk_index_new(&index, f.rows, n, dim, NULL), PENCHANT_OK);
    for (uint32_t round = 0; round < 12; round++) {
        const uint32_t n_changed = change_rows(&f, kind, changed);
        cpu_limit((enum cpu_level)((seed + round) % 4));
        assert_int_equal(
            topk_index_update(&next, index, f.rows, changed, n_changed, NULL),
            PENCHANT_OK);
        topk_index_free(index); /* the new one owes it nothing */
        index = next;
        for (uint32_t q = 0; q < 8; q++) {
            const uint32_t ks[] = {1, 20, 3, n, n + 5, 100};
            fill_query(&f, q);
            compare(&f, index, ks[(q + round) % 6], fill_skip(&f, rng_below(&f.rng, 4)));
        }
    }
    topk_index_free(index);
    fixture_release(&f);
    free(changed);
    cpu_limit(CPU_AVX512_ALL);
}

static void test_topk__an_updated_index_equals_the_full_scan(void **state)
{
    (void)state;
    for (enum kind kind = 0; kind < KINDS; kind++) {
        updated_case(kind, kind, 1, 5);
        updated_case(kind + 20, kind, 130, 1 + (uint32_t)kind * 7);
        updated_case(kind + 40, kind, 2500, 24);
    }
    updated_case(60, CLUSTERED, 300, 257);
}

static void test_topk__a_bad_update_is_refused_by_number(void **state)
{
    (void)state;
    struct fixture f;
    struct topk_index *index, *next;
    struct penchant_error err = {0};
    const uint32_t changed[] = {3, 77};
    fixture_init(&f, 1, 200, 16);
    fill_rows(&f, RANDOM);
    assert_int_equal(topk_index_new(&index, f.rows, f.n, f.dim, NULL), PENCHANT_OK);
    f.rows[77 * 16 + 5] = NAN;
    assert_int_equal(topk_index_update(&next, index, f.rows, changed, 2, &err),
                     PENCHANT_EINVALID);
    assert_int_equal(err.index, 77);
    assert_null(next);
    topk_index_free(index);
    fixture_release(&f);
}

static void test_topk__hits_are_the_definition(void **state)
{
    (void)state;
    /* Scores 2, 5, 5, -1 by hand: equal ones by row, the skipped one not at all. */
    const float rows[] = {1, 0, 1, 1, 1, 1, 1, -1}, query[] = {2, 3};
    struct topk_index *index;
    struct topk_hit hit[9];
    const uint64_t skip = 2;
    assert_int_equal(topk_index_new(&index, rows, 4, 2, NULL), PENCHANT_OK);
    assert_int_equal(topk_search(index, query, 9, NULL, hit), 4);
    const uint32_t order[] = {1, 2, 0, 3};
    const double score[] = {5, 5, 2, -1};
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(hit[i].row, order[i]);
        assert_true(hit[i].score == score[i]);
    }
    assert_int_equal(topk_search(index, query, 2, &skip, hit), 2);
    assert_int_equal(hit[0].row, 2);
    assert_int_equal(hit[1].row, 0);
    assert_int_equal(topk_search(index, query, 0, NULL, hit), 0);
    topk_index_free(index);
}

/* A float scan would take row 0: 2^24 + 1 is no float, and the difference is the last
 * bit. */
static void test_topk__scores_are_summed_in_double(void **state)
{
    (void)state;
    const float rows[] = {16777216, 0, 16777216, 1}, query[] = {1, 1};
    struct topk_index *index;
    struct topk_hit hit;
    assert_int_equal(topk_index_new(&index, rows, 2, 2, NULL), PENCHANT_OK);
    assert_int_equal(topk_search(index, query, 1, NULL, &hit), 1);
    assert_int_equal(hit.row, 1);
    assert_true(hit.score == 16777217.0);
    topk_index_free(index);
}

static void test_topk__bad_rows_are_refused_by_number(void **state)
{
    (void)state;
    struct fixture f;
    struct topk_index *index;
    struct penchant_error err;
    fixture_init(&f, 1, 50, 13);
    for (uint32_t bad = 0; bad < 3; bad++) {
        const uint32_t row = bad * 24 + 1;
        fill_rows(&f, RANDOM);
        f.rows[row * 13 + bad * 6] = bad == 0 ? NAN : bad == 1 ? INFINITY : -INFINITY;
        assert_int_equal(topk_index_new(&index, f.rows, 50, 13, &err), PENCHANT_EINVALID);
        assert_null(index);
        assert_int_equal(err.index, row);
        assert_string_equal(err.field, "rows");
    }
    assert_int_equal(topk_index_new(&index, f.rows, 0, TOPK_MAX_DIM + 1, &err),
                     PENCHANT_ELIMIT);
    assert_null(index);
    fixture_release(&f);
}

static void test_topk__bad_queries_are_refused(void **state)
{
    (void)state;
    struct fixture f;
    struct topk_index *index;
    struct topk_hit hit;
    fixture_init(&f, 1, 30, 13);
    fill_rows(&f, RANDOM);
    assert_int_equal(topk_index_new(&index, f.rows, 30, 13, NULL), PENCHANT_OK);
    for (uint32_t i = 0; i < 13; i++) {
        fill_query(&f, 0);
        f.query[i] = i % 2 ? NAN : -INFINITY;
        assert_int_equal(topk_search(index, f.query, 1, NULL, &hit), PENCHANT_EINVALID);
        assert_int_equal(topk_scan(f.rows, 30, 13, f.query, 1, NULL, &hit),
                         PENCHANT_EINVALID);
    }
    topk_index_free(index);
    topk_index_free(NULL);
    fixture_release(&f);
}

struct shared {
    const struct topk_index *index;
    const struct fixture *f;
    const struct topk_hit *truth; /* (20) */
    uint32_t wrong;
};

static void *search_often(void *arg)
{
    struct shared *s = arg;
    struct topk_hit hits[20];
    for (uint32_t i = 0; i < 100; i++)
        if (topk_search(s->index, s->f->query, 20, NULL, hits) != 20 ||
            !same_hits(hits, s->truth, 20))
            s->wrong++;
    return NULL;
}

static void test_topk__threads_share_an_index(void **state)
{
    (void)state;
    struct fixture f;
    struct topk_index *index;
    struct topk_hit truth[20];
    struct shared shared[4];
    pthread_t thread[4];
    fixture_init(&f, 3, 8000, 32);
    fill_rows(&f, CLUSTERED);
    fill_query(&f, 0);
    assert_int_equal(topk_index_new(&index, f.rows, f.n, f.dim, NULL), PENCHANT_OK);
    assert_int_equal(topk_scan(f.rows, f.n, f.dim, f.query, 20, NULL, truth), 20);
    for (uint32_t i = 0; i < 4; i++) {
        shared[i] = (struct shared){.index = index, .f = &f, .truth = truth};
        assert_int_equal(pthread_create(&thread[i], NULL, search_often, &shared[i]), 0);
    }
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
        assert_int_equal(shared[i].wrong, 0);
    }
    topk_index_free(index);
    fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_topk__hits_are_the_definition),
        cmocka_unit_test(test_topk__scores_are_summed_in_double),
        cmocka_unit_test(test_topk__bad_rows_are_refused_by_number),
        cmocka_unit_test(test_topk__bad_queries_are_refused),
        cmocka_unit_test(test_topk__small_cases_equal_the_full_scan),
        cmocka_unit_test(test_topk__every_dimension_equals_the_full_scan),
        cmocka_unit_test(test_topk__every_count_of_rows_equals_the_full_scan),
        cmocka_unit_test(test_topk__larger_cases_equal_the_full_scan),
        cmocka_unit_test(test_topk__100000_rows_equal_the_full_scan),
        cmocka_unit_test(test_topk__an_updated_index_equals_the_full_scan),
        cmocka_unit_test(test_topk__a_bad_update_is_refused_by_number),
        cmocka_unit_test(test_topk__threads_share_an_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

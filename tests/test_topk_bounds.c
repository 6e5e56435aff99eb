/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an index promises about its rows, taken apart: searches can only be exact because
 * these bounds hold. Random searches would rarely notice a bound that is a little too
 * small.
 */
#include "retrieval/index.h"

#include "base/rng.h"
#include "kernels/cpu.h"
#include "retrieval/rotation.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <cmocka.h>

enum { MAX_WIDTH = 272 };

/* The code of row r of a cell at dimension i, by the layout that the headers state. */
static uint32_t code_at(const struct topk_index *index, const struct cell *cell,
                        uint32_t r, uint32_t i)
{
    const uint8_t *at =
        index->codes + (size_t)cell->slot / SCAN_GROUP * index->chunks * SCAN_LINE;
    const uint32_t chunk = i / SCAN_CHUNK, j = i % SCAN_CHUNK;
    for (uint32_t t = 0, begin = 0; t < index->stages; begin = index->stage_end[t++]) {
        const size_t size = index->stage_end[t] - begin;
        if (chunk < index->stage_end[t]) {
            at += (r / SCAN_GROUP * size + chunk - begin) * SCAN_LINE;
            break;
        }
        at += size * cell->groups * SCAN_LINE;
    }
    const uint8_t byte = at[4 * (r % SCAN_GROUP) + j % 4];
    return j < 4 ? byte & 15 : byte >> 4;
}

/* The residual of a row and its rotation, in double. */
static double rotated(const struct topk_index *index, uint32_t row, uint32_t cluster,
                      double p[MAX_WIDTH])
{
    double squares = 0;
    memset(p, 0, sizeof(double) * MAX_WIDTH);
    for (uint32_t i = 0; i < index->dim; i++) {
        const double r = (double)index->rows[(size_t)row * index->dim + i] -
                         (double)index->centre[(size_t)cluster * index->dim + i];
        squares += r * r;
        for (uint32_t j = 0; index->rotation && j < index->width; j++)
            p[j] += r * (double)index->rotation[(size_t)i * index->width + j];
        if (!index->rotation)
            p[i] = r;
    }
    return sqrt(squares);
}

static void expect_row(const struct topk_index *index, const struct cell *cell,
                       uint32_t r)
{
    double p[MAX_WIDTH], err = 0, tail[STAGES] = {0};
    const uint32_t row = index->row_of[cell->slot + r];
    const double length = rotated(index, row, cell->cluster, p);
    assert_true(length <= (double)cell->radius * cell->step);
    for (uint32_t i = 0; i < index->dim; i++)
        for (uint32_t t = 0; t < index->stages; t++)
            tail[t] += i / SCAN_CHUNK >= index->stage_end[t] ? p[i] * p[i] : 0;
    for (uint32_t t = 0, i = 0; cell->step > 0 && t < index->stages; t++) {
        for (; i < index->dim && i / SCAN_CHUNK < index->stage_end[t]; i++) {
            const double off = p[i] - (code_at(index, cell, r, i) - 7.5) * cell->step *
                                          (double)index->spread[i];
            err += off * off;
        }
        assert_true(sqrt(err) <= (double)cell->err[t] * cell->step);
        assert_true(sqrt(tail[t]) <= (double)cell->tail[t] * cell->step);
    }
}

/* Every row is in one place, and within the bounds of its cell. */
static void expect_index(const struct topk_index *index)
{
    bool *seen = calloc(index->n + 1, sizeof(*seen));
    uint32_t rows = 0;
    assert_non_null(seen);
    for (uint32_t c = 0; c < index->cells; c++) {
        const struct cell *cell = &index->cell[c];
        assert_in_range(cell->groups, 1, CELL_GROUPS);
        for (uint32_t r = 0; r < cell->groups * SCAN_GROUP; r++) {
            const uint32_t row = index->row_of[cell->slot + r];
            if (row == NO_ROW)
                continue;
            assert_true(row < index->n && !seen[row]);
            seen[row] = true;
            rows++;
            expect_row(index, cell, r);
        }
    }
    assert_int_equal(rows, index->n);
    free(seen);
}

/* Rows with the length 10^power and a spectrum that falls as i^-fall. */
static float *make_rows(uint32_t n, uint32_t dim, int power, float fall)
{
    struct rng r;
    float *rows = malloc(sizeof(float) * n * dim + 1);
    assert_non_null(rows);
    rng_init(&r, n, dim);
    for (size_t i = 0; i < (size_t)n * dim; i++)
        rows[i] = rng_normal(&r) * powf((float)(i % dim + 1), -fall) *
                  powf(10, (float)power + 0.3f * (float)(i / dim % 3));
    return rows;
}

static void test_topk_bounds__hold_for_every_row(void **state)
{
    (void)state;
    static const uint32_t dims[] = {1, 7, 8, 9, 31, 64, 100, 257};
    for (uint32_t i = 0; i < 8; i++) {
        for (int power = -30; power <= 30; power += 15) {
            const float fall = (float)(i % 3) * 0.5f;
            float *rows = make_rows(1500, dims[i], power, fall);
            struct topk_index *index;
            cpu_limit((enum cpu_level)(i % 4));
            assert_int_equal(topk_index_new(&index, rows, 1500, dims[i], NULL), 0);
            expect_index(index);
            topk_index_free(index);
            free(rows);
        }
    }
    cpu_limit(CPU_AVX512_ALL);
}

static void test_topk_bounds__are_not_idle(void **state)
{
    (void)state;
    float *rows = make_rows(4000, 64, 0, 0.5f);
    struct topk_index *index;
    assert_int_equal(topk_index_new(&index, rows, 4000, 64, NULL), 0);
    assert_int_equal(index->stages, 3); /* this spectrum decays */
    for (uint32_t c = 0; c < index->cells; c++) {
        const struct cell *cell = &index->cell[c];
        if (cell->step == 0) /* one row, its own centre */
            continue;
        assert_true(cell->err[2] < 0.3f * cell->radius);
        assert_true(cell->tail[0] < 0.9f * cell->radius);
    }
    topk_index_free(index);
    free(rows);
}

/* The ten best, by the index and by the definition. */
static void expect_search(const struct topk_index *index, const float *query)
{
    struct topk_hit a[10], b[10];
    assert_int_equal(topk_search(index, query, 10, NULL, a), 10);
    assert_int_equal(topk_scan(index->rows, index->n, index->dim, query, 10, NULL, b),
                     10);
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(a[i].row, b[i].row);
        assert_true(a[i].score == b[i].score);
    }
}

/* The worst that can be asked: the direction in which a row's code is wrong. */
static void test_topk_bounds__queries_along_coding_errors_find_the_row(void **state)
{
    (void)state;
    enum { N = 6000, DIM = 24 };
    float *rows = make_rows(N, DIM, 0, 0.3f), query[DIM];
    struct topk_index *index;
    assert_int_equal(topk_index_new(&index, rows, N, DIM, NULL), 0);
    for (uint32_t c = 0; c < index->cells; c++) {
        const struct cell *cell = &index->cell[c];
        double p[MAX_WIDTH], off[DIM];
        rotated(index, index->row_of[cell->slot], cell->cluster, p);
        for (uint32_t j = 0; j < DIM; j++)
            off[j] = p[j] - (code_at(index, cell, 0, j) - 7.5) * cell->step *
                                (double)index->spread[j];
        for (uint32_t i = 0; i < DIM; i++) {
            double q = 0;
            for (uint32_t j = 0; j < DIM; j++)
                q += (double)index->rotation[i * index->width + j] * off[j];
            query[i] = (float)q;
        }
        expect_search(index, query);
    }
    topk_index_free(index);
    free(rows);
}

static void test_topk_bounds__rotation_diagonalises(void **state)
{
    (void)state;
    enum { DIM = 21, WIDTH = 32, N = 300 };
    static double moment[DIM * DIM], kept[DIM * DIM], energy[DIM];
    static float matrix[DIM * WIDTH];
    float *rows = make_rows(N, DIM, 0, 0.7f);
    for (uint32_t i = 0; i < DIM * DIM; i++)
        for (uint32_t r = 0; r < N; r++)
            moment[i] +=
                (double)rows[r * DIM + i / DIM] * (double)rows[r * DIM + i % DIM];
    memcpy(kept, moment, sizeof(kept));
    assert_int_equal(rotation_make(matrix, energy, moment, DIM, WIDTH), 0);
    for (uint32_t a = 0; a < DIM; a++) {
        assert_true(a == 0 || energy[a] <= energy[a - 1]);
        for (uint32_t b = 0; b < DIM; b++) { /* column a, moment, column b */
            double sum = 0, dot = 0;
            for (uint32_t i = 0; i < DIM; i++) {
                dot += (double)matrix[i * WIDTH + a] * (double)matrix[i * WIDTH + b];
                for (uint32_t j = 0; j < DIM; j++)
                    sum += (double)matrix[i * WIDTH + a] * kept[i * DIM + j] *
                           (double)matrix[j * WIDTH + b];
            }
            assert_true(fabs(sum - (a == b ? energy[a] : 0)) < 1e-5 * energy[0]);
            assert_true(fabs(dot - (a == b)) < 1e-6);
        }
    }
    free(rows);
}

/* The stated error covers the worst pair that is found by trying. */
static void test_topk_bounds__rotation_error_covers_what_happens(void **state)
{
    (void)state;
    enum { DIM = 5, WIDTH = 16 };
    float matrix[DIM * WIDTH] = {0};
    for (uint32_t i = 0; i < DIM; i++)
        matrix[i * WIDTH + i] = 1;
    assert_true(rotation_error(matrix, DIM, WIDTH) < 1e-12);
    matrix[2 * WIDTH + 3] = 0.01f; /* x.y and (Mx).(My) differ by 0.01 for axes 2 and 3 */
    assert_true(rotation_error(matrix, DIM, WIDTH) >= (double)0.01f);
    assert_true(rotation_error(matrix, DIM, WIDTH) < 0.02);
}

static void test_topk_bounds__clusters_hold_every_row_once(void **state)
{
    (void)state;
    enum { N = 9000, DIM = 12 };
    float *rows = make_rows(N, DIM, 3, 0.2f);
    bool *seen = calloc(N, sizeof(*seen));
    struct clusters c;
    assert_int_equal(clusters_init(&c, rows, N, DIM), 0);
    assert_true(seen && c.n > 8 && c.n < N / 50);
    assert_int_equal(c.begin[0], 0);
    assert_int_equal(c.begin[c.n], N);
    for (uint32_t j = 0; j < c.n; j++) {
        double mean[DIM] = {0};
        for (uint32_t at = c.begin[j]; at < c.begin[j + 1]; at++) {
            assert_false(seen[c.order[at]]);
            seen[c.order[at]] = true;
            assert_true(at == c.begin[j] || c.order[at] > c.order[at - 1]);
            for (uint32_t i = 0; i < DIM; i++)
                mean[i] += (double)rows[c.order[at] * DIM + i];
        }
        for (uint32_t i = 0; i < DIM; i++)
            assert_true(c.centre[j * DIM + i] ==
                        (float)(mean[i] / (c.begin[j + 1] - c.begin[j])));
    }
    clusters_release(&c);
    free(rows);
    free(seen);
}

/* The same rows give the same index. */
static void test_topk_bounds__building_is_deterministic(void **state)
{
    (void)state;
    float *rows = make_rows(3000, 20, 0, 0.4f);
    struct topk_index *a, *b;
    assert_int_equal(topk_index_new(&a, rows, 3000, 20, NULL), 0);
    assert_int_equal(topk_index_new(&b, rows, 3000, 20, NULL), 0);
    assert_int_equal(a->cells, b->cells);
    const struct cell *last = &a->cell[a->cells - 1];
    const size_t slots = last->slot + last->groups * (size_t)SCAN_GROUP;
    assert_memory_equal(a->cell, b->cell, sizeof(*a->cell) * a->cells);
    assert_memory_equal(a->row_of, b->row_of, sizeof(*a->row_of) * slots);
    assert_memory_equal(a->codes, b->codes, slots / SCAN_GROUP * a->chunks * SCAN_LINE);
    topk_index_free(a);
    topk_index_free(b);
    free(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_topk_bounds__hold_for_every_row),
        cmocka_unit_test(test_topk_bounds__are_not_idle),
        cmocka_unit_test(test_topk_bounds__queries_along_coding_errors_find_the_row),
        cmocka_unit_test(test_topk_bounds__rotation_diagonalises),
        cmocka_unit_test(test_topk_bounds__rotation_error_covers_what_happens),
        cmocka_unit_test(test_topk_bounds__clusters_hold_every_row_once),
        cmocka_unit_test(test_topk_bounds__building_is_deterministic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

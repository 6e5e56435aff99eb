/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The matrix product, as the including file's instruction set allows; included once by a
 * file that defines
 *   GEMM_NAME, GEMM_STRUCT  the function and the struct that it takes
 *   GEMM_A                  the type of an element of A and B (float, or a pair of bfloat16)
 *   GEMM_VEC                a vector of them
 *   GEMM_STEP(a, b, c)      c + a * b for vec c
 *   GEMM_LOAD, GEMM_LOAD_N, GEMM_SPLAT  loads of B, and an element of A in all lanes
 *
 * C is walked in tiles of up to TILE_ROWS x TILE_VECS vectors that stay in registers
 * while k runs. Every element of C is summed over k in order and by itself, so its bits
 * do not depend on how many other rows and columns are computed with it: one position
 * gives what a batch gives. Blocking over k keeps that order, since a block goes on from
 * what C holds.
 */
#include "kernels/kernels.h"
#include "kernels/simd.h"

enum { TILE_ROWS = LANES == 1 ? 4 : 6, TILE_VECS = LANES == 16 ? 4 : 2, K_BLOCK = 512 };

struct gemm_tile {
    const GEMM_A *a, *b;
    float *c;
    size_t a_row, a_col, ldb, ldc, k, last; /* last: columns in the last vector */
    bool add;
};

SIMD_INLINE void gemm_tile(const struct gemm_tile *t, const size_t rows,
                           const size_t vecs)
{
    vec acc[6][4];
#pragma GCC unroll 8
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (size_t j = 0; j < vecs; j++) {
            const float *c = t->c + i * t->ldc + j * LANES;
            acc[i][j] = !t->add        ? v_zero()
                        : j + 1 < vecs ? v_load(c)
                                       : v_load_n(c, t->last);
        }
    const GEMM_A *a = t->a, *b = t->b;
    for (size_t k = 0; k < t->k; k++, a += t->a_col, b += t->ldb) {
        GEMM_VEC row[4];
#pragma GCC unroll 8
        for (size_t j = 0; j + 1 < vecs; j++)
            row[j] = GEMM_LOAD(b + j * LANES);
        row[vecs - 1] = GEMM_LOAD_N(b + (vecs - 1) * LANES, t->last);
#pragma GCC unroll 8
        for (size_t i = 0; i < rows; i++) {
            const GEMM_VEC x = GEMM_SPLAT(a[i * t->a_row]);
#pragma GCC unroll 8
            for (size_t j = 0; j < vecs; j++)
                acc[i][j] = GEMM_STEP(x, row[j], acc[i][j]);
        }
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (size_t j = 0; j < vecs; j++) {
            float *c = t->c + i * t->ldc + j * LANES;
            if (j + 1 < vecs)
                v_store(c, acc[i][j]);
            else
                v_store_n(c, acc[i][j], t->last);
        }
}

/* Down one strip of columns; `vecs` is a constant where this is inlined. */
SIMD_INLINE void gemm_strip(struct gemm_tile t, size_t m, const size_t vecs)
{
    const struct gemm_tile at = t;
    size_t i = 0;
    for (; i + TILE_ROWS <= m; i += TILE_ROWS) {
        t.a = at.a + i * t.a_row;
        t.c = at.c + i * t.ldc;
        gemm_tile(&t, TILE_ROWS, vecs);
    }
    t.a = at.a + i * t.a_row;
    t.c = at.c + i * t.ldc;
    switch (m - i) {
    case 1:
        gemm_tile(&t, 1, vecs);
        break;
    case 2:
        gemm_tile(&t, 2, vecs);
        break;
    case 3:
        gemm_tile(&t, 3, vecs);
        break;
    case 4:
        gemm_tile(&t, 4, vecs);
        break;
    case 5:
        gemm_tile(&t, 5, vecs);
        break;
    default:
        break;
    }
}

void GEMM_NAME(const struct GEMM_STRUCT *g)
{
    for (size_t k0 = 0; k0 < g->k || (k0 == 0 && !g->add); k0 += K_BLOCK) {
        const size_t k = g->k - k0 < K_BLOCK ? g->k - k0 : K_BLOCK;
        for (size_t j = 0; j < g->n; j += TILE_VECS * LANES) {
            const size_t left = g->n - j;
            const size_t cols = left < TILE_VECS * LANES ? left : TILE_VECS * LANES;
            const size_t vecs = (cols + LANES - 1) / LANES;
            const struct gemm_tile t = {
                .a = g->a + k0 * g->a_col,
                .b = g->b + k0 * g->ldb + j,
                .c = g->c + j,
                .a_row = g->a_row,
                .a_col = g->a_col,
                .ldb = g->ldb,
                .ldc = g->ldc,
                .k = k,
                .last = cols - (vecs - 1) * LANES,
                .add = g->add || k0 > 0,
            };
            switch (vecs) {
            case 1:
                gemm_strip(t, g->m, 1);
                break;
            case 2:
                gemm_strip(t, g->m, 2);
                break;
            case 3:
                gemm_strip(t, g->m, TILE_VECS >= 3 ? 3 : 1);
                break;
            default:
                gemm_strip(t, g->m, TILE_VECS >= 4 ? 4 : 1);
                break;
            }
        }
    }
}

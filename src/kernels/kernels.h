/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hot loops of the model, behind one table of functions. All rows are written once,
 * in kernels_body.h, and built for plain C, AVX2 and AVX-512; kernels_get() picks by the
 * processor (cpu.h). Results are the same for one row as for many, and the same in every
 * run; between instruction sets they differ by rounding.
 *
 * Names: forward functions write their first argument; backward functions write or add to
 * their first arguments as stated; sizes come last.
 */
#ifndef KERNELS_KERNELS_H
#define KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * c (m, n) = a (m, k) b (k, n), or c += with `add`. Element (i, k) of a is
 * a[i * a_row + k * a_col], so that a may be a transposed view; rows of b and c are ldb
 * and ldc apart and contiguous. Every element is summed over k in order.
 */
struct gemm {
    size_t m, n, k;
    const float *a;
    size_t a_row, a_col;
    const float *b;
    size_t ldb;
    float *c;
    size_t ldc;
    bool add;
};

/*
 * The same on bfloat16: an element of a and b is a pair along k, the earlier one in the
 * low half; k counts pairs. Products are exact, sums are float.
 */
struct gemm_pairs {
    size_t m, n, k;
    const uint32_t *a;
    size_t a_row, a_col;
    const uint32_t *b;
    size_t ldb;
    float *c;
    size_t ldc;
    bool add;
};

struct adam {
    float *param, *mean, *square; /* (n) */
    const float *gradient;        /* (n) */
    size_t n;
    float rate, beta1, beta2, epsilon, decay; /* decay: decoupled (AdamW) */
    float bias1, bias2;                       /* 1 - beta^step */
};

struct dropout {
    uint32_t seed;  /* of this step and place; element i is kept by a hash of (seed, i) */
    uint32_t first; /* number of x[0] */
    float rate;     /* share that becomes zero; the rest is scaled by 1 / (1 - rate) */
};

struct kernels {
    const char *name;
    void (*gemm)(const struct gemm *g);

    /* y (rows, d) = (x - mean) * rstd * w[0] + w[1]; stat (rows, 2) gets mean and rstd. */
    void (*norm_forward)(float *y, float *stat, const float *x, const float *w,
                         size_t rows, size_t d);
    /* dx += , dw (2, d) += */
    void (*norm_backward)(float *dx, float *dw, const float *dy, const float *x,
                          const float *stat, const float *w, size_t rows, size_t d);

    void (*silu_forward)(float *y, const float *x, size_t n);
    void (*silu_backward)(float *dx, const float *dy, const float *x,
                          size_t n); /* dx = */
    void (*relu_forward)(float *y, const float *x, size_t n);
    void (*relu_backward)(float *dx, const float *dy, const float *y,
                          size_t n); /* dx = */

    void (*sigmoid)(float *x, size_t n); /* in place */
    /* x becomes exp(x - max); returns the sum, and the maximum in *top. */
    float (*exp_row)(float *x, float *top, size_t n);
    /* x becomes softmax(x); dx becomes p (dx - sum(p dx)). */
    void (*softmax_row)(float *x, size_t n);
    void (*softmax_backward_row)(float *dx, const float *p, size_t n);

    void (*add)(float *y, const float *x, size_t n);                      /* y += x */
    void (*add_scaled)(float *y, const float *x, float s, size_t n);      /* y += s x */
    void (*scale)(float *y, float s, size_t n);                           /* y *= s */
    void (*multiply)(float *y, const float *a, const float *b, size_t n); /* y = a b */
    /* How many x[i] < value; a NaN is not. n < 2^24. */
    size_t (*count_below)(const float *x, float value, size_t n);
    float (*dot)(const float *a, const float *b, size_t n);
    void (*dropout)(float *x, size_t n, const struct dropout *d);
    void (*adam)(const struct adam *a);

    /* out[j] = h . row id[j] of table (.., d) */
    void (*gather_dots)(float *out, const float *h, const float *table,
                        const uint32_t *id, size_t n, size_t d);
    /* dh += sum_j g[j] table[id[j]] */
    void (*gather_sum)(float *dh, const float *g, const float *table, const uint32_t *id,
                       size_t n, size_t d);
    /* table[id[j]] += g[j] h, in order of j */
    void (*scatter_add)(float *table, const float *g, const float *h, const uint32_t *id,
                        size_t n, size_t d);
};

/* bfloat16 rows, where the processor multiplies it. Odd sizes are padded with zero. */
struct kernels_bf16 {
    void (*gemm)(const struct gemm_pairs *g);
    /* Pairs along a row: out (rows, (d + 1) / 2) */
    void (*pairs_along)(uint32_t *out, const float *x, size_t rows, size_t d);
    /* Pairs down the rows: out ((rows + 1) / 2, d) */
    void (*pairs_down)(uint32_t *out, const float *x, size_t rows, size_t d);
    /* Both of two rows at once, x0 scaled by s0 and x1 by s1; x1 may be NULL (zeros). */
    void (*pairs_both)(uint32_t *along0, uint32_t *along1, uint32_t *down,
                       const float *x0, const float *x1, const float s[2], size_t d);
};

const struct kernels *kernels_get(void);
const struct kernels_bf16 *kernels_bf16_get(void); /* NULL: this processor has none */

/* The rows by instruction set; avx2 and avx512 are empty (name NULL) on other machines. */
extern const struct kernels kernels_plain, kernels_avx2, kernels_avx512;
extern const struct kernels_bf16 kernels_avx512bf16;

#endif

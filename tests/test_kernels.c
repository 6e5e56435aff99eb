/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every kernel of every instruction set against plain C at every odd length, and plain C
 * against the definition. A guard lies behind every output, so that a kernel that writes
 * too far is seen.
 */
#include "kernels/kernels.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "kernels/cpu.h"

enum { MOST = 131, GUARD = 64, ROOM = 8 * MOST + GUARD };

/* The tables this processor can run, plain first. */
static const struct kernels *table[3];
static size_t n_tables;

static void find_tables(void)
{
    const struct {
        enum cpu_level needs;
        const struct kernels *k;
    } all[] = {{CPU_PLAIN, &kernels_plain},
               {CPU_AVX2, &kernels_avx2},
               {CPU_AVX512, &kernels_avx512}};
    cpu_limit(CPU_AVX512_ALL);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (cpu_level() >= all[i].needs && all[i].k->name)
            table[n_tables++] = all[i].k;
        else
            printf("SKIP this processor has no %s\n", cpu_level_name(all[i].needs));
}

#define EACH_TABLE(k)                                                                    \
    for (size_t k##_i = 0; k##_i < n_tables; k##_i++)                                    \
        for (const struct kernels *k = table[k##_i]; k; k = NULL)

static struct rng rng;

static void fill(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = rng_normal(&rng);
}

/* Off by at most `share` of the size of what was added up, `size`, element by element. */
static void near(const struct kernels *k, const char *what, float got, double want,
                 double size, double share)
{
    if (!(fabs((double)got - want) <= share * size))
        fail_msg("%s %s: %.9g, not %.9g", k->name, what, (double)got, want);
}

/* ---- element by element -------------------------------------------------------- */

static double def_sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* What a kernel must make of its operands at element i, in double. */
struct element {
    const char *name;
    void (*run)(const struct kernels *k, float *out, const float *a, const float *b,
                size_t n);
    double (*want)(double out, double a, double b);
};

static void run_silu(const struct kernels *k, float *o, const float *a, const float *b,
                     size_t n)
{
    (void)b;
    k->silu_forward(o, a, n);
}
static double want_silu(double o, double a, double b)
{
    (void)o, (void)b;
    return a * def_sigmoid(a);
}
static void run_silu_back(const struct kernels *k, float *o, const float *a,
                          const float *b, size_t n)
{
    k->silu_backward(o, a, b, n);
}
static double want_silu_back(double o, double a, double b)
{
    (void)o;
    return a * (def_sigmoid(b) + b * def_sigmoid(b) * (1 - def_sigmoid(b)));
}
static void run_relu(const struct kernels *k, float *o, const float *a, const float *b,
                     size_t n)
{
    (void)b;
    k->relu_forward(o, a, n);
}
static double want_relu(double o, double a, double b)
{
    (void)o, (void)b;
    return a > 0 ? a : 0;
}
static void run_relu_back(const struct kernels *k, float *o, const float *a,
                          const float *b, size_t n)
{
    k->relu_backward(o, a, b, n);
}
static double want_relu_back(double o, double a, double b)
{
    (void)o;
    return b > 0 ? a : 0;
}
static void run_sigmoid(const struct kernels *k, float *o, const float *a, const float *b,
                        size_t n)
{
    (void)a, (void)b;
    k->sigmoid(o, n);
}
static double want_sigmoid(double o, double a, double b)
{
    (void)a, (void)b;
    return def_sigmoid(o);
}
static void run_add(const struct kernels *k, float *o, const float *a, const float *b,
                    size_t n)
{
    (void)b;
    k->add(o, a, n);
}
static double want_add(double o, double a, double b)
{
    (void)b;
    return o + a;
}
static void run_add_scaled(const struct kernels *k, float *o, const float *a,
                           const float *b, size_t n)
{
    (void)b;
    k->add_scaled(o, a, -1.75f, n);
}
static double want_add_scaled(double o, double a, double b)
{
    (void)b;
    return o - 1.75 * a;
}
static void run_scale(const struct kernels *k, float *o, const float *a, const float *b,
                      size_t n)
{
    (void)a, (void)b;
    k->scale(o, 0.3f, n);
}
static double want_scale(double o, double a, double b)
{
    (void)a, (void)b;
    return o * (double)0.3f;
}
static void run_multiply(const struct kernels *k, float *o, const float *a,
                         const float *b, size_t n)
{
    k->multiply(o, a, b, n);
}
static double want_multiply(double o, double a, double b)
{
    (void)o;
    return a * b;
}

static const struct element elements[] = {
    {"silu_forward", run_silu, want_silu},
    {"silu_backward", run_silu_back, want_silu_back},
    {"relu_forward", run_relu, want_relu},
    {"relu_backward", run_relu_back, want_relu_back},
    {"sigmoid", run_sigmoid, want_sigmoid},
    {"add", run_add, want_add},
    {"add_scaled", run_add_scaled, want_add_scaled},
    {"scale", run_scale, want_scale},
    {"multiply", run_multiply, want_multiply},
};

static void check_guard(const struct kernels *k, const char *what, const float *x)
{
    for (size_t i = 0; i < GUARD; i++)
        if (x[i] != 12345.0f)
            fail_msg("%s %s writes %zu behind its end", k->name, what, i);
}

static void set_guard(float *x)
{
    for (size_t i = 0; i < GUARD; i++)
        x[i] = 12345.0f;
}

static void check_element(const struct element *e, size_t n)
{
    float a[MOST], b[MOST], before[MOST], out[MOST + GUARD];
    fill(a, n);
    fill(b, n);
    fill(before, n);
    b[0] = 0; /* where relu has its corner */
    EACH_TABLE(k)
    {
        memcpy(out, before, n * sizeof(float));
        set_guard(out + n);
        e->run(k, out, a, b, n);
        for (size_t i = 0; i < n; i++)
            near(k, e->name, out[i],
                 e->want((double)before[i], (double)a[i], (double)b[i]),
                 1 + fabs((double)a[i]) + fabs((double)before[i]), 3e-7);
        check_guard(k, e->name, out + n);
    }
}

static void test_kernels__elements_are_as_defined_at_every_length(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(elements) / sizeof(elements[0]); i++)
        for (size_t n = 1; n <= MOST; n++)
            check_element(&elements[i], n);
}

/* A result may stand where an operand stood, as the network uses it. */
static void test_kernels__backward_works_in_place(void **state)
{
    (void)state;
    for (size_t n = 1; n <= MOST; n += 10) {
        float dy[MOST], x[MOST], apart[MOST], here[MOST];
        fill(dy, n);
        fill(x, n);
        EACH_TABLE(k)
        {
            k->silu_backward(apart, dy, x, n);
            memcpy(here, dy, sizeof(here));
            k->silu_backward(here, here, x, n);
            assert_memory_equal(apart, here, n * sizeof(float));
            k->relu_backward(apart, dy, x, n);
            memcpy(here, dy, sizeof(here));
            k->relu_backward(here, here, x, n);
            assert_memory_equal(apart, here, n * sizeof(float));
            k->silu_forward(apart, x, n);
            memcpy(here, x, sizeof(here));
            k->silu_forward(here, here, n);
            assert_memory_equal(apart, here, n * sizeof(float));
        }
    }
}

/* ---- sums over a row ----------------------------------------------------------- */

static void test_kernels__dot_is_a_sum_of_products(void **state)
{
    (void)state;
    for (size_t n = 1; n <= MOST; n++) {
        float a[MOST], b[MOST];
        double want = 0, size = 0;
        fill(a, n);
        fill(b, n);
        for (size_t i = 0; i < n; i++) {
            want += (double)a[i] * (double)b[i];
            size += fabs((double)a[i] * (double)b[i]);
        }
        EACH_TABLE(k)
        near(k, "dot", k->dot(a, b, n), want, size, 1e-6);
    }
}

static void test_kernels__numbers_below_a_value_are_counted(void **state)
{
    (void)state;
    for (size_t n = 0; n <= MOST; n++) {
        float x[MOST];
        size_t want = 0;
        for (size_t i = 0; i < n; i++) {
            x[i] = i % 13 == 5 ? NAN : i % 7 == 2 ? -INFINITY : (float)rng_below(&rng, 5);
            want += x[i] < 2;
        }
        EACH_TABLE(k)
        {
            assert_int_equal(k->count_below(x, 2, n), want);
            assert_int_equal(k->count_below(x, NAN, n), 0);
        }
    }
}

/* exp(x) of x below the maximum 0: over the whole range, against libm in double. */
static void test_kernels__exp_is_within_three_in_ten_million(void **state)
{
    (void)state;
    enum { N = 35003 };
    float *x = malloc((N + 1) * sizeof(*x));
    assert_non_null(x);
    /* exp_row subtracts the maximum, which is 88 here: x - 88 runs over [-87, 0]. */
    EACH_TABLE(k)
    {
        for (size_t i = 0; i < N; i++)
            x[i] = 1 + (float)i * (87.0f / (N - 1));
        x[N - 1] = 88;
        float top;
        k->exp_row(x, &top, N);
        assert_true(top == 88);
        for (size_t i = 0; i < N; i++) {
            const float from = (i == N - 1 ? 88 : 1 + (float)i * (87.0f / (N - 1))) - 88;
            near(k, "exp", x[i], exp((double)from), exp((double)from), 3e-7);
        }
        /* The other side, up to exp(88), is met in 1 / (1 + exp(-x)). */
        for (size_t i = 0; i < N; i++)
            x[i] = -88 + (float)i * (88.0f / (N - 1));
        k->sigmoid(x, N);
        for (size_t i = 0; i < N; i++) {
            const double want = def_sigmoid((double)(-88 + (float)i * (88.0f / (N - 1))));
            near(k, "sigmoid", x[i], want, want, 5e-7);
        }
    }
    free(x);
}

static void test_kernels__extreme_scores_stay_finite(void **state)
{
    (void)state;
    for (size_t n = 2; n <= MOST; n += 43)
        EACH_TABLE(k)
        {
            float x[MOST], top;
            for (size_t i = 0; i < n; i++)
                x[i] = i % 2 ? -1e30f : 1e30f;
            k->softmax_row(x, n);
            for (size_t i = 0; i < n; i++)
                near(k, "softmax", x[i], i % 2 ? 0 : 1.0 / (double)((n + 1) / 2), 1,
                     1e-6);
            for (size_t i = 0; i < n; i++)
                x[i] = i % 2 ? -1000 : 1000;
            k->sigmoid(x, n);
            for (size_t i = 0; i < n; i++)
                near(k, "sigmoid", x[i], i % 2 ? 0 : 1, 1, 1e-6);
            for (size_t i = 0; i < n; i++)
                x[i] = -1e30f; /* all alike: the sum counts them */
            near(k, "exp_row", k->exp_row(x, &top, n), (double)n, (double)n, 0);
        }
}

static void check_softmax(const struct kernels *k, const float *x, const float *g,
                          size_t n)
{
    float p[MOST + GUARD], e[MOST + GUARD], dx[MOST + GUARD], top;
    double most = -1e9, sum = 0, mean = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, (double)x[i]);
    for (size_t i = 0; i < n; i++)
        sum += exp((double)x[i] - most);
    for (size_t i = 0; i < n; i++)
        mean += exp((double)x[i] - most) / sum * (double)g[i];
    memcpy(p, x, n * sizeof(float));
    memcpy(e, x, n * sizeof(float));
    memcpy(dx, g, n * sizeof(float));
    set_guard(p + n);
    set_guard(e + n);
    set_guard(dx + n);
    k->softmax_row(p, n);
    near(k, "exp_row's sum", k->exp_row(e, &top, n), sum, sum, 1e-6);
    assert_true((double)top == most);
    k->softmax_backward_row(dx, p, n);
    for (size_t i = 0; i < n; i++) {
        const double want = exp((double)(x[i] - (float)most)); /* as rounded */
        near(k, "exp_row", e[i], want, want, 4e-7);
        near(k, "softmax_row", p[i], want / sum, want / sum, 2e-6);
        near(k, "softmax_backward_row", dx[i], want / sum * ((double)g[i] - mean),
             want / sum * 4, 2e-6);
    }
    check_guard(k, "softmax_row", p + n);
    check_guard(k, "exp_row", e + n);
    check_guard(k, "softmax_backward_row", dx + n);
}

static void test_kernels__softmax_is_as_defined_at_every_length(void **state)
{
    (void)state;
    for (size_t n = 1; n <= MOST; n++) {
        float x[MOST], g[MOST];
        fill(x, n);
        fill(g, n);
        for (size_t i = 0; i < n; i++)
            x[i] *= 5;
        EACH_TABLE(k)
        check_softmax(k, x, g, n);
    }
}

/* ---- norms --------------------------------------------------------------------- */

enum { NORM_ROWS = 3 };

static void check_norm(const struct kernels *k, size_t d)
{
    const size_t n = NORM_ROWS * d;
    float x[ROOM], w[ROOM], dy[ROOM], y[ROOM], stat[2 * NORM_ROWS], dx[ROOM], dw[ROOM];
    double want_dw[2 * MOST] = {0};
    fill(x, n);
    fill(w, 2 * d);
    fill(dy, n);
    for (size_t i = 0; i < d; i++)
        x[i] += 100; /* a mean far from zero must not cost the variance */
    set_guard(y + n);
    set_guard(dx + n);
    set_guard(dw + 2 * d);
    for (size_t i = 0; i < n; i++)
        dx[i] = 2;
    for (size_t i = 0; i < 2 * d; i++)
        dw[i] = -3;
    k->norm_forward(y, stat, x, w, NORM_ROWS, d);
    k->norm_backward(dx, dw, dy, x, stat, w, NORM_ROWS, d);
    for (size_t t = 0; t < NORM_ROWS; t++) {
        const float *row = x + t * d, *up = dy + t * d;
        double mean = 0, variance = 0, g_mean = 0, gn_mean = 0;
        for (size_t i = 0; i < d; i++)
            mean += (double)row[i] / (double)d;
        for (size_t i = 0; i < d; i++)
            variance += pow((double)row[i] - mean, 2) / (double)d;
        const double r = 1 / sqrt(variance + 1e-6);
        /* One number has no spread: what is left of it is rounding times 1000. */
        const double share = (t ? 2e-6 : 3e-4) * (d == 1 ? 1000 : r > 3 ? r * r : 1);
        for (size_t i = 0; i < d; i++) {
            const double normal = ((double)row[i] - mean) * r,
                         g = (double)up[i] * (double)w[i];
            near(k, "norm_forward", y[t * d + i],
                 normal * (double)w[i] + (double)w[d + i],
                 2 + fabs(normal * (double)w[i]), share);
            g_mean += g / (double)d;
            gn_mean += g * normal / (double)d;
            want_dw[i] += (double)up[i] * normal;
            want_dw[d + i] += (double)up[i];
        }
        for (size_t i = 0; i < d; i++) {
            const double normal = ((double)row[i] - mean) * r,
                         g = (double)up[i] * (double)w[i];
            near(k, "norm_backward dx", dx[t * d + i],
                 2 + r * (g - g_mean - normal * gn_mean), 4 + r * 8, share);
        }
    }
    for (size_t i = 0; i < 2 * d; i++)
        near(k, "norm_backward dw", dw[i], want_dw[i] - 3, 10, d == 1 ? 0.3 : 1e-3);
    check_guard(k, "norm_forward", y + n);
    check_guard(k, "norm_backward dx", dx + n);
    check_guard(k, "norm_backward dw", dw + 2 * d);
}

static void test_kernels__norms_are_as_defined_at_every_length(void **state)
{
    (void)state;
    for (size_t d = 1; d <= MOST; d++)
        EACH_TABLE(k)
    check_norm(k, d);
}

/* The tables agree far better with each other than either with double. */
static void test_kernels__norms_of_all_sets_agree(void **state)
{
    (void)state;
    for (size_t d = 2; d <= MOST; d++) {
        float x[ROOM], w[ROOM], dy[ROOM], y[3][ROOM], stat[2], dx[3][ROOM], dw[3][ROOM];
        fill(x, d);
        fill(w, 2 * d);
        fill(dy, d);
        EACH_TABLE(k)
        {
            memset(dx[k_i], 0, sizeof(dx[0]));
            memset(dw[k_i], 0, sizeof(dw[0]));
            k->norm_forward(y[k_i], stat, x, w, 1, d);
            k->norm_backward(dx[k_i], dw[k_i], dy, x, stat, w, 1, d);
            const double r = 1 + (double)stat[1];
            for (size_t i = 0; i < d; i++) {
                near(k, "norm_forward", y[k_i][i], (double)y[0][i], 4 * r, 1e-6);
                near(k, "norm_backward", dx[k_i][i], (double)dx[0][i], 8 * r * r, 1e-6);
            }
            for (size_t i = 0; i < 2 * d; i++)
                near(k, "norm_backward", dw[k_i][i], (double)dw[0][i], 4 * r, 1e-6);
        }
    }
}

static void test_kernels__a_row_of_norms_alone_has_the_same_bits(void **state)
{
    (void)state;
    for (size_t d = 1; d <= MOST; d++) {
        float x[7 * MOST], w[2 * MOST], many[7 * MOST], one[MOST], stat[14], own[2];
        fill(x, 7 * d);
        fill(w, 2 * d);
        EACH_TABLE(k)
        {
            k->norm_forward(many, stat, x, w, 7, d);
            for (size_t t = 0; t < 7; t++) {
                k->norm_forward(one, own, x + t * d, w, 1, d);
                assert_memory_equal(one, many + t * d, d * sizeof(float));
                assert_memory_equal(own, stat + 2 * t, sizeof(own));
            }
        }
    }
}

/* ---- matrix products ----------------------------------------------------------- */

/* A random product: strides wider than needed, a perhaps transposed, c kept or not. */
struct product {
    struct gemm g;
    float *a, *b, *c, *start;
    size_t c_size;
};

static void product_init(struct product *p, size_t m, size_t n, size_t k)
{
    const size_t wide = rng_below(&rng, 4), ldb = n + rng_below(&rng, 4),
                 ldc = n + rng_below(&rng, 4);
    const bool transposed = rng_below(&rng, 2);
    const size_t a_size = (m + wide) * (k + wide);
    *p = (struct product){.c_size = m * ldc + GUARD};
    p->a = malloc(a_size * sizeof(float));
    p->b = malloc(k * ldb * sizeof(float));
    p->c = malloc(p->c_size * sizeof(float));
    p->start = malloc(p->c_size * sizeof(float));
    assert_true(p->a && p->b && p->c && p->start);
    fill(p->a, a_size);
    fill(p->b, k * ldb);
    fill(p->start, p->c_size);
    p->g = (struct gemm){.m = m,
                         .n = n,
                         .k = k,
                         .a = p->a,
                         .a_row = transposed ? 1 : k + wide,
                         .a_col = transposed ? m + wide : 1,
                         .b = p->b,
                         .ldb = ldb,
                         .c = p->c,
                         .ldc = ldc,
                         .add = rng_below(&rng, 2)};
}

static void product_release(struct product *p)
{
    free(p->a);
    free(p->b);
    free(p->c);
    free(p->start);
}

static void check_product(const struct kernels *k, const struct product *p)
{
    const struct gemm *g = &p->g;
    memcpy(p->c, p->start, p->c_size * sizeof(float));
    k->gemm(g);
    for (size_t i = 0; i < p->c_size; i++) {
        const size_t row = i / g->ldc, col = i % g->ldc;
        if (row >= g->m || col >= g->n) {
            assert_true(p->c[i] == p->start[i]); /* between the rows and behind them */
            continue;
        }
        double want = g->add ? (double)p->start[i] : 0, size = fabs(want);
        for (size_t j = 0; j < g->k; j++) {
            const double x = (double)g->a[row * g->a_row + j * g->a_col] *
                             (double)g->b[j * g->ldb + col];
            want += x;
            size += fabs(x);
        }
        near(k, "gemm", p->c[i], want, size, 2e-6);
    }
}

/* Every row as a product of its own. */
static void check_rows(const struct kernels *k, const struct product *p)
{
    float *whole = malloc(p->c_size * sizeof(float));
    assert_non_null(whole);
    memcpy(whole, p->c, p->c_size * sizeof(float));
    memcpy(p->c, p->start, p->c_size * sizeof(float));
    for (size_t i = 0; i < p->g.m; i++) {
        struct gemm one = p->g;
        one.m = 1;
        one.a += i * one.a_row;
        one.c += i * one.ldc;
        k->gemm(&one);
    }
    assert_memory_equal(whole, p->c, p->c_size * sizeof(float));
    free(whole);
}

static void try_product(size_t m, size_t n, size_t k_size)
{
    struct product p;
    product_init(&p, m, n, k_size);
    EACH_TABLE(k)
    {
        check_product(k, &p);
        check_rows(k, &p);
    }
    product_release(&p);
}

static void test_kernels__gemm_is_a_matrix_product_of_any_shape(void **state)
{
    (void)state;
    for (size_t n = 1; n <= MOST; n++)
        try_product(1 + n % 13, n, 1 + n % 7);
    for (int i = 0; i < 150; i++)
        try_product(1 + rng_below(&rng, 70), 1 + rng_below(&rng, 70),
                    1 + rng_below(&rng, 70));
}

static void test_kernels__gemm_sums_over_several_blocks_of_k(void **state)
{
    (void)state;
    for (size_t k_size = 511; k_size < 515; k_size++)
        try_product(7, 33, k_size);
    try_product(13, 70, 1025);
    try_product(1, 131, 1600);
}

static void test_kernels__gemm_over_nothing_is_zero_or_as_before(void **state)
{
    (void)state;
    EACH_TABLE(k)
    {
        float c[6] = {1, 2, 3, 4, 5, 6};
        const float a[1] = {1}, b[1] = {1};
        struct gemm g = {.m = 2, .n = 3, .k = 0, .a = a, .b = b, .c = c, .ldc = 3};
        g.add = true;
        k->gemm(&g);
        assert_true(c[0] == 1 && c[5] == 6);
        g.add = false;
        k->gemm(&g);
        for (size_t i = 0; i < 6; i++)
            assert_true(c[i] == 0);
    }
}

/* A column's bits do not depend on the columns beside it either. */
static void test_kernels__a_column_of_gemm_alone_has_the_same_bits(void **state)
{
    (void)state;
    enum { M = 9, N = 75, K = 600 };
    float *a = malloc(M * K * sizeof(float)), *b = malloc(K * N * sizeof(float)),
          *c = malloc(M * N * sizeof(float)), one[M];
    assert_true(a && b && c);
    fill(a, M * K);
    fill(b, K * N);
    EACH_TABLE(k)
    {
        struct gemm g = {.m = M, .n = N, .k = K, .a = a, .a_row = K, .a_col = 1, .b = b};
        g.ldb = N;
        g.c = c;
        g.ldc = N;
        k->gemm(&g);
        g.n = 1;
        g.c = one;
        g.ldc = 1;
        for (size_t j = 0; j < N; j++) {
            g.b = b + j;
            k->gemm(&g);
            for (size_t i = 0; i < M; i++)
                assert_memory_equal(&one[i], &c[i * N + j], sizeof(float));
        }
    }
    free(a);
    free(b);
    free(c);
}

/* ---- gathering ----------------------------------------------------------------- */

static void check_gather(const struct kernels *k, size_t d)
{
    enum { ROWS = 6, N = 9 };
    const uint32_t id[N] = {5, 0, 3, 3, 1, 0, 4, 5, 3}; /* repeats, and 2 not at all */
    float t[ROWS * MOST + GUARD], h[MOST], g[N], out[N + GUARD], dh[MOST + GUARD];
    fill(t, ROWS * d);
    fill(h, d);
    fill(g, N);
    set_guard(t + ROWS * d);
    set_guard(out + N);
    set_guard(dh + d);
    for (size_t i = 0; i < d; i++)
        dh[i] = 1;
    k->gather_dots(out, h, t, id, N, d);
    k->gather_sum(dh, g, t, id, N, d);
    for (size_t j = 0; j < N; j++) {
        double want = 0, size = 0;
        for (size_t i = 0; i < d; i++) {
            want += (double)h[i] * (double)t[id[j] * d + i];
            size += fabs((double)h[i] * (double)t[id[j] * d + i]);
        }
        near(k, "gather_dots", out[j], want, size, 1e-6);
    }
    float before[ROWS * MOST];
    memcpy(before, t, ROWS * d * sizeof(float));
    k->scatter_add(t, g, h, id, N, d);
    for (size_t i = 0; i < d; i++) {
        double sum = 1, added[ROWS] = {0};
        for (size_t j = 0; j < N; j++) {
            sum += (double)g[j] * (double)before[id[j] * d + i];
            added[id[j]] += (double)g[j] * (double)h[i];
        }
        near(k, "gather_sum", dh[i], sum, 20, 1e-6);
        for (size_t row = 0; row < ROWS; row++)
            near(k, "scatter_add", t[row * d + i],
                 (double)before[row * d + i] + added[row], 20, row == 2 ? 0 : 1e-6);
    }
    check_guard(k, "gather_dots", out + N);
    check_guard(k, "gather_sum", dh + d);
    check_guard(k, "scatter_add", t + ROWS * d);
}

static void test_kernels__gathers_follow_their_ids_at_every_length(void **state)
{
    (void)state;
    for (size_t d = 1; d <= MOST; d++)
        EACH_TABLE(k)
    check_gather(k, d);
}

/* ---- dropout and Adam ---------------------------------------------------------- */

static void test_kernels__dropout_is_the_same_on_every_set_and_in_pieces(void **state)
{
    (void)state;
    for (size_t n = 1; n <= MOST; n++) {
        const struct dropout d = {.seed = 77 + (uint32_t)n, .first = 5, .rate = 0.3f};
        float x[MOST], want[MOST], got[MOST + GUARD];
        fill(x, n);
        memcpy(want, x, n * sizeof(float));
        for (size_t i = 0; i < n; i++) { /* one by one */
            struct dropout one = d;
            one.first += (uint32_t)i;
            kernels_plain.dropout(want + i, 1, &one);
        }
        EACH_TABLE(k)
        {
            memcpy(got, x, n * sizeof(float));
            set_guard(got + n);
            k->dropout(got, n, &d);
            assert_memory_equal(got, want, n * sizeof(float));
            check_guard(k, "dropout", got + n);
        }
    }
}

static void test_kernels__dropout_keeps_its_share_and_scales_the_rest(void **state)
{
    (void)state;
    enum { N = 200000 };
    float *x = malloc(N * sizeof(*x)), *first = malloc(N * sizeof(*x));
    assert_true(x && first);
    for (int tenth = 0; tenth < 10; tenth += 3)
        for (uint32_t seed = 1; seed < 4; seed++) {
            const struct dropout d = {.seed = seed * 1000, .rate = (float)tenth / 10};
            size_t kept = 0, runs = 0, alike = 0;
            for (size_t i = 0; i < N; i++)
                x[i] = 2;
            kernels_get()->dropout(x, N, &d);
            for (size_t i = 0; i < N; i++) {
                if (x[i] != 0)
                    near(kernels_get(), "dropout", x[i], 20.0 / (10 - tenth), 4, 1e-6);
                kept += x[i] != 0;
                runs += i > 0 && (x[i] != 0) == (x[i - 1] != 0);
                alike += seed > 1 && (x[i] != 0) == (first[i] != 0);
            }
            const double p = 1 - tenth / 10.0, same = p * p + (1 - p) * (1 - p);
            assert_true(fabs((double)kept / N - p) < 0.006);
            assert_true(fabs((double)runs / N - same) < 0.008); /* neighbours and */
            if (seed > 1) /* seeds are independent */
                assert_true(fabs((double)alike / N - same) < 0.008);
            memcpy(first, x, N * sizeof(*x));
        }
    free(x);
    free(first);
}

static void check_adam(const struct kernels *k, size_t n)
{
    float param[MOST + GUARD], mean[MOST + GUARD], square[MOST + GUARD], gradient[MOST];
    double p[MOST], m[MOST] = {0}, s[MOST] = {0};
    fill(param, n);
    for (size_t i = 0; i < n; i++)
        p[i] = (double)param[i];
    memset(mean, 0, sizeof(mean));
    memset(square, 0, sizeof(square));
    set_guard(param + n);
    set_guard(mean + n);
    set_guard(square + n);
    for (int step = 1; step <= 4; step++) {
        fill(gradient, n);
        gradient[0] = 0; /* 0 / (0 + epsilon) */
        const struct adam a = {.param = param,
                               .mean = mean,
                               .square = square,
                               .gradient = gradient,
                               .n = n,
                               .rate = 0.05f,
                               .beta1 = 0.9f,
                               .beta2 = 0.98f,
                               .epsilon = 1e-8f,
                               .decay = 0.3f,
                               .bias1 = (float)(1 - pow(0.9, step)),
                               .bias2 = (float)(1 - pow(0.98, step))};
        k->adam(&a);
        for (size_t i = 0; i < n; i++) {
            const double g = (double)gradient[i];
            m[i] = 0.9 * m[i] + 0.1 * g;
            s[i] = 0.98 * s[i] + 0.02 * g * g;
            p[i] -= 0.05 * 0.3 * p[i] + 0.05 * (m[i] / (1 - pow(0.9, step))) /
                                            (sqrt(s[i] / (1 - pow(0.98, step))) + 1e-8);
            near(k, "adam's parameter", param[i], p[i], 1 + fabs(p[i]), 1e-6);
            near(k, "adam's mean", mean[i], m[i], 1, 1e-6);
            near(k, "adam's square", square[i], s[i], 1 + s[i], 1e-6);
        }
    }
    check_guard(k, "adam", param + n);
    check_guard(k, "adam", mean + n);
    check_guard(k, "adam", square + n);
}

static void test_kernels__adam_follows_the_formula_at_every_length(void **state)
{
    (void)state;
    for (size_t n = 1; n <= MOST; n++)
        EACH_TABLE(k)
    check_adam(k, n);
}

/* ---- bfloat16 ------------------------------------------------------------------ */

/* Round to nearest even by hand. */
static uint32_t bf16_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof(bits));
    return (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
}

static double from_bf16(uint32_t half)
{
    const uint32_t bits = half << 16;
    float x;
    memcpy(&x, &bits, sizeof(x));
    return (double)x;
}

static uint32_t pair_of(float low, float high)
{
    return bf16_of(low) | bf16_of(high) << 16;
}

static const struct kernels_bf16 *bf16_or_skip(void)
{
    const struct kernels_bf16 *k = kernels_bf16_get();
    if (!k)
        printf("SKIP this processor has no bfloat16 products\n");
    return k;
}

/* Ties, both ways, and whole numbers of bfloat16 among random ones. */
static void fill_bf16(float *x, size_t n)
{
    fill(x, n);
    for (size_t i = 0; i < n; i += 5) {
        const uint32_t bits = 0x3F808000u + ((uint32_t)rng_below(&rng, 64) << 16);
        memcpy(&x[i], &bits, sizeof(bits));
    }
}

static void test_kernels__bfloat16_pairs_are_rounded_to_nearest_even(void **state)
{
    (void)state;
    const struct kernels_bf16 *k = bf16_or_skip();
    enum { ROWS = 5, HALF = (MOST + 1) / 2 };
    for (size_t d = 1; k && d <= MOST; d++)
        for (size_t rows = 1; rows <= ROWS; rows++) {
            float x[ROWS * MOST];
            uint32_t along[ROWS * HALF + 1], down[ROWS * MOST + 1];
            const size_t half = (d + 1) / 2, pairs = (rows + 1) / 2;
            fill_bf16(x, rows * d);
            along[rows * half] = down[pairs * d] = 0xDEADBEEF;
            k->pairs_along(along, x, rows, d);
            k->pairs_down(down, x, rows, d);
            for (size_t r = 0; r < rows; r++)
                for (size_t i = 0; i < d; i += 2)
                    assert_int_equal(
                        along[r * half + i / 2],
                        pair_of(x[r * d + i], i + 1 < d ? x[r * d + i + 1] : 0));
            for (size_t r = 0; r < rows; r += 2)
                for (size_t i = 0; i < d; i++)
                    assert_int_equal(
                        down[r / 2 * d + i],
                        pair_of(x[r * d + i], r + 1 < rows ? x[(r + 1) * d + i] : 0));
            assert_int_equal(along[rows * half], 0xDEADBEEF);
            assert_int_equal(down[pairs * d], 0xDEADBEEF);
        }
}

static void test_kernels__bfloat16_pairs_of_two_rows_are_scaled_first(void **state)
{
    (void)state;
    const struct kernels_bf16 *k = bf16_or_skip();
    enum { HALF = (MOST + 1) / 2 };
    const float s[2] = {0.37f, -2.5f};
    for (size_t d = 1; k && d <= MOST; d++)
        for (int two = 0; two < 2; two++) {
            float x[2][MOST], scaled[2][MOST + 1] = {{0}};
            uint32_t along[2][HALF + 1], down[MOST + 1];
            fill(x[0], d);
            fill(x[1], d);
            memset(along, 0xAB, sizeof(along));
            memset(down, 0xAB, sizeof(down));
            for (size_t i = 0; i < d; i++) {
                scaled[0][i] = x[0][i] * s[0];
                scaled[1][i] = two ? x[1][i] * s[1] : 0;
            }
            scaled[0][d] = 0 * s[0]; /* what pads a row is scaled too */
            scaled[1][d] = 0 * s[1];
            k->pairs_both(along[0], along[1], down, x[0], two ? x[1] : NULL, s, d);
            for (size_t i = 0; i < d; i++)
                assert_int_equal(down[i], pair_of(scaled[0][i], scaled[1][i]));
            for (size_t r = 0; r < 2; r++)
                for (size_t i = 0; i < d; i += 2)
                    assert_int_equal(along[r][i / 2],
                                     r && !two ? 0xABABABAB /* left alone */
                                               : pair_of(scaled[r][i], scaled[r][i + 1]));
            for (size_t r = 0; r < 2; r++)
                assert_int_equal(along[r][(d + 1) / 2], 0xABABABAB);
            assert_int_equal(down[d], 0xABABABAB);
        }
}

static void try_pairs(const struct kernels_bf16 *k, size_t m, size_t n, size_t pairs)
{
    const size_t wide = rng_below(&rng, 3);
    const bool transposed = rng_below(&rng, 2), add = rng_below(&rng, 2);
    uint32_t *a = malloc((m + wide) * (pairs + wide) * sizeof(*a)),
             *b = malloc(pairs * n * sizeof(*b));
    float *c = malloc(m * n * sizeof(*c)), *start = malloc(m * n * sizeof(*c));
    assert_true(a && b && c && start);
    for (size_t i = 0; i < (m + wide) * (pairs + wide); i++)
        a[i] = pair_of(rng_normal(&rng), rng_normal(&rng));
    for (size_t i = 0; i < pairs * n; i++)
        b[i] = pair_of(rng_normal(&rng), rng_normal(&rng));
    fill(start, m * n);
    memcpy(c, start, m * n * sizeof(*c));
    struct gemm_pairs g = {.m = m,
                           .n = n,
                           .k = pairs,
                           .a = a,
                           .a_row = transposed ? 1 : pairs + wide,
                           .a_col = transposed ? m + wide : 1,
                           .b = b,
                           .ldb = n,
                           .c = c,
                           .ldc = n,
                           .add = add};
    k->gemm(&g);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double want = add ? (double)start[i * n + j] : 0, size = fabs(want);
            for (size_t p = 0; p < pairs; p++) {
                const uint32_t x = a[i * g.a_row + p * g.a_col], y = b[p * n + j];
                const double low = from_bf16(x & 0xFFFF) * from_bf16(y & 0xFFFF),
                             high = from_bf16(x >> 16) * from_bf16(y >> 16);
                want += low + high;
                size += fabs(low) + fabs(high);
            }
            if (!(fabs((double)c[i * n + j] - want) <= 2e-6 * size))
                fail_msg("bfloat16 gemm: %.9g, not %.9g", (double)c[i * n + j], want);
        }
    g.m = 1; /* and a row alone has the same bits */
    g.a += (m - 1) * g.a_row;
    g.c = start + (m - 1) * n;
    k->gemm(&g);
    assert_memory_equal(start + (m - 1) * n, c + (m - 1) * n, n * sizeof(*c));
    free(a);
    free(b);
    free(c);
    free(start);
}

static void test_kernels__bfloat16_gemm_multiplies_exactly(void **state)
{
    (void)state;
    const struct kernels_bf16 *k = bf16_or_skip();
    for (int i = 0; k && i < 100; i++)
        try_pairs(k, 1 + rng_below(&rng, 70), 1 + rng_below(&rng, 70),
                  1 + rng_below(&rng, 70));
    for (size_t n = 1; k && n <= MOST; n++)
        try_pairs(k, 1 + n % 7, n, 1 + n % 5);
    if (k)
        try_pairs(k, 7, 33, 777);
}

/* ---- choosing ------------------------------------------------------------------ */

static void test_kernels__the_limit_chooses_the_table(void **state)
{
    (void)state;
    cpu_limit(CPU_PLAIN);
    assert_ptr_equal(kernels_get(), &kernels_plain);
    assert_null(kernels_bf16_get());
    cpu_limit(CPU_AVX2);
    assert_ptr_equal(kernels_get(), table[n_tables > 1 ? 1 : 0]);
    assert_null(kernels_bf16_get());
    cpu_limit(CPU_AVX512_ALL);
    assert_ptr_equal(kernels_get(), table[n_tables - 1]);
    EACH_TABLE(k)
    {
        const struct kernels *next = table[k_i + 1 < n_tables ? k_i + 1 : k_i];
        assert_true(k == next || k->gemm != next->gemm);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernels__elements_are_as_defined_at_every_length),
        cmocka_unit_test(test_kernels__backward_works_in_place),
        cmocka_unit_test(test_kernels__dot_is_a_sum_of_products),
        cmocka_unit_test(test_kernels__numbers_below_a_value_are_counted),
        cmocka_unit_test(test_kernels__exp_is_within_three_in_ten_million),
        cmocka_unit_test(test_kernels__extreme_scores_stay_finite),
        cmocka_unit_test(test_kernels__softmax_is_as_defined_at_every_length),
        cmocka_unit_test(test_kernels__norms_are_as_defined_at_every_length),
        cmocka_unit_test(test_kernels__norms_of_all_sets_agree),
        cmocka_unit_test(test_kernels__a_row_of_norms_alone_has_the_same_bits),
        cmocka_unit_test(test_kernels__gemm_is_a_matrix_product_of_any_shape),
        cmocka_unit_test(test_kernels__gemm_sums_over_several_blocks_of_k),
        cmocka_unit_test(test_kernels__gemm_over_nothing_is_zero_or_as_before),
        cmocka_unit_test(test_kernels__a_column_of_gemm_alone_has_the_same_bits),
        cmocka_unit_test(test_kernels__gathers_follow_their_ids_at_every_length),
        cmocka_unit_test(test_kernels__dropout_is_the_same_on_every_set_and_in_pieces),
        cmocka_unit_test(test_kernels__dropout_keeps_its_share_and_scales_the_rest),
        cmocka_unit_test(test_kernels__adam_follows_the_formula_at_every_length),
        cmocka_unit_test(test_kernels__bfloat16_pairs_are_rounded_to_nearest_even),
        cmocka_unit_test(test_kernels__bfloat16_pairs_of_two_rows_are_scaled_first),
        cmocka_unit_test(test_kernels__bfloat16_gemm_multiplies_exactly),
        cmocka_unit_test(test_kernels__the_limit_chooses_the_table),
    };
    rng_init(&rng, 2024, 1);
    find_tables();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

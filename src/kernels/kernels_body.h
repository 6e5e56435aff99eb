/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernels, written once in the operations of simd.h; each kernels_<set>.c includes
 * this and gets its own instruction set's version with KERNELS_TABLE as the table's name.
 */
#include "kernels/kernels.h"
#include "kernels/simd.h"

#define GEMM_NAME          gemm_float
#define GEMM_STRUCT        gemm
#define GEMM_A             float
#define GEMM_VEC           vec
#define GEMM_LOAD(p)       v_load(p)
#define GEMM_LOAD_N(p, n)  v_load_n(p, n)
#define GEMM_SPLAT(x)      v_set(x)
#define GEMM_STEP(a, b, c) v_fma(a, b, c)
static void gemm_float(const struct gemm *g);
#include "kernels/gemm_body.h"

/* Runs BODY(p, load, store) over n floats, whole vectors first and then the rest. */
#define EACH(i, n, WHOLE, REST)                                                          \
    do {                                                                                 \
        size_t i = 0;                                                                    \
        for (; i + LANES <= (n); i += LANES) {                                           \
            WHOLE;                                                                       \
        }                                                                                \
        if (i < (n)) {                                                                   \
            const size_t rest = (n)-i;                                                   \
            REST;                                                                        \
        }                                                                                \
    } while (0)

/* Cephes expf: 2^n times a polynomial on [-ln2/2, ln2/2]; 2 ulp. */
SIMD_INLINE vec v_exp(vec x)
{
    x = v_min(v_max(x, v_set(-87.0f)), v_set(88.0f));
    const vec n = v_round(v_mul(x, v_set(1.44269504f)));
    vec r = v_fma(n, v_set(-0.693359375f), x);
    r = v_fma(n, v_set(2.12194440e-4f), r);
    vec p = v_set(1.9875691500e-4f);
    p = v_fma(p, r, v_set(1.3981999507e-3f));
    p = v_fma(p, r, v_set(8.3334519073e-3f));
    p = v_fma(p, r, v_set(4.1665795894e-2f));
    p = v_fma(p, r, v_set(1.6666665459e-1f));
    p = v_fma(p, r, v_set(5.0000001201e-1f));
    p = v_add(v_fma(v_mul(p, r), r, r), v_set(1.0f));
    return v_scale2(p, n);
}

SIMD_INLINE vec v_sigmoid(vec x)
{
    return v_div(v_set(1.0f), v_add(v_set(1.0f), v_exp(v_sub(v_zero(), x))));
}

static float row_sum(const float *x, size_t n)
{
    vec s = v_zero();
    EACH(i, n, s = v_add(s, v_load(x + i)), s = v_add(s, v_load_n(x + i, rest)));
    return v_sum(s);
}

static float dot(const float *a, const float *b, size_t n)
{
    vec s = v_zero();
    EACH(i, n, s = v_fma(v_load(a + i), v_load(b + i), s),
         s = v_fma(v_load_n(a + i, rest), v_load_n(b + i, rest), s));
    return v_sum(s);
}

/* sum of (x - m)^2; the lanes past the end must not count m^2 */
static float row_spread(const float *x, float m, size_t n)
{
    const vec mean = v_set(m);
    vec s = v_zero();
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        const vec c = v_sub(v_load(x + i), mean);
        s = v_fma(c, c, s);
    }
    float sum = v_sum(s);
    for (; i < n; i++)
        sum += (x[i] - m) * (x[i] - m);
    return sum;
}

static void norm_forward(float *y, float *stat, const float *x, const float *w,
                         size_t rows, size_t d)
{
    for (size_t t = 0; t < rows; t++, x += d, y += d, stat += 2) {
        const float m = row_sum(x, d) / (float)d;
        const float variance = row_spread(x, m, d) / (float)d;
        float r;
        v_store_n(&r, v_div(v_set(1.0f), v_sqrt(v_set(variance + 1e-6f))), 1);
        stat[0] = m;
        stat[1] = r;
        const vec mean = v_set(m), rstd = v_set(r);
#define NORM(LOAD, STORE)                                                                \
    STORE(v_fma(v_mul(v_sub(LOAD(x + i), mean), rstd), LOAD(w + i), LOAD(w + d + i)))
#define LOAD_REST(p)   v_load_n(p, rest)
#define STORE_WHOLE(v) v_store(y + i, v)
#define STORE_REST(v)  v_store_n(y + i, v, rest)
        EACH(i, d, NORM(v_load, STORE_WHOLE), NORM(LOAD_REST, STORE_REST));
#undef NORM
    }
}

/* With n = (x - mean) rstd and g = dy w: dx += rstd (g - mean(g) - n mean(g n)). */
static void norm_backward(float *dx, float *dw, const float *dy, const float *x,
                          const float *stat, const float *w, size_t rows, size_t d)
{
    for (size_t t = 0; t < rows; t++, x += d, dx += d, dy += d, stat += 2) {
        const vec mean = v_set(stat[0]), rstd = v_set(stat[1]);
        vec sum_g = v_zero(), sum_gn = v_zero();
#define SUMS(LOAD, STORE_SCALE, STORE_SHIFT, KEEP)                                       \
    const vec n = KEEP(v_mul(v_sub(LOAD(x + i), mean), rstd)), up = LOAD(dy + i);        \
    const vec g = v_mul(up, LOAD(w + i));                                                \
    sum_g = v_add(sum_g, g);                                                             \
    sum_gn = v_fma(g, n, sum_gn);                                                        \
    STORE_SCALE(v_fma(up, n, LOAD(dw + i)));                                             \
    STORE_SHIFT(v_add(up, LOAD(dw + d + i)))
#define SCALE_WHOLE(v) v_store(dw + i, v)
#define SCALE_REST(v)  v_store_n(dw + i, v, rest)
#define SHIFT_WHOLE(v) v_store(dw + d + i, v)
#define SHIFT_REST(v)  v_store_n(dw + d + i, v, rest)
#define AS_IS(v)       (v)
        EACH(i, d, SUMS(v_load, SCALE_WHOLE, SHIFT_WHOLE, AS_IS),
             SUMS(LOAD_REST, SCALE_REST, SHIFT_REST, AS_IS));
        const vec mean_g = v_set(v_sum(sum_g) / (float)d);
        const vec mean_gn = v_set(v_sum(sum_gn) / (float)d);
#define STEP(LOAD, STORE)                                                                \
    const vec n = v_mul(v_sub(LOAD(x + i), mean), rstd);                                 \
    const vec g = v_mul(LOAD(dy + i), LOAD(w + i));                                      \
    const vec c = v_sub(v_sub(g, mean_g), v_mul(n, mean_gn));                            \
    STORE(v_fma(rstd, c, LOAD(dx + i)))
#define DX_WHOLE(v) v_store(dx + i, v)
#define DX_REST(v)  v_store_n(dx + i, v, rest)
        EACH(i, d, STEP(v_load, DX_WHOLE), STEP(LOAD_REST, DX_REST));
#undef SUMS
#undef STEP
    }
}

static void silu_forward(float *y, const float *x, size_t n)
{
#define STEP(LOAD, STORE)                                                                \
    const vec v = LOAD(x + i);                                                           \
    STORE(v_mul(v, v_sigmoid(v)))
    EACH(i, n, STEP(v_load, STORE_WHOLE), STEP(LOAD_REST, STORE_REST));
#undef STEP
}

/* silu'(x) = s (1 + x (1 - s)) */
static void silu_backward(float *dx, const float *dy, const float *x, size_t n)
{
    const vec one = v_set(1.0f);
#define STEP(LOAD, STORE)                                                                \
    const vec v = LOAD(x + i), s = v_sigmoid(v);                                         \
    STORE(v_mul(LOAD(dy + i), v_mul(s, v_fma(v, v_sub(one, s), one))))
#define SET_WHOLE(v) v_store(dx + i, v)
#define SET_REST(v)  v_store_n(dx + i, v, rest)
    EACH(i, n, STEP(v_load, SET_WHOLE), STEP(LOAD_REST, SET_REST));
#undef STEP
}

static void relu_forward(float *y, const float *x, size_t n)
{
    EACH(i, n, v_store(y + i, v_max(v_load(x + i), v_zero())),
         v_store_n(y + i, v_max(v_load_n(x + i, rest), v_zero()), rest));
}

static void relu_backward(float *dx, const float *dy, const float *y, size_t n)
{
    EACH(i, n, v_store(dx + i, v_if_greater(v_load(y + i), v_zero(), v_load(dy + i))),
         v_store_n(dx + i,
                   v_if_greater(v_load_n(y + i, rest), v_zero(), v_load_n(dy + i, rest)),
                   rest));
}

static void sigmoid(float *x, size_t n)
{
    EACH(i, n, v_store(x + i, v_sigmoid(v_load(x + i))),
         v_store_n(x + i, v_sigmoid(v_load_n(x + i, rest)), rest));
}

static float row_top(const float *x, size_t n)
{
    size_t i = 0;
    float top = x[0];
    if (n >= LANES) {
        vec m = v_load(x);
        for (; i + LANES <= n; i += LANES)
            m = v_max(m, v_load(x + i));
        top = v_top(m);
    }
    for (; i < n; i++)
        top = x[i] > top ? x[i] : top;
    return top;
}

static float exp_row(float *x, float *top, size_t n)
{
    *top = row_top(x, n);
    const vec m = v_set(*top);
    vec sum = v_zero();
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        const vec e = v_exp(v_sub(v_load(x + i), m));
        sum = v_add(sum, e);
        v_store(x + i, e);
    }
    float total = v_sum(sum);
    if (i < n) {
        float rest[LANES];
        v_store_n(x + i, v_exp(v_sub(v_load_n(x + i, n - i), m)), n - i);
        v_store(rest, v_load_n(x + i, n - i));
        for (size_t j = 0; j < n - i; j++)
            total += rest[j];
    }
    return total;
}

static void scale(float *y, float s, size_t n)
{
    const vec f = v_set(s);
    EACH(i, n, v_store(y + i, v_mul(v_load(y + i), f)),
         v_store_n(y + i, v_mul(v_load_n(y + i, rest), f), rest));
}

static void softmax_row(float *x, size_t n)
{
    float top;
    const float sum = exp_row(x, &top, n);
    scale(x, 1.0f / sum, n);
}

static void softmax_backward_row(float *dx, const float *p, size_t n)
{
    const vec mean = v_set(dot(dx, p, n));
    EACH(i, n, v_store(dx + i, v_mul(v_load(p + i), v_sub(v_load(dx + i), mean))),
         v_store_n(dx + i,
                   v_mul(v_load_n(p + i, rest), v_sub(v_load_n(dx + i, rest), mean)),
                   rest));
}

static void add(float *y, const float *x, size_t n)
{
    EACH(i, n, v_store(y + i, v_add(v_load(y + i), v_load(x + i))),
         v_store_n(y + i, v_add(v_load_n(y + i, rest), v_load_n(x + i, rest)), rest));
}

static void add_scaled(float *y, const float *x, float s, size_t n)
{
    const vec f = v_set(s);
    EACH(i, n, v_store(y + i, v_fma(f, v_load(x + i), v_load(y + i))),
         v_store_n(y + i, v_fma(f, v_load_n(x + i, rest), v_load_n(y + i, rest)), rest));
}

static void multiply(float *y, const float *a, const float *b, size_t n)
{
    EACH(i, n, v_store(y + i, v_mul(v_load(a + i), v_load(b + i))),
         v_store_n(y + i, v_mul(v_load_n(a + i, rest), v_load_n(b + i, rest)), rest));
}

static size_t count_below(const float *x, float value, size_t n)
{
    const vec limit = v_set(value), one = v_set(1.0f);
    vec count = v_zero();
    size_t i = 0, below = 0;
    for (; i + LANES <= n; i += LANES)
        count = v_add(count, v_if_greater(limit, v_load(x + i), one));
    for (; i < n; i++)
        below += x[i] < value;
    return below + (size_t)v_sum(count);
}

/* 24 bits of a hash (lowbias32, Wellons 2018) of each element's number. */
SIMD_INLINE vec v_random(uint32_t seed, uint32_t i)
{
    ivec h = i_xor(i_mul(i_count(i), i_set(0x9E3779B1u)), i_set(seed));
    h = i_mul(i_xor(h, i_right(h, 16)), i_set(0x7FEB352Du));
    h = i_mul(i_xor(h, i_right(h, 15)), i_set(0x846CA68Bu));
    return i_float(i_right(i_xor(h, i_right(h, 16)), 8));
}

static void dropout(float *x, size_t n, const struct dropout *d)
{
    const vec keep = v_set((1.0f - d->rate) * 0x1p24f),
              f = v_set(1.0f / (1.0f - d->rate));
#define STEP(LOAD, STORE)                                                                \
    const vec r = v_random(d->seed, d->first + (uint32_t)i);                             \
    STORE(v_if_greater(keep, r, v_mul(LOAD(x + i), f)))
#define X_WHOLE(v) v_store(x + i, v)
#define X_REST(v)  v_store_n(x + i, v, rest)
    EACH(i, n, STEP(v_load, X_WHOLE), STEP(LOAD_REST, X_REST));
#undef STEP
}

static void adam(const struct adam *a)
{
    const vec b1 = v_set(a->beta1), c1 = v_set(1 - a->beta1), b2 = v_set(a->beta2);
    const vec c2 = v_set(1 - a->beta2), eps = v_set(a->epsilon);
    const vec rate = v_set(a->rate / a->bias1), by2 = v_set(1 / a->bias2);
    const vec keep = v_set(1 - a->rate * a->decay);
#define STEP(LOAD, STORE)                                                                \
    const vec g = LOAD(a->gradient + i);                                                 \
    const vec m = v_fma(b1, LOAD(a->mean + i), v_mul(c1, g));                            \
    const vec s = v_fma(b2, LOAD(a->square + i), v_mul(c2, v_mul(g, g)));                \
    const vec by = v_add(v_sqrt(v_mul(s, by2)), eps);                                    \
    const vec p = v_mul(LOAD(a->param + i), keep);                                       \
    STORE(a->mean, m);                                                                   \
    STORE(a->square, s);                                                                 \
    STORE(a->param, v_sub(p, v_div(v_mul(rate, m), by)))
#define TO_WHOLE(p, v) v_store((p) + i, v)
#define TO_REST(p, v)  v_store_n((p) + i, v, rest)
    EACH(i, a->n, STEP(v_load, TO_WHOLE), STEP(LOAD_REST, TO_REST));
#undef STEP
}

static void gather_dots(float *out, const float *h, const float *table,
                        const uint32_t *id, size_t n, size_t d)
{
    for (size_t j = 0; j < n; j++)
        out[j] = dot(h, table + (size_t)id[j] * d, d);
}

static void gather_sum(float *dh, const float *g, const float *table, const uint32_t *id,
                       size_t n, size_t d)
{
    size_t c = 0;
    for (; c + 4 * LANES <= d; c += 4 * LANES) {
        vec s[4];
        for (size_t v = 0; v < 4; v++)
            s[v] = v_load(dh + c + v * LANES);
        for (size_t j = 0; j < n; j++) {
            const float *row = table + (size_t)id[j] * d + c;
            const vec by = v_set(g[j]);
            for (size_t v = 0; v < 4; v++)
                s[v] = v_fma(by, v_load(row + v * LANES), s[v]);
        }
        for (size_t v = 0; v < 4; v++)
            v_store(dh + c + v * LANES, s[v]);
    }
    for (size_t j = 0; j < n && c < d; j++)
        add_scaled(dh + c, table + (size_t)id[j] * d + c, g[j], d - c);
}

static void scatter_add(float *table, const float *g, const float *h, const uint32_t *id,
                        size_t n, size_t d)
{
    for (size_t j = 0; j < n; j++)
        add_scaled(table + (size_t)id[j] * d, h, g[j], d);
}

const struct kernels KERNELS_TABLE = {
    .name = KERNELS_NAME,
    .gemm = gemm_float,
    .norm_forward = norm_forward,
    .norm_backward = norm_backward,
    .silu_forward = silu_forward,
    .silu_backward = silu_backward,
    .relu_forward = relu_forward,
    .relu_backward = relu_backward,
    .sigmoid = sigmoid,
    .exp_row = exp_row,
    .softmax_row = softmax_row,
    .softmax_backward_row = softmax_backward_row,
    .add = add,
    .add_scaled = add_scaled,
    .scale = scale,
    .multiply = multiply,
    .count_below = count_below,
    .dot = dot,
    .dropout = dropout,
    .adam = adam,
    .gather_dots = gather_dots,
    .gather_sum = gather_sum,
    .scatter_add = scatter_add,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* PCA, and content vectors from fitting to the checkpoint and back. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/files.h"
#include "base/rng.h"
#include "behaviour/import.h"
#include "model/content_space.h"
#include "model/eigen.h"
#include "model/pca.h"

/* ---- eigenvalues ---- */

static void test_eigen__rebuilds_the_matrix(void **unused)
{
    (void)unused;
    struct rng rng;
    rng_init(&rng, 1, 0);
    for (uint32_t n = 1; n <= 40; n += 3) {
        double a[1600], keep[1600], value[40], v[1600];
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t j = 0; j <= i; j++)
                a[i * n + j] = a[j * n + i] = (double)rng_normal(&rng);
        memcpy(keep, a, sizeof(a));
        eigen_symmetric(a, n, value, v);
        for (uint32_t i = 0; i < n; i++) {
            if (i)
                assert_true(value[i - 1] >= value[i]);
            for (uint32_t j = 0; j < n; j++) {
                double sum = 0, square = 0;
                for (uint32_t k = 0; k < n; k++) {
                    sum += v[i * n + k] * value[k] * v[j * n + k];
                    square += v[k * n + i] * v[k * n + j];
                }
                assert_true(fabs(sum - keep[i * n + j]) < 1e-10);
                assert_true(fabs(square - (i == j)) < 1e-12);
            }
        }
    }
}

/* ---- PCA ---- */

enum { ROWS = 300, DIM = 40 };

/* Rows with a decaying spectrum and a mean; sparse where `sparse`. */
static void make_rows(float *x, bool sparse)
{
    struct rng rng;
    rng_init(&rng, 2, 0);
    float basis[DIM * DIM];
    for (int i = 0; i < DIM * DIM; i++)
        basis[i] = rng_normal(&rng);
    memset(x, 0, sizeof(*x) * ROWS * DIM);
    for (int i = 0; i < ROWS; i++) {
        for (int c = 0; c < DIM; c++) {
            const float at = rng_normal(&rng) * powf(0.85F, (float)c);
            for (int j = 0; j < DIM; j++)
                x[i * DIM + j] += at * basis[c * DIM + j];
        }
        for (int j = 0; j < DIM; j++) {
            x[i * DIM + j] += (float)(j % 5);
            if (sparse && !rng_below(&rng, 3))
                x[i * DIM + j] = 0;
        }
    }
}

/* The definition: the covariance in double and all its eigenvectors. */
static void direct(const float *x, double *value, double *vector, double *mean)
{
    static double cov[DIM * DIM];
    memset(cov, 0, sizeof(cov));
    memset(mean, 0, DIM * sizeof(*mean));
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < DIM; j++)
            mean[j] += (double)x[i * DIM + j] / ROWS;
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < DIM; j++)
            for (int k = 0; k < DIM; k++)
                cov[j * DIM + k] += ((double)x[i * DIM + j] - mean[j]) *
                                    ((double)x[i * DIM + k] - mean[k]) / ROWS;
    eigen_symmetric(cov, DIM, value, vector);
}

static void check_pca(const struct pca *p, const float *x, uint32_t out)
{
    static double value[DIM], vector[DIM * DIM], mean[DIM];
    direct(x, value, vector, mean);
    assert_int_equal(p->out, out);
    for (uint32_t c = 0; c < out; c++) {
        assert_true(fabs(p->eigenvalue[c] - value[c]) <
                    (out == DIM ? 1e-5 : 1e-3) * value[0]);
        double cosine = 0, offset = 0;
        for (uint32_t j = 0; j < DIM; j++) {
            cosine += (double)p->projection[j * out + c] * vector[j * DIM + c];
            offset += (double)p->projection[j * out + c] * mean[j];
        }
        if (c < 8) /* later ones turn among their near equals */
            assert_true(fabs(cosine) > 0.999);
        assert_true(fabs((double)p->offset[c] - offset) < 1e-3);
        for (uint32_t d = 0; d <= c; d++) {
            double product = 0;
            for (uint32_t j = 0; j < DIM; j++)
                product += (double)p->projection[j * out + c] *
                           (double)p->projection[j * out + d];
            assert_true(fabs(product - (c == d)) < 1e-4);
        }
    }
}

static void fit_pca(struct pca *p, const float *x, bool sparse, uint32_t out,
                    uint32_t threads)
{
    static uint64_t start[ROWS + 1];
    static uint32_t col[ROWS * DIM];
    static float value[ROWS * DIM];
    const float *row[ROWS];
    struct penchant_error err;
    uint64_t n = 0;
    for (int i = 0; i < ROWS; i++) {
        row[i] = x + (size_t)i * DIM;
        for (uint32_t j = 0; j < DIM; j++)
            if (row[i][j] != 0) {
                col[n] = j;
                value[n++] = row[i][j];
            }
        start[i + 1] = n;
    }
    const struct pca_rows rows = {.n = ROWS,
                                  .dim = DIM,
                                  .start = start,
                                  .col = col,
                                  .value = value,
                                  .dense = sparse ? NULL : row};
    struct pool *pool = pool_new(threads);
    assert_int_equal(pca_fit(p, &rows, out, 7, pool, &err), PENCHANT_OK);
    pool_free(pool);
}

static void test_pca__equals_a_direct_decomposition(void **unused)
{
    (void)unused;
    static float x[ROWS * DIM];
    struct pca p;
    for (int sparse = 0; sparse < 2; sparse++) {
        make_rows(x, sparse);
        fit_pca(&p, x, sparse, 12, 2);
        check_pca(&p, x, 12);
        pca_release(&p);
        fit_pca(&p, x, sparse, DIM, 1); /* all of them */
        check_pca(&p, x, DIM);
        pca_release(&p);
    }
}

static void test_pca__any_number_of_threads_gives_the_same_bits(void **unused)
{
    (void)unused;
    static float x[ROWS * DIM];
    for (int sparse = 0; sparse < 2; sparse++) {
        struct pca p, q;
        make_rows(x, sparse);
        fit_pca(&p, x, sparse, 12, 1);
        for (uint32_t threads = 2; threads <= 5; threads++) {
            fit_pca(&q, x, sparse, 12, threads);
            assert_memory_equal(p.projection, q.projection, DIM * 12 * sizeof(float));
            assert_memory_equal(p.offset, q.offset, 12 * sizeof(float));
            pca_release(&q);
        }
        pca_release(&p);
    }
}

static void test_pca__rank_ends_the_components(void **unused)
{
    (void)unused;
    static float x[ROWS * DIM];
    struct rng rng;
    struct pca p;
    rng_init(&rng, 3, 0);
    for (int i = 0; i < ROWS; i++) { /* two directions and a mean */
        const float a = rng_normal(&rng), b = rng_normal(&rng);
        for (int j = 0; j < DIM; j++)
            x[i * DIM + j] = 3 + a * (float)(j % 3) + b * (float)(j % 7);
    }
    fit_pca(&p, x, true, 12, 2);
    assert_int_equal(p.out, 2);
    pca_release(&p);
    for (int i = 0; i < ROWS * DIM; i++)
        x[i] = (float)(i % DIM) + 0.1F; /* all alike */
    for (int run = 0; run < 4; run++) {
        fit_pca(&p, x, run % 2, 12, 2);
        assert_int_equal(p.out, 0);
        pca_release(&p);
        for (int i = 0; i < ROWS; i += 3) /* but for the last bit */
            x[i * DIM + i % DIM] = nextafterf(x[i * DIM + i % DIM], 99);
    }
}

static void test_pca__whitening_scales_components_by_their_eigenvalue(void **unused)
{
    (void)unused;
    static float x[ROWS * DIM];
    struct pca p, w;
    make_rows(x, false);
    fit_pca(&p, x, false, 6, 1);
    fit_pca(&w, x, false, 6, 1);
    pca_whiten(&w, 0.25, 0);
    for (uint32_t c = 0; c < 6; c++) {
        const double scale = pow(p.eigenvalue[c] / p.eigenvalue[0], -0.25);
        assert_true(fabs((double)w.offset[c] - scale * (double)p.offset[c]) < 1e-4);
        for (uint32_t j = 0; j < DIM; j++)
            assert_true(fabs((double)w.projection[j * 6 + c] -
                             scale * (double)p.projection[j * 6 + c]) < 1e-5);
    }
    pca_release(&p);
    pca_release(&w);
}

/* ---- a catalogue ---- */

enum { ITEMS = 600, KINDS = 6, VECTOR = 24 };

static const char *const words[KINDS][6] = {
    {"green", "tea", "leaves", "organic", "loose", "sencha"},
    {"running", "shoes", "light", "mesh", "trainers", "sole"},
    {"cast", "iron", "skillet", "pan", "kitchen", "seasoned"},
    {"wool", "scarf", "winter", "soft", "knitted", "cashmere"},
    {"绿茶", "礼盒", "茶叶", "明前", "龙井", "特级"},
    {"手机", "保护壳", "透明", "防摔", "硅胶", "苹果"},
};

struct shop {
    struct content_text text[ITEMS];
    char title[ITEMS][160], category[ITEMS][32];
    float vectors[ITEMS * VECTOR];
    uint64_t has[ITEMS / 64 + 1];
};

static struct shop *shop_new(void)
{
    struct shop *s = calloc(1, sizeof(*s));
    struct rng rng;
    rng_init(&rng, 4, 0);
    for (uint32_t i = 0; i < ITEMS; i++) {
        const uint32_t kind = i % KINDS;
        char *t = s->title[i];
        for (int w = 0; w < 4; w++)
            snprintf(t + strlen(t), sizeof(s->title[i]) - strlen(t), "%s ",
                     words[kind][rng_below(&rng, 6)]);
        snprintf(t + strlen(t), sizeof(s->title[i]) - strlen(t), "no%u",
                 rng_below(&rng, 200));
        snprintf(s->category[i], sizeof(s->category[i]), "c%u|x%u", 100 + kind,
                 rng_below(&rng, 20));
        s->text[i] = (struct content_text){
            .title = t, .category = s->category[i], .price = 1 + rng_below(&rng, 100)};
        for (uint32_t j = 0; j < VECTOR; j++)
            s->vectors[i * VECTOR + j] =
                0.3F * rng_normal(&rng) + (j % KINDS == kind ? 2 : 1);
        if (i % 3)
            s->has[i / 64] |= 1ULL << i % 64;
    }
    return s;
}

static struct content_modality picture_of(const struct shop *s)
{
    return (struct content_modality){.name = "picture",
                                     .dim = VECTOR,
                                     .weight = 0.5F,
                                     .vectors = s->vectors,
                                     .has = s->has};
}

static struct content_space *fit(const struct shop *s, bool text, bool picture,
                                 uint32_t threads)
{
    struct content_space *space;
    struct penchant_error err;
    const struct content_modality m = picture_of(s);
    struct pool *pool = pool_new(threads);
    assert_int_equal(
        content_fit(&space, text ? s->text : NULL, ITEMS, &m, picture, 9, pool, &err),
        PENCHANT_OK);
    pool_free(pool);
    return space;
}

static double dot(const float *a, const float *b, uint32_t n)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static float *all_vectors(const struct content_space *space, const struct shop *s,
                          bool picture, uint32_t threads)
{
    const struct content_modality m = picture_of(s);
    const uint32_t dim = content_dim(space);
    float *out = malloc((size_t)ITEMS * dim * sizeof(*out));
    struct pool *pool = pool_new(threads);
    content_items(space, s->text, ITEMS, &m, picture, pool, out);
    pool_free(pool);
    return out;
}

/* How many of the 20 items nearest to x are of a kind. */
static int of_kind(const float *v, uint32_t dim, const float *x, uint32_t kind)
{
    int found = 0;
    bool taken[ITEMS] = {false};
    for (int k = 0; k < 20; k++) {
        uint32_t best = 0;
        double top = -9;
        for (uint32_t i = 0; i < ITEMS; i++) {
            const double at = dot(v + (size_t)i * dim, x, dim);
            if (!taken[i] && at > top) {
                top = at;
                best = i;
            }
        }
        taken[best] = true;
        found += best % KINDS == kind;
    }
    return found;
}

static void test_content__titles_of_a_kind_find_each_other(void **unused)
{
    (void)unused;
    struct shop *s = shop_new();
    struct content_space *space = fit(s, true, false, 2);
    const uint32_t dim = content_dim(space);
    assert_in_range(dim, 5, CONTENT_TEXT_DIM);
    float *v = all_vectors(space, s, false, 2), x[CONTENT_TEXT_DIM];
    for (uint32_t i = 0; i < 60; i++) {
        assert_true(fabs(dot(v + (size_t)i * dim, v + (size_t)i * dim, dim) - 1) < 1e-5);
        assert_in_range(of_kind(v, dim, v + (size_t)i * dim, i % KINDS), 14, 20);
    }
    /* The words of a query, in any spelling that folds alike, and Chinese ones. */
    const struct {
        const char *query;
        uint32_t kind;
    } asked[] = {{"SENCHA tea", 0},    {"trainer", 1}, {"ｉｒｏｎ pan", 2},
                 {"knitted scarf", 3}, {"龙井茶", 4},  {"苹果手机壳", 5}};
    for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++) {
        assert_true(content_words(space, asked[i].query, x));
        assert_true(fabs(dot(x, x, dim) - 1) < 1e-5);
        assert_in_range(of_kind(v, dim, x, asked[i].kind), 18, 20);
    }
    /* A new item that has only an attribute is near those that share it. */
    const struct content_text only = {.category = "c102", .price = NAN};
    content_item(space, &only, NULL, x);
    assert_in_range(of_kind(v, dim, x, 2), 18, 20);
    free(v);
    content_free(space);
    free(s);
}

static void test_content__what_nothing_is_known_of_is_zero(void **unused)
{
    (void)unused;
    struct shop *s = shop_new();
    struct content_space *space = fit(s, true, true, 1);
    const uint32_t dim = content_dim(space);
    float x[2 * CONTENT_TEXT_DIM], zero[2 * CONTENT_TEXT_DIM] = {0};
    float nowhere[VECTOR] = {0}, broken[VECTOR] = {NAN};
    const float *imported[1] = {NULL};
    const struct content_text unknown = {.price = 5},
                              foreign = {.title = "Zyzzyva Qwrtpsdfg", .price = NAN};
    content_item(space, NULL, NULL, x);
    assert_memory_equal(x, zero, dim * sizeof(*x));
    content_item(space, &unknown, imported, x);
    assert_memory_equal(x, zero, dim * sizeof(*x));
    imported[0] = nowhere;
    content_item(space, &unknown, imported, x);
    assert_memory_equal(x, zero, dim * sizeof(*x));
    imported[0] = broken;
    content_item(space, &unknown, imported, x);
    assert_memory_equal(x, zero, dim * sizeof(*x));
    assert_false(content_words(space, foreign.title, x));
    assert_memory_equal(x, zero, dim * sizeof(*x));
    assert_false(content_words(space, "", x));
    assert_false(content_words(space, NULL, x));
    content_free(space);
    free(s);
}

static void test_content__a_missing_modality_leaves_the_others(void **unused)
{
    (void)unused;
    struct shop *s = shop_new();
    struct content_space *both = fit(s, true, true, 2), *text = fit(s, true, false, 2);
    struct content_space *picture = fit(s, false, true, 2);
    const uint32_t dt = content_dim(text), dp = content_dim(picture);
    assert_int_equal(content_dim(both), dt + dp);
    assert_int_equal(content_modality_index(both, "picture"), 0);
    assert_int_equal(content_modality_index(both, "sound"), -1);
    assert_int_equal(content_modality_index(text, "picture"), -1);
    float *vb = all_vectors(both, s, true, 2), *vt = all_vectors(text, s, true, 2),
          *vp = all_vectors(picture, s, true, 1);
    for (uint32_t i = 0; i < 30; i++)
        for (uint32_t j = 0; j < 30; j++) {
            const double ct = dot(vt + (size_t)i * dt, vt + (size_t)j * dt, dt);
            const double cp = dot(vp + (size_t)i * dp, vp + (size_t)j * dp, dp);
            const double c =
                dot(vb + (size_t)i * (dt + dp), vb + (size_t)j * (dt + dp), dt + dp);
            /* The weighted mean of the cosines; a missing one counts as zero. */
            const double ni = i % 3 ? 1.5 : 1, nj = j % 3 ? 1.5 : 1;
            assert_true(fabs(c - (ct + 0.5 * cp) / sqrt(ni * nj)) < 1e-5);
            if (i % 3 == 0 || j % 3 == 0)
                assert_true(cp == 0);
        }
    for (uint32_t i = 1; i < 60; i += 3) /* pictures alone tell the kinds apart */
        assert_in_range(of_kind(vp, dp, vp + (size_t)i * dp, i % KINDS), 18, 20);
    free(vb);
    free(vt);
    free(vp);
    content_free(both);
    content_free(text);
    content_free(picture);
    free(s);
}

static void test_content__a_shop_that_says_nothing_has_no_space(void **unused)
{
    (void)unused;
    struct content_text text[50];
    struct content_space *space;
    struct penchant_error err;
    struct pool *pool = pool_new(1);
    for (int i = 0; i < 50; i++)
        text[i] = (struct content_text){.price = NAN};
    assert_int_equal(content_fit(&space, text, 50, NULL, 0, 1, pool, &err), PENCHANT_OK);
    assert_null(space);
    for (int i = 0; i < 50; i++)
        text[i].title = "the same";
    assert_int_equal(content_fit(&space, text, 50, NULL, 0, 1, pool, &err), PENCHANT_OK);
    assert_null(space);
    assert_int_equal(content_fit(&space, text, 0, NULL, 0, 1, pool, &err), PENCHANT_OK);
    assert_null(space);
    for (int i = 0; i < 50; i++)
        text[i].title = i % 2 ? "the same" : "the other";
    assert_int_equal(content_fit(&space, text, 50, NULL, 0, 1, pool, &err), PENCHANT_OK);
    assert_non_null(space);
    content_free(space);
    pool_free(pool);
}

static void test_content__a_bad_modality_is_refused(void **unused)
{
    (void)unused;
    struct shop *s = shop_new();
    struct content_space *space;
    struct penchant_error err;
    struct pool *pool = pool_new(1);
    struct content_modality m[2] = {picture_of(s), picture_of(s)};
    static const uint64_t nobody[ITEMS / 64 + 1];
    static const char *const fields[] = {"name", "dim", "dim", "weight", "vectors"};
    for (int fault = 0; fault < 5; fault++) {
        m[1] = m[0];
        switch (fault) {
        case 0:
            m[1].name[0] = '\0';
            break;
        case 1:
            m[1].dim = 0;
            break;
        case 2:
            m[1].dim = CONTENT_MAX_DIM + 1;
            break;
        case 3:
            m[1].weight = 0;
            break;
        default:
            s->vectors[4 * VECTOR + 3] = INFINITY;
            m[0].has = nobody;
        }
        assert_int_equal(content_fit(&space, s->text, ITEMS, m, 2, 1, pool, &err),
                         PENCHANT_EINVALID);
        assert_null(space);
        assert_int_equal(err.index, 1);
        assert_string_equal(err.field, fields[fault]);
    }
    pool_free(pool);
    free(s);
}

static void test_content__threads_change_no_bit(void **unused)
{
    (void)unused;
    struct shop *s = shop_new();
    struct content_space *one = fit(s, true, true, 1);
    float *v = all_vectors(one, s, true, 1);
    for (uint32_t threads = 2; threads <= 4; threads++) {
        struct content_space *more = fit(s, true, true, threads);
        float *w = all_vectors(more, s, true, threads);
        assert_int_equal(content_dim(one), content_dim(more));
        assert_memory_equal(v, w, (size_t)ITEMS * content_dim(one) * sizeof(*v));
        free(w);
        content_free(more);
    }
    free(v);
    content_free(one);
    free(s);
}

/* The vector of an item by the formula of content.h, in double; how many parts it has. */
static int direct_vector(const struct content_space *s, const struct content_text *text,
                         const float *imported, double *out)
{
    struct text_features f;
    double x[TEXT_MAX_FEATURES], square = 0;
    memset(out, 0, s->dim * sizeof(*out));
    content_text_features(text, &f);
    for (uint32_t i = 0; i < f.n; i++) {
        x[i] = 0;
        for (uint32_t c = 0; c < s->text.in;
             c++) /* df: log(1 + n / df) is the column's */
            if ((uint32_t)s->column_of[2 * c] == f.bucket[i])
                x[i] = copysign(log1p(fabs((double)f.count[i])), (double)f.count[i]) *
                       (double)s->column_of[2 * c + 1];
        square += x[i] * x[i];
    }
    for (uint32_t j = 0; square > 0 && j < s->text.out; j++) {
        for (uint32_t i = 0; i < f.n; i++)
            for (uint32_t c = 0; x[i] != 0 && c < s->text.in; c++)
                if ((uint32_t)s->column_of[2 * c] == f.bucket[i])
                    out[j] += x[i] / sqrt(square) *
                              (double)s->text.projection[c * s->text.out + j];
        out[j] -= (double)s->text.offset[j];
    }
    const struct content_part *p = &s->modality[0];
    double *own = out + s->text.out, length[2] = {0, 0}, size = 0;
    for (uint32_t i = 0; imported && i < p->in; i++)
        size += (double)imported[i] * (double)imported[i];
    for (uint32_t j = 0; imported && j < p->out; j++) {
        for (uint32_t i = 0; i < p->in; i++)
            own[j] +=
                (double)imported[i] / sqrt(size) * (double)p->projection[i * p->out + j];
        own[j] -= (double)p->offset[j];
    }
    for (uint32_t j = 0; j < s->dim; j++)
        length[j >= s->text.out] += out[j] * out[j];
    const double weight[2] = {1, (double)p->weight};
    const double total = (length[0] > 0) * weight[0] + (length[1] > 0) * weight[1];
    for (uint32_t j = 0; j < s->dim; j++) {
        const int part = j >= s->text.out;
        out[j] *= length[part] > 0 ? sqrt(weight[part] / total / length[part]) : 0;
    }
    return (length[0] > 0) + (length[1] > 0);
}

static void test_content__vectors_follow_the_formula(void **unused)
{
    (void)unused;
    struct shop *s = shop_new();
    struct content_space *space = fit(s, true, true, 2);
    const uint32_t dim = content_dim(space);
    float got[2 * CONTENT_TEXT_DIM];
    double want[2 * CONTENT_TEXT_DIM];
    for (uint32_t i = 0; i < 12; i++) {
        const float *imported = i % 3 ? s->vectors + (size_t)i * VECTOR : NULL;
        assert_int_equal(direct_vector(space, &s->text[i], imported, want),
                         i % 3 ? 2 : 1);
        content_item(space, &s->text[i], &imported, got);
        for (uint32_t j = 0; j < dim; j++)
            assert_true(fabs((double)got[j] - want[j]) < 1e-5);
    }
    /* How often a feature occurs gives its idf. */
    struct text_features f;
    content_text_features(&s->text[0], &f);
    for (uint32_t k = 0; k < f.n; k++) {
        uint32_t df = 0;
        for (uint32_t i = 0; i < ITEMS; i++) {
            struct text_features other;
            content_text_features(&s->text[i], &other);
            for (uint32_t j = 0; j < other.n; j++)
                df += other.bucket[j] == f.bucket[k];
        }
        const uint32_t column = space->columns[f.bucket[k]];
        assert_true((column != CONTENT_NO_COLUMN) == (df >= 2));
        if (df >= 2)
            assert_true(fabs((double)space->column_of[2 * column + 1] -
                             log(1 + (double)ITEMS / df)) < 1e-5);
    }
    content_free(space);
    free(s);
}

/* ---- real titles ---- */

struct titles {
    char *title[13000], *category[13000];
    uint32_t n;
};

static int take_title(void *cookie, const struct penchant_item *item,
                      struct penchant_error *err)
{
    struct titles *t = cookie;
    (void)err;
    if (t->n < 13000 && item->title && item->category) {
        t->title[t->n] = strdup(item->title);
        t->category[t->n++] = strdup(item->category);
    }
    return 0;
}

/* Whether two lists like "a1|a20" have an attribute in common. */
static bool share_attribute(const char *a, const char *b)
{
    for (const char *at = a; *at; at += strspn(at, "|")) {
        const size_t len = strcspn(at, "|");
        for (const char *with = b; *with; with += strspn(with, "|")) {
            const size_t other = strcspn(with, "|");
            if (len == other && memcmp(at, with, len) == 0)
                return true;
            with += other;
        }
        at += len;
    }
    return false;
}

/* Whose titles are alike have attributes in common, which the titles do not tell. */
static void test_content__real_titles_tell_of_attributes(void **unused)
{
    (void)unused;
    const char *data = getenv("PENCHANT_DATA");
    char path[512];
    snprintf(path, sizeof(path), "%s/beauty/items.csv", data ? data : "../shared/data");
    if (access(path, R_OK) != 0) {
        printf("SKIP test_content__real_titles_tell_of_attributes: there is no %s\n",
               path);
        return;
    }
    struct titles *t = calloc(1, sizeof(*t));
    struct penchant_import_options o;
    struct penchant_import_report report = {0};
    const struct import_sink sink = {.item = take_title, .cookie = t};
    penchant_import_options_default(&o);
    o.items = path;
    assert_int_equal(import_read(&o, &sink, &report, NULL), PENCHANT_OK);
    assert_in_range(t->n, 10000, 13000);
    struct content_text *text = calloc(t->n, sizeof(*text));
    for (uint32_t i = 0; i < t->n; i++)
        text[i] = (struct content_text){.title = t->title[i], .price = NAN};
    struct content_space *space;
    struct pool *pool = pool_new(2);
    assert_int_equal(content_fit(&space, text, t->n, NULL, 0, 1, pool, NULL),
                     PENCHANT_OK);
    const uint32_t dim = content_dim(space);
    float *v = malloc((size_t)t->n * dim * sizeof(*v));
    content_items(space, text, t->n, NULL, 0, pool, v);
    int near = 0, far = 0;
    for (uint32_t i = 0; i < 300; i++) {
        uint32_t best = 0;
        double top = -9;
        for (uint32_t j = 0; j < t->n; j++) {
            const double at = dot(v + (size_t)i * dim, v + (size_t)j * dim, dim);
            if (j != i && at > top) {
                top = at;
                best = j;
            }
        }
        near += share_attribute(t->category[i], t->category[best]);
        far += share_attribute(t->category[i], t->category[(i + 5000) % t->n]);
    }
    assert_true(near > 200 && near > 2 * far);
    for (uint32_t i = 0; i < t->n; i++) {
        free(t->title[i]);
        free(t->category[i]);
    }
    pool_free(pool);
    content_free(space);
    free(v);
    free(text);
    free(t);
}

/* ---- the checkpoint ---- */

static struct model *small_model(void)
{
    const struct model_config config = {.dim = 8,
                                        .blocks = 1,
                                        .heads = 1,
                                        .max_length = 8,
                                        .ffn_dim = 8,
                                        .temperature = 1,
                                        .n_items = 4};
    struct model *m;
    assert_int_equal(model_new(&m, &config, NULL, NULL, NULL), PENCHANT_OK);
    return m;
}

static void path_of(char *path, size_t n)
{
    snprintf(path, n, "/tmp/penchant-test-content-%d.safetensors", (int)getpid());
}

static void test_content__a_checkpoint_gives_the_same_bits(void **unused)
{
    (void)unused;
    struct shop *s = shop_new();
    struct model *m = small_model();
    char path[128];
    path_of(path, sizeof(path));
    for (int which = 1; which < 4; which++) {
        struct content_space *space = fit(s, which & 1, which & 2, 2), *loaded;
        struct checkpoint_extra extra[CONTENT_EXTRAS];
        struct penchant_error err;
        const size_t n = content_extras(space, extra);
        assert_in_range(n, 2, CONTENT_EXTRAS);
        assert_int_equal(checkpoint_save(path, m, NULL, 0, extra, n, &err), PENCHANT_OK);
        assert_int_equal(content_load(&loaded, path, &err), PENCHANT_OK);
        assert_non_null(loaded);
        assert_int_equal(content_dim(space), content_dim(loaded));
        assert_int_equal(content_modality_index(loaded, "picture"), which & 2 ? 0 : -1);
        float *v = all_vectors(space, s, true, 1), *w = all_vectors(loaded, s, true, 1);
        assert_memory_equal(v, w, (size_t)ITEMS * content_dim(space) * sizeof(*v));
        free(v);
        free(w);
        content_free(space);
        content_free(loaded);
    }
    struct content_space *none;
    assert_int_equal(checkpoint_save(path, m, NULL, 0, NULL, 0, NULL), PENCHANT_OK);
    assert_int_equal(content_load(&none, path, NULL), PENCHANT_OK);
    assert_null(none);
    unlink(path);
    model_free(m);
    free(s);
}

/* Loads what was saved after `spoil` has changed one of the matrices. */
static int load_spoilt(const struct content_space *space, const struct model *m,
                       const char *name, size_t at, float value, bool shrink)
{
    struct checkpoint_extra extra[CONTENT_EXTRAS];
    struct content_space *loaded;
    char path[128];
    float *copy = NULL;
    path_of(path, sizeof(path));
    size_t n = content_extras(space, extra), kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(extra[i].name, name) == 0) {
            if (isnan(value))
                continue; /* left out */
            const size_t cells = (size_t)extra[i].rows * extra[i].cols;
            copy = malloc(cells * sizeof(*copy));
            memcpy(copy, extra[i].data, cells * sizeof(*copy));
            copy[at] = value;
            extra[i].data = copy;
            extra[i].rows -= shrink;
        }
        extra[kept++] = extra[i];
    }
    assert_int_equal(checkpoint_save(path, m, NULL, 0, extra, kept, NULL), PENCHANT_OK);
    struct penchant_error err = {0};
    const int status = content_load(&loaded, path, &err);
    assert_null(loaded);
    assert_int_equal(err.status, status);
    unlink(path);
    free(copy);
    return status;
}

static void test_content__damage_is_refused(void **unused)
{
    (void)unused;
    struct shop *s = shop_new();
    struct model *m = small_model();
    struct content_space *space = fit(s, true, true, 2);
    static const struct {
        const char *name;
        size_t at;
        float value;
        bool shrink;
        int status;
    } faults[] = {
        {"content.head", 0, 2, false, PENCHANT_EVERSION},
        {"content.head", 1, 2, false, PENCHANT_ECORRUPT},
        {"content.head", 1, 9, false, PENCHANT_ECORRUPT},
        {"content.head", 1, 0.5F, false, PENCHANT_ECORRUPT},
        {"content.text.about", 0, 1e9F, false, PENCHANT_ECORRUPT},
        {"content.text.about", 0, 3, false, PENCHANT_ECORRUPT},
        {"content.text.about", 1, 97, false, PENCHANT_ECORRUPT},
        {"content.text.about", 2, 0, false, PENCHANT_ECORRUPT},
        {"content.text.about", 0, NAN, false, PENCHANT_ECORRUPT},
        {"content.text.columns", 2, 0, false, PENCHANT_ECORRUPT},
        {"content.text.columns", 2, 1e7F, false, PENCHANT_ECORRUPT},
        {"content.text.columns", 1, -1, false, PENCHANT_ECORRUPT},
        {"content.text.columns", 0, 0, true, PENCHANT_ECORRUPT},
        {"content.text.columns", 0, NAN, false, PENCHANT_ECORRUPT},
        {"content.text.projection", 0, 0, true, PENCHANT_ECORRUPT},
        {"content.text.projection", 0, NAN, false, PENCHANT_ECORRUPT},
        {"content.text.projection", 5, INFINITY, false, PENCHANT_ECORRUPT},
        {"content.0.about", 3, 256, false, PENCHANT_ECORRUPT},
        {"content.0.about", 34, 'x', false, PENCHANT_ECORRUPT},
        {"content.0.about", 0, 23, false, PENCHANT_ECORRUPT},
        {"content.0.projection", 0, NAN, false, PENCHANT_ECORRUPT},
    };
    for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
        const int status = load_spoilt(space, m, faults[i].name, faults[i].at,
                                       faults[i].value, faults[i].shrink);
        if (status != faults[i].status)
            fail_msg("fault %zu in %s gives %d", i, faults[i].name, status);
    }
    content_free(space);
    model_free(m);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_eigen__rebuilds_the_matrix),
        cmocka_unit_test(test_pca__equals_a_direct_decomposition),
        cmocka_unit_test(test_pca__any_number_of_threads_gives_the_same_bits),
        cmocka_unit_test(test_pca__rank_ends_the_components),
        cmocka_unit_test(test_pca__whitening_scales_components_by_their_eigenvalue),
        cmocka_unit_test(test_content__titles_of_a_kind_find_each_other),
        cmocka_unit_test(test_content__what_nothing_is_known_of_is_zero),
        cmocka_unit_test(test_content__a_missing_modality_leaves_the_others),
        cmocka_unit_test(test_content__a_shop_that_says_nothing_has_no_space),
        cmocka_unit_test(test_content__a_bad_modality_is_refused),
        cmocka_unit_test(test_content__threads_change_no_bit),
        cmocka_unit_test(test_content__vectors_follow_the_formula),
        cmocka_unit_test(test_content__real_titles_tell_of_attributes),
        cmocka_unit_test(test_content__a_checkpoint_gives_the_same_bits),
        cmocka_unit_test(test_content__damage_is_refused),
    };
    return cmocka_run_group_tests_name("content", tests, NULL, NULL);
}

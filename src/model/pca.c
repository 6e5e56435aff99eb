/* SPDX-License-Identifier: Apache-2.0 */
#include "model/pca.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/kernels.h"
#include "model/eigen.h"

enum {
    OVERSAMPLE = 16,
    PASSES = 3,
    SLABS = 32, /* parts of a sum over rows; fixed, so that its order is too */
    BLOCK = 512 /* rows that are summed in float before they enter a double */
};

/* A direction whose square is below this share of the largest one is rounding. */
#define NEGLIGIBLE 1e-9

struct work {
    const struct pca_rows *x;
    const struct kernels *k;
    struct pool *pool;
    /* The transpose of sparse rows. */
    uint64_t *col_start;
    uint32_t *col_row;
    float *col_value;
    float *mean;    /* (dim) */
    double energy;  /* the sum of the squares of all entries */
    uint32_t width; /* columns of left and right now */
    float *left;    /* (n, width) */
    float *right;   /* (dim, width) */
    float *spare;   /* the larger of both */
    float *shift;   /* (width) */
    double *gram;   /* (SLABS, width, width) */
    double *value, *vector;
    /* what a parallel section works on */
    const float *from;
    float *to;
    const float *turn; /* (width, turned) */
    uint32_t rows, turned;
};

static uint32_t slab(uint32_t n, uint32_t i)
{
    return (uint32_t)((uint64_t)n * i / SLABS);
}

/* ---- the transpose and the mean -------------------------------------------------- */

static int transpose(struct work *w)
{
    const struct pca_rows *x = w->x;
    const uint64_t total = x->start[x->n];
    w->col_start = calloc((size_t)x->dim + 2, sizeof(*w->col_start));
    w->col_row = malloc((total + 1) * sizeof(*w->col_row));
    w->col_value = malloc((total + 1) * sizeof(*w->col_value));
    if (!w->col_start || !w->col_row || !w->col_value)
        return PENCHANT_ENOMEM;
    for (uint64_t e = 0; e < total; e++)
        w->col_start[x->col[e] + 2]++;
    for (uint32_t j = 0; j < x->dim; j++)
        w->col_start[j + 2] += w->col_start[j + 1];
    for (uint32_t i = 0; i < x->n; i++)
        for (uint64_t e = x->start[i]; e < x->start[i + 1]; e++) {
            const uint64_t at = w->col_start[x->col[e] + 1]++;
            w->col_row[at] = i;
            w->col_value[at] = x->value[e];
        }
    return PENCHANT_OK;
}

static void find_mean(struct work *w)
{
    const struct pca_rows *x = w->x;
    for (uint32_t j = 0; j < x->dim; j++) {
        const uint64_t first = x->dense ? 0 : w->col_start[j];
        const uint64_t end = x->dense ? x->n : w->col_start[j + 1];
        double sum = 0;
        for (uint64_t e = first; e < end; e++) {
            const double entry = (double)(x->dense ? x->dense[e][j] : w->col_value[e]);
            sum += entry;
            w->energy += entry * entry;
        }
        w->mean[j] = (float)(sum / x->n);
    }
}

/* ---- products with the centred rows ---------------------------------------------- */

/* left = (X - 1 mean') right, for the rows of one slab. */
static void multiply_slab(void *arg, uint32_t t)
{
    struct work *w = arg;
    const struct pca_rows *x = w->x;
    const size_t width = w->width;
    for (uint32_t i = slab(x->n, t); i < slab(x->n, t + 1); i++) {
        float *y = w->left + i * width;
        memset(y, 0, width * sizeof(*y));
        if (x->dense)
            for (uint32_t j = 0; j < x->dim; j++)
                w->k->add_scaled(y, w->right + j * width, x->dense[i][j], width);
        else
            for (uint64_t e = x->start[i]; e < x->start[i + 1]; e++)
                w->k->add_scaled(y, w->right + x->col[e] * width, x->value[e], width);
        w->k->add_scaled(y, w->shift, -1.0F, width);
    }
}

static void multiply(struct work *w)
{
    memset(w->shift, 0, w->width * sizeof(*w->shift));
    for (uint32_t j = 0; j < w->x->dim; j++)
        w->k->add_scaled(w->shift, w->right + (size_t)j * w->width, w->mean[j], w->width);
    pool_run(w->pool, multiply_slab, w, SLABS);
}

/* right = (X - 1 mean')' left, for the columns of one slab. */
static void multiply_back_slab(void *arg, uint32_t t)
{
    struct work *w = arg;
    const struct pca_rows *x = w->x;
    const size_t width = w->width;
    const uint32_t first = slab(x->dim, t), end = slab(x->dim, t + 1);
    for (uint32_t j = first; j < end; j++) {
        float *z = w->right + j * width;
        memset(z, 0, width * sizeof(*z));
        for (uint64_t e = x->dense ? 0 : w->col_start[j];
             !x->dense && e < w->col_start[j + 1]; e++)
            w->k->add_scaled(z, w->left + w->col_row[e] * width, w->col_value[e], width);
    }
    for (uint32_t i = 0; x->dense && i < x->n; i++)
        for (uint32_t j = first; j < end; j++)
            w->k->add_scaled(w->right + j * width, w->left + i * width, x->dense[i][j],
                             width);
    for (uint32_t j = first; j < end; j++)
        w->k->add_scaled(w->right + j * width, w->shift, -w->mean[j], width);
}

static void multiply_back(struct work *w)
{
    memset(w->shift, 0, w->width * sizeof(*w->shift));
    for (uint32_t i = 0; i < w->x->n; i++)
        w->k->add(w->shift, w->left + (size_t)i * w->width, w->width);
    pool_run(w->pool, multiply_back_slab, w, SLABS);
}

/* ---- orthonormal columns ---------------------------------------------------------- */

static void gram_slab(void *arg, uint32_t t)
{
    struct work *w = arg;
    const size_t width = w->width, cells = width * width;
    double *sum = w->gram + t * cells;
    float *part = w->spare + t * cells;
    memset(sum, 0, cells * sizeof(*sum));
    const uint32_t end = slab(w->rows, t + 1);
    for (uint32_t i = slab(w->rows, t); i < end; i += BLOCK) {
        const struct gemm g = {.m = width,
                               .n = width,
                               .k = end - i < BLOCK ? end - i : BLOCK,
                               .a = w->from + i * width,
                               .a_row = 1,
                               .a_col = width,
                               .b = w->from + i * width,
                               .ldb = width,
                               .c = part,
                               .ldc = width};
        w->k->gemm(&g);
        for (size_t c = 0; c < cells; c++)
            sum[c] += (double)part[c];
    }
}

/* gram[0] = x' x of x (rows, width), and its eigenvalues and vectors. */
static void decompose(struct work *w, const float *x, uint32_t rows)
{
    const uint32_t width = w->width;
    const size_t cells = (size_t)width * width;
    w->from = x;
    w->rows = rows;
    pool_run(w->pool, gram_slab, w, SLABS);
    for (uint32_t t = 1; t < SLABS; t++)
        for (size_t c = 0; c < cells; c++)
            w->gram[c] += w->gram[t * cells + c];
    for (uint32_t i = 0; i < width; i++)
        for (uint32_t j = 0; j < i; j++)
            w->gram[(size_t)i * width + j] = w->gram[(size_t)j * width + i];
    eigen_symmetric(w->gram, width, w->value, w->vector);
}

static void turn_slab(void *arg, uint32_t t)
{
    struct work *w = arg;
    const uint32_t first = slab(w->rows, t), end = slab(w->rows, t + 1);
    const struct gemm g = {.m = end - first,
                           .n = w->turned,
                           .k = w->width,
                           .a = w->from + (size_t)first * w->width,
                           .a_row = w->width,
                           .a_col = 1,
                           .b = w->turn,
                           .ldb = w->turned,
                           .c = w->to + (size_t)first * w->turned,
                           .ldc = w->turned};
    if (g.m)
        w->k->gemm(&g);
}

/* x (rows, width) becomes x V (rows, keep), its columns divided by their lengths where
   `scale`; false when out of memory. */
static bool turn(struct work *w, float *x, uint32_t rows, uint32_t keep, bool scale)
{
    const uint32_t width = w->width;
    float *v = malloc(((size_t)width * keep + 1) * sizeof(*v));
    if (!v)
        return false;
    for (uint32_t i = 0; i < width; i++)
        for (uint32_t j = 0; j < keep; j++)
            v[(size_t)i * keep + j] = (float)(w->vector[(size_t)i * width + j] /
                                              (scale ? sqrt(w->value[j]) : 1));
    w->from = x;
    w->to = w->spare;
    w->turn = v;
    w->rows = rows;
    w->turned = keep;
    pool_run(w->pool, turn_slab, w, SLABS);
    memcpy(x, w->spare, (size_t)rows * keep * sizeof(*x));
    free(v);
    return true;
}

/* How many directions are more than rounding. */
static uint32_t directions(const struct work *w)
{
    uint32_t n = 0;
    while (n < w->width && w->value[n] > NEGLIGIBLE * w->value[0] && w->value[n] > 1e-30)
        n++;
    return n;
}

/* Makes the columns of x (rows, width) orthonormal; those that are not independent go. */
static bool orthonormalise(struct work *w, float *x, uint32_t rows)
{
    decompose(w, x, rows);
    const uint32_t keep = directions(w);
    if (!turn(w, x, rows, keep, true))
        return false;
    w->width = keep;
    return true;
}

/* ---- the whole -------------------------------------------------------------------- */

static int work_init(struct work *w, const struct pca_rows *rows, uint32_t max_dim,
                     struct pool *pool)
{
    uint32_t width = max_dim + OVERSAMPLE;
    width = width < rows->dim ? width : rows->dim;
    width = width < rows->n ? width : rows->n;
    const size_t cells = (size_t)width * width;
    size_t most = (size_t)(rows->n > rows->dim ? rows->n : rows->dim) * width;
    most = most > SLABS * cells ? most : SLABS * cells;
    *w = (struct work){.x = rows, .k = kernels_get(), .pool = pool, .width = width};
    w->mean = malloc(rows->dim * sizeof(*w->mean));
    w->left = malloc((size_t)rows->n * width * sizeof(*w->left));
    w->right = malloc((size_t)rows->dim * width * sizeof(*w->right));
    w->spare = malloc(most * sizeof(*w->spare));
    w->shift = malloc(width * sizeof(*w->shift));
    w->gram = malloc(SLABS * cells * sizeof(*w->gram));
    w->value = malloc(width * sizeof(*w->value));
    w->vector = malloc(cells * sizeof(*w->vector));
    const bool ok = w->mean && w->left && w->right && w->spare && w->shift && w->gram &&
                    w->value && w->vector;
    return ok && (rows->dense || !transpose(w)) ? PENCHANT_OK : PENCHANT_ENOMEM;
}

static void work_release(struct work *w)
{
    free(w->col_start);
    free(w->col_row);
    free(w->col_value);
    free(w->mean);
    free(w->left);
    free(w->right);
    free(w->spare);
    free(w->shift);
    free(w->gram);
    free(w->value);
    free(w->vector);
}

static int take(struct pca *p, struct work *w, uint32_t out)
{
    const uint32_t dim = w->x->dim;
    p->projection = malloc(((size_t)dim * out + 1) * sizeof(*p->projection));
    p->offset = calloc(out + (size_t)1, sizeof(*p->offset));
    p->eigenvalue = malloc((out + (size_t)1) * sizeof(*p->eigenvalue));
    if (!p->projection || !p->offset || !p->eigenvalue)
        return PENCHANT_ENOMEM;
    p->dim = dim;
    p->out = out;
    memcpy(p->projection, w->right, (size_t)dim * out * sizeof(*p->projection));
    for (uint32_t j = 0; j < out; j++)
        p->eigenvalue[j] = w->value[j] / w->x->n;
    for (uint32_t i = 0; i < dim; i++)
        w->k->add_scaled(p->offset, p->projection + (size_t)i * out, w->mean[i], out);
    return PENCHANT_OK;
}

static int iterate(struct pca *p, struct work *w, uint32_t max_dim, uint64_t seed)
{
    const uint32_t n = w->x->n, dim = w->x->dim;
    struct rng rng;
    rng_init(&rng, seed, 0x9CA);
    for (size_t i = 0; i < (size_t)dim * w->width; i++)
        w->right[i] = rng_normal(&rng);
    if (!orthonormalise(w, w->right, dim))
        return PENCHANT_ENOMEM;
    for (int pass = 0; pass < PASSES && w->width; pass++) {
        multiply(w);
        if (!orthonormalise(w, w->left, n))
            return PENCHANT_ENOMEM;
        multiply_back(w);
        if (!orthonormalise(w, w->right, dim))
            return PENCHANT_ENOMEM;
    }
    multiply(w);
    decompose(w, w->left, n);
    uint32_t out = directions(w);
    out = out < max_dim ? out : max_dim;
    while (out && w->value[out - 1] <= NEGLIGIBLE * w->energy)
        out--;
    return turn(w, w->right, dim, out, false) ? take(p, w, out) : PENCHANT_ENOMEM;
}

int pca_fit(struct pca *p, const struct pca_rows *rows, uint32_t max_dim, uint64_t seed,
            struct pool *pool, struct penchant_error *err)
{
    struct work w;
    *p = (struct pca){.dim = rows->dim};
    if (!rows->n || !rows->dim || !max_dim)
        return PENCHANT_OK;
    int status = work_init(&w, rows, max_dim, pool);
    if (!status) {
        find_mean(&w);
        status = iterate(p, &w, max_dim, seed);
    }
    work_release(&w);
    if (status) {
        pca_release(p);
        return error_memory(err);
    }
    return PENCHANT_OK;
}

void pca_release(struct pca *p)
{
    free(p->projection);
    free(p->offset);
    free(p->eigenvalue);
    *p = (struct pca){0};
}

void pca_whiten(struct pca *p, double power, double floor)
{
    for (uint32_t j = 0; j < p->out; j++) {
        const double share = p->eigenvalue[j] / p->eigenvalue[0];
        const float scale = (float)pow(share + floor, -power);
        for (uint32_t i = 0; i < p->dim; i++)
            p->projection[(size_t)i * p->out + j] *= scale;
        p->offset[j] *= scale;
    }
}

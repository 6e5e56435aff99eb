/* SPDX-License-Identifier: Apache-2.0 */
/* Hierarchical k-means over borrowed rows. */
#include "retrieval/cluster.h"

#include "base/status.h"
#include "kernels/scan.h"

#include <math.h>

#define LEAF       512u
#define WAYS       64u   /* clusters that one level makes at most */
#define LEVELS     5u    /* then a cluster stays as it is, however large */
#define SAMPLE     4096u /* rows that the iterations look at */
#define ITERATIONS 5u

struct maker {
    struct clusters *out;
    uint32_t cap;
    const float *rows;
    uint32_t dim;
    float scale; /* a power of two that brings every value into [-1, 1] */
    const struct scan_kernels *scan;
    uint32_t *spare; /* (n) */
    uint8_t *label;  /* (n) cluster of each place in `order`, within one level */
    float *sample;   /* (SAMPLE, dim) scaled */
    float *centre;   /* (dim, WAYS) scaled, column j is centre j */
    double *sum;     /* (WAYS, dim) */
    float *x;        /* (dim) one scaled row */
};

static void load(const struct maker *m, float *x, uint32_t row)
{
    const float *e = m->rows + (size_t)row * m->dim;
    for (uint32_t i = 0; i < m->dim; i++)
        x[i] = e[i] * m->scale;
}

/* Half the squared length of every centre; a column that is not used is far away. */
static void half_norms(const struct maker *m, uint32_t ways, float half[WAYS])
{
    for (uint32_t j = 0; j < WAYS; j++) {
        double s = 0;
        for (uint32_t i = 0; i < m->dim; i++)
            s += (double)m->centre[i * WAYS + j] * (double)m->centre[i * WAYS + j];
        half[j] = j < ways ? (float)(0.5 * s) : INFINITY;
    }
}

/* The nearest centre: the greatest x.c - |c|^2 / 2. */
static uint8_t nearest(const struct maker *m, const float *x, const float half[WAYS])
{
    float dot[WAYS];
    m->scan->project(dot, x, m->centre, m->dim, WAYS);
    uint8_t best = 0;
    for (uint8_t j = 1; j < WAYS; j++)
        if (dot[j] - half[j] > dot[best] - half[best])
            best = j;
    return best;
}

/* Lloyd's iterations over rows drawn evenly from order[first .. first + count). */
static void iterate(struct maker *m, uint32_t first, uint32_t count, uint32_t ways)
{
    const uint32_t dim = m->dim, most = ways * (SAMPLE / WAYS),
                   size = count < most ? count : most;
    for (uint32_t s = 0; s < size; s++)
        load(m, m->sample + (size_t)s * dim,
             m->out->order[first + (uint32_t)((uint64_t)s * count / size)]);
    memset(m->centre, 0, sizeof(float) * WAYS * dim);
    for (uint32_t j = 0; j < ways; j++)
        for (uint32_t i = 0; i < dim; i++)
            m->centre[i * WAYS + j] =
                m->sample[(size_t)((uint64_t)j * size / ways) * dim + i];
    for (uint32_t round = 0; round < ITERATIONS; round++) {
        float half[WAYS];
        uint32_t members[WAYS] = {0};
        half_norms(m, ways, half);
        memset(m->sum, 0, sizeof(double) * WAYS * dim);
        for (uint32_t s = 0; s < size; s++) {
            const float *x = m->sample + (size_t)s * dim;
            const uint8_t j = nearest(m, x, half);
            members[j]++;
            for (uint32_t i = 0; i < dim; i++)
                m->sum[(size_t)j * dim + i] += (double)x[i];
        }
        for (uint32_t j = 0; j < ways; j++)
            for (uint32_t i = 0; members[j] && i < dim; i++)
                m->centre[i * WAYS + j] =
                    (float)(m->sum[(size_t)j * dim + i] / members[j]);
    }
}

/* Orders a range by the nearest of `ways` centres; start[j] is where centre j's rows
 * begin. */
static void divide(struct maker *m, uint32_t first, uint32_t count, uint32_t ways,
                   uint32_t start[WAYS + 1])
{
    uint32_t *order = m->out->order + first, next[WAYS];
    float half[WAYS];
    iterate(m, first, count, ways);
    half_norms(m, ways, half);
    memset(start, 0, sizeof(*start) * (WAYS + 1));
    for (uint32_t i = 0; i < count; i++) {
        load(m, m->x, order[i]);
        m->label[i] = nearest(m, m->x, half);
        start[m->label[i] + 1]++;
    }
    for (uint32_t j = 0; j < WAYS; j++) {
        start[j + 1] += start[j];
        next[j] = start[j];
    }
    for (uint32_t i = 0; i < count; i++)
        m->spare[next[m->label[i]]++] = order[i];
    memcpy(order, m->spare, sizeof(*order) * count);
}

static int add_leaf(struct maker *m, uint32_t first, uint32_t count)
{
    struct clusters *c = m->out;
    if (c->n == m->cap) {
        const uint32_t cap = m->cap * 2;
        float *centre = realloc(c->centre, sizeof(float) * cap * m->dim);
        if (centre)
            c->centre = centre;
        uint32_t *begin = realloc(c->begin, sizeof(*begin) * ((size_t)cap + 1));
        if (begin)
            c->begin = begin;
        if (!centre || !begin)
            return PENCHANT_ENOMEM;
        m->cap = cap;
    }
    memset(m->sum, 0, sizeof(double) * m->dim);
    for (uint32_t r = 0; r < count; r++) {
        const float *e = m->rows + (size_t)c->order[first + r] * m->dim;
        for (uint32_t i = 0; i < m->dim; i++)
            m->sum[i] += (double)e[i];
    }
    for (uint32_t i = 0; i < m->dim; i++)
        c->centre[(size_t)c->n * m->dim + i] = (float)(m->sum[i] / count);
    c->begin[c->n++] = first;
    c->begin[c->n] = first + count;
    return PENCHANT_OK;
}

static int split(struct maker *m, uint32_t first, uint32_t count, uint32_t level)
{
    uint32_t ways = (count + LEAF / 2) / LEAF;
    if (ways > WAYS)
        ways = WAYS;
    if (ways < 2 || level == LEVELS)
        return add_leaf(m, first, count);
    uint32_t start[WAYS + 1];
    divide(m, first, count, ways, start);
    for (uint32_t j = 0; j < WAYS; j++) {
        const uint32_t size = start[j + 1] - start[j];
        if (size == count) /* all the same, or as good as */
            return add_leaf(m, first, count);
        const int status =
            size ? split(m, first + start[j], size, level + 1) : PENCHANT_OK;
        if (status)
            return status;
    }
    return PENCHANT_OK;
}

/* The power of two that brings the largest value of the rows into [1/2, 1]. */
static float scale_of(const float *rows, size_t values)
{
    float most = 0;
    for (size_t i = 0; i < values; i++)
        most = fmaxf(most, fabsf(rows[i]));
    int exponent = 0;
    frexpf(most, &exponent);
    return exponent < -126 ? 0x1p126f : ldexpf(1.0f, -exponent);
}

int clusters_init(struct clusters *c, const float *rows, uint32_t n, uint32_t dim)
{
    const size_t width = dim ? dim : 1, count = n ? n : 1;
    struct maker m = {.out = c, .cap = 64, .rows = rows, .dim = dim};
    m.scale = scale_of(rows, (size_t)n * dim);
    m.scan = scan_kernels();
    *c = (struct clusters){0};
    c->order = malloc(sizeof(*c->order) * count);
    c->begin = calloc(m.cap + 1, sizeof(*c->begin));
    c->centre = malloc(sizeof(float) * m.cap * width);
    m.spare = malloc(sizeof(*m.spare) * count);
    m.label = malloc(count);
    m.sample = malloc(sizeof(float) * SAMPLE * width);
    m.centre = malloc(sizeof(float) * WAYS * width);
    m.sum = malloc(sizeof(double) * WAYS * width);
    m.x = malloc(sizeof(float) * width);
    int status = PENCHANT_ENOMEM;
    if (c->order && c->begin && c->centre && m.spare && m.label && m.sample && m.centre &&
        m.sum && m.x) {
        for (uint32_t i = 0; i < n; i++)
            c->order[i] = i;
        status = n ? split(&m, 0, n, 0) : PENCHANT_OK;
    }
    if (status)
        clusters_release(c);
    free(m.spare);
    free(m.label);
    free(m.sample);
    free(m.centre);
    free(m.sum);
    free(m.x);
    return status;
}

void clusters_release(struct clusters *c)
{
    free(c->order);
    free(c->begin);
    free(c->centre);
    *c = (struct clusters){0};
}

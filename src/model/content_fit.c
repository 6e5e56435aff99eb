/* SPDX-License-Identifier: Apache-2.0 */
/* Fitting a content space: which features count, and the PCA of each modality. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/content_space.h"
#include "model/pca.h"

enum { MIN_ITEMS = 2 }; /* that a feature must occur in: one alone likens nothing */

/* Measured on validation data: docs/experiments.md. */
#define WHITEN_POWER 0.25
#define WHITEN_FLOOR 1e-4

struct fitting {
    struct content_space *s;
    const struct content_text *text;
    uint32_t n;
    uint64_t seed;
    struct pool *pool;
    uint32_t threads;
    uint32_t *count; /* (threads, TEXT_BUCKETS) items that have a feature */
    uint8_t *says;   /* (n) 1: the item says anything */
    uint32_t n_says; /* how many do */
    /* the rows that are analysed */
    uint32_t n_sample;
    uint64_t *start;
    uint32_t *col;
    float *value;
};

/* ---- which features count ---------------------------------------------------------- */

static void count_share(void *arg, uint32_t thread)
{
    struct fitting *f = arg;
    uint32_t *count = f->count + (size_t)thread * TEXT_BUCKETS;
    struct text_features features;
    for (uint32_t i = thread; i < f->n; i += f->threads) {
        content_text_features(&f->text[i], &features);
        for (uint32_t j = 0; j < features.n; j++)
            count[features.bucket[j]]++;
        f->says[i] = features.n > 0;
    }
}

/* The least number of items that leaves at most CONTENT_MAX_COLUMNS features. */
static uint32_t threshold(const uint32_t *count)
{
    for (uint32_t least = MIN_ITEMS;; least++) {
        uint32_t n = 0;
        for (uint32_t b = 0; b < TEXT_BUCKETS; b++)
            n += count[b] >= least;
        if (n <= CONTENT_MAX_COLUMNS)
            return least;
    }
}

static int choose_columns(struct fitting *f)
{
    struct content_space *s = f->s;
    f->count = calloc((size_t)f->threads * TEXT_BUCKETS, sizeof(*f->count));
    f->says = malloc(f->n + (size_t)1);
    if (!f->count || !f->says)
        return PENCHANT_ENOMEM;
    pool_run(f->pool, count_share, f, f->threads);
    for (uint32_t t = 1; t < f->threads; t++)
        for (uint32_t b = 0; b < TEXT_BUCKETS; b++)
            f->count[b] += f->count[(size_t)t * TEXT_BUCKETS + b];
    for (uint32_t i = 0; i < f->n; i++)
        f->n_says += f->says[i];
    const uint32_t least = threshold(f->count);
    for (uint32_t b = 0; b < TEXT_BUCKETS; b++)
        s->text.in += f->count[b] >= least;
    s->column_of = malloc((2 * (size_t)s->text.in + 1) * sizeof(*s->column_of));
    if (!s->column_of)
        return PENCHANT_ENOMEM;
    float *to = s->column_of;
    for (uint32_t b = 0; b < TEXT_BUCKETS; b++)
        if (f->count[b] >= least) {
            *to++ = (float)b;
            *to++ = (float)log1p((double)f->n_says / f->count[b]);
        }
    return content_index_columns(s) ? PENCHANT_OK : PENCHANT_ENOMEM;
}

/* ---- the text ---------------------------------------------------------------------- */

/* The place of the i-th of n things in a sample of CONTENT_FIT_ITEMS, evenly spread. */
static bool sampled(uint64_t i, uint64_t n)
{
    const uint64_t k = CONTENT_FIT_ITEMS;
    return n <= k || (i + 1) * k / n != i * k / n;
}

static int add_row(struct fitting *f, const struct content_features *row, uint64_t *room)
{
    const uint64_t at = f->start[f->n_sample];
    if (at + row->n > *room) {
        *room = *room * 2 + row->n;
        uint32_t *col = reallocarray(f->col, *room, sizeof(*col));
        f->col = col ? col : f->col;
        float *value = col ? reallocarray(f->value, *room, sizeof(*value)) : NULL;
        f->value = value ? value : f->value;
        if (!value)
            return PENCHANT_ENOMEM;
    }
    memcpy(f->col + at, row->column, row->n * sizeof(*f->col));
    memcpy(f->value + at, row->value, row->n * sizeof(*f->value));
    f->start[++f->n_sample] = at + row->n;
    return PENCHANT_OK;
}

static int take_rows(struct fitting *f)
{
    uint64_t room = 0, seen = 0;
    struct text_features features;
    struct content_features row;
    f->start = calloc((size_t)CONTENT_FIT_ITEMS + 2, sizeof(*f->start));
    if (!f->start)
        return PENCHANT_ENOMEM;
    int status = PENCHANT_OK;
    for (uint32_t i = 0; i < f->n && !status; i++) {
        if (!f->says[i] || !sampled(seen++, f->n_says))
            continue;
        content_text_features(&f->text[i], &features);
        content_weigh_features(&features, f->s->columns, f->s->column_of, &row);
        if (row.n)
            status = add_row(f, &row, &room);
    }
    return status;
}

/* Whitens, and makes a part's matrix of the result. */
static int adopt(struct content_part *part, struct pca *p, struct penchant_error *err)
{
    pca_whiten(p, WHITEN_POWER, WHITEN_FLOOR);
    const size_t cells = (size_t)p->dim * p->out;
    part->projection = malloc((cells + p->out + 1) * sizeof(*part->projection));
    if (part->projection && p->out) {
        memcpy(part->projection, p->projection, cells * sizeof(*p->projection));
        memcpy(part->projection + cells, p->offset, p->out * sizeof(*p->offset));
        part->offset = part->projection + cells;
        part->out = p->out;
    }
    pca_release(p);
    return part->projection ? PENCHANT_OK : error_memory(err);
}

static int fit_text(struct fitting *f, struct penchant_error *err)
{
    f->s->text.weight = 1.0F;
    if (!f->text)
        return content_index_columns(f->s) ? PENCHANT_OK : error_memory(err);
    if (choose_columns(f) || take_rows(f))
        return error_memory(err);
    const struct pca_rows rows = {.n = f->n_sample,
                                  .dim = f->s->text.in,
                                  .start = f->start,
                                  .col = f->col,
                                  .value = f->value};
    struct pca p;
    const int status = pca_fit(&p, &rows, CONTENT_TEXT_DIM, f->seed, f->pool, err);
    return status ? status : adopt(&f->s->text, &p, err);
}

/* ---- imported vectors --------------------------------------------------------------- */

static int check_modality(const struct content_modality *m, size_t index, uint32_t n,
                          struct penchant_error *err)
{
    if (!memchr(m->name, 0, sizeof(m->name)) || !m->name[0])
        return error_field(err, PENCHANT_EINVALID, index, "name",
                           "a modality needs a name of 1 to 31 bytes");
    if (!m->dim || m->dim > CONTENT_MAX_DIM)
        return error_field(err, PENCHANT_EINVALID, index, "dim",
                           "the vectors of \"%s\" have %u numbers, not 1 to %d", m->name,
                           m->dim, CONTENT_MAX_DIM);
    if (!(m->weight > 0) || !isfinite(m->weight))
        return error_field(err, PENCHANT_EINVALID, index, "weight",
                           "the weight of \"%s\" must be above 0", m->name);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; content_modality_has(m, i) && j < m->dim; j++)
            if (!isfinite(m->vectors[(size_t)i * m->dim + j]))
                return error_field(err, PENCHANT_EINVALID, index, "vectors",
                                   "the vector of item %u in \"%s\" has a number that is "
                                   "not finite",
                                   i, m->name);
    return PENCHANT_OK;
}

/* Copies of the sampled vectors, of length 1; *n_rows of them. */
static float *unit_vectors(const struct content_modality *m, uint32_t n, uint32_t *n_rows)
{
    uint64_t total = 0, seen = 0;
    for (uint32_t i = 0; i < n; i++)
        total += content_modality_has(m, i);
    const uint64_t most = total < CONTENT_FIT_ITEMS ? total : CONTENT_FIT_ITEMS;
    float *unit = malloc((most * m->dim + 1) * sizeof(*unit));
    *n_rows = 0;
    for (uint32_t i = 0; unit && i < n; i++) {
        if (!content_modality_has(m, i) || !sampled(seen++, total))
            continue;
        float *to = unit + (size_t)*n_rows * m->dim;
        memcpy(to, m->vectors + (size_t)i * m->dim, m->dim * sizeof(*to));
        *n_rows += content_scale(to, m->dim, 1.0F);
    }
    return unit;
}

static int fit_modality(struct fitting *f, const struct content_modality *m,
                        struct content_part *part, struct penchant_error *err)
{
    uint32_t n;
    float *unit = unit_vectors(m, f->n, &n);
    const float **row = malloc((n + (size_t)1) * sizeof(*row));
    int status = unit && row ? PENCHANT_OK : error_memory(err);
    if (!status) {
        struct pca p;
        for (uint32_t i = 0; i < n; i++)
            row[i] = unit + (size_t)i * m->dim;
        const struct pca_rows rows = {.n = n, .dim = m->dim, .dense = row};
        status = pca_fit(&p, &rows, CONTENT_TEXT_DIM, f->seed, f->pool, err);
        if (!status)
            status = adopt(part, &p, err);
    }
    free(row);
    free(unit);
    part->in = m->dim;
    part->weight = m->weight;
    memcpy(part->name, m->name, sizeof(part->name));
    return status;
}

/* ---- the whole ----------------------------------------------------------------------- */

static int fit_all(struct fitting *f, const struct content_modality *modality,
                   size_t n_modalities, struct penchant_error *err)
{
    if (n_modalities > CONTENT_MAX_MODALITIES)
        return error_set(err, PENCHANT_ELIMIT, "more than %d kinds of imported vectors",
                         CONTENT_MAX_MODALITIES);
    for (size_t j = 0; j < n_modalities; j++) {
        const int status = check_modality(&modality[j], j, f->n, err);
        if (status)
            return status;
    }
    int status = fit_text(f, err);
    f->s->dim = f->s->text.out;
    for (size_t j = 0; j < n_modalities && !status; j++) {
        struct content_part *part = &f->s->modality[f->s->n_modalities++];
        status = fit_modality(f, &modality[j], part, err);
        f->s->dim += part->out;
    }
    return status;
}

int content_fit(struct content_space **out, const struct content_text *text, uint32_t n,
                const struct content_modality *modality, size_t n_modalities,
                uint64_t seed, struct pool *pool, struct penchant_error *err)
{
    struct fitting f = {.text = text,
                        .n = n,
                        .seed = seed,
                        .pool = pool,
                        .threads = pool_threads(pool),
                        .s = calloc(1, sizeof(*f.s))};
    *out = NULL;
    if (!f.s)
        return error_memory(err);
    const int status = fit_all(&f, modality, n_modalities, err);
    free(f.count);
    free(f.says);
    free(f.start);
    free(f.col);
    free(f.value);
    if (status || !f.s->dim) {
        content_free(f.s);
        return status;
    }
    content_describe(f.s);
    *out = f.s;
    return PENCHANT_OK;
}

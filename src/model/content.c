/* SPDX-License-Identifier: Apache-2.0 */
#include "model/content.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "model/content_space.h"

/* How much a field counts beside a word of the title. */
#define CATEGORY_WEIGHT 0.5F
#define CATEGORY_WORDS  0.5F
#define BRAND_WEIGHT    1.0F
#define BRAND_WORDS     1.0F
#define PRICE_WEIGHT    0.2F

/* ---- features --------------------------------------------------------------------- */

/* The spelling of "c12" or "2268318" means nothing: it is a name, not a word. */
static bool has_digit(const char *value)
{
    return strpbrk(value, "0123456789") != NULL;
}

static void add_categories(struct text_features *f, const char *category)
{
    char one[256];
    for (const char *at = category; *at;) {
        const size_t len = strcspn(at, "|");
        if (len && len < sizeof(one)) {
            memcpy(one, at, len);
            one[len] = '\0';
            text_features_add_field(f, "category", one, CATEGORY_WEIGHT);
            if (!has_digit(one))
                text_features_add(f, one, CATEGORY_WORDS);
        }
        at += len;
        at += *at == '|';
    }
}

/* Half octaves; the neighbours count half, so that near prices are near. */
static void add_price(struct text_features *f, double price)
{
    const long bucket = lrint(floor(2 * log2(price)));
    for (long b = bucket - 1; b <= bucket + 1; b++) {
        char text[32];
        snprintf(text, sizeof(text), "%ld", b);
        text_features_add_field(f, "price", text,
                                b == bucket ? PRICE_WEIGHT : PRICE_WEIGHT / 2);
    }
}

void content_text_features(const struct content_text *text, struct text_features *f)
{
    text_features_init(f);
    if (!text)
        return;
    text_features_add(f, text->title, 1.0F);
    if (text->category)
        add_categories(f, text->category);
    if (text->brand) {
        text_features_add_field(f, "brand", text->brand, BRAND_WEIGHT);
        text_features_add(f, text->brand, BRAND_WORDS);
    }
    if (f->n && text->price > 0 && isfinite(text->price))
        add_price(f, text->price);
}

bool content_scale(float *x, uint32_t n, float length)
{
    double square = 0;
    for (uint32_t i = 0; i < n; i++)
        square += (double)x[i] * (double)x[i];
    if (!(square > 1e-30) || !isfinite(square)) {
        memset(x, 0, n * sizeof(*x));
        return false;
    }
    const double by = (double)length / sqrt(square);
    for (uint32_t i = 0; i < n; i++)
        x[i] = (float)((double)x[i] * by);
    return true;
}

void content_weigh_features(const struct text_features *f, const uint32_t *columns,
                            const float *column_of, struct content_features *out)
{
    out->n = 0;
    for (uint32_t i = 0; i < f->n; i++) {
        const uint32_t column = columns[f->bucket[i]];
        if (column == CONTENT_NO_COLUMN || f->count[i] == 0)
            continue;
        const float tf = log1pf(fabsf(f->count[i]));
        out->column[out->n] = column;
        out->value[out->n++] =
            (f->count[i] < 0 ? -tf : tf) * column_of[(size_t)2 * column + 1];
    }
    if (out->n && !content_scale(out->value, out->n, 1.0F))
        out->n = 0;
}

/* ---- vectors ---------------------------------------------------------------------- */

static bool project_text(const struct content_space *s, const struct text_features *f,
                         float *out)
{
    const struct content_part *p = &s->text;
    const struct kernels *k = kernels_get();
    struct content_features known;
    memset(out, 0, p->out * sizeof(*out));
    if (!p->out)
        return false;
    content_weigh_features(f, s->columns, s->column_of, &known);
    if (!known.n)
        return false;
    for (uint32_t i = 0; i < known.n; i++)
        k->add_scaled(out, p->projection + (size_t)known.column[i] * p->out,
                      known.value[i], p->out);
    k->add_scaled(out, p->offset, -1.0F, p->out);
    return content_scale(out, p->out, sqrtf(p->weight));
}

static bool project_imported(const struct content_part *p, const float *x, float *out)
{
    const struct kernels *k = kernels_get();
    memset(out, 0, p->out * sizeof(*out));
    if (!x || !p->out)
        return false;
    double square = 0;
    for (uint32_t i = 0; i < p->in; i++)
        square += (double)x[i] * (double)x[i];
    if (!(square > 1e-30) || !isfinite(square))
        return false;
    const double by = 1 / sqrt(square);
    for (uint32_t i = 0; i < p->in; i++)
        k->add_scaled(out, p->projection + (size_t)i * p->out, (float)((double)x[i] * by),
                      p->out);
    k->add_scaled(out, p->offset, -1.0F, p->out);
    return content_scale(out, p->out, sqrtf(p->weight));
}

void content_item(const struct content_space *s, const struct content_text *text,
                  const float *const *imported, float *out)
{
    struct text_features f;
    content_text_features(text, &f);
    project_text(s, &f, out);
    float *at = out + s->text.out;
    for (uint32_t j = 0; j < s->n_modalities; j++) {
        project_imported(&s->modality[j], imported ? imported[j] : NULL, at);
        at += s->modality[j].out;
    }
    content_scale(out, s->dim, 1.0F);
}

bool content_words(const struct content_space *s, const char *text, float *out)
{
    struct text_features f;
    text_features_init(&f);
    text_features_add(&f, text, 1.0F);
    memset(out, 0, s->dim * sizeof(*out));
    return project_text(s, &f, out) && content_scale(out, s->dim, 1.0F);
}

struct many {
    const struct content_space *s;
    const struct content_text *text;
    const struct content_modality *of[CONTENT_MAX_MODALITIES];
    uint32_t n;
    float *out;
};

enum { SHARE = 256 }; /* items of one task */

static void share(void *arg, uint32_t task)
{
    const struct many *m = arg;
    const uint32_t end = (task + 1) * SHARE < m->n ? (task + 1) * SHARE : m->n;
    for (uint32_t i = task * SHARE; i < end; i++) {
        const float *imported[CONTENT_MAX_MODALITIES] = {NULL};
        for (uint32_t j = 0; j < m->s->n_modalities; j++) {
            const struct content_modality *of = m->of[j];
            if (of && content_modality_has(of, i))
                imported[j] = of->vectors + (size_t)i * of->dim;
        }
        content_item(m->s, m->text ? &m->text[i] : NULL, imported,
                     m->out + (size_t)i * m->s->dim);
    }
}

void content_items(const struct content_space *s, const struct content_text *text,
                   uint32_t n, const struct content_modality *modality,
                   size_t n_modalities, struct pool *pool, float *out)
{
    struct many m = {.s = s, .text = text, .n = n, .out = out};
    for (size_t i = 0; i < n_modalities; i++) {
        const int j = content_modality_index(s, modality[i].name);
        if (j >= 0 && s->modality[j].in == modality[i].dim)
            m.of[j] = &modality[i];
    }
    pool_run(pool, share, &m, (n + SHARE - 1) / SHARE);
}

/* ---- the space -------------------------------------------------------------------- */

uint32_t content_dim(const struct content_space *s)
{
    return s->dim;
}

int content_modality_index(const struct content_space *s, const char *name)
{
    for (uint32_t j = 0; j < s->n_modalities; j++)
        if (strcmp(s->modality[j].name, name) == 0)
            return (int)j;
    return -1;
}

uint32_t content_modality_dim(const struct content_space *s, int index)
{
    return s->modality[index].in;
}

bool content_index_columns(struct content_space *s)
{
    s->columns = malloc(TEXT_BUCKETS * sizeof(*s->columns));
    if (!s->columns)
        return false;
    for (uint32_t i = 0; i < TEXT_BUCKETS; i++)
        s->columns[i] = CONTENT_NO_COLUMN;
    for (uint32_t i = 0; i < s->text.in; i++)
        s->columns[(uint32_t)s->column_of[(size_t)2 * i]] = i;
    return true;
}

void content_free(struct content_space *s)
{
    if (!s)
        return;
    free(s->text.projection);
    for (uint32_t j = 0; j < s->n_modalities; j++)
        free(s->modality[j].projection);
    free(s->column_of);
    free(s->columns);
    free(s);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A content space in a checkpoint: every number is checked before it is believed. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/content_space.h"

/* ---- writing ------------------------------------------------------------------------ */

static void describe_part(struct content_part *p)
{
    p->about[0] = (float)p->in;
    p->about[1] = (float)p->out;
    p->about[2] = p->weight;
    for (int i = 0; i < CONTENT_NAME; i++)
        p->about[3 + i] = (float)(unsigned char)p->name[i];
}

void content_describe(struct content_space *s)
{
    s->head[0] = CONTENT_VERSION;
    s->head[1] = (float)s->n_modalities;
    describe_part(&s->text);
    for (uint32_t j = 0; j < s->n_modalities; j++)
        describe_part(&s->modality[j]);
}

static const char *const parts[] = {"text", "0", "1", "2", "3", "4", "5", "6", "7"};

static struct checkpoint_extra extra_of(const char *part, const char *what, uint32_t rows,
                                        uint32_t cols, const float *data)
{
    struct checkpoint_extra e = {.rows = rows, .cols = cols, .data = data};
    snprintf(e.name, sizeof(e.name), "content.%s.%s", part, what);
    return e;
}

static size_t part_extras(const struct content_part *p, const char *name,
                          struct checkpoint_extra *extra)
{
    size_t n = 0;
    extra[n++] = extra_of(name, "about", 1, CONTENT_ABOUT, p->about);
    if (p->out)
        extra[n++] = extra_of(name, "projection", p->in + 1, p->out, p->projection);
    return n;
}

size_t content_extras(const struct content_space *s, struct checkpoint_extra *extra)
{
    size_t n = 0;
    extra[n++] = (struct checkpoint_extra){
        .name = "content.head", .rows = 1, .cols = 2, .data = s->head};
    n += part_extras(&s->text, parts[0], extra + n);
    if (s->text.out)
        extra[n++] = extra_of(parts[0], "columns", s->text.in, 2, s->column_of);
    for (uint32_t j = 0; j < s->n_modalities; j++)
        n += part_extras(&s->modality[j], parts[1 + j], extra + n);
    return n;
}

/* ---- reading ------------------------------------------------------------------------ */

struct loading {
    const char *path;
    struct content_space *s;
    struct penchant_error *err;
};

static int damaged(const struct loading *l, const char *what)
{
    return error_set(l->err, PENCHANT_ECORRUPT, "%s is damaged: content.%s", l->path,
                     what);
}

/* A matrix of exactly this shape; a missing one is damage, since the head told of it. */
static int read_part(const struct loading *l, const char *part, const char *what,
                     uint32_t rows, uint32_t cols, float **data)
{
    char name[48];
    uint32_t got_rows, got_cols;
    snprintf(name, sizeof(name), "content.%s.%s", part, what);
    const int status =
        checkpoint_extra(l->path, name, data, &got_rows, &got_cols, l->err);
    if (status == PENCHANT_ENOTFOUND)
        return damaged(l, name + strlen("content."));
    if (!status && (got_rows != rows || got_cols != cols)) {
        free(*data);
        *data = NULL;
        return damaged(l, name + strlen("content."));
    }
    return status;
}

/* Whether x is a whole number in [0, most]. */
static bool whole(float x, float most)
{
    return x >= 0 && x <= most && x == floorf(x);
}

static bool believe_about(const float *about, uint32_t most_in, struct content_part *p)
{
    if (!whole(about[0], (float)most_in) || !whole(about[1], CONTENT_TEXT_DIM) ||
        !(about[2] > 0))
        return false;
    p->in = (uint32_t)about[0];
    p->out = (uint32_t)about[1];
    p->weight = about[2];
    for (int i = 0; i < CONTENT_NAME; i++) {
        if (!whole(about[3 + i], 255))
            return false;
        p->name[i] = (char)(unsigned char)about[3 + i];
    }
    return p->name[CONTENT_NAME - 1] == '\0';
}

static int load_part(const struct loading *l, const char *name, uint32_t most_in,
                     struct content_part *p)
{
    float *about = NULL;
    int status = read_part(l, name, "about", 1, CONTENT_ABOUT, &about);
    if (!status && !believe_about(about, most_in, p))
        status = damaged(l, name);
    free(about);
    if (!status && p->out)
        status = read_part(l, name, "projection", p->in + 1, p->out, &p->projection);
    if (!status && p->out)
        p->offset = p->projection + (size_t)p->in * p->out;
    l->s->dim += p->out;
    return status;
}

static int load_columns(const struct loading *l)
{
    struct content_space *s = l->s;
    if (!s->text.out) {
        s->text.in = 0;
        return PENCHANT_OK;
    }
    const int status = read_part(l, parts[0], "columns", s->text.in, 2, &s->column_of);
    float last = -1;
    for (uint32_t i = 0; !status && i < s->text.in; i++) {
        const float bucket = s->column_of[(size_t)2 * i];
        if (!whole(bucket, TEXT_BUCKETS - 1) || bucket <= last ||
            !(s->column_of[(size_t)2 * i + 1] > 0))
            return damaged(l, "text.columns");
        last = bucket;
    }
    return status;
}

static int load(const struct loading *l, const float *head, uint32_t rows, uint32_t cols)
{
    struct content_space *s = l->s;
    if (rows != 1 || cols != 2)
        return damaged(l, "head");
    if (head[0] != CONTENT_VERSION)
        return error_set(l->err, PENCHANT_EVERSION,
                         "the content vectors of %s have version %g, not %d", l->path,
                         (double)head[0], CONTENT_VERSION);
    if (!whole(head[1], CONTENT_MAX_MODALITIES))
        return damaged(l, "head");
    int status = load_part(l, parts[0], CONTENT_MAX_COLUMNS, &s->text);
    if (!status)
        status = load_columns(l);
    if (!status && !content_index_columns(s))
        status = error_memory(l->err);
    for (uint32_t j = 0; !status && j < (uint32_t)head[1]; j++) {
        s->n_modalities++;
        status = load_part(l, parts[1 + j], CONTENT_MAX_DIM, &s->modality[j]);
    }
    if (!status && !s->dim)
        status = damaged(l, "head");
    return status;
}

int content_load(struct content_space **out, const char *path, struct penchant_error *err)
{
    struct loading l = {.path = path, .err = err};
    uint32_t rows, cols;
    float *head = NULL;
    *out = NULL;
    int status = checkpoint_extra(path, "content.head", &head, &rows, &cols, err);
    if (status == PENCHANT_ENOTFOUND)
        return PENCHANT_OK;
    if (status)
        return status;
    l.s = calloc(1, sizeof(*l.s));
    status = l.s ? load(&l, head, rows, cols) : error_memory(err);
    free(head);
    if (status) {
        content_free(l.s);
        return status;
    }
    content_describe(l.s);
    *out = l.s;
    return PENCHANT_OK;
}

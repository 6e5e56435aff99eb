/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a checkpoint; writing one is in checkpoint_save.c. */
#include "model/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "behaviour/safetensors.h"
#include "model/checkpoint_form.h"

struct reading {
    const char *path;
    int fd;
    json_t *header;
    size_t data_at, data_bytes;
    struct model *m;
    struct penchant_error *err;
};

static int damaged(const struct reading *r, const char *what)
{
    return error_set(r->err, PENCHANT_ECORRUPT, "%s is damaged: %s", r->path, what);
}

static int read_all(int fd, void *to, size_t n, size_t at)
{
    char *p = to;
    while (n) {
        const ssize_t got = pread(fd, p, n, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return -1;
        p += got;
        n -= (size_t)got;
        at += (size_t)got;
    }
    return 0;
}

static int open_header(struct reading *r)
{
    uint8_t length[SAFETENSORS_LENGTH];
    struct stat st;
    r->fd = open(r->path, O_RDONLY | O_CLOEXEC);
    if (r->fd < 0)
        return errno == ENOENT
                   ? error_set(r->err, PENCHANT_ENOTFOUND, "there is no %s", r->path)
                   : error_set(r->err, PENCHANT_EIO, "cannot open %s: %s", r->path,
                               strerror(errno));
    if (fstat(r->fd, &st) != 0 || read_all(r->fd, length, sizeof(length), 0) != 0)
        return damaged(r, "it is too short");
    const uint64_t n = safetensors_header(length, (uint64_t)st.st_size);
    if (!n || n > CHECKPOINT_MAX_HEADER)
        return damaged(r, "the header does not fit");
    char *text = malloc((size_t)n + 1);
    if (!text)
        return error_memory(r->err);
    if (read_all(r->fd, text, (size_t)n, SAFETENSORS_LENGTH) == 0)
        r->header = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
    free(text);
    r->data_at = (size_t)n + SAFETENSORS_LENGTH;
    r->data_bytes = (size_t)st.st_size - r->data_at;
    return json_is_object(r->header) ? PENCHANT_OK
                                     : damaged(r, "the header is no object");
}

static void close_header(struct reading *r)
{
    json_decref(r->header);
    if (r->fd >= 0)
        close(r->fd);
}

static const char *metadata(const struct reading *r, const char *name)
{
    const char *text = json_string_value(
        json_object_get(json_object_get(r->header, "__metadata__"), name));
    return text ? text : "";
}

static int read_config(const struct reading *r, struct model_config *c)
{
    char *end;
    if (strcmp(metadata(r, "format"), "penchant-model") != 0)
        return damaged(r, "it is no model of ours");
    if (strcmp(metadata(r, "version"), CHECKPOINT_VERSION) != 0)
        return error_set(r->err, PENCHANT_EVERSION, "%s has format version %.20s, not %s",
                         r->path, metadata(r, "version"), CHECKPOINT_VERSION);
    *c = (struct model_config){0};
#define X(field)                                                                         \
    {                                                                                    \
        const unsigned long v = strtoul(metadata(r, #field), &end, 10);                  \
        if (end == metadata(r, #field) || *end || v > UINT32_MAX)                        \
            return damaged(r, "metadata " #field);                                       \
        read_field(&c->field, v);                                                        \
    }
#define read_field(to, v) (*(to) = (__typeof__(*(to)))(v))
    CHECKPOINT_CONFIG_MAP(X)
#undef read_field
#undef X
    c->temperature = strtof(metadata(r, "temperature"), NULL);
    if ((unsigned)c->attention > MODEL_SILU)
        return damaged(r, "metadata attention");
    return PENCHANT_OK;
}

/* Finds a tensor of this type and shape; *at is where its bytes begin in the file. */
static int find(const struct reading *r, const char *name, const char *dtype, size_t rows,
                size_t cols, size_t *at)
{
    const json_t *t = json_object_get(r->header, name);
    const json_t *shape = json_object_get(t, "shape");
    const json_t *offsets = json_object_get(t, "data_offsets");
    const char *type = json_string_value(json_object_get(t, "dtype"));
    const json_int_t first = json_integer_value(json_array_get(offsets, 0));
    const json_int_t end = json_integer_value(json_array_get(offsets, 1));
    const size_t bytes = rows * (cols ? cols : 1) * 4;
    const bool shaped =
        json_array_size(shape) == (cols ? 2u : 1u) &&
        (size_t)json_integer_value(json_array_get(shape, 0)) == rows &&
        (!cols || (size_t)json_integer_value(json_array_get(shape, 1)) == cols);
    if (!type || strcmp(type, dtype) != 0 || !shaped || first < 0 || end < first ||
        (size_t)(end - first) != bytes || (size_t)end > r->data_bytes)
        return damaged(r, name);
    *at = r->data_at + (size_t)first;
    return PENCHANT_OK;
}

/* The numbers of a matrix, all finite. */
static int read_matrix(const struct reading *r, const char *name, size_t rows,
                       size_t cols, float *to)
{
    size_t at;
    const int status = find(r, name, "F32", rows, cols, &at);
    if (status != PENCHANT_OK)
        return status;
    if (read_all(r->fd, to, rows * cols * sizeof(float), at) != 0)
        return damaged(r, name);
    for (size_t i = 0; i < rows * cols; i++)
        if (!(to[i] - to[i] == 0))
            return damaged(r, "a parameter is not a number");
    return PENCHANT_OK;
}

static int read_tensor(void *arg, const struct model_tensor *t)
{
    const struct reading *r = arg;
    return read_matrix(r, t->name, t->rows, t->cols, r->m->param + t->offset);
}

/* The rows of the map, 0 without one: the configuration of models with content. */
static uint32_t content_dim(const struct reading *r)
{
    const json_t *shape =
        json_object_get(json_object_get(r->header, CHECKPOINT_CONTENT_MAP), "shape");
    const json_int_t n = json_integer_value(json_array_get(shape, 0));
    return n > 0 && n <= MODEL_MAX_CONTENT ? (uint32_t)n : 0;
}

static int read_content(const struct reading *r)
{
    const struct model *m = r->m;
    if (!m->content)
        return json_object_get(r->header, CHECKPOINT_CONTENT)
                   ? damaged(r, CHECKPOINT_CONTENT_MAP)
                   : PENCHANT_OK;
    const int status =
        read_matrix(r, CHECKPOINT_CONTENT, m->config.n_items, m->config.dim, m->content);
    return status ? status
                  : read_matrix(r, CHECKPOINT_CONTENT_MAP, m->config.content,
                                m->config.dim, m->content_map);
}

/* The items' attributes, checked so that no index leads outside. */
static int read_attributes(const struct reading *r, const struct model_config *c,
                           uint32_t **start, uint32_t **attr)
{
    size_t at;
    const size_t n = c->n_items + (size_t)1;
    int status = find(r, CHECKPOINT_START, "I32", n, 0, &at);
    if (status != PENCHANT_OK)
        return status;
    *start = malloc(n * 4);
    if (!*start)
        return error_memory(r->err);
    if (read_all(r->fd, *start, n * 4, at) != 0 || (*start)[0] != 0)
        return damaged(r, CHECKPOINT_START);
    for (size_t i = 1; i < n; i++)
        if ((*start)[i] < (*start)[i - 1])
            return damaged(r, CHECKPOINT_START);
    const size_t total = (*start)[n - 1];
    status = find(r, CHECKPOINT_ATTRIBUTE, "I32", total, 0, &at);
    if (status != PENCHANT_OK)
        return status;
    *attr = malloc(total * 4 + 4);
    if (!*attr)
        return error_memory(r->err);
    if (read_all(r->fd, *attr, total * 4, at) != 0)
        return damaged(r, CHECKPOINT_ATTRIBUTE);
    for (size_t i = 0; i < total; i++)
        if ((*attr)[i] >= c->n_attributes)
            return damaged(r, CHECKPOINT_ATTRIBUTE);
    return PENCHANT_OK;
}

static int read_names(struct reading *r)
{
    const uint32_t n = r->m->config.n_attributes;
    const char *text = metadata(r, "attribute_names");
    json_t *list = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    int status = PENCHANT_OK;
    if (json_array_size(list) != 0 && json_array_size(list) != n)
        status = damaged(r, "attribute_names");
    char **name = calloc(n + (size_t)1, sizeof(*name));
    for (uint32_t i = 0; name && status == PENCHANT_OK && i < json_array_size(list);
         i++) {
        const char *s = json_string_value(json_array_get(list, i));
        name[i] = (char *)(uintptr_t)s;
        status = s ? PENCHANT_OK : damaged(r, "attribute_names");
    }
    if (status == PENCHANT_OK && json_array_size(list) == n && n)
        status = name ? model_name_attributes(r->m, name) : PENCHANT_ENOMEM;
    free(name);
    json_decref(list);
    return status;
}

static int load(struct reading *r)
{
    struct model_config c;
    uint32_t *start = NULL, *attr = NULL;
    int status = open_header(r);
    if (status == PENCHANT_OK)
        status = read_config(r, &c);
    if (status == PENCHANT_OK && ((size_t)c.n_items * c.dim > r->data_bytes / 4 ||
                                  (size_t)c.n_attributes * c.dim > r->data_bytes / 4))
        status = damaged(r, "it is too short for its items"); /* before they have room */
    if (status == PENCHANT_OK && c.n_attributes)
        status = read_attributes(r, &c, &start, &attr);
    if (status == PENCHANT_OK) {
        c.content = content_dim(r);
        status = model_new(&r->m, &c, start, attr, r->err);
        status = status == PENCHANT_EINVALID ? damaged(r, "its configuration") : status;
    }
    if (status == PENCHANT_OK)
        status = model_each_tensor(r->m, read_tensor, r);
    if (status == PENCHANT_OK)
        status = read_content(r);
    if (status == PENCHANT_OK && c.n_attributes)
        status = read_names(r);
    free(start);
    free(attr);
    return status;
}

int checkpoint_load(struct model **out, const char *path, struct penchant_error *err)
{
    struct reading r = {.path = path, .fd = -1, .err = err};
    const int status = load(&r);
    close_header(&r);
    if (status != PENCHANT_OK) {
        model_free(r.m);
        r.m = NULL;
    }
    *out = r.m;
    return status;
}

int checkpoint_note(const char *path, const char *name, char *text, size_t n,
                    struct penchant_error *err)
{
    struct reading r = {.path = path, .fd = -1, .err = err};
    char key[CHECKPOINT_MAX_NAME + 8];
    snprintf(key, sizeof(key), "note.%s", name);
    const int status = open_header(&r);
    if (status == PENCHANT_OK)
        snprintf(text, n, "%s", metadata(&r, key));
    close_header(&r);
    return status;
}

/* The shape that the header gives a matrix, which must fit the file. */
static int read_shape(const struct reading *r, const char *name, uint32_t *rows,
                      uint32_t *cols)
{
    const json_t *shape = json_object_get(json_object_get(r->header, name), "shape");
    const json_int_t m = json_integer_value(json_array_get(shape, 0));
    const json_int_t n = json_integer_value(json_array_get(shape, 1));
    if (m < 1 || n < 1 || m > UINT32_MAX || n > UINT32_MAX ||
        (size_t)m > r->data_bytes / sizeof(float) / (size_t)n)
        return damaged(r, name);
    *rows = (uint32_t)m;
    *cols = (uint32_t)n;
    return PENCHANT_OK;
}

int checkpoint_extra(const char *path, const char *name, float **data, uint32_t *rows,
                     uint32_t *cols, struct penchant_error *err)
{
    struct reading r = {.path = path, .fd = -1, .err = err};
    *data = NULL;
    int status = open_header(&r);
    if (status == PENCHANT_OK && !json_object_get(r.header, name))
        status = error_set(err, PENCHANT_ENOTFOUND, "%s has no %s", path, name);
    if (status == PENCHANT_OK)
        status = read_shape(&r, name, rows, cols);
    if (status == PENCHANT_OK) {
        *data = malloc((size_t)*rows * *cols * sizeof(float));
        status = *data ? read_matrix(&r, name, *rows, *cols, *data) : error_memory(err);
    }
    close_header(&r);
    if (status != PENCHANT_OK) {
        free(*data);
        *data = NULL;
    }
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "model/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/files.h"
#include "base/json_writer.h"

/* The format's own limit on the header is 100 MB. */
enum { MAX_HEADER = 100 * 1000 * 1000, MAX_NAME = 64 };

#define FORMAT_VERSION "1"

/* The configuration as rows: name in the metadata, member, kind. */
#define CONFIG_MAP(X)                                                                    \
    X(dim)                                                                               \
    X(blocks)                                                                            \
    X(heads)                                                                             \
    X(max_length)                                                                        \
    X(ffn_dim)                                                                           \
    X(attention)                                                                         \
    X(gated)                                                                             \
    X(bias_position)                                                                     \
    X(bias_time)                                                                         \
    X(position)                                                                          \
    X(gap)                                                                               \
    X(normalise)                                                                         \
    X(n_items)                                                                           \
    X(n_attributes)                                                                      \
    X(n_types)

/* The attributes of the items are tables of whole numbers; kept as their own tensors. */
static const char *const start_name = "item_attribute_start", *const attr_name =
                                                                  "item_attribute";

/* What the items say (item_content.h); only models with content have them. */
static const char *const content_name = "item_content", *const map_name = "content_map";

/* ---- writing ------------------------------------------------------------------- */

struct writing {
    struct json_writer json;
    const struct model *m;
    size_t offset; /* bytes of data so far */
    int fd;
    const struct checkpoint_extra *extra; /* (n_extras) */
    size_t n_extras;
};

static void describe(struct writing *w, const char *name, const char *dtype, size_t rows,
                     size_t cols)
{
    const size_t bytes = rows * (cols ? cols : 1) * 4;
    json_key(&w->json, name);
    json_begin_object(&w->json);
    json_key_string(&w->json, "dtype", dtype);
    json_key(&w->json, "shape");
    json_begin_array(&w->json);
    json_uint(&w->json, rows);
    if (cols)
        json_uint(&w->json, cols);
    json_end_array(&w->json);
    json_key(&w->json, "data_offsets");
    json_begin_array(&w->json);
    json_uint(&w->json, w->offset);
    json_uint(&w->json, w->offset + bytes);
    json_end_array(&w->json);
    json_end_object(&w->json);
    w->offset += bytes;
}

static int describe_tensor(void *arg, const struct model_tensor *t)
{
    describe(arg, t->name, "F32", t->rows, t->cols);
    return 0;
}

static void write_names(struct writing *w)
{
    const struct model *m = w->m;
    struct buf names;
    struct json_writer list;
    buf_init(&names, MAX_HEADER);
    json_init(&list, &names);
    json_begin_array(&list);
    for (uint32_t i = 0; m->attribute_name && i < m->config.n_attributes; i++)
        json_text(&list, m->attribute_name[i]);
    json_end_array(&list);
    w->json.out->failed |= names.failed;
    json_key_string(&w->json, "attribute_names", names.data);
    buf_release(&names);
}

static void write_metadata(struct writing *w, const struct checkpoint_note *note,
                           size_t n)
{
    char text[32];
    json_key(&w->json, "__metadata__");
    json_begin_object(&w->json);
    json_key_string(&w->json, "format", "penchant-model");
    json_key_string(&w->json, "version", FORMAT_VERSION);
#define X(field)                                                                         \
    snprintf(text, sizeof(text), "%u", (unsigned)w->m->config.field);                    \
    json_key_string(&w->json, #field, text);
    CONFIG_MAP(X)
#undef X
    snprintf(text, sizeof(text), "%.9g", (double)w->m->config.temperature);
    json_key_string(&w->json, "temperature", text);
    write_names(w);
    for (size_t i = 0; i < n; i++) {
        char key[MAX_NAME + 8];
        snprintf(key, sizeof(key), "note.%s", note[i].name);
        json_key_string(&w->json, key, note[i].value);
    }
    json_end_object(&w->json);
}

static int write_tensor(void *arg, const struct model_tensor *t)
{
    const struct writing *w = arg;
    return files_write_all(w->fd, w->m->param + t->offset,
                           (size_t)t->rows * t->cols * sizeof(float));
}

struct file {
    struct writing *w;
    const struct buf *header;
};

static int write_file(void *arg, int fd)
{
    const struct file *f = arg;
    const struct model *m = f->w->m;
    uint8_t length[8];
    for (int i = 0; i < 8; i++)
        length[i] = (uint8_t)((uint64_t)f->header->len >> (8 * i));
    f->w->fd = fd;
    if (files_write_all(fd, length, 8) != 0 ||
        files_write_all(fd, f->header->data, f->header->len) != 0 ||
        model_each_tensor(m, write_tensor, f->w) != 0)
        return -1;
    const size_t n = m->config.n_items + (size_t)1, row = m->config.dim * sizeof(float);
    if (m->content && (files_write_all(fd, m->content, m->config.n_items * row) != 0 ||
                       files_write_all(fd, m->content_map, m->config.content * row) != 0))
        return -1;
    if (m->attr_start && (files_write_all(fd, m->attr_start, n * 4) != 0 ||
                          files_write_all(fd, m->attr, m->attr_start[n - 1] * (size_t)4)))
        return -1;
    for (size_t i = 0; i < f->w->n_extras; i++) {
        const struct checkpoint_extra *e = &f->w->extra[i];
        if (files_write_all(fd, e->data, (size_t)e->rows * e->cols * sizeof(float)) != 0)
            return -1;
    }
    return 0;
}

int checkpoint_save(const char *path, const struct model *m,
                    const struct checkpoint_note *note, size_t n_notes,
                    const struct checkpoint_extra *extra, size_t n_extras,
                    struct penchant_error *err)
{
    struct buf header;
    struct writing w = {.m = m, .extra = extra, .n_extras = n_extras};
    buf_init(&header, MAX_HEADER);
    json_init(&w.json, &header);
    json_begin_object(&w.json);
    write_metadata(&w, note, n_notes);
    model_each_tensor(m, describe_tensor, &w);
    if (m->content) {
        describe(&w, content_name, "F32", m->config.n_items, m->config.dim);
        describe(&w, map_name, "F32", m->config.content, m->config.dim);
    }
    if (m->attr_start) {
        describe(&w, start_name, "I32", m->config.n_items + (size_t)1, 0);
        describe(&w, attr_name, "I32", m->attr_start[m->config.n_items], 0);
    }
    for (size_t i = 0; i < n_extras; i++)
        describe(&w, extra[i].name, "F32", extra[i].rows, extra[i].cols);
    json_end_object(&w.json);
    while (header.len % 8)
        buf_putc(&header, ' ');
    const struct file f = {.w = &w, .header = &header};
    const int status = header.failed
                           ? error_memory(err)
                           : files_replace(path, write_file, (void *)(uintptr_t)&f, err);
    buf_release(&header);
    return status;
}

/* ---- reading ------------------------------------------------------------------- */

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
    uint8_t length[8];
    struct stat st;
    r->fd = open(r->path, O_RDONLY | O_CLOEXEC);
    if (r->fd < 0)
        return errno == ENOENT
                   ? error_set(r->err, PENCHANT_ENOTFOUND, "there is no %s", r->path)
                   : error_set(r->err, PENCHANT_EIO, "cannot open %s: %s", r->path,
                               strerror(errno));
    if (fstat(r->fd, &st) != 0 || read_all(r->fd, length, 8, 0) != 0)
        return damaged(r, "it is too short");
    uint64_t n = 0;
    for (int i = 0; i < 8; i++)
        n |= (uint64_t)length[i] << (8 * i);
    if (n > MAX_HEADER || n + 8 > (uint64_t)st.st_size)
        return damaged(r, "the header does not fit");
    char *text = malloc((size_t)n + 1);
    if (!text)
        return error_memory(r->err);
    if (read_all(r->fd, text, (size_t)n, 8) == 0)
        r->header = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
    free(text);
    r->data_at = (size_t)n + 8;
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
    if (strcmp(metadata(r, "version"), FORMAT_VERSION) != 0)
        return error_set(r->err, PENCHANT_EVERSION, "%s has format version %.20s, not %s",
                         r->path, metadata(r, "version"), FORMAT_VERSION);
    *c = (struct model_config){0};
#define X(field)                                                                         \
    {                                                                                    \
        const unsigned long v = strtoul(metadata(r, #field), &end, 10);                  \
        if (end == metadata(r, #field) || *end || v > UINT32_MAX)                        \
            return damaged(r, "metadata " #field);                                       \
        read_field(&c->field, v);                                                        \
    }
#define read_field(to, v) (*(to) = (__typeof__(*(to)))(v))
    CONFIG_MAP(X)
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
    const json_t *shape = json_object_get(json_object_get(r->header, map_name), "shape");
    const json_int_t n = json_integer_value(json_array_get(shape, 0));
    return n > 0 && n <= MODEL_MAX_CONTENT ? (uint32_t)n : 0;
}

static int read_content(const struct reading *r)
{
    const struct model *m = r->m;
    if (!m->content)
        return json_object_get(r->header, content_name) ? damaged(r, map_name)
                                                        : PENCHANT_OK;
    const int status =
        read_matrix(r, content_name, m->config.n_items, m->config.dim, m->content);
    return status ? status
                  : read_matrix(r, map_name, m->config.content, m->config.dim,
                                m->content_map);
}

/* The items' attributes, checked so that no index leads outside. */
static int read_attributes(const struct reading *r, const struct model_config *c,
                           uint32_t **start, uint32_t **attr)
{
    size_t at;
    const size_t n = c->n_items + (size_t)1;
    int status = find(r, start_name, "I32", n, 0, &at);
    if (status != PENCHANT_OK)
        return status;
    *start = malloc(n * 4);
    if (!*start)
        return error_memory(r->err);
    if (read_all(r->fd, *start, n * 4, at) != 0 || (*start)[0] != 0)
        return damaged(r, start_name);
    for (size_t i = 1; i < n; i++)
        if ((*start)[i] < (*start)[i - 1])
            return damaged(r, start_name);
    const size_t total = (*start)[n - 1];
    status = find(r, attr_name, "I32", total, 0, &at);
    if (status != PENCHANT_OK)
        return status;
    *attr = malloc(total * 4 + 4);
    if (!*attr)
        return error_memory(r->err);
    if (read_all(r->fd, *attr, total * 4, at) != 0)
        return damaged(r, attr_name);
    for (size_t i = 0; i < total; i++)
        if ((*attr)[i] >= c->n_attributes)
            return damaged(r, attr_name);
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
    char key[MAX_NAME + 8];
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

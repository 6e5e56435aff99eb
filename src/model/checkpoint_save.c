/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a checkpoint; reading one is in checkpoint.c. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/files.h"
#include "base/json_writer.h"
#include "model/checkpoint.h"
#include "model/checkpoint_form.h"

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
    buf_init(&names, CHECKPOINT_MAX_HEADER);
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
    json_key_string(&w->json, "version", CHECKPOINT_VERSION);
#define X(field)                                                                         \
    snprintf(text, sizeof(text), "%u", (unsigned)w->m->config.field);                    \
    json_key_string(&w->json, #field, text);
    CHECKPOINT_CONFIG_MAP(X)
#undef X
    snprintf(text, sizeof(text), "%.9g", (double)w->m->config.temperature);
    json_key_string(&w->json, "temperature", text);
    write_names(w);
    for (size_t i = 0; i < n; i++) {
        char key[CHECKPOINT_MAX_NAME + 8];
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
    buf_init(&header, CHECKPOINT_MAX_HEADER);
    json_init(&w.json, &header);
    json_begin_object(&w.json);
    write_metadata(&w, note, n_notes);
    model_each_tensor(m, describe_tensor, &w);
    if (m->content) {
        describe(&w, CHECKPOINT_CONTENT, "F32", m->config.n_items, m->config.dim);
        describe(&w, CHECKPOINT_CONTENT_MAP, "F32", m->config.content, m->config.dim);
    }
    if (m->attr_start) {
        describe(&w, CHECKPOINT_START, "I32", m->config.n_items + (size_t)1, 0);
        describe(&w, CHECKPOINT_ATTRIBUTE, "I32", m->attr_start[m->config.n_items], 0);
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

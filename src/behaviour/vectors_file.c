/* SPDX-License-Identifier: Apache-2.0 */
/* Telling the formats apart, whose the rows are, and the rows of the two binary ones; JSON
   lines are in vectors_lines.c. */
#include "behaviour/vectors_reading.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "behaviour/check.h"
#include "behaviour/import.h"
#include "behaviour/npy.h"
#include "behaviour/reader.h"
#include "behaviour/safetensors.h"

enum { PROGRESS_ROWS = 4096 };

int vectors_fail(const struct vectors_reading *r, const struct penchant_error *why)
{
    return error_set(r->err, why->status, "%s: %s", r->f->vectors, why->text);
}

/* ---- one vector ---- */

int vectors_begin(struct vectors_reading *r, uint64_t dim, struct penchant_error *why)
{
    if (dim < 1 || dim > VECTORS_MAX_DIM)
        return error_set(why, PENCHANT_EINVALID,
                         "vectors of %llu numbers; 1 to %d are taken",
                         (unsigned long long)dim, VECTORS_MAX_DIM);
    r->dim = (uint32_t)dim;
    r->row = malloc(r->dim * sizeof(*r->row));
    r->bytes = malloc(r->dim * sizeof(double));
    return r->row && r->bytes ? PENCHANT_OK : error_memory(why);
}

int vectors_deliver(struct vectors_reading *r, const char *item_id, const float *v,
                    struct penchant_error *why)
{
    int rc = PENCHANT_OK;
    for (uint32_t i = 0; i < r->dim; i++)
        if (!isfinite(v[i]))
            return error_set(why, PENCHANT_EINVALID,
                             "number %u of item %.100s is not a finite float", i + 1,
                             item_id);
    if (*r->rows == 0)
        rc = r->sink->begin(r->sink->cookie, r->dim, why);
    if (rc == PENCHANT_OK)
        rc = r->sink->vector(r->sink->cookie, item_id, v, why);
    if (rc == PENCHANT_OK && r->f->progress && *r->rows % PROGRESS_ROWS == 0 &&
        r->f->progress(r->f->cookie, "vectors", *r->rows, r->total, "") != 0)
        rc = error_set(why, PENCHANT_EINTERRUPTED, "stopped on request");
    *r->rows += rc == PENCHANT_OK;
    return rc;
}

/* Numbers that stand at `at` of the file. */
static int read_at(struct vectors_reading *r, uint64_t at, size_t n, void *out,
                   struct penchant_error *why)
{
    if (fseeko(r->file, (off_t)at, SEEK_SET) == 0 && fread(out, 1, n, r->file) == n)
        return PENCHANT_OK;
    return ferror(r->file) ? error_set(why, PENCHANT_EIO, "%s", strerror(errno))
                           : error_set(why, PENCHANT_EINVALID, "ends at byte %llu",
                                       (unsigned long long)r->size);
}

static int deliver_numbers(struct vectors_reading *r, enum floats_kind kind, uint64_t at,
                           const char *item_id, struct penchant_error *why)
{
    const int rc = read_at(r, at, r->dim * floats_size(kind), r->bytes, why);
    if (rc != PENCHANT_OK)
        return rc;
    floats_read(kind, r->bytes, r->dim, r->row);
    return vectors_deliver(r, item_id, r->row, why);
}

/* ---- whose the rows are ---- */

static int add_id(struct vectors_reading *r, const char *path, uint64_t line,
                  const char *id, size_t len)
{
    struct penchant_error why = {.text = "item_id contains a control character"};
    if (len != strlen(id) || check_id(id, 0, "item_id", &why) != PENCHANT_OK)
        return error_set(r->err, PENCHANT_EINVALID, "%s:%llu: %s", path,
                         (unsigned long long)line, why.text);
    const uint32_t n = r->ids.n, number = names_add(&r->ids, id, len);
    if (number == NAMES_NONE)
        return error_memory(r->err);
    return number == n
               ? PENCHANT_OK
               : error_set(r->err, PENCHANT_EINVALID, "%s:%llu: item %s is there twice",
                           path, (unsigned long long)line, id);
}

static int read_ids(struct vectors_reading *r)
{
    struct reader *reader;
    struct reader_line line;
    int rc = reader_open(&reader, r->f->ids, r->err);
    if (rc != PENCHANT_OK)
        return rc;
    while ((rc = reader_next(reader, 0, &line, r->err)) == 1) {
        if (line.problem)
            rc = error_set(r->err, PENCHANT_EINVALID, "%s:%llu: %s", r->f->ids,
                           (unsigned long long)line.number, line.problem);
        else
            rc = add_id(r, r->f->ids, line.number, line.text, line.len);
        if (rc != PENCHANT_OK)
            break;
    }
    reader_close(reader);
    return rc;
}

static int take_item(void *cookie, const struct penchant_item *item,
                     struct penchant_error *err)
{
    struct vectors_reading *r = cookie;
    (void)err;
    return add_id(r, r->f->items, r->ids.n + 1, item->item_id, strlen(item->item_id));
}

/* Fills r->ids for a table of that many rows. */
static int find_ids(struct vectors_reading *r, uint64_t rows)
{
    const struct import_sink sink = {.item = take_item, .cookie = r};
    const struct penchant_import_options o = {.items = r->f->items};
    struct penchant_import_report report = {0};
    if (!r->f->ids && !r->f->items)
        return error_set(r->err, PENCHANT_EINVALID,
                         "%s: its rows do not say of which items they are; a file with "
                         "one item_id a line is needed",
                         r->f->vectors);
    const int rc = r->f->ids ? read_ids(r) : import_read(&o, &sink, &report, r->err);
    if (rc == PENCHANT_OK && r->ids.n != rows)
        return error_set(r->err, PENCHANT_EINVALID, "%s has %llu rows, %s has %u items",
                         r->f->vectors, (unsigned long long)rows,
                         r->f->ids ? r->f->ids : r->f->items, r->ids.n);
    return rc;
}

/* The rows of a table whose numbers begin at `at`. */
static int read_table(struct vectors_reading *r, enum floats_kind kind, uint64_t at,
                      uint64_t rows)
{
    struct penchant_error why = {0};
    int rc = find_ids(r, rows);
    r->total = rows;
    for (uint64_t i = 0; i < rows && rc == PENCHANT_OK; i++) {
        const uint64_t from = at + i * r->dim * floats_size(kind);
        rc = deliver_numbers(r, kind, from, names_text(&r->ids, (uint32_t)i), &why);
        if (rc != PENCHANT_OK)
            rc = error_set(r->err, rc, "%s: row %llu (byte %llu): %s", r->f->vectors,
                           (unsigned long long)i + 1, (unsigned long long)from, why.text);
    }
    return rc;
}

/* ---- the two binary formats ---- */

static int read_npy(struct vectors_reading *r)
{
    unsigned char *head = malloc(NPY_HEADER_MAX);
    struct penchant_error why = {0};
    struct npy npy;
    uint64_t bytes = 0;
    if (!head)
        return error_memory(r->err);
    const size_t n = r->size < NPY_HEADER_MAX ? (size_t)r->size : NPY_HEADER_MAX;
    int rc = read_at(r, 0, n, head, &why);
    if (rc == PENCHANT_OK)
        rc = npy_parse(&npy, head, n, &why);
    free(head);
    if (rc == PENCHANT_OK)
        rc = vectors_begin(r, npy.cols, &why);
    if (rc == PENCHANT_OK &&
        (__builtin_mul_overflow(npy.rows, npy.cols * floats_size(npy.kind), &bytes) ||
         npy.rows >= NAMES_NONE || bytes != r->size - npy.data_at))
        rc = error_set(&why, PENCHANT_EINVALID,
                       "%llu bytes of numbers do not fit a shape of (%llu, %llu)",
                       (unsigned long long)(r->size - npy.data_at),
                       (unsigned long long)npy.rows, (unsigned long long)npy.cols);
    return rc == PENCHANT_OK ? read_table(r, npy.kind, npy.data_at, npy.rows)
                             : vectors_fail(r, &why);
}

/* Of a file that names the item of every vector itself. */
static int refuse_ids(const struct vectors_reading *r)
{
    return r->f->ids ? error_set(r->err, PENCHANT_EINVALID,
                                 "%s names its items itself; %s would not be read",
                                 r->f->vectors, r->f->ids)
                     : PENCHANT_OK;
}

static int read_lines(struct vectors_reading *r)
{
    const int rc = refuse_ids(r);
    return rc == PENCHANT_OK ? vectors_read_lines(r) : rc;
}

/* One tensor an item, named like it. */
static int read_tensors(struct vectors_reading *r, json_t *header, uint64_t data_at,
                        struct penchant_error *why)
{
    const char *name;
    json_t *json;
    int rc = refuse_ids(r);
    if (rc != PENCHANT_OK)
        return rc;
    r->total = json_object_size(header);
    json_object_foreach(header, name, json)
    {
        struct safetensor t;
        rc = safetensors_tensor(&t, name, json, r->size - data_at, why);
        if (rc == PENCHANT_OK && t.dims != 1)
            rc = error_set(why, PENCHANT_EINVALID,
                           "tensor \"%.100s\" is a table beside other tensors", name);
        if (rc == PENCHANT_OK && !r->dim)
            rc = vectors_begin(r, t.shape[1], why);
        if (rc == PENCHANT_OK && t.shape[1] != r->dim)
            rc = error_set(why, PENCHANT_EINVALID,
                           "tensor \"%.100s\" has %llu numbers, the first one has %u",
                           name, (unsigned long long)t.shape[1], r->dim);
        if (rc == PENCHANT_OK)
            rc = check_id(name, 0, "item_id", why);
        if (rc == PENCHANT_OK)
            rc = deliver_numbers(r, t.kind, data_at + t.at, name, why);
        if (rc != PENCHANT_OK)
            break;
    }
    return rc == PENCHANT_OK ? rc : vectors_fail(r, why);
}

static int read_tensor_file(struct vectors_reading *r, uint64_t len)
{
    struct penchant_error why = {0};
    struct safetensor t = {0};
    json_t *header = NULL;
    const uint64_t data_at = SAFETENSORS_LENGTH + len;
    char *text = len <= SAFETENSORS_HEADER_MAX ? malloc((size_t)len) : NULL;
    int rc = PENCHANT_OK;
    if (!text)
        rc = len <= SAFETENSORS_HEADER_MAX
                 ? error_memory(&why)
                 : error_set(&why, PENCHANT_EINVALID, "has a header of %llu bytes",
                             (unsigned long long)len);
    if (rc == PENCHANT_OK)
        rc = read_at(r, SAFETENSORS_LENGTH, (size_t)len, text, &why);
    if (rc == PENCHANT_OK)
        rc = safetensors_parse(&header, text, (size_t)len, &why);
    free(text);
    if (rc != PENCHANT_OK)
        return vectors_fail(r, &why);
    void *only = json_object_size(header) == 1 ? json_object_iter(header) : NULL;
    if (only)
        rc = safetensors_tensor(&t, json_object_iter_key(only),
                                json_object_iter_value(only), r->size - data_at, &why);
    if (rc == PENCHANT_OK && t.dims == 2) {
        rc = t.shape[0] < NAMES_NONE
                 ? vectors_begin(r, t.shape[1], &why)
                 : error_set(&why, PENCHANT_EINVALID, "too many rows");
        rc = rc == PENCHANT_OK ? read_table(r, t.kind, data_at + t.at, t.shape[0])
                               : vectors_fail(r, &why);
    } else {
        rc = rc == PENCHANT_OK ? read_tensors(r, header, data_at, &why)
                               : vectors_fail(r, &why);
    }
    json_decref(header);
    return rc;
}

/* ---- a file ---- */

static int read_file(struct vectors_reading *r)
{
    unsigned char first[SAFETENSORS_LENGTH + 1] = {0};
    struct stat st;
    const size_t n = fread(first, 1, sizeof(first), r->file);
    const bool regular = fstat(fileno(r->file), &st) == 0 && S_ISREG(st.st_mode);
    r->size = regular ? (uint64_t)st.st_size : 0;
    if (regular && n >= NPY_MAGIC_BYTES && memcmp(first, NPY_MAGIC, NPY_MAGIC_BYTES) == 0)
        return read_npy(r);
    const uint64_t header = regular ? safetensors_header(first, r->size) : 0;
    if (header && first[SAFETENSORS_LENGTH] == '{')
        return read_tensor_file(r, header);
    return read_lines(r);
}

int vectors_read(const struct vectors_files *f, const struct vectors_sink *sink,
                 uint64_t *rows, struct penchant_error *err)
{
    struct vectors_reading r = {.f = f, .sink = sink, .rows = rows, .err = err};
    int rc;
    *rows = 0;
    names_init(&r.ids);
    if (strcmp(f->vectors, "-") == 0) {
        rc = read_lines(&r);
    } else {
        r.file = fopen(f->vectors, "rbe");
        rc = r.file ? read_file(&r)
                    : error_set(err, errno == ENOENT ? PENCHANT_ENOTFOUND : PENCHANT_EIO,
                                "%s: %s", f->vectors, strerror(errno));
    }
    if (rc == PENCHANT_OK && *rows == 0)
        rc = error_set(err, PENCHANT_EINVALID, "%s holds no vector", f->vectors);
    if (r.file)
        fclose(r.file);
    names_release(&r.ids);
    free(r.row);
    free(r.bytes);
    return rc;
}

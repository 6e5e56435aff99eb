/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vectors from files into the shop, on the writer, in one transaction, and back: a name's
 * vectors are replaced as a whole, or nothing has changed.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/files.h"
#include "base/json_writer.h"
#include "base/timing.h"
#include "behaviour/vectors_file.h"
#include "engine/engine.h"
#include "engine/modalities.h"

enum { FLUSH_AT = 1 << 16, LINE_MAX_BYTES = 1 << 20, FLOAT_DIGITS = 9 };

#define MAX_WEIGHT 100.0

_Static_assert((int)VECTORS_MAX_DIM == (int)CONTENT_MAX_DIM, "what is read can be used");

void penchant_vectors_options_default(struct penchant_vectors_options *o)
{
    *o = (struct penchant_vectors_options){.weight = 1};
}

static int check_modality(const char *name, struct penchant_error *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_.-";
    const size_t most = sizeof((struct content_modality *)0)->name - 1;
    if (!name || !*name || strspn(name, allowed) != strlen(name) || strlen(name) > most)
        return error_field(err, PENCHANT_EINVALID, 0, "name",
                           "name must be 1-%zu characters [a-z0-9_.-]", most);
    return PENCHANT_OK;
}

/* ---- import ---- */

struct taking {
    struct work work;
    const struct penchant_vectors_options *o;
    struct penchant_vectors_report *out;
    struct penchant *p;
    uint32_t dim;
};

/* Whether there is such a name, and how many beside it. */
struct others {
    const char *name;
    uint32_t n;
    bool found;
};

static int count_other(void *cookie, const struct store_modality *m)
{
    struct others *o = cookie;
    const bool same = strcmp(m->name, o->name) == 0;
    o->n += !same;
    o->found |= same;
    return PENCHANT_OK;
}

static int begin(void *cookie, uint32_t dim, struct penchant_error *err)
{
    struct taking *t = cookie;
    struct store *store = t->p->store;
    struct others others = {.name = t->o->name};
    t->dim = t->out->dim = dim;
    int rc = store->ops->scan_modalities(store, count_other, &others, err);
    if (rc == PENCHANT_OK && others.n >= CONTENT_MAX_MODALITIES)
        rc = error_set(err, PENCHANT_ELIMIT,
                       "the shop has vectors of %d names already, and no more are taken",
                       CONTENT_MAX_MODALITIES);
    const struct store_modality m = {t->o->name, dim, t->o->weight};
    return rc ? rc : store->ops->put_modality(store, &m, err);
}

static int take(void *cookie, const char *item_id, const float *v,
                struct penchant_error *err)
{
    struct taking *t = cookie;
    bool zero = true;
    for (uint32_t i = 0; zero && i < t->dim; i++)
        zero = v[i] == 0;
    const uint32_t item = names_find(&t->p->catalog.ids, item_id, strlen(item_id));
    const bool known = item != NAMES_NONE || t->o->check;
    t->out->empty += zero;
    t->out->unknown += !zero && !known;
    if (zero || !known)
        return PENCHANT_OK;
    t->out->vectors++;
    return t->o->check ? PENCHANT_OK
                       : t->p->store->ops->put_vector(t->p->store, item, v, err);
}

static int write_vectors(struct taking *t, struct penchant_error *err)
{
    const struct vectors_files files = {.vectors = t->o->vectors,
                                        .ids = t->o->ids,
                                        .items = t->o->items,
                                        .progress = t->o->progress,
                                        .cookie = t->o->cookie};
    const struct vectors_sink sink = {begin, take, t};
    const int rc = vectors_read(&files, &sink, &t->out->rows, err);
    if (rc == PENCHANT_OK && !t->out->vectors)
        return error_set(err, PENCHANT_EINVALID,
                         "%s: no vector is of an item of this shop", t->o->vectors);
    return rc;
}

static int vectors_alone(struct penchant *p, struct work *w, struct penchant_error *err)
{
    struct taking *t = (struct taking *)w;
    int rc = writer_begin(p, err);
    if (rc != PENCHANT_OK)
        return rc;
    rc = write_vectors(t, err);
    if (rc != PENCHANT_OK || t->o->check) {
        writer_rollback(p);
        return rc;
    }
    if ((rc = writer_commit(p, err)) != PENCHANT_OK)
        return rc;
    return engine_read_vectors(p, err) == PENCHANT_OK ? PENCHANT_OK
                                                      : writer_broke(p, err);
}

int engine_read_vectors(struct penchant *p, struct penchant_error *err)
{
    struct modalities *fresh;
    const int rc = modalities_read(&fresh, p->store, p->catalog.ids.n, err);
    if (rc != PENCHANT_OK)
        return rc;
    pthread_rwlock_wrlock(&p->lock);
    struct modalities *old = p->modalities;
    p->modalities = fresh;
    p->vectors_version++;
    pthread_rwlock_unlock(&p->lock);
    modalities_release(old);
    return PENCHANT_OK;
}

int penchant_import_vectors(struct penchant *p, const struct penchant_vectors_options *o,
                            struct penchant_vectors_report *out,
                            struct penchant_error *err)
{
    struct penchant_vectors_report ignored;
    struct penchant_error why = {0};
    out = out ? out : &ignored;
    *out = (struct penchant_vectors_report){0};
    const int64_t began = timing_steady_ns();
    struct taking t = {.work = {.alone = vectors_alone}, .o = o, .out = out, .p = p};
    int rc = check_modality(o->name, &why);
    if (rc == PENCHANT_OK && !(o->weight > 0 && o->weight <= MAX_WEIGHT))
        rc = error_field(&why, PENCHANT_EINVALID, 0, "weight",
                         "weight must be above 0 and at most %g", MAX_WEIGHT);
    if (rc == PENCHANT_OK && !o->vectors)
        rc = error_field(&why, PENCHANT_EINVALID, 0, "vectors", "there is no file");
    if (rc == PENCHANT_OK)
        rc = writer_run(p, &t.work, &why);
    out->seconds = (double)(timing_steady_ns() - began) / 1e9;
    if (rc != PENCHANT_OK && err)
        *err = why;
    return rc;
}

/* ---- removal ---- */

struct removal {
    struct work work;
    const char *name;
};

static int remove_alone(struct penchant *p, struct work *w, struct penchant_error *err)
{
    struct others others = {.name = ((struct removal *)w)->name};
    int rc = writer_begin(p, err);
    if (rc != PENCHANT_OK)
        return rc;
    rc = p->store->ops->scan_modalities(p->store, count_other, &others, err);
    if (rc == PENCHANT_OK && !others.found)
        rc = error_field(err, PENCHANT_ENOTFOUND, 0, "name",
                         "there are no vectors called %s", others.name);
    if (rc == PENCHANT_OK)
        rc = p->store->ops->remove_modality(p->store, others.name, err);
    if (rc != PENCHANT_OK) {
        writer_rollback(p);
        return rc;
    }
    if ((rc = writer_commit(p, err)) != PENCHANT_OK)
        return rc;
    return engine_read_vectors(p, err) == PENCHANT_OK ? PENCHANT_OK
                                                      : writer_broke(p, err);
}

int penchant_remove_vectors(struct penchant *p, const char *name,
                            struct penchant_error *err)
{
    struct removal me = {.work = {.alone = remove_alone}, .name = name};
    const int rc = check_modality(name, err);
    return rc ? rc : writer_run(p, &me.work, err);
}

/* ---- export ---- */

struct giving {
    struct penchant *p;
    const char *name, *path;
    uint32_t dim; /* 0: there is no such name */
    int fd;
    struct buf out;
    struct penchant_error *err;
    struct penchant_error why;
};

static int find_dim(void *cookie, const struct store_modality *m)
{
    struct giving *g = cookie;
    g->dim = strcmp(m->name, g->name) == 0 ? m->dim : g->dim;
    return PENCHANT_OK;
}

static int flush(struct giving *g)
{
    if (files_write_all(g->fd, g->out.data, g->out.len) != 0)
        return error_set(g->err, PENCHANT_EIO, "the export cannot be written: %s",
                         strerror(errno));
    buf_clear(&g->out);
    return PENCHANT_OK;
}

static int give_vector(void *cookie, uint32_t item, const float *v)
{
    struct giving *g = cookie;
    struct json_writer w;
    if (item >= g->p->catalog.ids.n)
        return error_set(g->err, PENCHANT_ECORRUPT, "a vector is of no item");
    json_init(&w, &g->out);
    json_begin_object(&w);
    json_key_string(&w, "item_id", names_text(&g->p->catalog.ids, item));
    json_key(&w, "vector");
    json_begin_array(&w);
    for (uint32_t i = 0; i < g->dim; i++)
        json_double(&w, (double)v[i], FLOAT_DIGITS);
    json_end_array(&w);
    json_end_object(&w);
    buf_putc(&g->out, '\n');
    if (g->out.failed)
        return error_memory(g->err);
    return g->out.len < FLUSH_AT ? PENCHANT_OK : flush(g);
}

/* For files_replace(). */
static int write_file(void *arg, int fd)
{
    struct giving *g = arg;
    struct store *store = g->p->store;
    g->fd = fd;
    g->err = &g->why;
    buf_init(&g->out, FLUSH_AT + LINE_MAX_BYTES);
    int rc = store->ops->scan_vectors(store, g->name, give_vector, g, g->err);
    if (rc == PENCHANT_OK)
        rc = flush(g);
    buf_release(&g->out);
    return rc;
}

static int export_alone(struct penchant *p, void *arg, struct penchant_error *err)
{
    struct giving *g = arg;
    int rc = p->store->ops->scan_modalities(p->store, find_dim, g, err);
    if (rc == PENCHANT_OK && !g->dim)
        rc = error_field(err, PENCHANT_ENOTFOUND, 0, "name",
                         "there are no vectors called %s", g->name);
    if (rc != PENCHANT_OK)
        return rc;
    rc = strcmp(g->path, "-") == 0 ? write_file(g, STDOUT_FILENO)
                                   : files_replace(g->path, write_file, g, err);
    if (rc != PENCHANT_OK && g->why.status != PENCHANT_OK)
        *err = g->why; /* it knows better than files_replace() */
    return rc;
}

int penchant_export_vectors(struct penchant *p, const char *name, const char *path,
                            struct penchant_error *err)
{
    struct giving g = {.p = p, .name = name, .path = path};
    struct penchant_error why = {0};
    int rc = check_modality(name, &why);
    if (rc == PENCHANT_OK)
        rc = engine_with_store(p, export_alone, &g, &why);
    if (rc != PENCHANT_OK && err)
        *err = why;
    return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors in memory: the newest row of a name counts, and the vectors that name its row. */
#include <stdlib.h>
#include <string.h>

#include "store/store_memory_tables.h"

static int add(struct store *store, const struct store_modality *m,
               struct penchant_error *err)
{
    bool complete = true;
    struct modality_row row = {.dim = m->dim, .weight = m->weight};
    row.name = memory_copy_text(m->name, &complete);
    return memory_add_row((struct memory_store *)store, MODALITIES, &row, complete, err);
}

int memory_put_modality(struct store *store, const struct store_modality *m,
                        struct penchant_error *err)
{
    return add(store, m, err);
}

int memory_remove_modality(struct store *store, const char *name,
                           struct penchant_error *err)
{
    const struct store_modality none = {.name = name};
    return add(store, &none, err);
}

int memory_put_vector(struct store *store, uint32_t item, const float *vector,
                      struct penchant_error *err)
{
    struct memory_store *s = (struct memory_store *)store;
    const struct table *t = &s->table[MODALITIES];
    const struct modality_row *m = t->n ? memory_row(s, MODALITIES, t->n - 1) : NULL;
    if (s->writing && (t->n == t->begun || !m->dim))
        return error_set(err, PENCHANT_EINVALID, "no modality was put");
    bool complete = true;
    struct vector_row row = {.modality = t->n - 1, .item = item};
    if (m)
        row.vector = memory_copy(vector, m->dim * sizeof(float), &complete);
    return memory_add_row(s, VECTORS, &row, complete, err);
}

/* Row i is the one that counts of its name. */
static bool counts(struct memory_store *s, size_t i)
{
    const struct modality_row *m = memory_row(s, MODALITIES, i);
    for (size_t j = i + 1; j < s->table[MODALITIES].n; j++) {
        const struct modality_row *other = memory_row(s, MODALITIES, j);
        if (strcmp(other->name, m->name) == 0)
            return false;
    }
    return m->dim > 0;
}

/* The next name after `after` (NULL: the first), or NULL. */
static const struct modality_row *next_name(struct memory_store *s, const char *after)
{
    const struct modality_row *best = NULL;
    for (size_t i = 0; i < s->table[MODALITIES].n; i++) {
        const struct modality_row *m = memory_row(s, MODALITIES, i);
        if (counts(s, i) && (!after || strcmp(m->name, after) > 0) &&
            (!best || strcmp(m->name, best->name) < 0))
            best = m;
    }
    return best;
}

int memory_scan_modalities(struct store *store, store_modality_fn *fn, void *cookie,
                           struct penchant_error *err)
{
    struct memory_store *s = (struct memory_store *)store;
    (void)err;
    int answer = 0;
    const struct modality_row *m = next_name(s, NULL);
    for (; m && !answer; m = next_name(s, m->name)) {
        const struct store_modality row = {m->name, m->dim, m->weight};
        answer = fn(cookie, &row);
    }
    return answer;
}

int memory_scan_vectors(struct store *store, const char *name, store_vector_fn *fn,
                        void *cookie, struct penchant_error *err)
{
    struct memory_store *s = (struct memory_store *)store;
    const size_t n = s->table[VECTORS].n;
    size_t modality = 0, items = 0;
    while (modality < s->table[MODALITIES].n &&
           (!counts(s, modality) ||
            strcmp(((struct modality_row *)memory_row(s, MODALITIES, modality))->name,
                   name) != 0))
        modality++;
    for (size_t i = 0; i < n; i++) {
        const struct vector_row *v = memory_row(s, VECTORS, i);
        items = v->item >= items ? (size_t)v->item + 1 : items;
    }
    const float **newest = calloc(items ? items : 1, sizeof(float *));
    if (!newest)
        return error_memory(err);
    for (size_t i = 0; i < n; i++) {
        const struct vector_row *v = memory_row(s, VECTORS, i);
        if (v->modality == modality)
            newest[v->item] = v->vector;
    }
    int answer = 0;
    for (size_t item = 0; item < items && !answer; item++)
        if (newest[item])
            answer = fn(cookie, (uint32_t)item, newest[item]);
    free(newest);
    return answer;
}

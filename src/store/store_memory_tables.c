/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store_memory_tables.h"

#include <stdlib.h>
#include <string.h>

static void drop_text(const char *text)
{
    free((char *)(uintptr_t)text);
}

static void release_name(void *row)
{
    drop_text(*(const char **)row);
}

static void release_item(void *row)
{
    const struct store_item *i = &((struct item_row *)row)->item;
    drop_text(i->item_id);
    drop_text(i->title);
    drop_text(i->category);
    drop_text(i->brand);
}

static void release_event(void *row)
{
    const struct event *e = row;
    drop_text(e->session);
    drop_text(e->recommendation);
    drop_text(e->extra);
}

static void release_slate(void *row)
{
    const struct store_slate *s = row;
    drop_text(s->id);
    drop_text(s->placement);
    free((uint32_t *)(uintptr_t)s->items);
    free((float *)(uintptr_t)s->propensities);
    free((float *)(uintptr_t)s->features);
    if (!s->choice)
        return;
    free((uint32_t *)(uintptr_t)s->choice->item);
    free((float *)(uintptr_t)s->choice->score);
    free((float *)(uintptr_t)s->choice->uncertainty);
    free((struct store_choice *)(uintptr_t)s->choice);
}

static void release_fact(void *row)
{
    drop_text(((struct fact_row *)row)->name);
    drop_text(((struct fact_row *)row)->value);
}

static void release_modality(void *row)
{
    drop_text(((struct modality_row *)row)->name);
}

static void release_vector(void *row)
{
    free(((struct vector_row *)row)->vector);
}

static void release_nothing(void *row)
{
    (void)row;
}

static const struct {
    size_t size;
    void (*release)(void *row);
} kind[TABLES] = {
    [USERS] = {sizeof(char *), release_name},
    [TYPES] = {sizeof(char *), release_name},
    [ITEMS] = {sizeof(struct item_row), release_item},
    [EVENTS] = {sizeof(struct event), release_event},
    [SLATES] = {sizeof(struct store_slate), release_slate},
    [FACTS] = {sizeof(struct fact_row), release_fact},
    [EVENT_IDS] = {sizeof(uint64_t), release_nothing},
    [MODALITIES] = {sizeof(struct modality_row), release_modality},
    [VECTORS] = {sizeof(struct vector_row), release_vector},
};

void *memory_row(struct memory_store *s, enum table_id id, size_t i)
{
    return s->table[id].row + i * kind[id].size;
}

void memory_cut(struct memory_store *s, enum table_id id, size_t n)
{
    while (s->table[id].n > n)
        kind[id].release(memory_row(s, id, --s->table[id].n));
}

int memory_add_row(struct memory_store *s, enum table_id id, void *row, bool complete,
                   struct penchant_error *err)
{
    struct table *t = &s->table[id];
    if (complete && t->n == t->cap) {
        const size_t cap = t->cap ? 2 * t->cap : 64;
        char *grown = realloc(t->row, cap * kind[id].size);
        complete = grown != NULL;
        t->row = complete ? grown : t->row;
        t->cap = complete ? cap : t->cap;
    }
    if (!complete || !s->writing) {
        kind[id].release(row);
        return complete ? error_set(err, PENCHANT_EINVALID, "no transaction was begun")
                        : error_memory(err);
    }
    memcpy(memory_row(s, id, t->n++), row, kind[id].size);
    return PENCHANT_OK;
}

void *memory_copy(const void *bytes, size_t n, bool *complete)
{
    if (!bytes)
        return NULL;
    void *out = malloc(n ? n : 1);
    if (out)
        memcpy(out, bytes, n);
    *complete = *complete && out;
    return out;
}

const char *memory_copy_text(const char *text, bool *complete)
{
    return text ? memory_copy(text, strlen(text) + 1, complete) : NULL;
}

size_t memory_remove_rows(struct memory_store *s, enum table_id id, size_t first,
                          bool (*gone)(const void *row, void *arg), void *arg)
{
    struct table *t = &s->table[id];
    size_t kept = first;
    for (size_t i = first; i < t->n; i++) {
        void *row = memory_row(s, id, i);
        if (gone(row, arg))
            kind[id].release(row);
        else if (i != kept++)
            memcpy(memory_row(s, id, kept - 1), row, kind[id].size);
    }
    const size_t n = t->n - kept;
    t->n = kept;
    return n;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/names.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

/* Texts live in blocks that never move. */
struct names_block {
    struct names_block *next;
    size_t used, cap;
    char bytes[];
};

void names_init(struct names *t)
{
    *t = (struct names){0};
}

void names_release(struct names *t)
{
    for (struct names_block *b = t->block; b;) {
        struct names_block *next = b->next;
        free(b);
        b = next;
    }
    free(t->text);
    free(t->slot);
    names_init(t);
}

const char *names_text(const struct names *t, uint32_t id)
{
    return t->text[id];
}

/* The slot that holds s, or the empty one where it would go. */
static uint32_t find_slot(const struct names *t, const char *s, size_t len)
{
    const uint32_t mask = t->slots - 1;
    uint32_t i = (uint32_t)hash_bytes(s, len) & mask;
    while (t->slot[i]) {
        const char *have = t->text[t->slot[i] - 1];
        if (strncmp(have, s, len) == 0 && have[len] == 0 && len)
            break;
        i = (i + 1) & mask;
    }
    return i;
}

uint32_t names_find(const struct names *t, const char *s, size_t len)
{
    if (!t->slots || !len)
        return NAMES_NONE;
    const uint32_t at = t->slot[find_slot(t, s, len)];
    return at ? at - 1 : NAMES_NONE;
}

static int grow(struct names *t)
{
    const uint32_t slots = t->slots ? 2 * t->slots : 64, cap = slots / 2;
    const char **text = realloc(t->text, cap * sizeof(*text));
    if (!text)
        return -1;
    t->text = text;
    t->cap = cap;
    uint32_t *slot = calloc(slots, sizeof(*slot));
    if (!slot)
        return -1;
    free(t->slot);
    t->slot = slot;
    t->slots = slots;
    for (uint32_t id = 0; id < t->n; id++)
        if (t->text[id][0])
            slot[find_slot(t, text[id], strlen(text[id]))] = id + 1;
    return 0;
}

static char *keep(struct names *t, const char *s, size_t len)
{
    struct names_block *b = t->block;
    if (!b || b->cap - b->used < len + 1) {
        const size_t cap = len + 1 > 65536 ? len + 1 : 65536;
        b = malloc(sizeof(*b) + cap);
        if (!b)
            return NULL;
        *b = (struct names_block){.next = t->block, .cap = cap};
        t->block = b;
    }
    char *at = b->bytes + b->used;
    memcpy(at, s, len);
    at[len] = 0;
    b->used += len + 1;
    return at;
}

uint32_t names_add(struct names *t, const char *s, size_t len)
{
    if (!len)
        return NAMES_NONE;
    if (t->slots) {
        const uint32_t found = names_find(t, s, len);
        if (found != NAMES_NONE)
            return found;
    }
    if (t->n == t->cap && grow(t) != 0)
        return NAMES_NONE;
    const char *text = keep(t, s, len);
    if (!text)
        return NAMES_NONE;
    t->slot[find_slot(t, s, len)] = t->n + 1;
    t->text[t->n] = text;
    return t->n++;
}

uint32_t names_skip(struct names *t)
{
    if (t->n == t->cap && grow(t) != 0)
        return NAMES_NONE;
    t->text[t->n] = "";
    return t->n++;
}

void names_erase(struct names *t, uint32_t id)
{
    char *text = (char *)(uintptr_t)t->text[id];
    memset(text, 0, strlen(text));
    /* Open addressing cannot take a key out in place: number the rest anew. */
    memset(t->slot, 0, t->slots * sizeof(*t->slot));
    for (uint32_t i = 0; i < t->n; i++)
        if (t->text[i][0])
            t->slot[find_slot(t, t->text[i], strlen(t->text[i]))] = i + 1;
}

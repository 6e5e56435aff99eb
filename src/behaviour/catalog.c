/* SPDX-License-Identifier: Apache-2.0 */
#include "behaviour/catalog.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "behaviour/check.h"

/* "category:" and what may follow. */
enum { ATTRIBUTE_TEXT_MAX = CHECK_TEXT_MAX + 16 };

void catalog_init(struct catalog *c)
{
    *c = (struct catalog){0};
    names_init(&c->ids);
    names_init(&c->attributes);
}

void catalog_release(struct catalog *c)
{
    for (uint32_t i = 0; i < c->ids.n; i++) {
        free(c->item[i].title);
        free(c->item[i].category);
        free(c->item[i].brand);
    }
    free(c->item);
    free(c->unlistable);
    free(c->attribute_events);
    names_release(&c->ids);
    names_release(&c->attributes);
    catalog_init(c);
}

static int make_room(struct catalog *c)
{
    const uint32_t cap = c->cap ? c->cap + c->cap / 2 : 256;
    const size_t had = c->cap ? c->cap / 64 + 1 : 0, words = cap / 64 + 1;
    if (cap <= c->cap)
        return PENCHANT_ENOMEM;
    uint64_t *bits = realloc(c->unlistable, words * sizeof(*bits));
    if (!bits)
        return PENCHANT_ENOMEM;
    memset(bits + had, 0, (words - had) * sizeof(*bits));
    c->unlistable = bits;
    struct catalog_item *item = realloc(c->item, cap * sizeof(*item));
    if (!item)
        return PENCHANT_ENOMEM;
    c->item = item;
    c->cap = cap;
    return PENCHANT_OK;
}

/* Keeps the bit beside what it stands for. */
static void mark_listable(struct catalog *c, uint32_t number)
{
    const uint64_t bit = 1ULL << (number % 64);
    if (catalog_listable(c, number))
        c->unlistable[number / 64] &= ~bit;
    else
        c->unlistable[number / 64] |= bit;
}

uint32_t catalog_intern(struct catalog *c, const char *item_id)
{
    const size_t len = strlen(item_id);
    const uint32_t known = names_find(&c->ids, item_id, len);
    if (known != NAMES_NONE)
        return known;
    /* Room first: a name without an item would be a hole. */
    if (c->ids.n == c->cap && make_room(c) != 0)
        return NAMES_NONE;
    const uint32_t number = names_add(&c->ids, item_id, len);
    if (number != NAMES_NONE)
        c->item[number] = (struct catalog_item){.price = NAN, .available = true};
    return number;
}

/* Copies a text; NULL and "" become NULL. 0 or PENCHANT_ENOMEM. */
static int copy_text(char **out, const char *text)
{
    *out = text && *text ? strdup(text) : NULL;
    return *out || !text || !*text ? PENCHANT_OK : PENCHANT_ENOMEM;
}

bool catalog_has_attribute(const struct catalog *c, uint32_t number, uint32_t attribute)
{
    const struct catalog_item *it = &c->item[number];
    for (uint32_t i = 0; i < it->n_attributes; i++)
        if (it->attribute[i] == attribute)
            return true;
    return false;
}

/* The vocabulary's spelling of kind ("category:") and value; its length, 0 if too long. */
static size_t spell(char text[ATTRIBUTE_TEXT_MAX], const char *kind, const char *value,
                    size_t len)
{
    const int n = snprintf(text, ATTRIBUTE_TEXT_MAX, "%s%.*s", kind, (int)len, value);
    return n > 0 && n < ATTRIBUTE_TEXT_MAX ? (size_t)n : 0;
}

/* Room for a count of every attribute. 0 or PENCHANT_ENOMEM. */
static int more_attributes(struct catalog *c)
{
    const uint32_t had = c->cap_attributes, cap = c->attributes.n + had / 2 + 64;
    uint64_t *more = realloc(c->attribute_events, cap * sizeof(*more));
    if (!more)
        return PENCHANT_ENOMEM;
    memset(more + had, 0, (cap - had) * sizeof(*more));
    c->attribute_events = more;
    c->cap_attributes = cap;
    return PENCHANT_OK;
}

/* Adds an attribute once, up to `most` of them. 0 or PENCHANT_ENOMEM. */
static int add_attribute(struct catalog *c, struct catalog_item *it, uint32_t most,
                         const char *kind, const char *value, size_t len)
{
    char text[ATTRIBUTE_TEXT_MAX];
    const size_t n = spell(text, kind, value, len);
    if (!n || it->n_attributes >= most)
        return PENCHANT_OK;
    const uint32_t number = names_add(&c->attributes, text, n);
    if (number == NAMES_NONE || (number >= c->cap_attributes && more_attributes(c) != 0))
        return PENCHANT_ENOMEM;
    for (uint32_t i = 0; i < it->n_attributes; i++)
        if (it->attribute[i] == number)
            return PENCHANT_OK;
    it->attribute[it->n_attributes++] = number;
    return PENCHANT_OK;
}

static int add_categories(struct catalog *c, struct catalog_item *it)
{
    /* Two places are kept for the brand and the price. */
    const uint32_t most = CATALOG_MAX_ATTRIBUTES - 2;
    for (const char *at = it->category; at && *at;) {
        size_t len = strcspn(at, "|");
        const char *next = at[len] ? at + len + 1 : at + len;
        while (len && *at == ' ')
            at++, len--;
        while (len && at[len - 1] == ' ')
            len--;
        if (len && add_attribute(c, it, most, "category:", at, len) != 0)
            return PENCHANT_ENOMEM;
        at = next;
    }
    return PENCHANT_OK;
}

static int add_attributes(struct catalog *c, struct catalog_item *it)
{
    if (add_categories(c, it) != 0)
        return PENCHANT_ENOMEM;
    if (it->brand && add_attribute(c, it, CATALOG_MAX_ATTRIBUTES, "brand:", it->brand,
                                   strlen(it->brand)) != 0)
        return PENCHANT_ENOMEM;
    if (!(it->price > 0))
        return PENCHANT_OK;
    char bucket[16];
    const int n = snprintf(bucket, sizeof(bucket), "%d", (int)floor(2 * log2(it->price)));
    return add_attribute(c, it, CATALOG_MAX_ATTRIBUTES, "price:", bucket, (size_t)n);
}

int catalog_put(struct catalog *c, uint32_t number, const struct penchant_item *item)
{
    struct catalog_item *old = &c->item[number];
    struct catalog_item it = {
        .price = item->price, .available = item->available, .events = old->events};
    if (copy_text(&it.title, item->title) != 0 ||
        copy_text(&it.category, item->category) != 0 ||
        copy_text(&it.brand, item->brand) != 0 || add_attributes(c, &it) != 0) {
        free(it.title);
        free(it.category);
        free(it.brand);
        return PENCHANT_ENOMEM;
    }
    free(old->title);
    free(old->category);
    free(old->brand);
    /* The item's events go from the attributes it had to those it has. */
    for (uint32_t i = 0; i < old->n_attributes; i++)
        c->attribute_events[old->attribute[i]] -= old->events;
    for (uint32_t i = 0; i < it.n_attributes; i++)
        c->attribute_events[it.attribute[i]] += it.events;
    *old = it;
    mark_listable(c, number);
    return PENCHANT_OK;
}

void catalog_delete(struct catalog *c, uint32_t number)
{
    c->item[number].deleted = true;
    mark_listable(c, number);
}

void catalog_count(struct catalog *c, uint32_t number)
{
    struct catalog_item *it = &c->item[number];
    __atomic_fetch_add(&it->events, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&c->item_events, 1, __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < it->n_attributes; i++)
        __atomic_fetch_add(&c->attribute_events[it->attribute[i]], 1, __ATOMIC_RELAXED);
}

double catalog_attribute_share(const struct catalog *c, uint32_t attribute)
{
    const uint64_t n = __atomic_load_n(&c->attribute_events[attribute], __ATOMIC_RELAXED);
    const uint64_t all = __atomic_load_n(&c->item_events, __ATOMIC_RELAXED);
    return ((double)n + 1) / ((double)all + 1);
}

uint32_t catalog_category(const struct catalog *c, const char *category)
{
    char text[ATTRIBUTE_TEXT_MAX];
    const size_t n =
        spell(text, "category:", category, strnlen(category, CHECK_TEXT_MAX));
    return n ? names_find(&c->attributes, text, n) : NAMES_NONE;
}

uint32_t catalog_kind(const struct catalog *c, uint32_t number)
{
    static const char kind[] = "category:";
    const struct catalog_item *it = &c->item[number];
    for (uint32_t i = 0; i < it->n_attributes; i++) {
        const char *name = names_text(&c->attributes, it->attribute[i]);
        if (strncmp(name, kind, sizeof kind - 1) == 0)
            return it->attribute[i];
    }
    return NAMES_NONE;
}

bool catalog_listable(const struct catalog *c, uint32_t number)
{
    return c->item[number].available && !c->item[number].deleted;
}

int catalog_check(const struct penchant_item *item, struct penchant_error *err)
{
    int rc;
    if (!item->item_id)
        return error_field(err, PENCHANT_EINVALID, 0, "item_id", "item_id is required");
    if ((rc = check_id(item->item_id, 0, "item_id", err)) != 0 ||
        (rc = check_text(item->title, 0, "title", err)) != 0 ||
        (rc = check_text(item->category, 0, "category", err)) != 0 ||
        (rc = check_text(item->brand, 0, "brand", err)) != 0 ||
        (rc = check_number(item->price, 0, "price", err)) != 0)
        return rc;
    if (item->price < 0)
        return error_field(err, PENCHANT_EINVALID, 0, "price", "price is negative");
    return PENCHANT_OK;
}

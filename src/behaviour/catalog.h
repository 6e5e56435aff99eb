/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The items of a shop and what is known of each. Items are numbered by first appearance
 * and keep their number for ever. Not thread-safe: the engine guards it.
 *
 * Attributes are what the model sees of an item beside its number: every category, the
 * brand and the price bucket are entries of one vocabulary ("category:shoes",
 * "brand:acme", "price:7"). Price buckets are half octaves: floor(2 log2(price)).
 */
#ifndef BEHAVIOUR_CATALOG_H
#define BEHAVIOUR_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/names.h"
#include "base/status.h"

/* Of one item, two of them for brand and price; further categories are left out. */
enum { CATALOG_MAX_ATTRIBUTES = 16 };

struct catalog_item {
    char *title, *category, *brand; /* NULL: unknown; owned by the catalogue */
    double price;                   /* NaN: unknown */
    bool available, deleted;
    uint64_t events; /* how many events named it */
    uint32_t attribute[CATALOG_MAX_ATTRIBUTES];
    uint32_t n_attributes;
};

struct catalog {
    struct names ids;           /* item_id -> number */
    struct names attributes;    /* the vocabulary */
    struct catalog_item *item;  /* (ids.n) */
    uint64_t *attribute_events; /* (attributes.n) events of the items that have it */
    uint64_t item_events;       /* events that named an item */
    uint64_t *unlistable;       /* bit i % 64 of [i / 64]: item i may be in no list */
    uint32_t cap, cap_attributes;
};

void catalog_init(struct catalog *c);
void catalog_release(struct catalog *c);

/* The number of an item, adding it (available, nothing known) when it is new; NAMES_NONE
   only when out of memory. */
uint32_t catalog_intern(struct catalog *c, const char *item_id);

/* Replaces what is known of item `number`; brings a deleted one back. 0 or
   PENCHANT_ENOMEM, and then nothing of the item has changed. */
int catalog_put(struct catalog *c, uint32_t number, const struct penchant_item *item);

void catalog_delete(struct catalog *c, uint32_t number);

/* One event named the item. May run beside readers that load atomically (below). */
void catalog_count(struct catalog *c, uint32_t number);

/* Which share of all events on items is on those that have the attribute, (n + 1) /
   (all + 1): what a share of one user is compared with. */
double catalog_attribute_share(const struct catalog *c, uint32_t attribute);

/* The vocabulary number of a category, for filters; NAMES_NONE when no item has it. */
uint32_t catalog_category(const struct catalog *c, const char *category);
bool catalog_has_attribute(const struct catalog *c, uint32_t number, uint32_t attribute);

/* The vocabulary number of the item's first category; NAMES_NONE: it has none. */
uint32_t catalog_kind(const struct catalog *c, uint32_t number);

/* Whether the item may be in a list: available and not deleted. */
bool catalog_listable(const struct catalog *c, uint32_t number);

/* Checks what penchant.h promises of an item from outside. */
int catalog_check(const struct penchant_item *item, struct penchant_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strings numbered by first appearance: 0, 1, 2, .. Used for user ids, item ids, event
 * types and attributes. A name's text stays where it is until names_release(). Not
 * thread-safe while names_add runs; reads beside reads are.
 */
#ifndef BASE_NAMES_H
#define BASE_NAMES_H

#include <stddef.h>
#include <stdint.h>

#define NAMES_NONE UINT32_MAX

struct names {
    uint32_t n;
    /* private */
    const char **text;
    uint32_t *slot; /* open addressing: id + 1, or 0 */
    uint32_t slots, cap;
    struct names_block *block;
};

void names_init(struct names *t);
void names_release(struct names *t);

/* The number of a name, or NAMES_NONE. */
uint32_t names_find(const struct names *t, const char *s, size_t len);

/* The same, adding it when it is new; NAMES_NONE only when out of memory. */
uint32_t names_add(struct names *t, const char *s, size_t len);

/* Gives the next number to no name (one that was erased in an earlier life of the table):
   its text is "". NAMES_NONE only when out of memory. */
uint32_t names_skip(struct names *t);

const char *names_text(const struct names *t, uint32_t id);

/* Makes the text of `id` unfindable and empty (erasure); its number is not given again. */
void names_erase(struct names *t, uint32_t id);

#endif

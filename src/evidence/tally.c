/* SPDX-License-Identifier: Apache-2.0 */
/* Open addressing with linear probing, at most half full. */
#include "evidence/tally.h"

#include <stdlib.h>
#include <string.h>

int tally_init(struct tally *t, size_t max)
{
    *t = (struct tally){0};
    if (max > (size_t)1 << 28)
        return -1;
    size_t slots = 16;
    t->shift = 28;
    while (slots < 2 * max) {
        slots *= 2;
        t->shift--;
    }
    t->slot = malloc(slots * sizeof *t->slot);
    if (!t->slot)
        return -1;
    memset(t->slot, 0xff, slots * sizeof *t->slot); /* every item TALLY_FREE */
    t->mask = (uint32_t)(slots - 1);
    t->max = (uint32_t)max;
    return 0;
}

void tally_release(struct tally *t)
{
    free(t->slot);
    *t = (struct tally){0};
}

static struct tally_entry *find(const struct tally *t, uint32_t item)
{
    uint32_t i = (item * 2654435769U) >> t->shift; /* Knuth's multiplicative hash */
    while (t->slot[i].item != item && t->slot[i].item != TALLY_FREE)
        i = (i + 1) & t->mask;
    return &t->slot[i];
}

bool tally_add(struct tally *t, uint32_t item, float w)
{
    struct tally_entry *e = find(t, item);
    if (e->item == item) {
        e->sum += w;
        return false;
    }
    if (t->n == t->max)
        return false;
    *e = (struct tally_entry){.item = item, .sum = w};
    t->n++;
    return true;
}

float tally_sum(const struct tally *t, uint32_t item)
{
    const struct tally_entry *e = find(t, item);
    return e->item == item ? e->sum : 0.0F;
}

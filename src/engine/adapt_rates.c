/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/adapt_rates.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

enum { WAYS = 4, KEY_USER_SHIFT = 32 };

/* Kept with every showing, and how many expected takes the prior weighs. */
static const double ITEM_KEEP = .99, KIND_KEEP = .998, USER_ITEM_KEEP = .9,
                    USER_KIND_KEEP = .95;
static const double ITEM_PRIOR = 1, KIND_PRIOR = 2, USER_PRIOR = .3;

int adapt_rates_init(struct adapt_rates *r)
{
    *r = (struct adapt_rates){0};
    r->user_item = calloc(ADAPT_PAIRS, sizeof *r->user_item);
    r->user_kind = calloc(ADAPT_PAIRS, sizeof *r->user_kind);
    return r->user_item && r->user_kind ? PENCHANT_OK : PENCHANT_ENOMEM;
}

void adapt_rates_release(struct adapt_rates *r)
{
    free(r->item);
    free(r->kind);
    free(r->user_item);
    free(r->user_kind);
    *r = (struct adapt_rates){0};
}

struct adapt_shown adapt_shown_of(const struct catalog *c, uint32_t user, uint32_t item)
{
    struct adapt_shown s = {.user = user, .item = item, .kind = catalog_kind(c, item)};
    if (s.kind != NAMES_NONE) {
        const char *name = names_text(&c->attributes, s.kind);
        s.kind_hash = hash_bytes(name, strlen(name));
    }
    return s;
}

/* ---- tables ---- */

static int grow(struct adapt_rate **rate, uint32_t *n, uint32_t number)
{
    if (number < *n)
        return PENCHANT_OK;
    const size_t room = (size_t)number + number / 2 + 64;
    struct adapt_rate *more = realloc(*rate, room * sizeof *more);
    if (!more || room > NAMES_NONE) {
        *rate = more ? more : *rate;
        return PENCHANT_ENOMEM;
    }
    memset(more + *n, 0, (room - *n) * sizeof *more);
    *rate = more;
    *n = (uint32_t)room;
    return PENCHANT_OK;
}

/* The user stands in the upper half, so that a user's pairs can be told. */
static uint64_t key_of(uint32_t user, uint64_t what)
{
    return ((uint64_t)user + 1) << KEY_USER_SHIFT | (uint32_t)(what ^ what >> 32);
}

static struct adapt_pair *bucket_of(struct adapt_pair *table, uint64_t key)
{
    return &table[hash_bytes(&key, sizeof key) % (ADAPT_PAIRS / WAYS) * WAYS];
}

static const struct adapt_pair *find(struct adapt_pair *table, uint64_t key)
{
    const struct adapt_pair *at = bucket_of(table, key);
    for (int i = 0; i < WAYS; i++)
        if (at[i].key == key)
            return &at[i];
    return NULL;
}

/* The pair, in place of the one touched longest ago when it is new. */
static struct adapt_rate *touch(struct adapt_rates *r, struct adapt_pair *table,
                                uint64_t key)
{
    struct adapt_pair *at = bucket_of(table, key), *pair = at;
    for (int i = 0; i < WAYS; i++) {
        if (at[i].key == key) {
            pair = &at[i];
            break;
        }
        if (at[i].used < pair->used)
            pair = &at[i];
    }
    if (pair->key != key)
        *pair = (struct adapt_pair){.key = key};
    pair->used = r->observed;
    return &pair->rate;
}

/* ---- counting ---- */

static void show(struct adapt_rate *rate, double keep, double expected)
{
    rate->taken = (float)(keep * (double)rate->taken);
    rate->expected = (float)(keep * (double)rate->expected + expected);
}

int adapt_rates_show(struct adapt_rates *r, const struct adapt_shown *s, double expected)
{
    r->observed++;
    if (grow(&r->item, &r->items, s->item))
        return PENCHANT_ENOMEM;
    show(&r->item[s->item], ITEM_KEEP, expected);
    if (s->user != NAMES_NONE)
        show(touch(r, r->user_item, key_of(s->user, s->item)), USER_ITEM_KEEP, expected);
    if (s->kind == NAMES_NONE)
        return PENCHANT_OK;
    if (grow(&r->kind, &r->kinds, s->kind))
        return PENCHANT_ENOMEM;
    show(&r->kind[s->kind], KIND_KEEP, expected);
    if (s->user != NAMES_NONE)
        show(touch(r, r->user_kind, key_of(s->user, s->kind_hash)), USER_KIND_KEEP,
             expected);
    return PENCHANT_OK;
}

int adapt_rates_take(struct adapt_rates *r, const struct adapt_shown *s)
{
    r->observed++;
    if (grow(&r->item, &r->items, s->item))
        return PENCHANT_ENOMEM;
    r->item[s->item].taken += 1;
    if (s->user != NAMES_NONE)
        touch(r, r->user_item, key_of(s->user, s->item))->taken += 1;
    if (s->kind == NAMES_NONE)
        return PENCHANT_OK;
    if (grow(&r->kind, &r->kinds, s->kind))
        return PENCHANT_ENOMEM;
    r->kind[s->kind].taken += 1;
    if (s->user != NAMES_NONE)
        touch(r, r->user_kind, key_of(s->user, s->kind_hash))->taken += 1;
    return PENCHANT_OK;
}

/* ---- telling ---- */

static float lift(const struct adapt_rate *rate, double prior)
{
    return (float)log(((double)rate->taken + prior) / ((double)rate->expected + prior));
}

static void pair_lift(struct adapt_pair *table, uint64_t key, float *out, float *shown)
{
    const struct adapt_pair *pair = find(table, key);
    if (!pair)
        return;
    *out = lift(&pair->rate, USER_PRIOR);
    *shown = (float)log1p(10 * (double)pair->rate.expected);
}

void adapt_rates_lifts(const struct adapt_rates *r, const struct adapt_shown *s,
                       struct adapt_lifts *out)
{
    *out = (struct adapt_lifts){0};
    if (s->item < r->items)
        out->item = lift(&r->item[s->item], ITEM_PRIOR);
    if (s->user != NAMES_NONE)
        pair_lift(r->user_item, key_of(s->user, s->item), &out->user_item,
                  &out->user_item_shown);
    if (s->kind == NAMES_NONE)
        return;
    if (s->kind < r->kinds)
        out->kind = lift(&r->kind[s->kind], KIND_PRIOR);
    if (s->user != NAMES_NONE)
        pair_lift(r->user_kind, key_of(s->user, s->kind_hash), &out->user_kind,
                  &out->user_kind_shown);
}

static void erase_from(struct adapt_pair *table, uint32_t user)
{
    for (uint32_t i = 0; i < ADAPT_PAIRS; i++)
        if (table[i].key >> KEY_USER_SHIFT == (uint64_t)user + 1)
            table[i] = (struct adapt_pair){0};
}

void adapt_rates_erase_user(struct adapt_rates *r, uint32_t user)
{
    erase_from(r->user_item, user);
    erase_from(r->user_kind, user);
}

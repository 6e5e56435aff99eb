/* SPDX-License-Identifier: Apache-2.0 */
/* penchant_get_interests: interest/interests.h with the names of the shop. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/snapshot.h"
#include "interest/interests.h"

_Static_assert((int)INTERESTS_CATEGORIES == (int)PENCHANT_INTEREST_CATEGORIES &&
                   (int)INTERESTS_BRANDS == (int)PENCHANT_INTEREST_BRANDS &&
                   (int)INTERESTS_ITEMS == (int)PENCHANT_INTEREST_ITEMS &&
                   (int)INTERESTS_EVENTS >= (int)ENGINE_RECENT,
               "interests are told as they are found");

/* A copy of a user's newest events, so that their shard is not held for long. */
struct recent {
    uint32_t n, item[ENGINE_RECENT];
    float liking[ENGINE_RECENT];
    uint8_t type[ENGINE_RECENT];
    int64_t ts_us[ENGINE_RECENT];
};

static void copy_recent(struct penchant *p, uint32_t user, struct recent *r)
{
    const struct user_state *u = user_states_lock(p->states, user);
    r->n = 0;
    if (!u)
        return;
    const uint32_t n = u->n_recent < ENGINE_RECENT ? u->n_recent : ENGINE_RECENT;
    const uint32_t from = u->n_recent - n;
    if (n) {
        memcpy(r->item, u->recent + from, n * sizeof(*r->item));
        memcpy(r->liking, u->recent_liking + from, n * sizeof(*r->liking));
        memcpy(r->type, u->recent_type + from, n);
        memcpy(r->ts_us, u->recent_us + from, n * sizeof(*r->ts_us));
    }
    r->n = n;
    user_states_unlock(p->states, user);
}

/* ---- names for numbers ---- */

/* The texts that may change or go: the user's id and titles. */
struct texts {
    char *at;
    size_t bytes; /* so far; at NULL: only counted */
};

static const char *keep(struct texts *t, const char *text)
{
    const size_t len = strlen(text) + 1;
    char *here = t->at ? t->at + t->bytes : NULL;
    if (here)
        memcpy(here, text, len);
    t->bytes += len;
    return here;
}

/* "category:tea" is shown as "tea". */
static const char *value_of(const struct penchant *p, uint32_t attribute)
{
    const char *text = names_text(&p->catalog.attributes, attribute);
    return strchr(text, ':') + 1;
}

static size_t name_shares(const struct penchant *p, const struct interest_share *s,
                          uint32_t n, struct penchant_share *out)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = (struct penchant_share){
            .name = value_of(p, s[i].attribute), .share = s[i].share, .lift = s[i].lift};
    return n;
}

static void name_interest(const struct penchant *p, const struct interest *x,
                          struct texts *t, struct penchant_interest *out)
{
    *out = (struct penchant_interest){.weight = x->weight,
                                      .events = x->events,
                                      .first_us = x->first_us,
                                      .last_us = x->last_us,
                                      .price_low = x->price_low,
                                      .price_high = x->price_high,
                                      .n_items = x->n_items};
    out->n_categories = name_shares(p, x->category, x->n_categories, out->categories);
    out->n_brands = name_shares(p, x->brand, x->n_brands, out->brands);
    for (uint32_t i = 0; i < x->n_items; i++) {
        const char *title = p->catalog.item[x->item[i]].title;
        out->items[i] = names_text(&p->catalog.ids, x->item[i]);
        out->titles[i] = title ? keep(t, title) : NULL;
    }
}

static void name_all(const struct penchant *p, const struct interests *x, uint32_t user,
                     struct texts *t, struct penchant_interests *out)
{
    out->user_id = keep(t, names_text(&p->users, user));
    out->drift = x->drift;
    name_interest(p, &x->long_term, t, &out->long_term);
    for (uint32_t i = 0; i < x->n_short; i++)
        name_interest(p, &x->short_term[i], t, &out->short_term[i]);
    for (uint32_t i = 0; i < x->n_saturated; i++)
        out->saturated[i] = (struct penchant_saturation){
            .category = value_of(p, x->saturated[i].category),
            .saturation = x->saturated[i].saturation,
            .lately = x->saturated[i].lately,
            .usual = x->saturated[i].usual};
}

/* How many bytes of texts there will be. */
static size_t measure(const struct penchant *p, const struct interests *x, uint32_t user)
{
    struct texts t = {0};
    struct penchant_interest unused;
    keep(&t, names_text(&p->users, user));
    name_interest(p, &x->long_term, &t, &unused);
    for (uint32_t i = 0; i < x->n_short; i++)
        name_interest(p, &x->short_term[i], &t, &unused);
    return t.bytes;
}

/* One block: the struct, its two arrays, the texts. p->lock is held. */
static struct penchant_interests *tell(const struct penchant *p,
                                       const struct interests *x, uint32_t user)
{
    struct penchant_interests *out =
        malloc(sizeof(*out) + x->n_short * sizeof(*out->short_term) +
               x->n_saturated * sizeof(*out->saturated) + measure(p, x, user));
    if (!out)
        return NULL;
    *out =
        (struct penchant_interests){.n_short = x->n_short, .n_saturated = x->n_saturated};
    out->short_term = (struct penchant_interest *)(out + 1);
    out->saturated = (struct penchant_saturation *)(out->short_term + x->n_short);
    struct texts t = {.at = (char *)(out->saturated + x->n_saturated)};
    name_all(p, x, user, &t, out);
    return out;
}

/* ---- finding ---- */

/* p->lock is held. */
static int find(struct penchant *p, const struct snapshot *s, uint32_t user,
                int64_t now_us, struct penchant_interests **out)
{
    struct recent r;
    struct interests found;
    const struct interest_vectors vectors = {.vectors = s ? s->item_vectors : NULL,
                                             .middle = s ? s->middle : NULL,
                                             .n = s ? s->n_items : 0,
                                             .dim = s ? s->dim : 0};
    copy_recent(p, user, &r);
    const struct interests_input in = {.item = r.item,
                                       .type = r.type,
                                       .ts_us = r.ts_us,
                                       .liking = r.liking,
                                       .n = r.n,
                                       .now_us = now_us,
                                       .has_clock = p->has_clock,
                                       .vectors = s ? &vectors : NULL,
                                       .catalog = &p->catalog};
    if (interests_find(&in, &found))
        return PENCHANT_ENOMEM;
    *out = tell(p, &found, user);
    if (*out)
        (*out)->now_us = p->has_clock ? now_us : 0;
    return *out ? PENCHANT_OK : PENCHANT_ENOMEM;
}

int penchant_get_interests(struct penchant *p, const char *user_id, int64_t now_us,
                           struct penchant_interests **out, struct penchant_error *err)
{
    uint32_t user = NAMES_NONE;
    *out = NULL;
    now_us = now_us ? now_us : engine_now(p);
    struct snapshot *s = engine_snapshot_acquire(p);
    pthread_rwlock_rdlock(&p->lock);
    int status = engine_find_user(p, user_id, &user, err);
    if (status == PENCHANT_OK && find(p, s, user, now_us, out) != PENCHANT_OK)
        status = error_memory(err);
    pthread_rwlock_unlock(&p->lock);
    engine_snapshot_release(p, s);
    return status;
}

void penchant_interests_free(struct penchant_interests *interests)
{
    free(interests);
}

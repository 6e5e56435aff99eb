/* SPDX-License-Identifier: Apache-2.0 */
/* The states of all users, in shards; a user's window is in user_window.c. */
#include "interest/user_state.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "interest/user_window.h"

struct shard {
    pthread_mutex_t lock;
    struct user_state **user; /* (cap) user / SHARDS -> its state or NULL */
    uint32_t cap;
    struct user_encoder *newest, *oldest; /* of the cached ones, by use */
    size_t cached, bytes;
};

struct user_states {
    uint32_t recent;
    size_t shard_bytes;
    void (*free_encoder)(void *state);
    struct shard shard[USER_STATES_SHARDS];
};

static struct shard *shard_of(struct user_states *s, uint32_t user)
{
    return &s->shard[user % USER_STATES_SHARDS];
}

struct user_states *user_states_new(uint32_t recent, size_t cache_bytes,
                                    void (*free_encoder)(void *state))
{
    struct user_states *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->recent = recent < USER_STATES_RECENT_MIN ? USER_STATES_RECENT_MIN : recent;
    s->shard_bytes = cache_bytes / USER_STATES_SHARDS;
    s->free_encoder = free_encoder;
    for (int i = 0; i < USER_STATES_SHARDS; i++)
        pthread_mutex_init(&s->shard[i].lock, NULL);
    return s;
}

/* ---- cached encoder states ---- */

static void unlink_encoder(struct shard *sh, struct user_encoder *c)
{
    *(c->newer ? &c->newer->older : &sh->newest) = c->older;
    *(c->older ? &c->older->newer : &sh->oldest) = c->newer;
    c->newer = c->older = NULL;
}

static void link_newest(struct shard *sh, struct user_encoder *c)
{
    c->older = sh->newest;
    *(sh->newest ? &sh->newest->newer : &sh->oldest) = c;
    sh->newest = c;
}

static void drop_encoder(struct user_states *s, struct shard *sh, struct user_encoder *c)
{
    if (!c)
        return;
    sh->user[c->user / USER_STATES_SHARDS]->encoder = NULL;
    unlink_encoder(sh, c);
    sh->bytes -= c->bytes;
    sh->cached--;
    s->free_encoder(c->state);
    free(c);
}

bool user_states_cache(struct user_states *s, uint32_t user, void *state,
                       uint64_t version, uint64_t events, size_t bytes)
{
    struct shard *sh = shard_of(s, user);
    struct user_state *u = sh->user[user / USER_STATES_SHARDS];
    struct user_encoder *c = calloc(1, sizeof(*c));
    if (!c)
        return false;
    drop_encoder(s, sh, u->encoder);
    *c = (struct user_encoder){.state = state,
                               .version = version,
                               .events = events,
                               .bytes = bytes + sizeof(*c),
                               .user = user};
    u->encoder = c;
    link_newest(sh, c);
    sh->bytes += c->bytes;
    sh->cached++;
    while (sh->bytes > s->shard_bytes && sh->oldest != c)
        drop_encoder(s, sh, sh->oldest);
    return true;
}

void user_states_cache_used(struct user_states *s, uint32_t user, uint64_t events)
{
    struct shard *sh = shard_of(s, user);
    struct user_encoder *c = sh->user[user / USER_STATES_SHARDS]->encoder;
    c->events = events;
    unlink_encoder(sh, c);
    link_newest(sh, c);
}

void user_states_cache_clear(struct user_states *s)
{
    for (int i = 0; i < USER_STATES_SHARDS; i++) {
        struct shard *sh = &s->shard[i];
        pthread_mutex_lock(&sh->lock);
        while (sh->oldest)
            drop_encoder(s, sh, sh->oldest);
        pthread_mutex_unlock(&sh->lock);
    }
}

void user_states_cache_stats(struct user_states *s, uint64_t *n, uint64_t *bytes)
{
    *n = *bytes = 0;
    for (int i = 0; i < USER_STATES_SHARDS; i++) {
        struct shard *sh = &s->shard[i];
        pthread_mutex_lock(&sh->lock);
        *n += sh->cached;
        *bytes += sh->bytes;
        pthread_mutex_unlock(&sh->lock);
    }
}

/* ---- looking a state up ---- */

static void free_state(struct user_states *s, struct shard *sh, uint32_t at)
{
    struct user_state *u = sh->user[at];
    if (!u)
        return;
    drop_encoder(s, sh, u->encoder);
    user_window_release(u);
    user_likes_release(&u->likes);
    free(u->words);
    free(u->purchased);
    free(u);
    sh->user[at] = NULL;
}

void user_states_free(struct user_states *s)
{
    if (!s)
        return;
    for (int i = 0; i < USER_STATES_SHARDS; i++) {
        struct shard *sh = &s->shard[i];
        for (uint32_t at = 0; at < sh->cap; at++)
            free_state(s, sh, at);
        free(sh->user);
        pthread_mutex_destroy(&sh->lock);
    }
    free(s);
}

const struct user_state *user_states_peek(const struct user_states *s, uint32_t user)
{
    const struct shard *sh = &s->shard[user % USER_STATES_SHARDS];
    const uint32_t at = user / USER_STATES_SHARDS;
    return at < sh->cap ? sh->user[at] : NULL;
}

struct user_state *user_states_lock(struct user_states *s, uint32_t user)
{
    struct shard *sh = shard_of(s, user);
    const uint32_t at = user / USER_STATES_SHARDS;
    pthread_mutex_lock(&sh->lock);
    struct user_state *u = at < sh->cap ? sh->user[at] : NULL;
    if (!u)
        pthread_mutex_unlock(&sh->lock);
    return u;
}

void user_states_unlock(struct user_states *s, uint32_t user)
{
    pthread_mutex_unlock(&shard_of(s, user)->lock);
}

void user_states_erase(struct user_states *s, uint32_t user)
{
    struct shard *sh = shard_of(s, user);
    pthread_mutex_lock(&sh->lock);
    if (user / USER_STATES_SHARDS < sh->cap)
        free_state(s, sh, user / USER_STATES_SHARDS);
    pthread_mutex_unlock(&sh->lock);
}

/* The state of a user, made when there is none; NULL: no memory. */
static struct user_state *make(struct shard *sh, uint32_t at)
{
    if (at >= sh->cap) {
        uint32_t cap = sh->cap ? sh->cap + sh->cap / 2 : 16;
        cap = cap > at ? cap : at + 1;
        struct user_state **grown = realloc(sh->user, cap * sizeof(struct user_state *));
        if (!grown)
            return NULL;
        memset(grown + sh->cap, 0, (cap - sh->cap) * sizeof(struct user_state *));
        sh->user = grown;
        sh->cap = cap;
    }
    if (!sh->user[at])
        sh->user[at] = calloc(1, sizeof(struct user_state));
    return sh->user[at];
}

/* ---- the sequence ---- */

/* What the user thinks of an item, as far as they have said so. */
static float liking_of(const struct user_state *u, uint32_t item)
{
    const struct user_dislike *no = user_likes_find(&u->likes, item);
    if (no)
        return no->liking;
    for (uint32_t i = u->judged ? u->n_recent : 0; i-- > 0;)
        if (u->recent[i] == item)
            return u->recent_liking[i];
    return 1;
}

/* Whether the item was bought, kept or praised after this event, which came in late. */
static bool judged_later(const struct user_state *u, const struct event *e)
{
    for (uint32_t i = user_state_position(u, e->ts_us); i < u->n_recent; i++) {
        /* A review among them was above 2, or it would not be there. */
        if (u->recent[i] == e->item && event_takes_back(u->recent_type[i], 5))
            return true;
    }
    return false;
}

/*
 * A dislike or a review says what the user thinks of all that they did with the item; what
 * they buy or keep after a dislike, that they changed their mind. *liking becomes that of
 * the event itself.
 */
static int judge(struct user_state *u, const struct event *e, float *liking)
{
    const bool no = event_dislikes(e->type, e->value);
    if (no && judged_later(u, e))
        return PENCHANT_OK;
    bool changed = event_judges(e->type, e->value);
    *liking = event_liking(e->type, e->value);
    if (no && user_likes_add(&u->likes, e->item, e->ts_us, *liking) != PENCHANT_OK)
        return PENCHANT_ENOMEM;
    if (event_takes_back(e->type, e->value))
        changed |= user_likes_take_back(&u->likes, e->item, e->ts_us);
    if (!changed) {
        *liking = liking_of(u, e->item);
        return PENCHANT_OK;
    }
    u->judged = true;
    for (uint32_t i = 0; i < u->n_recent; i++)
        if (u->recent[i] == e->item)
            u->recent_liking[i] = *liking;
    return PENCHANT_OK;
}

static int take_wanted(struct user_states *s, struct shard *sh, struct user_state *u,
                       const struct event *e, float liking)
{
    const uint32_t at = user_state_position(u, e->ts_us);
    u->wanted++;
    if (u->words)
        user_words_pass(u->words, e->ts_us);
    if (at < u->n_recent)
        drop_encoder(s, sh, u->encoder);
    if (at == 0 && u->n_recent == s->recent)
        return PENCHANT_OK; /* older than the whole window */
    return user_window_insert(u, s->recent, at, e, liking);
}

static int take_words(struct user_state *u, const struct event *e)
{
    if (!user_words_has(e))
        return PENCHANT_OK;
    if (!u->words && !(u->words = calloc(1, sizeof(*u->words))))
        return PENCHANT_ENOMEM;
    user_words_add(u->words, e, u->n_recent - user_state_position(u, e->ts_us));
    return PENCHANT_OK;
}

/* ---- purchases ---- */

/* The first place whose item is not before this one. */
static uint32_t find_purchase(const struct user_state *u, uint32_t item)
{
    uint32_t low = 0, high = u->n_purchased;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (u->purchased[middle].item < item)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t user_state_bought(const struct user_state *u, uint32_t item)
{
    const uint32_t at = u ? find_purchase(u, item) : 0;
    return u && at < u->n_purchased && u->purchased[at].item == item
               ? u->purchased[at].count
               : 0;
}

/* What a purchase cost, when that was told. */
static float cost_of(const struct event *e)
{
    const double cost = e->value * (isnan(e->quantity) ? 1.0 : e->quantity);
    return cost > 0 && cost < 1e12 ? (float)cost : 0.0F;
}

static int add_purchase(struct user_state *u, const struct event *e)
{
    const uint32_t item = e->item;
    const uint32_t at = find_purchase(u, item);
    if (at < u->n_purchased && u->purchased[at].item == item) {
        u->purchased[at].count++;
        u->purchased[at].spent += cost_of(e);
        return PENCHANT_OK;
    }
    if (u->n_purchased == u->cap_purchased) {
        const uint32_t cap = u->cap_purchased ? 2 * u->cap_purchased : 2;
        struct user_purchase *grown = realloc(u->purchased, cap * sizeof(*grown));
        if (!grown)
            return PENCHANT_ENOMEM;
        u->purchased = grown;
        u->cap_purchased = cap;
    }
    memmove(u->purchased + at + 1, u->purchased + at,
            (u->n_purchased - at) * sizeof(*u->purchased));
    u->purchased[at] = (struct user_purchase){item, 1, cost_of(e)};
    u->n_purchased++;
    return PENCHANT_OK;
}

/* Which of several it was is not kept: each counts as their mean. */
static void remove_purchase(struct user_state *u, uint32_t at)
{
    struct user_purchase *of = &u->purchased[at];
    of->spent -= of->spent / (float)of->count;
    if (--of->count)
        return;
    u->n_purchased--;
    memmove(u->purchased + at, u->purchased + at + 1,
            (u->n_purchased - at) * sizeof(*u->purchased));
}

/* Takes the newest purchase of the item before the refund out; false when there is none.
   One that has left the window lies before it. */
static bool refund(struct user_states *s, struct shard *sh, struct user_state *u,
                   const struct event *e)
{
    const uint32_t at = find_purchase(u, e->item);
    if (at == u->n_purchased || u->purchased[at].item != e->item)
        return false;
    uint32_t i = user_state_position(u, e->ts_us);
    while (i && (u->recent[i - 1] != e->item || u->recent_type[i - 1] != EVENT_PURCHASE))
        i--;
    if (!i && u->wanted == u->n_recent)
        return false;
    remove_purchase(u, at);
    u->wanted--;
    drop_encoder(s, sh, u->encoder);
    if (i)
        user_window_remove(u, i - 1);
    return true;
}

/* ---- one event ---- */

static int apply(struct user_states *s, struct shard *sh, struct user_state *u,
                 const struct event *e, bool *cancelled)
{
    u->first_us = !u->events || e->ts_us < u->first_us ? e->ts_us : u->first_us;
    u->last_us = !u->events || e->ts_us > u->last_us ? e->ts_us : u->last_us;
    u->events++;
    if (take_words(u, e) != PENCHANT_OK)
        return PENCHANT_ENOMEM;
    if (e->item == NAMES_NONE)
        return PENCHANT_OK;
    if (e->type == EVENT_REFUND) {
        *cancelled = refund(s, sh, u, e);
        return PENCHANT_OK;
    }
    if (e->type == EVENT_PURCHASE && add_purchase(u, e) != PENCHANT_OK)
        return PENCHANT_ENOMEM;
    if (!event_type_wanted(e->type) && !event_dislikes(e->type, e->value))
        return PENCHANT_OK;
    float liking = 1;
    if (judge(u, e, &liking) != PENCHANT_OK)
        return PENCHANT_ENOMEM;
    return event_wanted(e->type, e->value) ? take_wanted(s, sh, u, e, liking)
                                           : PENCHANT_OK;
}

int user_states_apply(struct user_states *s, const struct event *e, bool *cancelled)
{
    struct shard *sh = shard_of(s, e->user);
    bool ignored;
    cancelled = cancelled ? cancelled : &ignored;
    *cancelled = false;
    pthread_mutex_lock(&sh->lock);
    struct user_state *u = make(sh, e->user / USER_STATES_SHARDS);
    const int status = u ? apply(s, sh, u, e, cancelled) : PENCHANT_ENOMEM;
    pthread_mutex_unlock(&sh->lock);
    return status;
}

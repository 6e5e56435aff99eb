/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The states of all users, in shards. A user's window of recent events lies in one block
 * (times, items, types) that slides: it starts small, grows to a quarter more than the
 * window, and is then moved to its front once for every quarter window of events, so the
 * recent ones are always contiguous.
 */
#include "interest/user_state.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAP = 4, ENTRY_BYTES = sizeof(int64_t) + sizeof(uint32_t) + 1 };

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
    free(u->recent_us ? u->recent_us - u->begin : NULL);
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

/* ---- the window ---- */

/* Points the window at entry `begin` of a block with `cap` entries. */
static void point_at(struct user_state *u, void *block, uint32_t begin, uint32_t cap)
{
    int64_t *us = block;
    uint32_t *item = (uint32_t *)(us + cap);
    u->recent_us = us + begin;
    u->recent = item + begin;
    u->recent_type = (uint8_t *)(item + cap) + begin;
    u->begin = begin;
    u->cap = cap;
}

/* Makes room for one more entry at the end. 0 or PENCHANT_ENOMEM. */
static int make_room(struct user_state *u, uint32_t recent)
{
    if (u->begin + u->n_recent < u->cap)
        return PENCHANT_OK;
    const uint32_t most = recent + recent / 4;
    uint32_t cap = u->cap ? u->cap + u->cap / 2 + 1 : FIRST_CAP;
    cap = cap < most ? cap : most;
    const struct user_state old = *u;
    void *block = old.recent_us ? old.recent_us - old.begin : NULL;
    if (u->cap < most) { /* grow; into a new block since the arrays lie in one */
        void *grown = malloc((size_t)cap * ENTRY_BYTES);
        if (!grown)
            return PENCHANT_ENOMEM;
        point_at(u, grown, 0, cap);
    } else {
        point_at(u, block, 0, u->cap);
    }
    if (old.n_recent) {
        memmove(u->recent_us, old.recent_us, old.n_recent * sizeof(*u->recent_us));
        memmove(u->recent, old.recent, old.n_recent * sizeof(*u->recent));
        memmove(u->recent_type, old.recent_type, old.n_recent);
    }
    if (u->cap != old.cap)
        free(block);
    return PENCHANT_OK;
}

/* Moves the entries from `at` on by one place, up or down. */
static void shift(struct user_state *u, uint32_t at, uint32_t to)
{
    const size_t n = u->n_recent - (at > to ? at : to - 1);
    memmove(u->recent_us + to, u->recent_us + at, n * sizeof(*u->recent_us));
    memmove(u->recent + to, u->recent + at, n * sizeof(*u->recent));
    memmove(u->recent_type + to, u->recent_type + at, n);
}

uint32_t user_state_position(const struct user_state *u, int64_t ts_us)
{
    uint32_t at = u ? u->n_recent : 0;
    while (at && u->recent_us[at - 1] > ts_us)
        at--;
    return at;
}

static int take_wanted(struct user_states *s, struct shard *sh, struct user_state *u,
                       const struct event *e)
{
    const uint32_t at = user_state_position(u, e->ts_us);
    u->wanted++;
    if (at < u->n_recent)
        drop_encoder(s, sh, u->encoder);
    if (at == 0 && u->n_recent == s->recent)
        return PENCHANT_OK; /* older than the whole window */
    if (make_room(u, s->recent) != PENCHANT_OK)
        return PENCHANT_ENOMEM;
    shift(u, at, at + 1);
    u->recent_us[at] = e->ts_us;
    u->recent[at] = e->item;
    u->recent_type[at] = (uint8_t)e->type;
    if (++u->n_recent > s->recent) {
        point_at(u, u->recent_us - u->begin, u->begin + 1, u->cap);
        u->n_recent--;
    }
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

static int add_purchase(struct user_state *u, uint32_t item)
{
    const uint32_t at = find_purchase(u, item);
    if (at < u->n_purchased && u->purchased[at].item == item) {
        u->purchased[at].count++;
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
    u->purchased[at] = (struct user_purchase){item, 1};
    u->n_purchased++;
    return PENCHANT_OK;
}

static void remove_purchase(struct user_state *u, uint32_t at)
{
    if (--u->purchased[at].count)
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
    if (i) {
        shift(u, i, i - 1);
        u->n_recent--;
    }
    return true;
}

/* ---- one event ---- */

static int apply(struct user_states *s, struct shard *sh, struct user_state *u,
                 const struct event *e, bool *cancelled)
{
    u->first_us = !u->events || e->ts_us < u->first_us ? e->ts_us : u->first_us;
    u->last_us = !u->events || e->ts_us > u->last_us ? e->ts_us : u->last_us;
    u->events++;
    if (e->item == NAMES_NONE)
        return PENCHANT_OK;
    if (e->type == EVENT_REFUND) {
        *cancelled = refund(s, sh, u, e);
        return PENCHANT_OK;
    }
    if (e->type == EVENT_PURCHASE && add_purchase(u, e->item) != PENCHANT_OK)
        return PENCHANT_ENOMEM;
    return event_type_wanted(e->type) ? take_wanted(s, sh, u, e) : PENCHANT_OK;
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

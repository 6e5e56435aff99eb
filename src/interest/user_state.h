/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one shopper's state is: the newest wanted events and what the shopper thinks of
 * their items, what was bought, what was said no to, what was searched for and written, and
 * a place where the engine hangs the encoder state that it made of the events. A state is a
 * function of the user's events in log order, so that a replay gives the same one.
 *
 * Users are spread over 64 shards with a lock each (user % 64). A state may be read or
 * changed, and its pointers followed, only between user_states_lock() and
 * user_states_unlock(); only the engine's writer calls user_states_apply() and
 * user_states_erase(), and so the writer may also read without the lock.
 */
#ifndef INTEREST_USER_STATE_H
#define INTEREST_USER_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "behaviour/event.h"
#include "interest/user_likes.h"
#include "interest/user_words.h"

enum { USER_STATES_SHARDS = 64, USER_STATES_RECENT_MIN = 256 };

struct user_purchase {
    uint32_t item, count; /* bought and not refunded */
    float spent;          /* on them, as far as their prices were told */
};

struct user_state {
    uint64_t events;           /* all events of any type */
    int64_t first_us, last_us; /* smallest and largest time of them; 0 without any */

    /* How long the user's sequence of wanted events is (event_wanted()): refunded purchases
       and bad reviews are not in it, events too old for the window below are. */
    uint64_t wanted;

    /* Its newest ones, (n_recent) each, in time order, equal times in log order. */
    uint32_t n_recent;
    uint32_t *recent;     /* items */
    int64_t *recent_us;   /* times */
    uint8_t *recent_type; /* enum event_type or an added one */
    float *recent_liking; /* in [-1, 1]: what they think of the item, 1 unless said */

    uint32_t n_purchased;
    struct user_purchase *purchased; /* sorted by item */

    struct user_likes likes;  /* items that the user said no to */
    struct user_words *words; /* what the user wrote; NULL: nothing */

    struct user_encoder *encoder; /* see user_states_cache(); NULL: nothing is cached */

    /* private */
    uint32_t begin, cap, cap_purchased;
    bool judged; /* some liking is or was not 1 */
};

/*
 * The cached encoder state of a user. It has seen the first `events` of the sequence, so
 * it lacks the newest (wanted - events); when those are more than n_recent it must be
 * made anew. An event that does not come last in time, and a refund that takes a purchase
 * out of the window, drop it.
 */
struct user_encoder {
    void *state;
    uint64_t version; /* of the model that it was made with */
    uint64_t events;
    /* private */
    size_t bytes;
    uint32_t user;
    struct user_encoder *newer, *older;
};

struct user_states;

/*
 * `recent` (at least USER_STATES_RECENT_MIN) events are kept of each user; cache_bytes
 * bounds all cached encoder states together, free_encoder frees one. NULL: no memory.
 */
struct user_states *user_states_new(uint32_t recent, size_t cache_bytes,
                                    void (*free_encoder)(void *state));
void user_states_free(struct user_states *s);

/* The state of a user, its shard locked; NULL (and nothing locked) when the user has none
   yet. */
struct user_state *user_states_lock(struct user_states *s, uint32_t user);
void user_states_unlock(struct user_states *s, uint32_t user);

/* Where an event with this time would stand: how many of the recent ones come before it.
   u may be NULL. */
uint32_t user_state_position(const struct user_state *u, int64_t ts_us);

/* How often an item was bought and not refunded. u may be NULL. */
uint32_t user_state_bought(const struct user_state *u, uint32_t item);

/* The state as the writer may read it without a lock; NULL: none yet. */
const struct user_state *user_states_peek(const struct user_states *s, uint32_t user);

/* Takes one event in (and locks the shard meanwhile). A refund takes the newest purchase
   of its item out: *cancelled (may be NULL) tells so. 0 or PENCHANT_ENOMEM. */
int user_states_apply(struct user_states *s, const struct event *e, bool *cancelled);

/* Back to no state at all. */
void user_states_erase(struct user_states *s, uint32_t user);

/*
 * Hangs an encoder state of `bytes` bytes on a user (the shard is locked by the caller
 * and the user has a state), replaces one that is there, and frees the least recently
 * used ones of the shard until the bound (a 64th of cache_bytes, or this one alone)
 * holds. False when out of memory: the encoder state stays the caller's.
 */
bool user_states_cache(struct user_states *s, uint32_t user, void *state,
                       uint64_t version, uint64_t events, size_t bytes);

/* Marks the user's cached state as just used, with `events` seen now. Shard locked. */
void user_states_cache_used(struct user_states *s, uint32_t user, uint64_t events);

/* Frees every cached encoder state; takes the locks itself. */
void user_states_cache_clear(struct user_states *s);

/* How many encoder states are cached and their bytes together. */
void user_states_cache_stats(struct user_states *s, uint64_t *n, uint64_t *bytes);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the joiner's files share; nobody else includes it. Two rings: lists, numbered 1, 2,
 * .. as they come, and their slots. A list is found by the hash of its recommendation_id
 * through buckets, and from its user's newest one through a chain; both chains run from
 * new to old, so that whoever meets a number that has been dropped is at the end.
 */
#ifndef ENGINE_FEEDBACK_ROWS_H
#define ENGINE_FEEDBACK_ROWS_H

#include <pthread.h>

#include "engine/feedback.h"

struct shown {
    uint64_t seq, after_event;
    uint64_t hash;  /* of its recommendation_id */
    uint64_t same;  /* the list before in the bucket, by number; 0: none */
    uint64_t older; /* the user's list before */
    uint64_t slot;  /* number of its first slot */
    int64_t ts_us;
    int64_t next_us; /* when the user went on after it; INT64_MIN: not yet */
    uint32_t user, n;
    bool clicked;  /* something in it earned a reward above 0 */
    bool reported; /* impressions of it were */
    bool settled;  /* who watches was told what was ignored */
};

/* Of slot.rules: an impression of it was reported. */
#define FEEDBACK_SEEN (UINT32_C(1) << REWARD_MOST_RULES)
_Static_assert(REWARD_MOST_RULES < 32, "a bit is left");

struct slot {
    uint32_t item;
    float propensity;
    uint32_t rules; /* bit i: rule i has been credited; FEEDBACK_SEEN */
    float earned[REWARD_GROUPS];
    float bought; /* part of it that a refund takes back */
};

_Static_assert(sizeof(struct shown) == 80 && sizeof(struct slot) == 28,
               "feedback.h states the memory bound");

struct feedback {
    pthread_mutex_t lock;
    struct rewards rewards;
    struct reward_prices prices;
    int8_t rule_of[EVENT_MAX_TYPES]; /* by event type */
    double earned[REWARD_GROUPS];    /* by the last event */

    struct shown *shown; /* (room) list i stands at i % room */
    uint64_t *bucket;    /* (room) newest list by hash % room; 0: none */
    uint32_t room, most;
    uint64_t first, next, admitted; /* lists [first, next); those <= admitted in chains */

    struct slot *slot; /* (slot_room) */
    uint32_t slot_room, most_slots;
    uint64_t first_slot, next_slot;

    uint64_t *newest; /* (users) of every user; 0: none */
    uint32_t users;

    feedback_told_fn *told; /* NULL: nobody watches */
    void *cookie;
    int told_status;
    uint64_t passed; /* lists up to this number are settled */
};

static inline struct shown *feedback_shown(const struct feedback *f, uint64_t number)
{
    return &f->shown[number & (f->room - 1)];
}

static inline struct slot *feedback_slot_of(const struct feedback *f,
                                            const struct shown *s, uint32_t j)
{
    return &f->slot[(s->slot + j) & (f->slot_room - 1)];
}

/* Whether `window` has passed since the list at that time; the chance that a place was
   looked at. */
bool feedback_passed(const struct shown *s, int64_t now_us, int64_t window_us);
double feedback_examined(const struct feedback *f, const struct shown *s,
                         uint32_t position);

/* Tells whoever watches of what the event has settled (feedback_settle.c): a credit to a
   place that had `before` in its rules, and then what is ignored. */
void feedback_tell_credit(struct feedback *f, struct shown *s, const struct slot *slot,
                          uint32_t before, const struct event *e, double earned);
void feedback_tell_ignored(struct feedback *f, const struct event *e);

/* The newest list of a user in the chains, and the one before a list; or NULL. */
struct shown *feedback_newest(const struct feedback *f, uint32_t user);
struct shown *feedback_older(const struct feedback *f, const struct shown *s);

/* The newest list of that recommendation_id numbered up to `last`, or NULL; locked. */
struct shown *feedback_by_id(const struct feedback *f, const char *id, uint64_t last);

#endif

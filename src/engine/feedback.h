/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The joiner: lists that were shown and events that followed become rewards by slot
 * (policy/reward.h; docs/rewards.md tells the rules for shops).
 *
 * An event that has a reward goes to one slot, at most once for every slot and event name:
 *   1. with a recommendation_id, of the list of that name, if it showed the item no longer
 *      before the event than the event's window;
 *   2. without one, of the newest list of its user that did, among the last
 *      FEEDBACK_LOOKED (and at most FEEDBACK_SLACK_US after it, for clients with coarse
 *      clocks).
 * So a purchase that comes a week later is credited to its list when it arrives; a refund
 * takes it back. A list sees only events that stand after it in the log. A slot without
 * any is `ignored` once the user has gone on or the window of that rule has passed, or
 * unseen if impressions of the list are reported and none of it; the user `left` when
 * nothing was clicked and nothing else followed within its window.
 *
 * The lists form a ring with the oldest falling out, so what is known of a list depends
 * only on the lists and events since: reading the newest lists and replaying the log gives
 * the same state bit for bit.
 *
 * Memory: at most most_slates x 88 + most_slots x 28 bytes, grown as needed, and 8 bytes
 * a user. Threads: one writes; feedback_find() may run beside it.
 */
#ifndef ENGINE_FEEDBACK_H
#define ENGINE_FEEDBACK_H

#include <stdbool.h>
#include <stdint.h>

#include "behaviour/event.h"
#include "policy/reward.h"
#include "store/store.h"

enum {
    FEEDBACK_SLATES = 1 << 16, /* of an open shop: with the slots 20 MB */
    FEEDBACK_SLOTS = 1 << 19,
    FEEDBACK_LOOKED = 64 /* lists of a user that are looked through for an item */
};

#define FEEDBACK_SLACK_US INT64_C(1000000)

/* What a slot's outcome is when it is no rule's place in the table. */
enum { FEEDBACK_OPEN = -1, FEEDBACK_IGNORED = -2, FEEDBACK_UNSEEN = -3 };

struct feedback_slot {
    uint32_t item;
    double propensity;
    double reward[REWARD_GROUPS];
    int outcome; /* the rule that earned most, the last of equal ones; or as above */
};

struct feedback_list {
    uint64_t seq; /* of the slate in the store */
    int64_t ts_us;
    uint32_t user; /* NAMES_NONE: unknown visitor */
    uint32_t n;
    struct feedback_slot slot[PENCHANT_MAX_K];
    double leave; /* the reward of leaving, 0 when it did not happen */
    bool open;    /* an event may still change it: a window has not passed */
};

struct feedback;

/* NULL: no memory. */
struct feedback *feedback_new(const struct rewards *rewards, uint32_t most_slates,
                              uint32_t most_slots);
void feedback_free(struct feedback *f);

/* A list that was shown, in the order of the log, with its seq and after_event; makes
   room by dropping the oldest. 0 or PENCHANT_ENOMEM. */
int feedback_slate(struct feedback *f, const struct store_slate *s);

/* An event, in the order of the log; `type` is its type's name. 0 or PENCHANT_ENOMEM. */
int feedback_event(struct feedback *f, const struct event *e, const char *type);

/* What the event that was taken in last earned, all lists together; a refund less than 0. */
void feedback_earned(struct feedback *f, double out[REWARD_GROUPS]);

/*
 * What became of a place, told as soon as an event says so, in the order of the log and
 * by nothing else than events, so that a replay tells the same:
 *   TAKEN    an event of the user earned a reward, for the first time of that place
 *   BOUGHT   the purchase earned one
 *   REFUSED  an event earned less than nothing
 *   IGNORED  nothing of that so far, and the list was clicked, or its user did anything but
 *            report impressions, or an event came after its window for being ignored. What
 *            was IGNORED may yet be TAKEN. A place that was not seen is not told.
 */
enum feedback_what {
    FEEDBACK_TOLD_TAKEN,
    FEEDBACK_TOLD_BOUGHT,
    FEEDBACK_TOLD_REFUSED,
    FEEDBACK_TOLD_IGNORED
};

struct feedback_told {
    uint64_t slate; /* seq of the list in the store */
    uint32_t position, user, item;
    enum feedback_what what;
    double seen; /* the chance that the place was looked at; 1 but for IGNORED */
};

/* 0 or PENCHANT_ENOMEM. Called by whoever calls feedback_event(), within it. */
typedef int feedback_told_fn(void *cookie, const struct feedback_told *t);

/* Whom to tell; before any list. */
void feedback_watch(struct feedback *f, feedback_told_fn *fn, void *cookie);

/* Forgets whose lists these were and all that they earned. */
void feedback_erase_user(struct feedback *f, uint32_t user);

/* The list of that recommendation_id as of now_us; false when it is not (or no longer)
   kept. *out is large: not for the stack. */
bool feedback_find(struct feedback *f, const char *id, int64_t now_us,
                   struct feedback_list *out);

/* For whoever goes through a whole log: whether a list of n fits without dropping, the
   oldest list (false: there is none), and dropping it. */
bool feedback_has_room(const struct feedback *f, uint32_t n);
bool feedback_oldest(struct feedback *f, int64_t now_us, struct feedback_list *out);
void feedback_drop_oldest(struct feedback *f);

#endif

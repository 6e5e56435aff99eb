/* SPDX-License-Identifier: Apache-2.0 */
/* Lists and events in, credits to slots; feedback_read.c tells what they come to. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "engine/feedback_rows.h"

enum { FIRST_ROOM = 64, RULE_UNKNOWN = -2, RULE_NONE = -1 };

/* ---- rings ---- */

static bool is_kept(const struct feedback *f, uint64_t number)
{
    return number >= f->first && number < f->next;
}

struct feedback *feedback_new(const struct rewards *rewards, uint32_t most_slates,
                              uint32_t most_slots)
{
    struct feedback *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->rewards = *rewards;
    f->most = most_slates;
    f->most_slots = most_slots;
    f->first = f->next = 1;
    memset(f->rule_of, RULE_UNKNOWN, sizeof f->rule_of);
    pthread_mutex_init(&f->lock, NULL);
    return f;
}

void feedback_free(struct feedback *f)
{
    if (!f)
        return;
    pthread_mutex_destroy(&f->lock);
    free(f->shown);
    free(f->bucket);
    free(f->slot);
    free(f->newest);
    free(f);
}

static void put_in_bucket(struct feedback *f, uint64_t number)
{
    struct shown *s = feedback_shown(f, number);
    uint64_t *bucket = &f->bucket[s->hash & (f->room - 1)];
    s->same = *bucket;
    *bucket = number;
}

static int grow_shown(struct feedback *f)
{
    const uint32_t room = f->room ? 2 * f->room : FIRST_ROOM;
    struct shown *shown = malloc(room * sizeof *shown);
    uint64_t *bucket = calloc(room, sizeof *bucket);
    if (!shown || !bucket) {
        free(shown);
        free(bucket);
        return PENCHANT_ENOMEM;
    }
    for (uint64_t i = f->first; i < f->next; i++)
        shown[i & (room - 1)] = *feedback_shown(f, i);
    free(f->shown);
    free(f->bucket);
    f->shown = shown;
    f->bucket = bucket;
    f->room = room;
    for (uint64_t i = f->first; i < f->next; i++)
        put_in_bucket(f, i);
    return PENCHANT_OK;
}

static int grow_slots(struct feedback *f, uint64_t wanted)
{
    uint32_t room = f->slot_room ? f->slot_room : FIRST_ROOM;
    while (room < wanted)
        room *= 2;
    struct slot *slot = malloc(room * sizeof *slot);
    if (!slot)
        return PENCHANT_ENOMEM;
    for (uint64_t i = f->first_slot; i < f->next_slot; i++)
        slot[i & (room - 1)] = f->slot[i & (f->slot_room - 1)];
    free(f->slot);
    f->slot = slot;
    f->slot_room = room;
    return PENCHANT_OK;
}

bool feedback_has_room(const struct feedback *f, uint32_t n)
{
    return f->next - f->first < f->most &&
           f->next_slot - f->first_slot + n <= f->most_slots;
}

static void drop_oldest(struct feedback *f)
{
    f->first_slot += feedback_shown(f, f->first)->n;
    f->first++;
}

/* Room for one more list of n slots. */
static int make_room(struct feedback *f, uint32_t n)
{
    while (f->first < f->next && !feedback_has_room(f, n))
        drop_oldest(f);
    if (f->next - f->first == f->room && grow_shown(f))
        return PENCHANT_ENOMEM;
    const uint64_t slots = f->next_slot - f->first_slot + n;
    return slots > f->slot_room ? grow_slots(f, slots) : PENCHANT_OK;
}

static void add_shown(struct feedback *f, const struct store_slate *s)
{
    struct shown *x = feedback_shown(f, f->next);
    *x = (struct shown){.seq = s->seq,
                        .after_event = s->after_event,
                        .hash = hash_bytes(s->id, strlen(s->id)),
                        .slot = f->next_slot,
                        .ts_us = s->ts_us,
                        .next_us = INT64_MIN,
                        .user = s->user,
                        .n = s->n};
    for (uint32_t j = 0; j < s->n; j++)
        *feedback_slot_of(f, x, j) =
            (struct slot){.item = s->items[j],
                          .propensity = s->propensities ? s->propensities[j] : 1.0F};
    f->next_slot += s->n;
    put_in_bucket(f, f->next++);
}

int feedback_slate(struct feedback *f, const struct store_slate *s)
{
    if (s->n > PENCHANT_MAX_K || s->n > f->most_slots)
        return PENCHANT_OK; /* no list of ours */
    pthread_mutex_lock(&f->lock);
    const int status = make_room(f, s->n);
    if (status == PENCHANT_OK)
        add_shown(f, s);
    pthread_mutex_unlock(&f->lock);
    return status;
}

void feedback_drop_oldest(struct feedback *f)
{
    pthread_mutex_lock(&f->lock);
    if (f->first < f->next)
        drop_oldest(f);
    pthread_mutex_unlock(&f->lock);
}

/* ---- chains ---- */

static int grow_users(struct feedback *f, uint32_t user)
{
    const uint64_t users = user < 64 ? 64 : (uint64_t)user + user / 2;
    uint64_t *newest = realloc(f->newest, users * sizeof *newest);
    if (!newest)
        return PENCHANT_ENOMEM;
    memset(newest + f->users, 0, (users - f->users) * sizeof *newest);
    f->newest = newest;
    f->users = (uint32_t)users;
    return PENCHANT_OK;
}

/* The user's newest list that is in the chains, or NULL. */
struct shown *feedback_newest(const struct feedback *f, uint32_t user)
{
    const uint64_t number = user < f->users ? f->newest[user] : 0;
    return is_kept(f, number) ? feedback_shown(f, number) : NULL;
}

struct shown *feedback_older(const struct feedback *f, const struct shown *s)
{
    return is_kept(f, s->older) ? feedback_shown(f, s->older) : NULL;
}

/* The user did something at that time: so did they after their newest list. Lists before
   it were followed by that one. */
static void went_on(struct feedback *f, uint32_t user, int64_t ts_us)
{
    struct shown *s = feedback_newest(f, user);
    if (s && s->next_us == INT64_MIN && ts_us >= s->ts_us - FEEDBACK_SLACK_US)
        s->next_us = ts_us > s->ts_us ? ts_us : s->ts_us;
}

/* Lists that stand before event `seq` in the log get into their users' chains. */
static int admit(struct feedback *f, uint64_t seq)
{
    if (f->admitted + 1 < f->first)
        f->admitted = f->first - 1;
    for (; f->admitted + 1 < f->next; f->admitted++) {
        struct shown *s = feedback_shown(f, f->admitted + 1);
        if (s->after_event >= seq)
            return PENCHANT_OK;
        if (s->user == NAMES_NONE)
            continue;
        if (s->user >= f->users && grow_users(f, s->user))
            return PENCHANT_ENOMEM;
        went_on(f, s->user, s->ts_us);
        s->older = f->newest[s->user];
        f->newest[s->user] = f->admitted + 1;
    }
    return PENCHANT_OK;
}

struct shown *feedback_by_id(const struct feedback *f, const char *id, uint64_t last)
{
    const uint64_t hash = hash_bytes(id, strlen(id));
    uint64_t number = f->room ? f->bucket[hash & (f->room - 1)] : 0;
    while (is_kept(f, number)) {
        struct shown *s = feedback_shown(f, number);
        if (s->hash == hash && number <= last)
            return s;
        number = s->same;
    }
    return NULL;
}

/* ---- an event ---- */

static struct slot *slot_of(const struct feedback *f, const struct shown *s,
                            uint32_t item)
{
    for (uint32_t j = 0; j < s->n; j++)
        if (feedback_slot_of(f, s, j)->item == item)
            return feedback_slot_of(f, s, j);
    return NULL;
}

/* Where an event goes. */
struct place {
    struct shown *shown;
    struct slot *slot;
};

/* The list that the event names. If it is not that one it is none: whether it was ever
   there cannot be told once it has been dropped. */
static bool find_named(const struct feedback *f, const struct event *e, int64_t window_us,
                       struct place *at)
{
    at->shown = feedback_by_id(f, e->recommendation, f->admitted);
    if (!at->shown || e->ts_us - at->shown->ts_us > window_us)
        return false;
    at->slot = slot_of(f, at->shown, e->item);
    return at->slot != NULL;
}

/* The list that the event goes to; `bought`: only one that sold the item. */
static bool find_place(const struct feedback *f, const struct event *e, int64_t window_us,
                       bool bought, struct place *at)
{
    if (e->recommendation)
        return find_named(f, e, window_us, at) && (!bought || at->slot->bought != 0);
    struct shown *s = feedback_newest(f, e->user);
    for (int looked = 0; s && looked < FEEDBACK_LOOKED;
         looked++, s = feedback_older(f, s)) {
        const int64_t after = e->ts_us - s->ts_us;
        if (after < -FEEDBACK_SLACK_US || after > window_us)
            continue;
        *at = (struct place){s, slot_of(f, s, e->item)};
        if (at->slot && (!bought || at->slot->bought != 0))
            return true;
    }
    return false;
}

static void credit(struct feedback *f, const struct event *e, int rule)
{
    const struct reward_rule *r = &f->rewards.rule[rule];
    const uint32_t bit = UINT32_C(1) << rule;
    struct place at;
    if (!find_place(f, e, r->window_us, false, &at) || at.slot->rules & bit)
        return;
    const uint32_t before = at.slot->rules;
    const double median = r->by_price ? reward_prices_median(&f->prices) : 0;
    const float earned = (float)reward_of(r, e->value, median);
    at.slot->rules |= bit;
    at.slot->earned[r->group] += earned;
    f->earned[r->group] = (double)earned;
    at.shown->clicked |= earned > 0;
    if (e->type == EVENT_PURCHASE)
        at.slot->bought = earned;
    feedback_tell_credit(f, at.shown, at.slot, before, e, (double)earned);
}

/* The item came into view: whoever reports this reports it of all that did. */
static void see(struct feedback *f, const struct event *e)
{
    struct place at;
    if (!find_place(f, e, f->rewards.ignored.window_us, false, &at))
        return;
    at.slot->rules |= FEEDBACK_SEEN;
    at.shown->reported = true;
}

/* What the purchase earned is gone; buying it again would earn it again. */
static void take_back(struct feedback *f, const struct event *e)
{
    const int rule = rewards_find(&f->rewards, "purchase");
    struct place at;
    if (rule < 0 || !find_place(f, e, INT64_MAX, true, &at))
        return;
    at.slot->earned[f->rewards.rule[rule].group] -= at.slot->bought;
    f->earned[f->rewards.rule[rule].group] = -(double)at.slot->bought;
    at.slot->bought = 0;
    at.slot->rules &= ~(UINT32_C(1) << rule);
}

static int rule_of(struct feedback *f, uint32_t type, const char *name)
{
    if (type >= EVENT_MAX_TYPES)
        return RULE_NONE;
    if (f->rule_of[type] == RULE_UNKNOWN)
        f->rule_of[type] = (int8_t)rewards_find(&f->rewards, name);
    return f->rule_of[type];
}

int feedback_event(struct feedback *f, const struct event *e, const char *type)
{
    const bool paid = e->type == EVENT_PURCHASE;
    pthread_mutex_lock(&f->lock);
    int status = admit(f, e->seq);
    memset(f->earned, 0, sizeof f->earned);
    const int rule = rule_of(f, e->type, type);
    if (status == PENCHANT_OK && f->first < f->next) {
        if (e->type == EVENT_REFUND && e->item != NAMES_NONE)
            take_back(f, e);
        else if (rule >= 0 && e->item != NAMES_NONE)
            credit(f, e, rule);
        if (e->type != EVENT_IMPRESSION)
            went_on(f, e->user, e->ts_us);
        else if (e->item != NAMES_NONE)
            see(f, e);
        feedback_tell_ignored(f, e);
    }
    if (paid)
        reward_prices_add(&f->prices, e->value);
    if (status == PENCHANT_OK)
        status = f->told_status;
    pthread_mutex_unlock(&f->lock);
    return status;
}

void feedback_earned(struct feedback *f, double out[REWARD_GROUPS])
{
    pthread_mutex_lock(&f->lock);
    memcpy(out, f->earned, sizeof f->earned);
    pthread_mutex_unlock(&f->lock);
}

void feedback_erase_user(struct feedback *f, uint32_t user)
{
    pthread_mutex_lock(&f->lock);
    for (uint64_t i = f->first; i < f->next; i++) {
        struct shown *s = feedback_shown(f, i);
        if (s->user != user)
            continue;
        s->user = NAMES_NONE;
        s->hash = 0;
        for (uint32_t j = 0; j < s->n; j++)
            *feedback_slot_of(f, s, j) = (struct slot){.item = NAMES_NONE};
    }
    if (user < f->users)
        f->newest[user] = 0;
    pthread_mutex_unlock(&f->lock);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the log earned: a reward for every event of the histories and every objective of
 * the critics (learn/critic.h), by the shop's table of rewards (policy/reward.h).
 *
 *   purchase    what the table's group "purchase" earns: carts, and purchases by price
 *   engagement  what its group "engagement" earns: looks, wishes, and dislikes
 *   staying     1 for every event, until the visit ends (EVENT_SESSION_GAP_US; without a
 *               clock, until the history does)
 *
 * What lies after the log counts as nothing. A purchase is priced at what was paid for the
 * item on average, else at the catalogue's price. While the log is read, value_log_observe()
 * collects what histories leave out: prices paid and dislikes, of which the first
 * VALUE_LOG_DISLIKES are kept. Memory: 16 bytes an item and 16 a dislike, then 13 an event.
 */
#ifndef ENGINE_VALUE_LOG_H
#define ENGINE_VALUE_LOG_H

#include "behaviour/catalog.h"
#include "behaviour/event.h"
#include "behaviour/history.h"
#include "learn/critic_train.h"
#include "policy/reward.h"

enum { VALUE_LOG_DISLIKES = 1000000 };

struct value_dislike {
    uint32_t user, item;
    int64_t ts_us;
};

struct value_paid {
    double sum;
    uint64_t n;
};

struct value_log {
    struct rewards rewards;
    int8_t rule[EVENT_MAX_TYPES]; /* the rule of a type, or -1 */
    struct reward_prices prices;
    struct value_paid *paid; /* (n_paid) by item */
    struct value_dislike *dislike;
    uint32_t n_paid;
    size_t n_dislikes, cap_dislikes;
};

/* Empty, with this table; NULL: the default one. */
void value_log_init(struct value_log *v, const struct rewards *rewards);
void value_log_release(struct value_log *v);

/* An event type of the shop. */
void value_log_type(struct value_log *v, uint32_t type, const char *name);

/* Any event, in log order. 0 or PENCHANT_ENOMEM. */
int value_log_observe(struct value_log *v, const struct event *e);

/* Rewards of a history; to be released. */
struct value_rewards {
    float *reward; /* (n, CRITIC_OBJECTIVES) */
    uint8_t *ends; /* (n) */
    struct critic_aside *aside;
    size_t n_asides;
};

int value_rewards_make(struct value_rewards *out, const struct value_log *v,
                       const struct history *h, const struct catalog *c);
void value_rewards_release(struct value_rewards *r);

/* Whether values are worth learning without being asked: events of several types, or
   purchases. */
bool value_log_speaks(const struct history *h);

#endif

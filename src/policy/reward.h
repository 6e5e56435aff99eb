/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens after a list, as a reward: a table of rules, one row an event, that a shop
 * may change in its configuration (docs/rewards.md).
 *
 *   event     reward                                     group       window
 *   view      .2                                         engagement  30 min
 *   wish      .3                                         engagement  1 day
 *   cart      .5                                         purchase    1 day
 *   purchase  1 (1 + min(1, log1p(price / median) / 2))  purchase    7 days
 *   dislike   -1                                         engagement  1 day
 *   ignored   -.02 x the chance that it was examined     engagement  30 min
 *   leave     -.2, of the list and no item               staying     30 min
 *
 * The group says with which discount the reward counts in the values that are learned; the
 * window, how long after the list the event still counts for it (of `ignored` and `leave`:
 * after how long without anything they are a fact). Event names that no row has earn 0.
 *
 * Memory: a fixed table. Threads: const after it was filled.
 */
#ifndef POLICY_REWARD_H
#define POLICY_REWARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "behaviour/event.h"

enum reward_group { REWARD_PURCHASE, REWARD_ENGAGEMENT, REWARD_STAYING, REWARD_GROUPS };

enum { REWARD_MOST_RULES = 31 };

struct reward_rule {
    char event[EVENT_NAME_MAX + 1];
    double reward;
    enum reward_group group;
    int64_t window_us;
    bool by_price; /* the reward grows with the price, to twice itself at the most */
};

struct rewards {
    struct reward_rule rule[REWARD_MOST_RULES];
    uint32_t n;
    struct reward_rule ignored, leave;
    double examination_decay; /* see reward_examined() */
};

/* The name of a group, and by what its values are discounted a step. */
const char *reward_group_name(enum reward_group group);
double reward_group_discount(enum reward_group group);

void rewards_default(struct rewards *r);

/*
 * Puts a rule, in place of the one that the event had. `text` is a number and in any order
 * a group, a window ("30m", "7d") and "price"; what is missing is as it was, or for a new
 * event engagement and 1 day. A reward of 0 and no more is a rule too: it earns nothing.
 * PENCHANT_EINVALID with the event as the field and what was wrong, PENCHANT_ELIMIT for
 * one rule too many; the table is then as it was.
 */
int rewards_set(struct rewards *r, const char *event, const char *text,
                struct penchant_error *err);

/* The rule's place in the table, or -1: this event earns nothing. */
int rewards_find(const struct rewards *r, const char *event);

/* The longest window of a rule. */
int64_t rewards_window_us(const struct rewards *r);

/*
 * What one event earns: a rule by price earns reward x (1 + min(1, log1p(price/median)/2)),
 * where a price that is not known (NaN, or not above 0) is taken for the median.
 */
double reward_of(const struct reward_rule *rule, double price, double median);

/* The chance that position 0, 1, .. was looked at: (1 + position)^-examination_decay. */
double reward_examined(const struct rewards *r, uint32_t position);

/* ---- the median price ---- */

enum { REWARD_PRICE_STEPS = 8, REWARD_PRICES = 64 * REWARD_PRICE_STEPS };

/* Prices that were paid, counted in steps of 2^(1/8): their median to 4.5 %. Zeroed, it is
   empty. A function of the prices whatever their order. */
struct reward_prices {
    uint64_t count[REWARD_PRICES], n;
};

/* What is no price (NaN, not above 0) is not counted. */
void reward_prices_add(struct reward_prices *p, double price);
double reward_prices_median(const struct reward_prices *p); /* NaN without any */

#endif

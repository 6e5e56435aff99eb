/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds what is no shopper's interest in a log as it streams by: double clicks, prices
 * that cannot be, and bots. It flags; dropping is the caller's. Not thread-safe.
 *
 * A double click repeats user, item and type within 2 seconds. A price is an outlier when
 * a purchase has none above zero, or when it is more than 20 times, or less than a
 * twentieth of, what the item usually costs, once that is known from 5 prices; the values
 * of purchases, cart changes and refunds are prices. A bot makes more than 300 events in
 * 10 minutes or more than 5,000 in a day. Times before 1990 are positions, and tell
 * neither double clicks nor bots.
 *
 * Memory: 40 bytes a user, 24 an item, and 1.5 MiB for recent clicks. Bots are counted in
 * buckets of 2 minutes and 3 hours, so that a burst is only sure to be found when it fits
 * into 8 minutes, or 21 hours; nobody below the limits is ever taken for one.
 */
#ifndef BEHAVIOUR_CLEAN_H
#define BEHAVIOUR_CLEAN_H

#include <stdbool.h>
#include <stdint.h>

#include "behaviour/event.h"

enum clean_flag { CLEAN_DOUBLE_CLICK = 1, CLEAN_PRICE_OUTLIER = 2, CLEAN_BOT = 4 };

struct cleaner;

struct cleaner *cleaner_new(void); /* NULL: out of memory */
void cleaner_free(struct cleaner *c);

/*
 * Takes the next event of the log and sets *flags to what it is. CLEAN_BOT is set from
 * the moment the user is one: for the events before, ask cleaner_is_bot() at the end. 0
 * or PENCHANT_ENOMEM.
 */
int cleaner_check(struct cleaner *c, const struct event *e, uint32_t *flags);

bool cleaner_is_bot(const struct cleaner *c, uint32_t user);

/* Says that the event that was last checked, of this user, is kept. */
void cleaner_keep(struct cleaner *c, uint32_t user);

/* The kept events of those who are bots by now, also from before they were. */
uint64_t cleaner_bot_events(const struct cleaner *c);

#endif

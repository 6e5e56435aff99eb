/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a shop's lists come to, measured as the log goes on, and the multipliers of its
 * targets (policy/balance.h; docs/balance.md tells the measures).
 *
 * A list is measured when the next event comes that stands after it in the log, with the
 * shopper and the catalogue as they were before that event; what it earns counts when it
 * is earned. The store keeps the state with the numbers of the last list and event in it,
 * in the transaction after each update of the multipliers; opening reads it and goes on
 * from there with the lists and events since, so that a restart has the same state bit for
 * bit. Lists that wait and lists of the last BALANCE_HORIZON places come from the log.
 * (A catalogue that changed between the last update and a restart is the one by which the
 * lists between them are measured again; a list of an erased user is gone from the ring.)
 *
 * Memory: 2 bytes an item, 8 kB, and the lists that wait for an event: as many as the
 * joiner keeps at the most, 48 bytes and 4 a place, the oldest falling out.
 * Threads: one writes; lambda(), shown_lately() and tell() may run beside it.
 */
#ifndef ENGINE_SHOP_BALANCE_H
#define ENGINE_SHOP_BALANCE_H

#include "behaviour/catalog.h"
#include "engine/engine.h"
#include "policy/balance.h"

enum { SHOP_BALANCE_TEXT = BALANCE_TEXT + 64, SHOP_BALANCE_LOOKED = 128 };

struct shop_balance;

/* With the targets of the configuration; NaN: none. NULL: no memory. */
struct shop_balance *shop_balance_new(const double target[PENCHANT_BALANCES]);
void shop_balance_free(struct shop_balance *b);

/* A list, in the order of the log, with its seq and after_event. 0 or PENCHANT_ENOMEM. */
int shop_balance_slate(struct shop_balance *b, const struct store_slate *s);

/* Before event `seq` is taken in: measures the lists that stand before it. 0 or
   PENCHANT_ENOMEM. */
int shop_balance_admit(struct penchant *p, uint64_t seq);

/* An event that the joiner has just taken in. */
void shop_balance_event(struct penchant *p, const struct event *e);

/* No longer whose lists wait. */
void shop_balance_erase_user(struct shop_balance *b, uint32_t user);

/* ---- the state, kept ---- */

/* Whether the multipliers have moved since it was written last. */
bool shop_balance_is_due(const struct shop_balance *b);
/* The state as it is now into the present transaction. */
int shop_balance_write(struct penchant *p, struct penchant_error *err);
/* While opening, before lists and events are replayed. */
int shop_balance_read(struct penchant *p, struct penchant_error *err);

/* The state with other targets: its text, and then taking them. */
void shop_balance_text(struct shop_balance *b, const struct balance *with,
                       char text[SHOP_BALANCE_TEXT]);
void shop_balance_take(struct shop_balance *b, const struct balance *with);
struct balance shop_balance_state(struct shop_balance *b);
/* Whether the target of a measure is the configuration's. */
bool shop_balance_is_fixed(const struct shop_balance *b, enum penchant_balance m);

/* ---- for lists ---- */

void shop_balance_lambda(struct shop_balance *b, double lambda[PENCHANT_BALANCES]);

/* In how many of the last BALANCE_HORIZON places an item was shown. */
uint32_t shop_balance_shown_lately(struct shop_balance *b, uint32_t item);

/* 1 / (1 + events / their mean over all items). */
double shop_balance_novelty(const struct catalog *c, uint32_t item);

/* 1 when none of an item's categories is one of the newest SHOP_BALANCE_LOOKED of wanted[n],
   else 0; NaN: no categories are known of the item or of what was wanted. */
double shop_balance_new_category(const struct catalog *c, const uint32_t *wanted,
                                 uint32_t n, uint32_t item);

#endif

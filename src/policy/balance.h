/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stated targets for what lists come to, held by dual ascent: each target has one
 * multiplier, which is the weight of what raises its measure. Every BALANCE_EVERY
 * impressions (places of lists that were shown)
 *
 *   lambda <- clip(lambda + .15 (target - j) / scale, 0, 5),   scale = |target|, or 1 of 0,
 *
 * where j is the measure's mean over about BALANCE_EVERY impressions, so that a multiplier
 * answers to what it did and not to what was before it: steered by a longer memory it
 * swings about the target. What is reported is J, over about BALANCE_HORIZON. Both are
 * ratios of two sums that fade by (1 - 1 / horizon) with each impression, what was measured
 * and the impressions it was measured on; so a reward that comes late counts when it
 * comes. The clip is the anti-windup: nothing but the multiplier
 * itself is accumulated, so a target that cannot be reached costs no more than 5, and the
 * first update after it is passed lowers the multiplier. A slack target's goes back to 0.
 *
 * Pure arithmetic on one struct without pointers: same input, same bits. Not thread-safe.
 */
#ifndef POLICY_BALANCE_H
#define POLICY_BALANCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { BALANCE_EVERY = 200, BALANCE_HORIZON = 2000, BALANCE_TEXT = 2048 };

#define BALANCE_RATE 0.15
#define BALANCE_MOST 5.0

/* A mean that fades. */
struct balance_mean {
    double sum, weight; /* of the impressions it was measured on; 0: never */
};

struct balance {
    double target[PENCHANT_BALANCES]; /* NaN: none */
    double lambda[PENCHANT_BALANCES]; /* 0 without a target */
    struct balance_mean near[PENCHANT_BALANCES], far[PENCHANT_BALANCES]; /* j, J */
    uint64_t impressions, updates;
    uint32_t since; /* impressions since the last update */
};

void balance_init(struct balance *b);

const char *balance_name(enum penchant_balance m);
/* PENCHANT_BALANCES when no measure is called so. */
enum penchant_balance balance_find(const char *name);

/* Sets a target; NaN takes it away and its multiplier becomes 0. PENCHANT_EINVALID names
   the measure as the field, and nothing has changed. */
int balance_check(enum penchant_balance m, double target, struct penchant_error *err);
int balance_aim(struct balance *b, enum penchant_balance m, double target,
                struct penchant_error *err);

/* A list of n places was shown; measured[m] is the mean over its places, NaN: it could not
   be told. Measures of what is earned are 0 here, see balance_earned(). */
void balance_shown(struct balance *b, const double measured[PENCHANT_BALANCES],
                   uint32_t n);

/* A place that was shown has earned this much more. */
void balance_earned(struct balance *b, enum penchant_balance m, double amount);

/* J, NaN: nothing was measured yet. */
double balance_realised(const struct balance *b, enum penchant_balance m);

/* The state as text without blanks at its ends, exact; and back. PENCHANT_ECORRUPT leaves
 *b as it was. */
void balance_save(const struct balance *b, char text[BALANCE_TEXT]);
int balance_load(struct balance *b, const char *text, struct penchant_error *err);

#endif

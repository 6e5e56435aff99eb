/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recency, frequency and monetary value: how long ago a user was there last, how often
 * the user bought, for how much. Each is scored 1 to 5 by the quintile of the shop's
 * users that it lies in, 5 the best; a user's stage follows from the scores:
 *
 *   new       recency 4 or 5, and first seen as lately as the newest fifth of the users
 *   active    recency 4 or 5, otherwise
 *   at risk   recency 2 or 3
 *   lapsed    recency 1
 *
 * Equal values have equal scores. Memory: 4 numbers a quantity once made.
 */
#ifndef INTEREST_RFM_H
#define INTEREST_RFM_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum rfm_quantity { RFM_RECENCY, RFM_FREQUENCY, RFM_MONETARY, RFM_AGE, RFM_QUANTITIES };
enum rfm_stage { RFM_NEW, RFM_ACTIVE, RFM_AT_RISK, RFM_LAPSED, RFM_STAGES };
enum { RFM_SCORES = 5 };

extern const char *const rfm_stage_names[RFM_STAGES]; /* "new", "active", .. */

/* Of one user: days since the last event, purchases, money, days since the first. */
struct rfm {
    double value[RFM_QUANTITIES];
};

/* Where the fifths of the users lie. */
struct rfm_scale {
    double bound[RFM_QUANTITIES][RFM_SCORES - 1];
};

/* From n users (n may be 0). 0 or PENCHANT_ENOMEM. */
int rfm_scale_init(struct rfm_scale *s, const struct rfm *user, size_t n);

/* 1 to 5: less is better for recency and age, more for the others. */
unsigned rfm_score(const struct rfm_scale *s, enum rfm_quantity q, double value);

enum rfm_stage rfm_stage(const struct rfm_scale *s, const struct rfm *user);

/* The median of value[n], which is put into another order; 0 without any. */
double rfm_median(double *value, size_t n);

#endif

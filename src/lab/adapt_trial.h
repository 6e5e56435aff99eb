/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether learning from feedback at once (engine/adapt.h) pays, in the made-up shop and in a
 * closed loop: shoppers shop with the engine's lists before their eyes, then the interests of
 * all of them move to other shelves, and they go on. Two runs of one seed begin with the same
 * shop, past and shoppers; in one the lists use what feedback taught, in the other, the
 * frozen copy, they do not, while all that counts events goes on learning in both.
 *
 * Told is the reward per hundred impressions (places that were shown), as the shop's own
 * joiner credits it (policy/reward.h).
 */
#ifndef LAB_ADAPT_TRIAL_H
#define LAB_ADAPT_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

struct adapt_trial_options {
    uint32_t items, shoppers, days;
    uint32_t visits; /* before the interests move, and again after it */
    uint64_t seed;
};

struct adapt_trial {
    double before, after; /* reward per hundred impressions */
    uint64_t impressions; /* of both */
    uint64_t settled;     /* outcomes that were learned from */
};

int adapt_trial_run(const struct adapt_trial_options *o, bool adapt,
                    struct adapt_trial *out, struct penchant_error *err);

#endif

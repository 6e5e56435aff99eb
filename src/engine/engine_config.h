/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a shop's penchant.conf says: a table of sections, read once at opening. A shop
 * without the file, or with half of it, has the defaults (docs/rewards.md).
 *
 *   [rewards]      event = reward [group] [window] [price]   policy/reward.h
 *   [examination]  decay = 0.6
 *   [explore]      share, temperature, kappa, epsilon = ..   policy/explore.h
 *   [balance]      measure = target                          policy/balance.h
 *   [learning]     adapt = on | off                           engine/adapt.h
 */
#ifndef ENGINE_ENGINE_CONFIG_H
#define ENGINE_ENGINE_CONFIG_H

#include "policy/balance.h"
#include "policy/explore.h"
#include "policy/reward.h"

struct engine_config {
    struct rewards rewards;
    double target[PENCHANT_BALANCES]; /* NaN: none, or as it was set while running */
    struct explore_options explore; /* of requests that do not say; share 0: not at all */
    bool adapt;                     /* lists learn from feedback at once */
};

void engine_config_default(struct engine_config *c);

/* Reads a file over what stands in *c; a missing one changes nothing. PENCHANT_EINVALID
   names file, line and reason. */
int engine_config_read(struct engine_config *c, const char *path,
                       struct penchant_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a held-out event serves. The sources learn from neither half:
 *
 *   choosing  early stopping, which preset, how much regularisation, whether the blend
 *             or a single source is served: everything that picks the best of several
 *   weighing  the weights of the blend, its calibration
 *
 * So weights are fitted on events that no choice has looked at, and a choice between
 * weightings is made on events that fitted none. The user decides, so that both halves
 * hold whole histories and every caller divides alike.
 */
#ifndef LEARN_HELD_OUT_H
#define LEARN_HELD_OUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"

static inline bool held_out_weighs(uint32_t user)
{
    return rng_mix(0x9d2c5680ULL ^ user) >> 63;
}

static inline bool held_out_chooses(uint32_t user)
{
    return !held_out_weighs(user);
}

#endif

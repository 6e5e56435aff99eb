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
 *
 * Where items say something of themselves, both ask as if a part of the items were new:
 * no source has observed an event of them, nor one that has them in the user's past, and
 * the model gives them the vector of their content and attributes alone. Else nothing
 * would tell what the word of each source is worth for an item that nobody has seen, since
 * what was held out names few that are not known already.
 */
#ifndef LEARN_HELD_OUT_H
#define LEARN_HELD_OUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "evidence/evidence.h"

static inline bool held_out_weighs(uint32_t user)
{
    return rng_mix(0x9d2c5680ULL ^ user) >> 63;
}

/* Whether the item is one of those, a sixteenth of all. */
static inline bool held_out_is_new(uint32_t item)
{
    return rng_mix(0x5851F42DULL ^ ((uint64_t)item << 20)) >> 60 == 0;
}

enum { HELD_OUT_RECENT = 256 }; /* of a past; older events are left out */

struct held_out_recent {
    uint32_t item[HELD_OUT_RECENT];
    int64_t us[HELD_OUT_RECENT];
    uint8_t type[HELD_OUT_RECENT];
};

/* The event as it is where a part of the items is new: its past without them, in `room`,
   to which it points from then on. False: it is of one of them and was never seen. */
bool held_out_observes(struct evidence_event *e, struct held_out_recent *room);

static inline bool held_out_chooses(uint32_t user)
{
    return !held_out_weighs(user);
}

#endif

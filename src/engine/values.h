/* SPDX-License-Identifier: Apache-2.0 */
/* What items are worth to a user in the long run, by the critics of the model in use. */
#ifndef ENGINE_VALUES_H
#define ENGINE_VALUES_H

#include "engine/want.h"

/*
 * Values of n items to the user that `w` and `q` tell of: out (PENCHANT_VALUES, n), NaN
 * where there is none: no critic, nothing known of the user, an item without a vector.
 * p->lock is held. 0 or PENCHANT_ENOMEM.
 */
int engine_values(const struct penchant *p, const struct snapshot *s,
                  const struct want *w, const struct evidence_query *q,
                  const uint32_t *item, size_t n, float *out);

#endif

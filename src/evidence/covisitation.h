/* SPDX-License-Identifier: Apache-2.0 */
/* The co-visitation source (see covisitation.c): its bound, and what it takes. */
#ifndef EVIDENCE_COVISITATION_H
#define EVIDENCE_COVISITATION_H

#include "evidence/evidence.h"

enum { COVISITATION_NEIGHBOURS = 256 }; /* of one item, at most */

/* Memory held, in bytes; not beside observe(). */
size_t covisitation_bytes(const void *state);

#endif

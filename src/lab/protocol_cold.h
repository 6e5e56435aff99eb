/* SPDX-License-Identifier: Apache-2.0 */
/* A part of protocol.c: the items that the cold-items protocol hides. */
#ifndef LAB_PROTOCOL_COLD_H
#define LAB_PROTOCOL_COLD_H

#include "lab/protocol.h"

/*
 * Numbers the data with the hidden items last (protocol.n_warm says from where on) and
 * takes their events out of the log, but for those that are reported. PENCHANT_EINVALID
 * when none of those is of a hidden item, or fewer than two items are not hidden.
 */
int protocol_number_cold(struct protocol *p, struct penchant_error *err);

#endif

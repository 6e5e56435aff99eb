/* SPDX-License-Identifier: Apache-2.0 */
/* What an off-policy evaluation found, as one JSON object or as a table for people. */
#ifndef LAB_OPE_REPORT_H
#define LAB_OPE_REPORT_H

#include "base/buf.h"
#include "penchant.h"

void ope_report_json(struct buf *out, const struct penchant_ope *o);

/* Without a last line feed. */
void ope_report_text(struct buf *out, const struct penchant_ope *o);

#endif

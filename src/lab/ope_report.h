/* SPDX-License-Identifier: Apache-2.0 */
/* What an off-policy evaluation found, as a table for people; server/ope_json.h has JSON. */
#ifndef LAB_OPE_REPORT_H
#define LAB_OPE_REPORT_H

#include "base/buf.h"
#include "penchant.h"

/* Without a last line feed. */
void ope_report_text(struct buf *out, const struct penchant_ope *o);

#endif

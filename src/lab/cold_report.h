/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the cold-items protocol found: quality on cases of hidden items and on the others,
 * and what content costs the others, beside the same engine without content, which was
 * trained and weighed anew in the same run.
 */
#ifndef LAB_COLD_REPORT_H
#define LAB_COLD_REPORT_H

#include "base/buf.h"
#include "base/json_writer.h"
#include "lab/protocol_score.h"

struct cold_report {
    const struct protocol *split;
    const struct protocol_scores *with, *without;
    uint32_t mask; /* sources of `with` */
};

/* The members "cold" and "warm" of an object that is begun. */
void cold_report_json(struct json_writer *w, const struct cold_report *r);
void cold_report_text(struct buf *out, const struct cold_report *r);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The report of `penchant segments --report`. */
#ifndef CLI_SEGMENTS_REPORT_TEXT_H
#define CLI_SEGMENTS_REPORT_TEXT_H

#include "base/json_writer.h"
#include "penchant.h"

void segments_report_json(struct json_writer *w,
                          const struct penchant_segments_quality *q);
/* Without a last line feed. */
void segments_report_text(struct buf *b, const struct penchant_segments_quality *q);

#endif

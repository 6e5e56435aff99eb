/* SPDX-License-Identifier: Apache-2.0 */
/* Segments as JSON: what the routes and `penchant segments --json` answer alike. */
#ifndef SERVER_SEGMENTS_JSON_H
#define SERVER_SEGMENTS_JSON_H

#include "base/json_writer.h"
#include "penchant.h"

/* One object each. */
void segment_json(struct json_writer *w, const struct penchant_segment *s);
void segments_json(struct json_writer *w, const struct penchant_segments *all);
void audience_json(struct json_writer *w, const struct penchant_audience *a);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics as the reports of `penchant benchmark` write them in JSON. */
#ifndef LAB_REPORT_JSON_H
#define LAB_REPORT_JSON_H

#include "base/json_writer.h"
#include "evaluate/metrics.h"

/* "name": {"value", "low", "high"} */
void report_json_metric(struct json_writer *w, const char *name,
                        struct penchant_metric m);

/* "key": {"hr@5": .., all metrics at 5, 10 and 20} */
void report_json_quality(struct json_writer *w, const char *key, const struct metrics *m);

#endif

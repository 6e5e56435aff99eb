/* SPDX-License-Identifier: Apache-2.0 */
/* What the preset "auto" tried, for the reports of `train` and `benchmark`. */
#ifndef CLI_RACE_REPORT_H
#define CLI_RACE_REPORT_H

#include "base/json_writer.h"
#include "penchant.h"

/* The settings that training came to, and "race", one object a trial; [] without trials. */
void race_report_json(struct json_writer *w, const struct penchant_train_report *r);

/* A line a trial, each after a line feed; nothing without trials. */
void race_report_text(struct buf *b, const struct penchant_train_report *r);

#endif

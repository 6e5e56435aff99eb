/* SPDX-License-Identifier: Apache-2.0 */
/* What lists come to beside its targets, as JSON: for the server and the program. */
#ifndef SERVER_BALANCE_JSON_H
#define SERVER_BALANCE_JSON_H

#include "base/json_writer.h"
#include "penchant.h"

void balance_json(struct json_writer *w, const struct penchant_balance_report *r);

#endif

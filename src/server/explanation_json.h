/* SPDX-License-Identifier: Apache-2.0 */
/* Why an item is in a list as JSON: what the routes and `penchant recommend` answer alike. */
#ifndef SERVER_EXPLANATION_JSON_H
#define SERVER_EXPLANATION_JSON_H

#include "base/json_writer.h"
#include "penchant.h"

/* Two fields of the item's object: probability, evidence. */
void explanation_json(struct json_writer *w, const struct penchant_scored *item);

#endif

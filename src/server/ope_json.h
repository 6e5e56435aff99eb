/* SPDX-License-Identifier: Apache-2.0 */
/* An off-policy evaluation as one JSON object; `penchant ope --json` prints the same. */
#ifndef SERVER_OPE_JSON_H
#define SERVER_OPE_JSON_H

#include "base/json_writer.h"
#include "penchant.h"

void ope_json(struct json_writer *w, const struct penchant_ope *o);

#endif

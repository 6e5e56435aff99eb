/* SPDX-License-Identifier: Apache-2.0 */
/* A list that was shown as JSON: what the route and `penchant export --slates` tell alike. */
#ifndef SERVER_SLATE_JSON_H
#define SERVER_SLATE_JSON_H

#include "base/json_writer.h"
#include "penchant.h"

/* One object; docs/rewards.md tells what its fields are. */
void slate_json(struct json_writer *w, const struct penchant_slate *s);

#endif

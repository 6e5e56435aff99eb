/* SPDX-License-Identifier: Apache-2.0 */
/* What the library tells of a user as JSON: the same over HTTP and from the program. */
#ifndef SERVER_INTERESTS_JSON_H
#define SERVER_INTERESTS_JSON_H

#include "base/json_writer.h"
#include "penchant.h"

void interests_json(struct json_writer *w, const struct penchant_interests *x);
void outlook_json(struct json_writer *w, const char *user_id,
                  const struct penchant_outlook *x);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The target of a request: path segments and query parameters, percent-decoded after they
 * were split (so %2F stays inside its segment). Broken encoding, NUL and broken UTF-8 are
 * refused. In the query a '+' is a space.
 */
#ifndef SERVER_URL_H
#define SERVER_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

enum { URL_MAX_SEGMENTS = 8, URL_MAX_PARAMS = 256 };

struct url_param {
    const char *name, *value;
};

struct url {
    char *text; /* owned; the pointers below show into it */
    size_t n_segments, n_params;
    const char *segment[URL_MAX_SEGMENTS];
    struct url_param param[URL_MAX_PARAMS]; /* in the order of the query */
};

/* EINVALID with the reason, or ENOMEM; release is right in every case. */
int url_parse(struct url *u, const char *target, struct penchant_error *err);
void url_release(struct url *u);

/* Whether the path fits a pattern such as /v1/items/{id}/similar; {..} takes any
   segment. */
bool url_fits(const struct url *u, const char *pattern);

#endif

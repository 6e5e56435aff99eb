/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/segments: groups of users who want alike things. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/routes.h"
#include "server/segments_json.h"
#include "server/server_state.h"

void route_segments(struct request *r)
{
    static const char *const known[] = {"k", NULL};
    struct penchant_segments *all = NULL;
    struct penchant_error err = {0};
    size_t k;
    if (!request_known(r, known, NULL) || !request_k(r, &k))
        return;
    if (penchant_segments(r->server->shop, k, &all, &err)) {
        request_failed(r, &err);
        return;
    }
    struct json_writer w = request_json(r, 200);
    segments_json(&w, all);
    penchant_segments_free(all);
}

void route_segment(struct request *r)
{
    static const char *const known[] = {"k", NULL};
    struct penchant_segment *one = NULL;
    struct penchant_error err = {0};
    const char *text = r->url.segment[2];
    size_t k;
    if (!request_known(r, known, NULL) || !request_k(r, &k))
        return;
    if (!*text || strlen(text) > 9 || text[strspn(text, "0123456789")]) {
        request_problem(r, 404, "there is no segment %.32s: they have numbers", text);
        return;
    }
    const uint32_t segment = (uint32_t)strtoul(text, NULL, 10);
    if (penchant_get_segment(r->server->shop, segment, k, &one, &err)) {
        request_failed(r, &err);
        return;
    }
    struct json_writer w = request_json(r, 200);
    segment_json(&w, one);
    penchant_segment_free(one);
}

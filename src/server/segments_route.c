/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/segments: groups of users who want alike things. */
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "server/parse_event.h"
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

/* ---- look-alikes ---- */

static int seeds_field(struct penchant_audience_options *o, const char ***ids,
                       const char *key, const json_t *value, struct penchant_error *err)
{
    if (!strcmp(key, "user_ids"))
        return parse_strings(value, key, "user ids", PENCHANT_MAX_SEEDS, ids, &o->n_seeds,
                             err);
    if (!strcmp(key, "k"))
        return parse_count(value, key, PENCHANT_MAX_AUDIENCE, &o->k, err);
    if (!strcmp(key, "threshold"))
        return parse_number(value, key, &o->threshold, err);
    return error_field(err, PENCHANT_EINVALID, 0, key, "%.48s is not a field here", key);
}

static void lookalike(struct request *r, const struct penchant_audience_options *o)
{
    struct penchant_audience *audience = NULL;
    struct penchant_error err = {0};
    if (penchant_lookalike(r->server->shop, o, &audience, &err)) {
        request_failed(r, &err);
        return;
    }
    struct json_writer w = request_json(r, 200);
    audience_json(&w, audience);
    penchant_audience_free(audience);
}

void route_lookalike(struct request *r)
{
    struct penchant_audience_options o;
    struct penchant_error err = {0};
    const char **ids = NULL, *key;
    json_t *value;
    if (!request_no_params(r))
        return;
    json_t *json = request_object(r);
    if (!json)
        return;
    penchant_audience_options_default(&o);
    int status = json_is_object(json) ? PENCHANT_OK
                                      : error_field(&err, PENCHANT_EINVALID, 0, "",
                                                    "the body must be an object");
    json_object_foreach(json, key, value)
    {
        if (!status)
            status = seeds_field(&o, &ids, key, value, &err);
    }
    o.seeds = ids;
    if (status)
        request_failed(r, &err);
    else
        lookalike(r, &o);
    free(ids);
    json_decref(json);
}

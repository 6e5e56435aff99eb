/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/ope: what the shop's lists would have earned had they been drawn otherwise. */
#include <stdlib.h>

#include "base/status.h"
#include "base/timestamps.h"
#include "server/ope_json.h"
#include "server/routes.h"
#include "server/server_state.h"

/* A number of the query; false after a 400. */
static bool number_param(struct request *r, const char *name, double *out)
{
    const char *text = request_param(r, name);
    char *end;
    if (!text)
        return true;
    const double v = strtod(text, &end);
    if (*text && !*end) {
        *out = v;
        return true;
    }
    request_fault(r, 0, 0, name, "must be a number");
    request_problem(r, 400, "query parameter %s: must be a number", name);
    return false;
}

/* A time of the query; false after a 400. */
static bool time_param(struct request *r, const char *name, int64_t *out)
{
    const char *text = request_param(r, name),
               *reason = text ? timestamp_parse(text, out) : NULL;
    if (!reason)
        return true;
    request_fault(r, 0, 0, name, reason);
    request_problem(r, 400, "query parameter %s: %s", name, reason);
    return false;
}

void route_ope(struct request *r)
{
    static const char *const known[] = {"explore",   "temperature", "kappa", "epsilon",
                                        "placement", "since",       NULL};
    struct penchant_ope_options o;
    struct penchant_ope *found;
    struct penchant_error err = {0};
    penchant_ope_options_default(&o);
    if (!request_known(r, known, NULL) || !number_param(r, "explore", &o.explore) ||
        !number_param(r, "temperature", &o.temperature) ||
        !number_param(r, "kappa", &o.kappa) || !number_param(r, "epsilon", &o.epsilon) ||
        !time_param(r, "since", &o.since_us))
        return;
    o.placement = request_param(r, "placement");
    found = malloc(sizeof(*found));
    if (!found)
        error_memory(&err);
    if (!found || penchant_evaluate_policy(r->server->shop, &o, found, &err)) {
        request_failed(r, &err);
    } else {
        struct json_writer w = request_json(r, 200);
        ope_json(&w, found);
    }
    free(found);
}

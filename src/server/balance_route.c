/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/balance: what lists come to, and targets for it. */
#include <math.h>

#include "base/status.h"
#include "server/balance_json.h"
#include "server/parse_event.h"
#include "server/routes.h"
#include "server/server_state.h"

static void answer(struct request *r)
{
    struct penchant_balance_report report;
    struct penchant_error err = {0};
    if (penchant_get_balance(r->server->shop, &report, &err)) {
        request_failed(r, &err);
        return;
    }
    struct json_writer w = request_json(r, 200);
    balance_json(&w, &report);
}

void route_get_balance(struct request *r)
{
    if (request_no_params(r))
        answer(r);
}

/* A number, or null, which takes the target away. */
static int parse_target(const char *key, const json_t *value, uint32_t *which,
                        double target[PENCHANT_BALANCES], struct penchant_error *err)
{
    const enum penchant_balance m = penchant_balance_find(key);
    if (m == PENCHANT_BALANCES)
        return error_field(err, PENCHANT_EINVALID, 0, key,
                           "there is no measure \"%.48s\"", key);
    *which |= UINT32_C(1) << m;
    target[m] = NAN;
    return parse_number(value, key, &target[m], err);
}

void route_put_balance(struct request *r)
{
    struct penchant_error err = {0};
    double target[PENCHANT_BALANCES];
    uint32_t which = 0;
    const char *key;
    json_t *value;
    if (!request_no_params(r))
        return;
    json_t *json = request_object(r);
    if (!json)
        return;
    int status = json_is_object(json) ? PENCHANT_OK
                                      : error_field(&err, PENCHANT_EINVALID, 0, "",
                                                    "the body must be an object");
    json_object_foreach(json, key, value)
    {
        if (!status)
            status = parse_target(key, value, &which, target, &err);
    }
    if (!status)
        status = penchant_set_balance(r->server->shop, which, target, &err);
    if (status)
        request_failed(r, &err);
    else
        answer(r);
    json_decref(json);
}

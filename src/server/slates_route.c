/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/slates/{recommendation_id}: a list that was shown, and what it earned. */
#include "server/routes.h"
#include "server/server_state.h"
#include "server/slate_json.h"

void route_slate(struct request *r)
{
    struct penchant_slate *slate = NULL;
    struct penchant_error err = {0};
    if (!request_no_params(r))
        return;
    if (penchant_get_slate(r->server->shop, r->url.segment[2], &slate, &err)) {
        request_failed(r, &err);
        return;
    }
    struct json_writer w = request_json(r, 200);
    slate_json(&w, slate);
    penchant_slate_free(slate);
}

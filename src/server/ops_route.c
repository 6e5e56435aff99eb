/* SPDX-License-Identifier: Apache-2.0 */
/* For those who run it: health, readiness, metrics, and the description of the
   interface. */
#include "server/openapi_text.h"
#include "server/routes.h"
#include "server/server_state.h"

static void answer_status(struct request *r, const char *text)
{
    struct json_writer w = request_json(r, 200);
    json_begin_object(&w);
    json_key_string(&w, "status", text);
    json_key_string(&w, "version", penchant_version());
    json_end_object(&w);
}

void route_healthz(struct request *r)
{
    answer_status(r, "ok");
}

void route_readyz(struct request *r)
{
    struct penchant_status_report shop;
    struct penchant_error err = {0};
    if (atomic_load(&r->server->draining))
        request_problem(r, 503, "the server is stopping");
    else if (penchant_status(r->server->shop, &shop, &err))
        request_problem(r, 503, "the shop does not answer: %s",
                        penchant_status_text(err.status));
    else
        answer_status(r, "ready");
}

void route_metrics(struct request *r)
{
    struct penchant_status_report shop = {0};
    struct penchant_learning learning = {0};
    struct penchant_adaptation adaptation = {0};
    struct penchant_error err = {0};
    struct http_metrics_label label[HTTP_METRICS_ROUTES];
    if (penchant_status(r->server->shop, &shop, &err) ||
        penchant_get_learning(r->server->shop, &learning, &err) ||
        penchant_get_adaptation(r->server->shop, &adaptation, &err)) {
        request_failed(r, &err);
        return;
    }
    for (size_t i = 0; i < routes_n; i++)
        label[i] = (struct http_metrics_label){routes[i].method, routes[i].pattern};
    label[routes_n] = (struct http_metrics_label){"", server_route_name(NULL)};
    r->status = 200;
    r->content_type = "text/plain; version=0.0.4; charset=utf-8";
    http_metrics_write(&r->server->metrics, label, routes_n + 1, &shop, &learning,
                       &adaptation, &r->answer);
}

void route_openapi(struct request *r)
{
    r->status = 200;
    r->content_type = "application/json";
    buf_add(&r->answer, openapi_text, openapi_text_size());
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "server/routes.h"

#include <stdio.h>
#include <string.h>

#include "server/server_state.h"

const struct route routes[] = {
    {"POST", "/v1/events", route_add_events, false},
    {"GET", "/v1/recommend", route_recommend_get, false},
    {"POST", "/v1/recommend", route_recommend_post, false},
    {"GET", "/v1/popular", route_popular, false},
    {"GET", "/v1/balance", route_get_balance, false},
    {"PUT", "/v1/balance", route_put_balance, false},
    {"GET", "/v1/items/{item_id}/similar", route_similar, false},
    {"GET", "/v1/items/{item_id}", route_get_item, false},
    {"PUT", "/v1/items/{item_id}", route_put_item, false},
    {"DELETE", "/v1/items/{item_id}", route_delete_item, false},
    {"GET", "/v1/slates/{recommendation_id}", route_slate, false},
    {"GET", "/v1/users/{user_id}/interests", route_interests, false},
    {"GET", "/v1/users/{user_id}/next", route_next, false},
    {"GET", "/v1/users/{user_id}", route_get_user, false},
    {"DELETE", "/v1/users/{user_id}", route_delete_user, false},
    {"GET", "/v1/segments", route_segments, false},
    {"GET", "/v1/segments/{segment}", route_segment, false},
    {"POST", "/v1/segments/lookalike", route_lookalike, false},
    {"GET", "/v1/ope", route_ope, false},
    {"GET", "/v1/experiments", route_experiments, false},
    {"POST", "/v1/experiments", route_post_experiment, false},
    {"GET", "/v1/experiments/{name}", route_experiment, false},
    {"DELETE", "/v1/experiments/{name}", route_delete_experiment, false},
    {"GET", "/healthz", route_healthz, true},
    {"GET", "/readyz", route_readyz, true},
    {"GET", "/metrics", route_metrics, false},
    {"GET", "/openapi.json", route_openapi, true},
};
const size_t routes_n = sizeof(routes) / sizeof(routes[0]);

/* The last row of the metrics counts what fits no route. */
_Static_assert(sizeof(routes) / sizeof(routes[0]) < HTTP_METRICS_ROUTES,
               "more metrics rows");

/* A path that a route spells out is no value of another route's {name}. */
static bool is_spelt_out(const struct url *u)
{
    for (size_t i = 0; i < routes_n; i++)
        if (!strchr(routes[i].pattern, '{') && url_fits(u, routes[i].pattern))
            return true;
    return false;
}

const struct route *routes_find(const struct url *u, const char *method, char allow[64])
{
    const char *want = strcmp(method, "HEAD") ? method : "GET";
    const bool spelt_out = is_spelt_out(u);
    size_t n = 0;
    allow[0] = 0;
    for (size_t i = 0; i < routes_n; i++) {
        if (!url_fits(u, routes[i].pattern) ||
            (spelt_out && strchr(routes[i].pattern, '{')))
            continue;
        if (!strcmp(routes[i].method, want))
            return &routes[i];
        const bool get = !strcmp(routes[i].method, "GET");
        n += (size_t)snprintf(allow + n, 64 - n, "%s%s%s", n ? ", " : "",
                              routes[i].method, get ? ", HEAD" : "");
    }
    return NULL;
}

const char *server_route_name(const struct route *route)
{
    return route ? route->pattern : "unmatched";
}

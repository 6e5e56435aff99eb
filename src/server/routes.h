/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of routes: one row each, walked by dispatch, metrics and the test that
 * compares it with docs/openapi.json. A handler answers through request.h, or suspends
 * its request.
 */
#ifndef SERVER_ROUTES_H
#define SERVER_ROUTES_H

#include <stdbool.h>

#include "server/request.h"

typedef void route_fn(struct request *r);

struct route {
    const char *method, *pattern; /* {..} stands for one segment of the path */
    route_fn *run;
    bool open; /* answered without the API key */
};

extern const struct route routes[];
extern const size_t routes_n;

/* The row for a method (HEAD is served by GET) and path; NULL, then with the methods that
   the path knows in allow[64], "" when it is no path of ours. */
const struct route *routes_find(const struct url *u, const char *method, char allow[64]);

route_fn route_add_events;                                  /* events_route.c */
route_fn route_recommend_get, route_recommend_post;         /* lists_route.c */
route_fn route_similar, route_popular;                      /* lists_route.c */
route_fn route_slate;                                       /* slates_route.c */
route_fn route_get_item, route_put_item, route_delete_item; /* items_route.c */
route_fn route_get_user, route_delete_user;                 /* users_route.c */
route_fn route_interests, route_next;                       /* users_route.c */
route_fn route_segments, route_segment, route_lookalike;    /* segments_route.c */
route_fn route_ope;                                         /* ope_route.c */
route_fn route_experiments, route_post_experiment;          /* experiments_route.c */
route_fn route_experiment, route_delete_experiment;         /* experiments_route.c */
route_fn route_get_balance, route_put_balance;              /* balance_route.c */
route_fn route_healthz, route_readyz, route_metrics, route_openapi; /* ops_route.c */

/* Fills in the answer of a route of the events that were committed (events_route.c). */
void events_committed(struct request *r);

#endif

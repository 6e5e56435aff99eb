/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/users/{user_id}: what is known of a user and what they want; and erasing it. */
#include <math.h>

#include "server/interests_json.h"
#include "server/routes.h"
#include "server/server_state.h"

enum { NUMBER_DIGITS = 15 };

static void optional_string(struct json_writer *w, const char *key, const char *value)
{
    if (value && *value)
        json_key_string(w, key, value);
}

static void optional_number(struct json_writer *w, const char *key, double value)
{
    if (!isnan(value))
        json_key_double(w, key, value, NUMBER_DIGITS);
}

static void write_event(struct json_writer *w, const struct penchant_event *e)
{
    json_begin_object(w);
    json_key_string(w, "event", e->event);
    optional_string(w, "item_id", e->item_id);
    json_key_int(w, "timestamp", e->timestamp_us);
    optional_number(w, "value", e->value);
    optional_number(w, "quantity", e->quantity);
    optional_string(w, "session_id", e->session_id);
    optional_string(w, "recommendation_id", e->recommendation_id);
    optional_string(w, "event_id", e->event_id);
    optional_string(w, "query", e->query);
    optional_string(w, "placement", e->placement);
    json_end_object(w);
}

void route_get_user(struct request *r)
{
    struct penchant_user *user = NULL;
    struct penchant_error err = {0};
    if (!request_no_params(r))
        return;
    if (penchant_get_user(r->server->shop, r->url.segment[2], &user, &err)) {
        request_failed(r, &err);
        return;
    }
    struct json_writer w = request_json(r, 200);
    json_begin_object(&w);
    json_key_string(&w, "user_id", user->user_id);
    json_key_uint(&w, "events", user->events);
    json_key_int_if(&w, "first_timestamp", user->first_us != 0, user->first_us);
    json_key_int_if(&w, "last_timestamp", user->last_us != 0, user->last_us);
    json_key_int_if(&w, "segment", user->segment >= 0, user->segment);
    json_key(&w, "recent");
    json_begin_array(&w);
    for (size_t i = 0; i < user->n_recent; i++)
        write_event(&w, &user->recent[i]);
    json_end_array(&w);
    json_end_object(&w);
    penchant_user_free(user);
}

void route_interests(struct request *r)
{
    struct penchant_interests *x = NULL;
    struct penchant_error err = {0};
    if (!request_no_params(r))
        return;
    if (penchant_get_interests(r->server->shop, r->url.segment[2], 0, &x, &err)) {
        request_failed(r, &err);
        return;
    }
    struct json_writer w = request_json(r, 200);
    interests_json(&w, x);
    penchant_interests_free(x);
}

void route_next(struct request *r)
{
    struct penchant_outlook x;
    struct penchant_error err = {0};
    const char *user = r->url.segment[2];
    if (!request_no_params(r))
        return;
    if (penchant_get_outlook(r->server->shop, user, 0, &x, &err)) {
        request_failed(r, &err);
        return;
    }
    struct json_writer w = request_json(r, 200);
    outlook_json(&w, user, &x);
}

void route_delete_user(struct request *r)
{
    struct penchant_error err = {0};
    if (!request_no_params(r))
        return;
    if (penchant_delete_user(r->server->shop, r->url.segment[2], &err))
        request_failed(r, &err);
    else
        r->status = 204;
}

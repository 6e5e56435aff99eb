/* SPDX-License-Identifier: Apache-2.0 */
/* The lists: for a user or a session, what goes with an item, what is popular. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "server/explanation_json.h"
#include "server/parse_event.h"
#include "server/routes.h"
#include "server/server_state.h"

enum { SCORE_DIGITS = 9, MAX_EXCLUDE = 10000, MAX_SESSION = 1000 };

/* Whole numbers up to here are the same in every JSON reader. */
#define MAX_SEED (UINT64_C(1) << 53)

/* The arms that the user is in. */
static void assigned_json(struct json_writer *w, const struct penchant_list *list)
{
    json_key(w, "experiments");
    json_begin_array(w);
    for (size_t i = 0; i < list->n_assigned; i++) {
        json_begin_object(w);
        json_key_string(w, "experiment", list->assigned[i].experiment);
        json_key_string(w, "arm", list->assigned[i].arm);
        json_key_bool(w, "shop", list->assigned[i].shop);
        json_end_object(w);
    }
    json_end_array(w);
}

static void answer_list(struct request *r, struct penchant_list *list)
{
    struct json_writer w = request_json(r, 200);
    json_begin_object(&w);
    if (list->recommendation_id[0])
        json_key_string(&w, "recommendation_id", list->recommendation_id);
    json_key(&w, "items");
    json_begin_array(&w);
    for (size_t i = 0; i < list->n; i++) {
        json_begin_object(&w);
        json_key_string(&w, "item_id", list->items[i].item_id);
        json_key_double(&w, "score", list->items[i].score, SCORE_DIGITS);
        if (list->drawn)
            json_key_double(&w, "propensity", list->items[i].propensity, SCORE_DIGITS);
        if (list->items[i].evidence)
            explanation_json(&w, &list->items[i]);
        json_end_object(&w);
    }
    json_end_array(&w);
    if (list->n_assigned)
        assigned_json(&w, list);
    if (list->warning)
        json_key_string(&w, "warning", list->warning);
    json_end_object(&w);
    penchant_list_free(list);
}

static void recommend(struct request *r, const struct penchant_request *ask)
{
    struct penchant_list *list = NULL;
    struct penchant_error err = {0};
    if (penchant_recommend(r->server->shop, ask, &list, &err))
        request_failed(r, &err);
    else
        answer_list(r, list);
}

/* "true" and "1", "false" and "0"; false after a 400. */
static bool flag_param(struct request *r, const char *name, bool *out)
{
    const char *s = request_param(r, name);
    if (!s)
        return true;
    *out = !strcmp(s, "true") || !strcmp(s, "1");
    if (*out || !strcmp(s, "false") || !strcmp(s, "0"))
        return true;
    request_fault(r, 0, 0, name, "must be true or false");
    request_problem(r, 400, "query parameter %s: must be true or false", name);
    return false;
}

/* A number; false after a 400. */
static bool number_param(struct request *r, const char *name, double *out)
{
    const char *s = request_param(r, name);
    char *end;
    if (!s)
        return true;
    *out = strtod(s, &end);
    if (end != s && !*end && isfinite(*out))
        return true;
    request_fault(r, 0, 0, name, "must be a number");
    request_problem(r, 400, "query parameter %s: must be a number", name);
    return false;
}

static bool seed_param(struct request *r, uint64_t *out)
{
    const char *s = request_param(r, "seed");
    char *end;
    if (!s)
        return true;
    errno = 0;
    *out = strtoull(s, &end, 10);
    if (*s >= '0' && *s <= '9' && !*end && !errno && *out >= 1 && *out <= MAX_SEED)
        return true;
    request_fault(r, 0, 0, "seed", "must be a whole number from 1 to 2^53");
    request_problem(r, 400,
                    "query parameter seed: must be a whole number from 1 to 2^53");
    return false;
}

void route_recommend_get(struct request *r)
{
    static const char *const known[] = {
        "user_id", "k",     "exclude", "category", "placement",   "exclude_purchased",
        "sources", "query", "explain", "explore",  "temperature", "kappa",
        "epsilon", "seed",  "adapt",   NULL};
    struct penchant_request ask;
    const char *exclude[URL_MAX_PARAMS];
    penchant_request_default(&ask);
    if (!request_known(r, known, "exclude") || !request_k(r, &ask.k) ||
        !flag_param(r, "exclude_purchased", &ask.exclude_purchased) ||
        !flag_param(r, "explain", &ask.explain) || !flag_param(r, "adapt", &ask.adapt) ||
        !number_param(r, "explore", &ask.explore) ||
        !number_param(r, "temperature", &ask.temperature) ||
        !number_param(r, "kappa", &ask.kappa) ||
        !number_param(r, "epsilon", &ask.epsilon) || !seed_param(r, &ask.seed))
        return;
    ask.user_id = request_param(r, "user_id");
    ask.category = request_param(r, "category");
    ask.placement = request_param(r, "placement");
    ask.query = request_param(r, "query");
    if (request_param(r, "sources"))
        ask.sources = request_param(r, "sources");
    for (size_t i = 0; i < r->url.n_params; i++)
        if (!strcmp(r->url.param[i].name, "exclude"))
            exclude[ask.n_exclude++] = r->url.param[i].value;
    ask.exclude = exclude;
    recommend(r, &ask);
}

/* On success the caller frees *out. */
static int parse_session(const json_t *json, struct penchant_event **out, size_t *n,
                         struct penchant_error *err)
{
    int status =
        json_is_null(json) ? PENCHANT_OK : parse_array(json, "events", MAX_SESSION, err);
    const size_t size = json_array_size(json);
    if (status || !size)
        return status;
    struct penchant_event *events = calloc(size, sizeof(*events));
    if (!events)
        return error_memory(err);
    for (size_t i = 0; i < size && !status; i++) {
        status = parse_event(json_array_get(json, i), &events[i], err);
        if (status && err)
            err->index = i;
    }
    if (status) {
        free(events);
        return status;
    }
    *out = events;
    *n = size;
    return PENCHANT_OK;
}

static int parse_dials(const json_t *json, struct penchant_dials *out,
                       struct penchant_error *err)
{
    const struct {
        const char *name;
        double *value;
    } dials[] = {
        {"relevance", &out->relevance}, {"value", &out->value},
        {"diversity", &out->diversity}, {"novelty", &out->novelty},
        {"revenue", &out->revenue},     {"explore", &out->explore},
        {"long_term", &out->long_term},
    };
    const size_t n = sizeof dials / sizeof dials[0];
    const char *key;
    json_t *value;
    if (json_is_null(json))
        return PENCHANT_OK;
    if (!json_is_object(json))
        return error_field(err, PENCHANT_EINVALID, 0, "balance", "must be an object");
    json_object_foreach((json_t *)(uintptr_t)json, key, value)
    {
        size_t i = 0;
        while (i < n && strcmp(dials[i].name, key) != 0)
            i++;
        if (i == n)
            return error_field(err, PENCHANT_EINVALID, 0, key, "balance has no \"%.48s\"",
                               key);
        const int status = parse_number(value, key, dials[i].value, err);
        if (status)
            return status;
    }
    return PENCHANT_OK;
}

struct wish {
    struct penchant_request ask;
    const char **exclude, **shown;
    struct penchant_event *events;
};

static int wish_field(struct wish *wish, const char *key, const json_t *value,
                      struct penchant_error *err)
{
    struct penchant_request *ask = &wish->ask;
    if (!strcmp(key, "user_id"))
        return parse_string(value, key, &ask->user_id, err);
    if (!strcmp(key, "events"))
        return parse_session(value, &wish->events, &ask->n_events, err);
    if (!strcmp(key, "k"))
        return parse_count(value, key, PENCHANT_MAX_K, &ask->k, err);
    if (!strcmp(key, "exclude"))
        return parse_strings(value, key, "item ids", MAX_EXCLUDE, &wish->exclude,
                             &ask->n_exclude, err);
    if (!strcmp(key, "shown"))
        return parse_strings(value, key, "item ids", PENCHANT_MAX_K, &wish->shown,
                             &ask->n_shown, err);
    if (!strcmp(key, "category"))
        return parse_string(value, key, &ask->category, err);
    if (!strcmp(key, "exclude_purchased"))
        return parse_bool(value, key, &ask->exclude_purchased, err);
    if (!strcmp(key, "explain"))
        return parse_bool(value, key, &ask->explain, err);
    if (!strcmp(key, "adapt"))
        return parse_bool(value, key, &ask->adapt, err);
    if (!strcmp(key, "sources"))
        return parse_string(value, key, &ask->sources, err);
    if (!strcmp(key, "placement"))
        return parse_string(value, key, &ask->placement, err);
    if (!strcmp(key, "query"))
        return parse_string(value, key, &ask->query, err);
    if (!strcmp(key, "explore"))
        return parse_number(value, key, &ask->explore, err);
    if (!strcmp(key, "temperature"))
        return parse_number(value, key, &ask->temperature, err);
    if (!strcmp(key, "kappa"))
        return parse_number(value, key, &ask->kappa, err);
    if (!strcmp(key, "epsilon"))
        return parse_number(value, key, &ask->epsilon, err);
    if (!strcmp(key, "balance"))
        return parse_dials(value, &ask->balance, err);
    if (!strcmp(key, "seed"))
        return parse_count(value, key, MAX_SEED, &ask->seed, err);
    return error_field(err, PENCHANT_EINVALID, 0, key, "%.48s is not a field here", key);
}

void route_recommend_post(struct request *r)
{
    struct wish wish = {0};
    struct penchant_error err = {0};
    const char *key;
    json_t *value;
    if (!request_no_params(r))
        return;
    json_t *json = request_object(r);
    if (!json)
        return;
    penchant_request_default(&wish.ask);
    int status = json_is_object(json) ? PENCHANT_OK
                                      : error_field(&err, PENCHANT_EINVALID, 0, "",
                                                    "the body must be an object");
    json_object_foreach(json, key, value)
    {
        if (!status)
            status = wish_field(&wish, key, value, &err);
    }
    if (status) {
        request_failed(r, &err);
    } else {
        wish.ask.exclude = wish.exclude;
        wish.ask.shown = wish.shown;
        wish.ask.events = wish.events;
        recommend(r, &wish.ask);
    }
    free(wish.exclude);
    free(wish.shown);
    free(wish.events);
    json_decref(json);
}

void route_similar(struct request *r)
{
    struct penchant_list *list = NULL;
    struct penchant_error err = {0};
    size_t k;
    if (!request_known(r, (const char *const[]){"k", NULL}, NULL) || !request_k(r, &k))
        return;
    if (penchant_similar(r->server->shop, r->url.segment[2], k, &list, &err))
        request_failed(r, &err);
    else
        answer_list(r, list);
}

void route_popular(struct request *r)
{
    struct penchant_list *list = NULL;
    struct penchant_error err = {0};
    size_t k;
    if (!request_known(r, (const char *const[]){"k", "category", NULL}, NULL) ||
        !request_k(r, &k))
        return;
    if (penchant_popular(r->server->shop, k, request_param(r, "category"), &list, &err))
        request_failed(r, &err);
    else
        answer_list(r, list);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/experiments: arms that users are assigned to, and what became of them. */
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "server/parse_event.h"
#include "server/routes.h"
#include "server/server_state.h"

enum { DIGITS = 9 };

/* ---- answers ---- */

static void dial(struct json_writer *w, const char *name, double value)
{
    if (value == value) /* not NaN: it is set */
        json_key_double(w, name, value, DIGITS);
}

static void always(struct json_writer *w, const char *name,
                   const struct penchant_always *a)
{
    json_key(w, name);
    json_begin_object(w);
    json_key_double(w, "value", a->value, DIGITS);
    json_key_double(w, "low", a->low, DIGITS);
    json_key_double(w, "high", a->high, DIGITS);
    json_key_double(w, "p", a->p, DIGITS);
    json_end_object(w);
}

static void arm_json(struct json_writer *w, const struct penchant_arm *arm,
                     const struct penchant_arm_result *found)
{
    json_begin_object(w);
    json_key_string(w, "name", arm->name);
    json_key_double(w, "share", arm->share, DIGITS);
    json_key_bool(w, "shop", arm->shop);
    if (arm->sources)
        json_key_string(w, "sources", arm->sources);
    dial(w, "explore", arm->explore);
    dial(w, "temperature", arm->temperature);
    dial(w, "kappa", arm->kappa);
    dial(w, "epsilon", arm->epsilon);
    if (found) {
        json_key_uint(w, "users", found->users);
        json_key_uint(w, "lists", found->lists);
        json_key_uint(w, "clicked", found->clicked);
        always(w, "reward", &found->reward);
        always(w, "gain", &found->gain);
        json_key_uint(w, "agreed_places", found->agreed_places);
        json_key_uint(w, "other_places", found->other_places);
        always(w, "agreed", &found->agreed);
        always(w, "others", &found->others);
        always(w, "agreed_gain", &found->agreed_gain);
    }
    json_end_object(w);
}

static void experiment_json(struct json_writer *w, const struct penchant_experiment *e,
                            const struct penchant_experiment_result *found)
{
    json_begin_object(w);
    json_key_string(w, "name", e->name);
    json_key_bool(w, "running", e->running);
    json_key_int(w, "started_us", e->started_us);
    json_key_int_if(w, "stopped_us", e->stopped_us != 0, e->stopped_us);
    json_key(w, "arms");
    json_begin_array(w);
    for (size_t i = 0; i < e->n_arms; i++)
        arm_json(w, &e->arm[i], found ? &found->arm[i] : NULL);
    json_end_array(w);
    if (found) {
        json_key_uint(w, "open", found->open);
        json_key_string(w, "answer", found->answer);
    }
    json_end_object(w);
}

void route_experiments(struct request *r)
{
    struct penchant_experiments *all = NULL;
    struct penchant_error err = {0};
    if (!request_no_params(r))
        return;
    if (penchant_get_experiments(r->server->shop, &all, &err)) {
        request_failed(r, &err);
        return;
    }
    struct json_writer w = request_json(r, 200);
    json_begin_object(&w);
    json_key(&w, "experiments");
    json_begin_array(&w);
    for (size_t i = 0; i < all->n; i++)
        experiment_json(&w, &all->experiment[i], NULL);
    json_end_array(&w);
    json_end_object(&w);
    penchant_experiments_free(all);
}

/* The experiment of that name as it stands, with `found` or without. */
static void answer_one(struct request *r, unsigned status, const char *name,
                       const struct penchant_experiment_result *found)
{
    struct penchant_experiments *all = NULL;
    struct penchant_error err = {0};
    if (penchant_get_experiments(r->server->shop, &all, &err)) {
        request_failed(r, &err);
        return;
    }
    size_t i = 0;
    while (i < all->n && strcmp(all->experiment[i].name, name) != 0)
        i++;
    if (i < all->n) {
        struct json_writer w = request_json(r, status);
        experiment_json(&w, &all->experiment[i], found);
    } else {
        request_problem(r, 404, "there is no experiment %.64s", name);
    }
    penchant_experiments_free(all);
}

void route_experiment(struct request *r)
{
    struct penchant_experiment_result found;
    struct penchant_error err = {0};
    if (!request_no_params(r))
        return;
    if (penchant_get_experiment_result(r->server->shop, r->url.segment[2], &found, &err))
        request_failed(r, &err);
    else
        answer_one(r, 200, r->url.segment[2], &found);
}

void route_delete_experiment(struct request *r)
{
    struct penchant_error err = {0};
    if (!request_no_params(r))
        return;
    if (penchant_delete_experiment(r->server->shop, r->url.segment[2], &err))
        request_failed(r, &err);
    else
        r->status = 204;
}

/* ---- starting and stopping ---- */

static int arm_field(struct penchant_arm *arm, const char *key, const json_t *value,
                     struct penchant_error *err)
{
    if (!strcmp(key, "name"))
        return parse_string(value, key, &arm->name, err);
    if (!strcmp(key, "share"))
        return parse_number(value, key, &arm->share, err);
    if (!strcmp(key, "shop"))
        return parse_bool(value, key, &arm->shop, err);
    if (!strcmp(key, "sources"))
        return parse_string(value, key, &arm->sources, err);
    if (!strcmp(key, "explore"))
        return parse_number(value, key, &arm->explore, err);
    if (!strcmp(key, "temperature"))
        return parse_number(value, key, &arm->temperature, err);
    if (!strcmp(key, "kappa"))
        return parse_number(value, key, &arm->kappa, err);
    if (!strcmp(key, "epsilon"))
        return parse_number(value, key, &arm->epsilon, err);
    return error_field(err, PENCHANT_EINVALID, 0, key, "%.48s is not a field of an arm",
                       key);
}

static int arms_field(struct penchant_experiment *e, const json_t *value,
                      struct penchant_error *err)
{
    int status = parse_array(value, "arms", PENCHANT_MAX_ARMS, err);
    for (size_t i = 0; !status && i < json_array_size(value); i++) {
        json_t *arm = json_array_get(value, i);
        const char *key;
        json_t *field;
        if (!json_is_object(arm))
            return error_field(err, PENCHANT_EINVALID, i, "arms", "an arm is an object");
        penchant_arm_default(&e->arm[e->n_arms]);
        json_object_foreach(arm, key, field)
        {
            if (!status)
                status = arm_field(&e->arm[e->n_arms], key, field, err);
        }
        if (status)
            err->index = i;
        e->n_arms++;
    }
    return status;
}

static int experiment_field(struct penchant_experiment *e, const char *key,
                            const json_t *value, struct penchant_error *err)
{
    if (!strcmp(key, "name"))
        return parse_string(value, key, &e->name, err);
    if (!strcmp(key, "running"))
        return parse_bool(value, key, &e->running, err);
    if (!strcmp(key, "arms"))
        return arms_field(e, value, err);
    return error_field(err, PENCHANT_EINVALID, 0, key, "%.48s is not a field here", key);
}

/* With arms it starts one, with "running": false and no arms it stops one. */
static void start_or_stop(struct request *r, const struct penchant_experiment *e)
{
    struct penchant *shop = r->server->shop;
    struct penchant_error err = {0};
    int status;
    if (!e->running && e->n_arms)
        status = error_field(&err, PENCHANT_EINVALID, 0, "running",
                             "an experiment is started running");
    else if (!e->running)
        status = penchant_stop_experiment(shop, e->name, &err);
    else
        status = penchant_start_experiment(shop, e, &err);
    if (status)
        request_failed(r, &err);
    else
        answer_one(r, e->running ? 201 : 200, e->name, NULL);
}

void route_post_experiment(struct request *r)
{
    struct penchant_experiment e = {.running = true};
    struct penchant_error err = {0};
    int status = PENCHANT_OK;
    const char *key;
    json_t *value, *json = request_no_params(r) ? request_object(r) : NULL;
    if (!json)
        return;
    json_object_foreach(json, key, value)
    {
        if (!status)
            status = experiment_field(&e, key, value, &err);
    }
    if (status)
        request_failed(r, &err);
    else
        start_or_stop(r, &e);
    json_decref(json);
}

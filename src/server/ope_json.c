/* SPDX-License-Identifier: Apache-2.0 */
#include "server/ope_json.h"

enum { DIGITS = 15 };

static void json_estimate(struct json_writer *w, const struct penchant_ope_estimate *e)
{
    json_key(w, e->name);
    json_begin_object(w);
    json_key_double(w, "value", e->value, DIGITS);
    json_key_double(w, "low", e->low, DIGITS);
    json_key_double(w, "high", e->high, DIGITS);
    json_key(w, "gain");
    json_begin_object(w);
    json_key_double(w, "value", e->gain, DIGITS);
    json_key_double(w, "low", e->gain_low, DIGITS);
    json_key_double(w, "high", e->gain_high, DIGITS);
    json_end_object(w);
    json_key_double(w, "ess", e->ess, DIGITS);
    json_key_double(w, "mean_weight", e->mean_weight, DIGITS);
    json_key_double(w, "max_weight", e->max_weight, DIGITS);
    json_key_double(w, "clipped", e->clipped, DIGITS);
    json_key_string(w, "reason", e->reason);
    json_key_string(w, "doubt", e->doubt[0] ? e->doubt : NULL);
    json_end_object(w);
}

void ope_json(struct json_writer *w, const struct penchant_ope *o)
{
    json_begin_object(w);
    json_key_uint(w, "n", o->n);
    json_key_uint(w, "slots", o->slots);
    json_key_uint(w, "clusters", o->clusters);
    json_key_uint(w, "rewarded", o->rewarded);
    json_key(w, "logged");
    json_begin_object(w);
    json_key_double(w, "value", o->logged, DIGITS);
    json_key_double(w, "low", o->logged_low, DIGITS);
    json_key_double(w, "high", o->logged_high, DIGITS);
    json_end_object(w);
    json_key(w, "estimates");
    json_begin_object(w);
    for (size_t i = 0; i < o->n_estimates; i++)
        json_estimate(w, &o->estimate[i]);
    json_end_object(w);
    json_key_string(w, "chosen", o->chosen);
    json_key_bool(w, "answered", o->answered);
    json_key_string(w, "answer", o->answer);
    json_end_object(w);
}

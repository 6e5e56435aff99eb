/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/ope_report.h"

#include <math.h>

#include "base/json_writer.h"

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

void ope_report_json(struct buf *out, const struct penchant_ope *o)
{
    struct json_writer w;
    json_init(&w, out);
    json_begin_object(&w);
    json_key_uint(&w, "n", o->n);
    json_key_uint(&w, "slots", o->slots);
    json_key_uint(&w, "clusters", o->clusters);
    json_key_uint(&w, "rewarded", o->rewarded);
    json_key(&w, "logged");
    json_begin_object(&w);
    json_key_double(&w, "value", o->logged, DIGITS);
    json_key_double(&w, "low", o->logged_low, DIGITS);
    json_key_double(&w, "high", o->logged_high, DIGITS);
    json_end_object(&w);
    json_key(&w, "estimates");
    json_begin_object(&w);
    for (size_t i = 0; i < o->n_estimates; i++)
        json_estimate(&w, &o->estimate[i]);
    json_end_object(&w);
    json_key_string(&w, "chosen", o->chosen);
    json_key_bool(&w, "answered", o->answered);
    json_key_string(&w, "answer", o->answer);
    json_end_object(&w);
}

/* A number in 9 columns; "-" for none. */
static void cell(struct buf *out, double v)
{
    if (isnan(v))
        buf_printf(out, " %9s", "-");
    else
        buf_printf(out, " %9.4g", v);
}

static void text_estimate(struct buf *out, const struct penchant_ope_estimate *e)
{
    buf_printf(out, "\n  %-10s", e->name);
    if (e->reason) {
        buf_printf(out, "         - %s", e->reason);
        return;
    }
    cell(out, e->value);
    cell(out, e->low);
    cell(out, e->high);
    cell(out, e->gain);
    cell(out, e->gain_low);
    cell(out, e->gain_high);
    cell(out, e->ess);
    cell(out, e->mean_weight);
    cell(out, e->max_weight);
    cell(out, 100 * e->clipped);
}

void ope_report_text(struct buf *out, const struct penchant_ope *o)
{
    const bool slates = o->slots > o->n;
    buf_printf(out, "%llu %s", (unsigned long long)o->n, slates ? "slates" : "rows");
    if (slates)
        buf_printf(out, " of %llu slots", (unsigned long long)o->slots);
    if (o->clusters < o->n)
        buf_printf(out, ", %llu users", (unsigned long long)o->clusters);
    buf_printf(out, ", %llu with a reward; logged %.4g [%.4g, %.4g]",
               (unsigned long long)o->rewarded, o->logged, o->logged_low, o->logged_high);
    buf_printf(out, "\n  %-10s %9s %9s %9s %9s %9s %9s %9s %9s %9s %9s", "", "value",
               "low", "high", "gain", "low", "high", "ESS", "mean w", "max w", "cut %");
    for (size_t i = 0; i < o->n_estimates; i++)
        text_estimate(out, &o->estimate[i]);
    buf_printf(out, "\n%s", o->answer);
}

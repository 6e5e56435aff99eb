/* SPDX-License-Identifier: Apache-2.0 */
#include "server/explanation_json.h"

#include <math.h>

enum { DIGITS = 9 };

static const char *const value_names[PENCHANT_VALUES] = {
    [PENCHANT_VALUE_PURCHASE] = "purchase",
    [PENCHANT_VALUE_ENGAGEMENT] = "engagement",
    [PENCHANT_VALUE_STAYING] = "staying",
};

/* Nothing at all without values. */
static void value_json(struct json_writer *w, const double value[PENCHANT_VALUES])
{
    bool any = false;
    for (int v = 0; v < PENCHANT_VALUES; v++)
        any = any || !isnan(value[v]);
    if (!any)
        return;
    json_key(w, "value");
    json_begin_object(w);
    for (int v = 0; v < PENCHANT_VALUES; v++)
        if (!isnan(value[v]))
            json_key_double(w, value_names[v], value[v], DIGITS);
    json_end_object(w);
}

void explanation_json(struct json_writer *w, const struct penchant_scored *item)
{
    json_key_double(w, "probability", item->probability, DIGITS);
    json_key(w, "evidence");
    json_begin_array(w);
    for (size_t i = 0; i < item->n_evidence; i++) {
        const struct penchant_evidence *e = &item->evidence[i];
        json_begin_object(w);
        json_key_string(w, "source", e->source);
        json_key_double(w, "score", e->score, DIGITS);
        json_key_double(w, "weight", e->weight, DIGITS);
        json_key_double(w, "contribution", e->contribution, DIGITS);
        json_end_object(w);
    }
    json_end_array(w);
    value_json(w, item->value);
    if (item->balance != 0)
        json_key_double(w, "balance", item->balance, DIGITS);
}

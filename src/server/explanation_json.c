/* SPDX-License-Identifier: Apache-2.0 */
#include "server/explanation_json.h"

enum { DIGITS = 9 };

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
}

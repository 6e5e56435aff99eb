/* SPDX-License-Identifier: Apache-2.0 */
#include "server/balance_json.h"

enum { DIGITS = 9, TARGET_DIGITS = 15 };

void balance_json(struct json_writer *w, const struct penchant_balance_report *r)
{
    json_begin_object(w);
    json_key_uint(w, "impressions", r->impressions);
    json_key_uint(w, "updates", r->updates);
    json_key(w, "measures");
    json_begin_object(w);
    for (int m = 0; m < PENCHANT_BALANCES; m++) {
        json_key(w, r->measure[m].name);
        json_begin_object(w);
        json_key_double(w, "target", r->measure[m].target, TARGET_DIGITS);
        json_key_double(w, "realised", r->measure[m].realised, DIGITS);
        json_key_double(w, "multiplier", r->measure[m].multiplier, DIGITS);
        json_end_object(w);
    }
    json_end_object(w);
    json_end_object(w);
}

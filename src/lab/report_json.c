/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/report_json.h"

#include <stdio.h>

static const uint32_t CUTS[3] = {5, 10, 20};

void report_json_metric(struct json_writer *w, const char *name, struct penchant_metric m)
{
    json_key(w, name);
    json_begin_object(w);
    json_key_double(w, "value", m.value, 6);
    json_key_double(w, "low", m.low, 6);
    json_key_double(w, "high", m.high, 6);
    json_end_object(w);
}

void report_json_quality(struct json_writer *w, const char *key, const struct metrics *m)
{
    static const char *const kind[3] = {
        [METRICS_HR] = "hr", [METRICS_NDCG] = "ndcg", [METRICS_MRR] = "mrr"};
    json_key(w, key);
    json_begin_object(w);
    for (int k = METRICS_HR; k <= METRICS_MRR; k++)
        for (int i = 0; i < 3; i++) {
            char name[16];
            snprintf(name, sizeof(name), "%s@%u", kind[k], CUTS[i]);
            report_json_metric(w, name, metrics_of(m, (enum metrics_kind)k, CUTS[i]));
        }
    json_end_object(w);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* How good values are (docs/values.md), for `train` and `evaluate`. */
#include "cli/cli.h"

void cli_values_json(struct json_writer *w, const struct penchant_value_quality *value)
{
    json_key(w, "values");
    json_begin_object(w);
    for (int i = 0; i < PENCHANT_VALUES; i++) {
        const struct penchant_value_quality *q = &value[i];
        json_key(w, q->name);
        json_begin_object(w);
        json_key_string(w, "reason", q->reason);
        if (!q->reason) {
            json_key_double(w, "discount", q->discount, 6);
            json_key_uint(w, "n", q->n);
            json_key_uint(w, "users", q->users);
            json_key_double(w, "mean_return", q->mean_return, 6);
            json_key_double(w, "mean_value", q->mean_value, 6);
            json_key_double(w, "td_error", q->td_error, 6);
            json_key_double(w, "rmse", q->rmse, 6);
            json_key_double(w, "mean_rmse", q->mean_rmse, 6);
            json_key_double(w, "rate_rmse", q->rate_rmse, 6);
            json_key_double(w, "gain", q->gain, 6);
            json_key_double(w, "gain_error", q->error, 6);
            json_key_double(w, "spearman", q->spearman, 6);
            json_key_double(w, "rate_spearman", q->rate_spearman, 6);
            json_key_double(w, "item_spearman", q->item_spearman, 6);
        }
        json_end_object(w);
    }
    json_end_object(w);
}

void cli_print_values(struct buf *b, const struct penchant_value_quality *value)
{
    bool any = false;
    for (int i = 0; i < PENCHANT_VALUES; i++)
        any = any || !value[i].reason;
    if (!any) {
        buf_printf(b, "\n\nvalues: %s", value[0].reason);
        return;
    }
    buf_printf(b, "\n\n%-12s %8s %8s %7s %7s %7s %7s %6s %6s %6s", "what follows",
               "return", "value", "TD", "RMSE", "mean's", "rate's", "rank", "rate's",
               "item's");
    for (int i = 0; i < PENCHANT_VALUES; i++) {
        const struct penchant_value_quality *q = &value[i];
        if (q->reason) {
            buf_printf(b, "\n%-12s not given: %s", q->name, q->reason);
            continue;
        }
        buf_printf(b, "\n%-12s %8.4f %8.4f %7.4f %7.4f %7.4f %7.4f %6.3f %6.3f %6.3f",
                   q->name, q->mean_return, q->mean_value, q->td_error, q->rmse,
                   q->mean_rmse, q->rate_rmse, q->spearman, q->rate_spearman,
                   q->item_spearman);
    }
    buf_puts(b, "\non users they were not learned from, beside the mean and each user's "
                "own recent rate;\nrank: correlation with the discounted rewards that "
                "came (docs/values.md)");
}

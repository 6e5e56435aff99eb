/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/race_report.h"

#include <math.h>

static void trial_json(struct json_writer *w, const struct penchant_trial *t)
{
    json_begin_object(w);
    json_key_string(w, "what", t->what);
    json_key_uint(w, "epochs", t->epochs);
    json_key_uint(w, "steps", t->steps);
    json_key_double(w, "ndcg@10", t->ndcg10, 6);
    json_key_double(w, "gain", t->gain, 6);
    json_key_double(w, "error", t->error, 6);
    json_key_double(w, "seconds", t->seconds, 6);
    json_key_bool(w, "taken", t->taken);
    json_end_object(w);
}

void race_report_json(struct json_writer *w, const struct penchant_train_report *r)
{
    json_key_double(w, "weight_decay", r->weight_decay, 6);
    json_key(w, "temperature"); /* of the scores; null where they are plain */
    json_double(w, r->temperature > 0 ? r->temperature : NAN, 6);
    json_key(w, "race");
    json_begin_array(w);
    for (size_t i = 0; i < r->n_trials; i++)
        trial_json(w, &r->trial[i]);
    json_end_array(w);
}

void race_report_text(struct buf *b, const struct penchant_train_report *r)
{
    if (r->n_trials)
        buf_printf(b, "\n%-18s %6s %8s  %s", "tried", "epochs", "NDCG@10",
                   "gain (standard error)");
    for (size_t i = 0; i < r->n_trials; i++) {
        const struct penchant_trial *t = &r->trial[i];
        buf_printf(b, "\n%-18s %6u %8.4f", t->what, t->epochs, t->ndcg10);
        if (isfinite(t->gain))
            buf_printf(b, "  %+.4f (%.4f)", t->gain, t->error);
        buf_puts(b, t->taken ? "  taken" : "");
    }
}

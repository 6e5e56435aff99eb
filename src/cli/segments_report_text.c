/* SPDX-License-Identifier: Apache-2.0 */
/* What penchant_evaluate_segments() found, as a table and as JSON. */
#include "cli/segments_report_text.h"

#include <stdio.h>

#include "cli/cli.h"

static const unsigned lift_at[3] = {1, 5, 10};

static void days_json(struct json_writer *w, const struct penchant_segments_quality *q)
{
    json_key(w, "days");
    json_begin_array(w);
    for (size_t i = 0; i < q->n_days; i++) {
        const struct penchant_segment_day *d = &q->day[i];
        json_begin_object(w);
        json_key_int(w, "end", d->end_us);
        json_key_uint(w, "active", d->active);
        json_key_double(w, "rand_index", d->rand_index, 6);
        json_key_double(w, "moved", d->moved, 6);
        json_key_double(w, "moved_active", d->moved_active, 6);
        json_key_double(w, "moved_plain", d->moved_plain, 6);
        json_key_double(w, "refit_rand", d->refit_rand, 6);
        json_end_object(w);
    }
    json_end_array(w);
}

static void audiences_json(struct json_writer *w,
                           const struct penchant_segments_quality *q)
{
    json_key(w, "audiences");
    json_begin_array(w);
    for (size_t i = 0; i < q->n_audiences; i++) {
        const struct penchant_segment_audience *a = &q->audience[i];
        json_begin_object(w);
        json_key_string(w, "name", a->name);
        json_key_uint(w, "seeds", a->seeds);
        json_key_uint(w, "hidden", a->hidden);
        json_key_uint(w, "ranked", a->ranked);
        json_key_double(w, "recall", a->recall, 6);
        for (int k = 0; k < 3; k++) {
            char key[16];
            snprintf(key, sizeof(key), "lift@%u%%", lift_at[k]);
            json_key_double(w, key, a->lift[k], 6);
        }
        json_key_double(w, "auc", a->auc, 6);
        json_end_object(w);
    }
    json_end_array(w);
}

void segments_report_json(struct json_writer *w,
                          const struct penchant_segments_quality *q)
{
    json_begin_object(w);
    json_key_uint(w, "segments", q->segments);
    json_key_uint(w, "users", q->users);
    json_key_uint(w, "cases", q->cases);
    json_key_double(w, "gain", q->gain, 6);
    json_key_double(w, "gain_error", q->gain_error, 6);
    cli_metric_json(w, "hr20_segment", &q->hr20_segment);
    cli_metric_json(w, "hr20_shop", &q->hr20_shop);
    cli_metric_json(w, "hr20_difference", &q->hr20_difference);
    json_key_double(w, "halves_rand", q->halves_rand, 6);
    json_key_double(w, "halves_information", q->halves_information, 6);
    days_json(w, q);
    audiences_json(w, q);
    json_end_object(w);
}

static void metric_text(struct buf *b, const struct penchant_metric *m)
{
    buf_printf(b, "%.4f [%.4f-%.4f]", m->value, m->low, m->high);
}

static void days_text(struct buf *b, const struct penchant_segments_quality *q)
{
    if (!q->n_days)
        return;
    buf_printf(b, "\n\n%-12s %8s %10s %8s %8s %8s %8s", "day to", "active", "same group",
               "moved", "active", "at once", "anew");
    for (size_t i = 0; i < q->n_days; i++) {
        const struct penchant_segment_day *d = &q->day[i];
        char time[CLI_TIME_SIZE];
        buf_printf(b, "\n%-12.10s %8llu %10.3f %6.2f %% %6.1f %% %6.1f %% %8.3f",
                   cli_time(d->end_us, time), (unsigned long long)d->active,
                   d->rand_index, 100 * d->moved, 100 * d->moved_active,
                   100 * d->moved_plain, d->refit_rand);
    }
    buf_puts(b, "\nsame group: Rand index with the day before, as kept up; anew: found "
                "anew each day;\nmoved: of all, of the active, of the active without "
                "waiting");
}

static void audiences_text(struct buf *b, const struct penchant_segments_quality *q)
{
    if (!q->n_audiences)
        return;
    buf_printf(b, "\n\n%-26s %7s %7s %7s %8s %8s %8s %6s", "buyers of", "seeds", "hidden",
               "recall", "lift@1%", "lift@5%", "lift@10%", "AUC");
    for (size_t i = 0; i < q->n_audiences; i++) {
        const struct penchant_segment_audience *a = &q->audience[i];
        buf_printf(b, "\n%-26.26s %7llu %7llu %7.3f %8.1f %8.1f %8.1f %6.3f", a->name,
                   (unsigned long long)a->seeds, (unsigned long long)a->hidden, a->recall,
                   a->lift[0], a->lift[1], a->lift[2], a->auc);
    }
}

void segments_report_text(struct buf *b, const struct penchant_segments_quality *q)
{
    buf_printf(b, "%u segments of %llu users, %llu held-out events\n", q->segments,
               (unsigned long long)q->users, (unsigned long long)q->cases);
    buf_puts(b, "HR@20 by popularity in the segment ");
    metric_text(b, &q->hr20_segment);
    buf_puts(b, "\n                    in the shop    ");
    metric_text(b, &q->hr20_shop);
    buf_puts(b, "\n                    difference     ");
    metric_text(b, &q->hr20_difference);
    buf_printf(b, "\ninformation gained   %.4f nats an event (standard error %.4f)",
               q->gain, q->gain_error);
    buf_printf(b, "\ntwo halves           Rand index %.3f, mutual information %.3f",
               q->halves_rand, q->halves_information);
    days_text(b, q);
    audiences_text(b, q);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/cold_report.h"

#include <math.h>

#include "lab/report_json.h"

static bool was_scored(const struct cold_report *r, uint32_t source)
{
    return r->with->scored >> source & 1;
}

/* The value of b as a share of a's; NaN without one. */
static double loss_of(const struct metrics *a, const struct metrics *b,
                      enum metrics_kind kind)
{
    const double base = metrics_of(b, kind, 10).value;
    return base > 0 ? 1 - metrics_of(a, kind, 10).value / base : NAN;
}

static void json_part(struct json_writer *w, const struct cold_report *r,
                      const struct metrics *part)
{
    json_key_uint(w, "cases", part[EVIDENCE_SOURCES].n);
    report_json_quality(w, "model", &part[EVIDENCE_SOURCES]);
    json_key(w, "sources");
    json_begin_object(w);
    for (uint32_t s = 0; s < EVIDENCE_SOURCES; s++)
        if (was_scored(r, s))
            report_json_quality(w, evidence_sources[s]->name, &part[s]);
    json_end_object(w);
}

void cold_report_json(struct json_writer *w, const struct cold_report *r)
{
    const struct metrics *with = &r->with->warm[EVIDENCE_SOURCES],
                         *without = &r->without->warm[EVIDENCE_SOURCES];
    json_key_uint(w, "hidden_items",
                  protocol_known(r->split, r->split->o.report) - r->split->n_warm);
    json_key(w, "cold");
    json_begin_object(w);
    json_part(w, r, r->with->cold);
    report_json_quality(w, "without_content", &r->without->cold[EVIDENCE_SOURCES]);
    json_end_object(w);
    json_key(w, "warm");
    json_begin_object(w);
    json_part(w, r, r->with->warm);
    report_json_quality(w, "without_content", without);
    json_key(w, "over_without_content");
    json_begin_object(w);
    report_json_metric(w, "ndcg@10", metrics_difference(with, without, METRICS_NDCG, 10));
    report_json_metric(w, "hr@10", metrics_difference(with, without, METRICS_HR, 10));
    json_key_double(w, "ndcg@10_loss", loss_of(with, without, METRICS_NDCG), 6);
    json_key_double(w, "hr@10_loss", loss_of(with, without, METRICS_HR), 6);
    json_end_object(w);
    json_end_object(w);
}

static void text_row(struct buf *out, const char *name, const struct metrics *m)
{
    const struct penchant_metric hr = metrics_hr(m, 10), ndcg = metrics_ndcg(m, 10);
    buf_printf(out, "\n  %-16s %.4f [%.4f-%.4f] %.4f [%.4f-%.4f]", name, hr.value, hr.low,
               hr.high, ndcg.value, ndcg.low, ndcg.high);
}

static void text_part(struct buf *out, const struct cold_report *r, const char *title,
                      const struct metrics *part, const struct metrics *without)
{
    buf_printf(out, "\n%s: %zu cases", title, part[EVIDENCE_SOURCES].n);
    text_row(out, "all together", &part[EVIDENCE_SOURCES]);
    text_row(out, "without content", &without[EVIDENCE_SOURCES]);
    for (uint32_t s = 0; s < EVIDENCE_SOURCES; s++)
        if (was_scored(r, s))
            text_row(out, evidence_sources[s]->name, &part[s]);
}

void cold_report_text(struct buf *out, const struct cold_report *r)
{
    const struct metrics *with = &r->with->warm[EVIDENCE_SOURCES],
                         *without = &r->without->warm[EVIDENCE_SOURCES];
    const struct penchant_metric d = metrics_difference(with, without, METRICS_NDCG, 10);
    buf_printf(out, "%u of %u items hidden from training, counting and choosing",
               protocol_known(r->split, r->split->o.report) - r->split->n_warm,
               protocol_known(r->split, r->split->o.report));
    buf_printf(out, "\n%-18s %-22s %s", "", "HR@10", "NDCG@10");
    text_part(out, r, "cold", r->with->cold, r->without->cold);
    text_part(out, r, "warm", r->with->warm, r->without->warm);
    buf_printf(out, "\nwarm, with content over without: NDCG@10 %+.4f [%+.4f, %+.4f]",
               d.value, d.low, d.high);
    if (metrics_ndcg(without, 10).value > 0)
        buf_printf(out, ", %+.1f %%", -100 * loss_of(with, without, METRICS_NDCG));
}

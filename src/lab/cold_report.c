/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the cold-items protocol found: quality on cases of hidden items and on the others,
 * and what content costs the others, beside the same engine without content, which was
 * trained and weighed anew in the same run.
 */
#include <math.h>

#include "lab/benchmark.h"
#include "lab/report_json.h"

static bool was_scored(const struct benchmark *b, uint32_t source)
{
    return b->scores.scored >> source & 1;
}

/* By which share a's value is below b's; NaN when b's is 0. */
static double loss_of(const struct metrics *a, const struct metrics *b,
                      enum metrics_kind kind)
{
    const double base = metrics_of(b, kind, 10).value;
    return base > 0 ? 1 - metrics_of(a, kind, 10).value / base : NAN;
}

static void json_part(struct json_writer *w, const struct benchmark *b,
                      const struct metrics *part)
{
    json_key_uint(w, "cases", part[EVIDENCE_SOURCES].n);
    report_json_quality(w, "model", &part[EVIDENCE_SOURCES]);
    json_key(w, "sources");
    json_begin_object(w);
    for (uint32_t s = 0; s < EVIDENCE_SOURCES; s++)
        if (was_scored(b, s))
            report_json_quality(w, evidence_sources[s]->name, &part[s]);
    json_end_object(w);
}

void cold_report_json(struct json_writer *w, const struct benchmark *b)
{
    const struct metrics *with = &b->scores.warm[EVIDENCE_SOURCES],
                         *without = &b->without.warm[EVIDENCE_SOURCES];
    json_key_uint(w, "hidden_items",
                  protocol_known(&b->split, b->how.report) - b->split.n_warm);
    json_key(w, "cold");
    json_begin_object(w);
    json_part(w, b, b->scores.cold);
    report_json_quality(w, "without_content", &b->without.cold[EVIDENCE_SOURCES]);
    json_end_object(w);
    json_key(w, "warm");
    json_begin_object(w);
    json_part(w, b, b->scores.warm);
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

static void text_part(struct buf *out, const struct benchmark *b, const char *title,
                      const struct metrics *part, const struct metrics *without)
{
    buf_printf(out, "\n%s: %zu cases", title, part[EVIDENCE_SOURCES].n);
    text_row(out, "all together", &part[EVIDENCE_SOURCES]);
    text_row(out, "without content", &without[EVIDENCE_SOURCES]);
    for (uint32_t s = 0; s < EVIDENCE_SOURCES; s++)
        if (was_scored(b, s))
            text_row(out, evidence_sources[s]->name, &part[s]);
}

void cold_report_text(struct buf *out, const struct benchmark *b)
{
    const struct metrics *with = &b->scores.warm[EVIDENCE_SOURCES],
                         *without = &b->without.warm[EVIDENCE_SOURCES];
    const struct penchant_metric d = metrics_difference(with, without, METRICS_NDCG, 10);
    buf_printf(out, "%u of %u items hidden from training, counting and choosing",
               protocol_known(&b->split, b->how.report) - b->split.n_warm,
               protocol_known(&b->split, b->how.report));
    buf_printf(out, "\n%-18s %-22s %s", "", "HR@10", "NDCG@10");
    text_part(out, b, "cold", b->scores.cold, b->without.cold);
    text_part(out, b, "warm", b->scores.warm, b->without.warm);
    buf_printf(out, "\nwarm, with content over without: NDCG@10 %+.4f [%+.4f, %+.4f]",
               d.value, d.low, d.high);
    const double base = metrics_ndcg(without, 10).value;
    if (base > 0)
        buf_printf(out, ", %+.1f %%", 100 * d.value / base);
}

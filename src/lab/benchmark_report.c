/* SPDX-License-Identifier: Apache-2.0 */
/* What `penchant benchmark` found, as JSON and as a table. */
#include <stdio.h>

#include "cli/race_report.h"
#include "lab/benchmark.h"
#include "lab/report_json.h"

/* The metric by which the literature of the protocol compares. */
static enum evidence_id best_single(const struct benchmark *b)
{
    if (b->how.kind == PROTOCOL_SESSIONS)
        return protocol_scores_best(&b->scores, b->mask, METRICS_MRR, 20);
    return protocol_scores_best(&b->scores, b->mask, METRICS_NDCG, 10);
}

static bool is_single(uint32_t mask)
{
    return (mask & (mask - 1)) == 0;
}

static void json_over_best(struct json_writer *w, const struct benchmark *b)
{
    const enum evidence_id best = best_single(b);
    const struct metrics *alone = &b->scores.alone[best];
    json_key(w, "over_best_single");
    json_begin_object(w);
    json_key_string(w, "source", evidence_sources[best]->name);
    report_json_metric(w, "ndcg@10",
                       metrics_difference(&b->scores.sum, alone, METRICS_NDCG, 10));
    report_json_metric(w, "mrr@20",
                       metrics_difference(&b->scores.sum, alone, METRICS_MRR, 20));
    report_json_metric(w, "hr@20",
                       metrics_difference(&b->scores.sum, alone, METRICS_HR, 20));
    json_end_object(w);
}

static void json_blend(struct json_writer *w, const struct benchmark *b)
{
    const struct blend_report *r = &b->scores.fitted;
    struct evidence_weights weights;
    blend_summary(&b->scores.blend, &weights);
    json_key(w, "weights");
    json_begin_object(w);
    for (int s = 0; s < EVIDENCE_SOURCES; s++)
        if (b->mask >> s & 1)
            json_key_double(w, evidence_sources[s]->name, (double)weights.w[s], 6);
    json_end_object(w);
    json_key(w, "blend");
    json_begin_object(w);
    json_key_bool(w, "single_source", r->is_single);
    json_key_bool(w, "in_context", r->in_context);
    json_key_double(w, "penalty", r->penalty, 6);
    json_key_double(w, "temperature", r->temperature, 6);
    json_key_double(w, "log_loss", r->loss, 6);
    json_key_double(w, "calibration_error", r->error, 6);
    json_key_double(w, "covered", (double)b->scores.blend.frame.covered, 6);
    json_end_object(w);
}

void benchmark_json_training(struct json_writer *w, const struct benchmark *b)
{
    const struct penchant_train_report *r = &b->trained;
    const bool trained = b->model != NULL;
    json_key_double(w, "train_seconds", r->seconds, 6);
    json_key_double(w, "tokens_per_s", r->tokens_per_s, 6);
    json_key_double(w, "peak_mb", (double)b->peak_kb / 1024, 5);
    json_key_string(w, "preset", trained ? r->preset : NULL);
    json_key_uint(w, "dim", r->dim);
    json_key_uint(w, "blocks", r->blocks);
    json_key_uint(w, "heads", r->heads);
    json_key_string(w, "loss", trained ? r->loss : NULL);
    json_key_uint(w, "negatives", r->negatives);
    json_key_uint(w, "max_length", r->max_length);
    json_key_double(w, "dropout", r->dropout, 6);
    json_key_uint(w, "epochs", r->epochs);
    json_key_uint(w, "best_epoch", r->best_epoch);
    json_key_bool(w, "stopped", r->stopped);
    race_report_json(w, r);
}

static void json_sources(struct json_writer *w, const struct benchmark *b)
{
    report_json_quality(w, "model", &b->scores.sum);
    json_key(w, "baselines");
    json_begin_object(w);
    for (int s = 0; s < EVIDENCE_SOURCES; s++)
        if (s != EVIDENCE_SEQUENCE && b->scores.scored >> s & 1)
            report_json_quality(w, evidence_sources[s]->name, &b->scores.alone[s]);
    json_end_object(w);
    if (b->model)
        report_json_quality(w, "sequence", &b->scores.alone[EVIDENCE_SEQUENCE]);
    if (is_single(b->mask))
        return;
    json_over_best(w, b);
    json_blend(w, b);
}

void benchmark_json(struct buf *out, const struct benchmark *b)
{
    struct json_writer w;
    json_init(&w, out);
    json_begin_object(&w);
    json_key_string(&w, "protocol", b->protocol);
    json_key_string(&w, "report", b->report);
    json_key_uint(&w, "cases", b->scores.cases);
    json_key_uint(&w, "items", protocol_known(&b->split, b->how.report));
    json_key_uint(&w, "unknown_targets", b->scores.unknown_targets);
    json_key_uint(&w, "seen_targets", b->scores.seen_targets);
    json_sources(&w, b);
    if (b->how.kind == PROTOCOL_COLD_ITEMS) {
        json_key_double(&w, "cold_share", b->how.cold_share, 6);
        cold_report_json(&w, b);
    }
    benchmark_json_training(&w, b);
    json_key_string(&w, "sources", b->sources);
    json_key_uint(&w, "seed", b->how.seed);
    json_key_uint(&w, "threads", b->learn.threads);
    json_end_object(&w);
}

void benchmark_text_row(struct buf *out, const char *name, const struct metrics *m)
{
    buf_printf(out, "\n%-14s", name);
    for (int i = 0; i < 4; i++) {
        const struct penchant_metric v = i == 0   ? metrics_hr(m, 10)
                                         : i == 1 ? metrics_ndcg(m, 10)
                                         : i == 2 ? metrics_hr(m, 20)
                                                  : metrics_mrr(m, 20);
        buf_printf(out, " %.4f [%.4f-%.4f]", v.value, v.low, v.high);
    }
}

static void text_blend(struct buf *out, const struct benchmark *b)
{
    const struct blend_report *r = &b->scores.fitted;
    struct evidence_weights weights;
    if (r->is_single) {
        buf_puts(out, "\nno blend is better on validation: one source alone serves");
        return;
    }
    blend_summary(&b->scores.blend, &weights);
    buf_puts(out, r->in_context ? "\nweights on average:" : "\nweights:");
    for (int s = 0; s < EVIDENCE_SOURCES; s++)
        if (b->mask >> s & 1)
            buf_printf(out, " %s %.3g", evidence_sources[s]->name, (double)weights.w[s]);
    buf_printf(out, "; calibration error %.4f", r->error);
}

void benchmark_text(struct buf *out, const struct benchmark *b)
{
    const struct protocol_scores *s = &b->scores;
    buf_printf(out, "%s, %s: %zu cases, %u items", b->protocol, b->report, s->cases,
               protocol_known(&b->split, b->how.report));
    if (s->unknown_targets)
        buf_printf(out, ", %zu unknown targets", s->unknown_targets);
    if (s->seen_targets)
        buf_printf(out, ", %zu targets seen before", s->seen_targets);
    buf_printf(out, "\n%-14s %-22s %-22s %-22s %s", "", "HR@10", "NDCG@10", "HR@20",
               "MRR@20");
    if (!is_single(b->mask))
        benchmark_text_row(out, "all together", &s->sum);
    for (int i = 0; i < EVIDENCE_SOURCES; i++)
        if (s->scored >> i & 1)
            benchmark_text_row(out, evidence_sources[i]->name, &s->alone[i]);
    if (!is_single(b->mask)) {
        const enum evidence_id best = best_single(b);
        const struct penchant_metric d =
            metrics_difference(&s->sum, &s->alone[best], METRICS_NDCG, 10);
        buf_printf(out, "\nover %s alone: NDCG@10 %+.4f [%+.4f, %+.4f]",
                   evidence_sources[best]->name, d.value, d.low, d.high);
        text_blend(out, b);
    }
    if (b->how.kind == PROTOCOL_COLD_ITEMS) {
        buf_puts(out, "\n");
        cold_report_text(out, b);
    }
    if (b->model) {
        buf_printf(out,
                   "\n%s: dim %u, %u blocks, %u heads, length %u, %s loss; %u epochs in "
                   "%.1f s, %.0f positions/s, %.0f MB%s",
                   b->trained.preset, b->trained.dim, b->trained.blocks, b->trained.heads,
                   b->trained.max_length, b->trained.loss, b->trained.epochs,
                   b->trained.seconds, b->trained.tokens_per_s, (double)b->peak_kb / 1024,
                   b->trained.stopped ? " (stopped)" : "");
        race_report_text(out, &b->trained);
    }
    buf_puts(out, "\n95 % intervals; equal scores rank against the model");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* penchant benchmark: trains afresh in memory and reports by a published protocol. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/json_writer.h"
#include "base/progress.h"
#include "cli/train_options.h"
#include "lab/cold_report.h"
#include "lab/lab.h"
#include "lab/prequential.h"
#include "lab/protocol_score.h"
#include "lab/report_json.h"
#include "learn/train.h"

static const char COMMAND[] = "benchmark";

/* Sources that go by what items say of themselves. */
static const uint32_t CONTENT_SOURCES = 0;

struct benchmark {
    /* as asked */
    const char *protocol, *events, *train, *test, *items, *map, *sources, *report;
    struct protocol_options how;
    struct penchant_train_options learn;
    bool json, quiet;
    uint32_t mask;
    /* as found */
    struct progress progress;
    struct dataset data;
    struct protocol split;
    struct model *model;
    struct penchant_train_report trained;
    struct protocol_scores scores;
    struct prequential_scores through_time; /* prequential alone */
    struct protocol_scores without;         /* content; cold-items alone */
    long peak_kb;                           /* of the process when training ended */
};

/* ---- what was asked ------------------------------------------------------------- */

static int parse(struct benchmark *b, int argc, char **argv)
{
    const struct cli_option options[] = {
        {"protocol", 0, CLI_STRING, &b->protocol, "P", NULL, 0, 0,
         "leave-one-out, sessions, temporal, prequential or cold-items"},
        {"events", 0, CLI_STRING, &b->events, "F", NULL, 0, 0, "the log"},
        {"items", 0, CLI_STRING, &b->items, "F", NULL, 0, 0,
         "what is known of the items"},
        {"train", 0, CLI_STRING, &b->train, "F", NULL, 0, 0, "sessions: to learn from"},
        {"test", 0, CLI_STRING, &b->test, "F", NULL, 0, 0, "sessions: to be predicted"},
        {"map", 0, CLI_STRING, &b->map, "M", NULL, 0, 0,
         "our column names = the file's, by comma"},
        {"sources", 0, CLI_STRING, &b->sources, "S", NULL, 0, 0,
         "all, or by comma: sequence, covisitation, neighbours, repeat, popularity"},
        {"report", 0, CLI_STRING, &b->report, "R", NULL, 0, 0,
         "test, or validation, which is blind to the test"},
        {"min-prefix", 0, CLI_U32, &b->how.min_prefix, "N", NULL, 1, 1000,
         "sessions: events before a case"},
        {"test-share", 0, CLI_DOUBLE, &b->how.test_share, "X", NULL, 0.001, 0.9,
         "temporal (default .1), prequential (.5): share of the events after the split"},
        {"cold-share", 0, CLI_DOUBLE, &b->how.cold_share, "X", NULL, 0.001, 0.9,
         "cold-items: share of the items that is hidden"},
        CLI_TRAIN_ROWS(&b->learn),
        CLI_JSON(&b->json),
        CLI_QUIET(&b->quiet),
    };
    const struct cli_spec spec = {
        COMMAND, "train afresh and report by a published protocol",
        "Nothing is kept. Ctrl-C ends the training and reports what it has reached.",
        options, sizeof(options) / sizeof(options[0])};
    return cli_parse(&spec, argc, argv);
}

static int check_files(const struct benchmark *b)
{
    const bool sessions = b->how.kind == PROTOCOL_SESSIONS;
    const bool test = b->test || b->how.report == STAGE_VALIDATION;
    if (sessions && (!b->train || !test || b->events))
        return cli_fail(CLI_USAGE, COMMAND, "sessions takes --train F and --test F");
    if (!sessions && (!b->events || b->train || b->test))
        return cli_fail(CLI_USAGE, COMMAND, "%s takes --events F", b->protocol);
    return CLI_OK;
}

static int check(struct benchmark *b)
{
    struct penchant_error err = {0};
    if (!b->protocol)
        return cli_fail(
            CLI_USAGE, COMMAND,
            "which --protocol: leave-one-out, sessions, temporal, prequential or "
            "cold-items?");
    if (protocol_parse(b->protocol, &b->how.kind, &err) ||
        evidence_parse(b->sources, &b->mask, &err))
        return cli_fail(CLI_USAGE, COMMAND, "%s", err.text);
    if (strcmp(b->report, "test") == 0)
        b->how.report = STAGE_TEST;
    else if (strcmp(b->report, "validation") == 0)
        b->how.report = STAGE_VALIDATION;
    else
        return cli_fail(CLI_USAGE, COMMAND,
                        "--report takes test or validation, not \"%s\"", b->report);
    if (b->how.kind == PROTOCOL_PREQUENTIAL && b->how.report == STAGE_VALIDATION)
        return cli_fail(
            CLI_USAGE, COMMAND,
            "prequential reports on what came after the split; its validation "
            "events come before it and fit the weights");
    if (b->how.test_share <= 0)
        b->how.test_share = b->how.kind == PROTOCOL_PREQUENTIAL ? 0.5 : 0.1;
    b->how.seed = b->learn.seed;
    return check_files(b);
}

/* ---- the work ------------------------------------------------------------------- */

static void complain(void *cookie, const char *line)
{
    (void)cookie;
    fprintf(stderr, "%s\n", line);
}

/* What the items say of themselves, in a space that only knows those of the model. */
static int describe(struct benchmark *b, struct penchant_error *err)
{
    struct pool *pool = pool_new(b->learn.threads);
    if (!pool)
        return error_memory(err);
    const int status = dataset_describe(&b->data, protocol_learned(&b->split), pool, err);
    pool_free(pool);
    return status;
}

static int read_data(struct benchmark *b, struct penchant_error *err)
{
    const bool sessions = b->how.kind == PROTOCOL_SESSIONS;
    const struct dataset_options o = {
        .events = {sessions ? b->train : b->events,
                   b->how.report == STAGE_TEST ? b->test : NULL},
        .items = b->items,
        .map = b->map,
        .by_session = sessions,
        .progress = progress_show,
        .complain = complain,
        .cookie = &b->progress,
    };
    int status = dataset_read(&b->data, &o, err);
    if (!status)
        status = protocol_init(&b->split, &b->data, &b->how, err);
    return status ? status : describe(b, err);
}

static int train(struct benchmark *b, struct penchant_error *err)
{
    struct history history = {0};
    uint64_t *train_end = NULL;
    struct train_options o;
    int status = protocol_training(&b->split, &history, &train_end, err);
    if (status)
        return status;
    const struct train_data data = {
        .history = &history,
        .train_end = train_end,
        .exclude_seen = b->split.exclude_seen,
        .attr_start = b->data.attr_start,
        .attr = b->data.attr,
        .n_attributes = b->data.n_attributes,
        .n_types = b->data.n_types,
        .attribute_name = b->data.attribute_name,
        .content = b->data.content,
        .content_dim = b->data.content_dim,
    };
    b->learn.progress = progress_show;
    b->learn.cookie = &b->progress;
    status = train_options_from(&o, &b->learn, &data, err);
    if (!status)
        status = train_run(&b->model, &data, &o, &b->trained, err);
    history_release(&history);
    free(train_end);
    return status;
}

/* The same engine once more as it would be if no item said anything of itself. */
static int compare(struct benchmark *b, struct penchant_error *err)
{
    const struct penchant_train_report trained = b->trained;
    struct score_options o = {.mask = b->mask & ~CONTENT_SOURCES,
                              .threads = b->learn.threads,
                              .progress = progress_show,
                              .cookie = &b->progress};
    struct model *with = b->model;
    const char *asked = b->learn.content;
    int status = PENCHANT_OK;
    b->model = NULL;
    b->learn.content = "off";
    if (with)
        status = train(b, err);
    o.model = b->model;
    if (!status)
        status = protocol_score(&b->without, &b->split, &o, err);
    model_free(b->model);
    b->model = with;
    b->learn.content = asked;
    b->trained = trained;
    return status;
}

static int score(struct benchmark *b, struct penchant_error *err)
{
    const struct score_options o = {
        .mask = b->mask,
        .model = b->model,
        .threads = b->learn.threads,
        .progress = progress_show,
        .cookie = &b->progress,
    };
    return b->how.kind == PROTOCOL_PREQUENTIAL
               ? prequential_score(&b->through_time, &b->split, &o, err)
               : protocol_score(&b->scores, &b->split, &o, err);
}

static int work(struct benchmark *b, struct penchant_error *err)
{
    struct rusage usage;
    progress_init(&b->progress, b->quiet, &cli_stop);
    cli_catch_stop();
    int status = read_data(b, err);
    if (!status && b->mask >> EVIDENCE_SEQUENCE & 1)
        status = train(b, err);
    if (!getrusage(RUSAGE_SELF, &usage))
        b->peak_kb = usage.ru_maxrss;
    /* The signal that ended the training must not end the report too; a second one
       kills. */
    cli_stop = 0;
    if (!status)
        status = score(b, err);
    if (!status && b->how.kind == PROTOCOL_COLD_ITEMS)
        status = compare(b, err);
    progress_end(&b->progress);
    return status;
}

/* ---- the report ----------------------------------------------------------------- */

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

static void json_training(struct json_writer *w, const struct benchmark *b)
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

static struct cold_report cold_part(const struct benchmark *b)
{
    return (struct cold_report){
        .split = &b->split, .with = &b->scores, .without = &b->without, .mask = b->mask};
}

static void report_json(struct buf *out, const struct benchmark *b)
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
        const struct cold_report cold = cold_part(b);
        json_key_double(&w, "cold_share", b->how.cold_share, 6);
        cold_report_json(&w, &cold);
    }
    json_training(&w, b);
    json_key_string(&w, "sources", b->sources);
    json_key_uint(&w, "seed", b->how.seed);
    json_key_uint(&w, "threads", b->learn.threads);
    json_end_object(&w);
}

static void text_row(struct buf *out, const char *name, const struct metrics *m)
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

static void report_text(struct buf *out, const struct benchmark *b)
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
        text_row(out, "all together", &s->sum);
    for (int i = 0; i < EVIDENCE_SOURCES; i++)
        if (s->scored >> i & 1)
            text_row(out, evidence_sources[i]->name, &s->alone[i]);
    if (!is_single(b->mask)) {
        const enum evidence_id best = best_single(b);
        const struct penchant_metric d =
            metrics_difference(&s->sum, &s->alone[best], METRICS_NDCG, 10);
        buf_printf(out, "\nover %s alone: NDCG@10 %+.4f [%+.4f, %+.4f]",
                   evidence_sources[best]->name, d.value, d.low, d.high);
        text_blend(out, b);
    }
    if (b->how.kind == PROTOCOL_COLD_ITEMS) {
        const struct cold_report cold = cold_part(b);
        buf_puts(out, "\n");
        cold_report_text(out, &cold);
    }
    if (b->model)
        buf_printf(out,
                   "\n%s: dim %u, %u blocks, %u heads, length %u, %s loss; %u epochs in "
                   "%.1f s, %.0f positions/s, %.0f MB%s",
                   b->trained.preset, b->trained.dim, b->trained.blocks, b->trained.heads,
                   b->trained.max_length, b->trained.loss, b->trained.epochs,
                   b->trained.seconds, b->trained.tokens_per_s, (double)b->peak_kb / 1024,
                   b->trained.stopped ? " (stopped)" : "");
    buf_puts(out, "\n95 % intervals; equal scores rank against the model");
}

/* ---- the report through time ---------------------------------------------------- */

static void json_live_over(struct json_writer *w, const struct metrics *live,
                           const struct metrics *frozen)
{
    const double base = metrics_ndcg(frozen, 10).value;
    const struct penchant_metric d = metrics_difference(live, frozen, METRICS_NDCG, 10);
    json_begin_object(w);
    report_json_metric(w, "ndcg@10", d);
    report_json_metric(w, "hr@10", metrics_difference(live, frozen, METRICS_HR, 10));
    report_json_metric(w, "mrr@20", metrics_difference(live, frozen, METRICS_MRR, 20));
    json_key_double(w, "ndcg@10_relative", base > 0 ? d.value / base : NAN, 6);
    json_end_object(w);
}

static void json_parts(struct json_writer *w, const struct prequential_scores *s)
{
    json_key(w, "ndcg@10_by_part");
    json_begin_array(w);
    for (int i = 0; i < PREQUENTIAL_PARTS; i++) {
        json_begin_object(w);
        for (int shop = 0; shop < SHOPS; shop++)
            report_json_metric(w, prequential_names[shop],
                               metrics_ndcg(&s->part[i][shop], 10));
        json_end_object(w);
    }
    json_end_array(w);
}

static void time_json(struct buf *out, const struct benchmark *b)
{
    const struct prequential_scores *s = &b->through_time;
    struct json_writer w;
    json_init(&w, out);
    json_begin_object(&w);
    json_key_string(&w, "protocol", b->protocol);
    json_key_double(&w, "test_share", b->how.test_share, 6);
    json_key_uint(&w, "events", s->events);
    json_key_uint(&w, "cases", s->cases);
    json_key_uint(&w, "new_users", s->new_users);
    json_key_uint(&w, "unknown_targets", s->unknown_targets);
    for (int shop = 0; shop < SHOPS; shop++)
        report_json_quality(&w, prequential_names[shop], &s->shop[shop]);
    json_key(&w, "live_over_frozen_counts");
    json_live_over(&w, &s->shop[SHOP_LIVE], &s->shop[SHOP_FROZEN_COUNTS]);
    json_key(&w, "live_over_frozen_state");
    json_live_over(&w, &s->shop[SHOP_LIVE], &s->shop[SHOP_FROZEN_STATE]);
    json_parts(&w, s);
    json_training(&w, b);
    json_key_string(&w, "sources", b->sources);
    json_key_uint(&w, "seed", b->how.seed);
    json_key_uint(&w, "threads", b->learn.threads);
    json_end_object(&w);
}

static void text_over(struct buf *out, const struct metrics *live,
                      const struct metrics *frozen, const char *name)
{
    const double base = metrics_ndcg(frozen, 10).value;
    const struct penchant_metric d = metrics_difference(live, frozen, METRICS_NDCG, 10);
    buf_printf(out, "\nlive over %s: NDCG@10 %+.4f [%+.4f, %+.4f]", name, d.value, d.low,
               d.high);
    if (base > 0)
        buf_printf(out, ", %+.1f %%", 100 * d.value / base);
}

/* A bar of the share v of `top`, 30 wide. */
static void text_bar(struct buf *out, double v, double top)
{
    const int n = top > 0 ? (int)(30 * v / top + 0.5) : 0;
    for (int i = 0; i < n; i++)
        buf_puts(out, "#");
}

static void time_text(struct buf *out, const struct benchmark *b)
{
    const struct prequential_scores *s = &b->through_time;
    double top = 0;
    buf_printf(out,
               "prequential: %zu events after the split, all learned from, %zu of them "
               "predicted first",
               s->events, s->cases);
    buf_printf(out,
               "\n%zu of the cases by users who are new since, %zu of items that "
               "nobody had named\n",
               s->new_users, s->unknown_targets);
    buf_printf(out, "%-14s %-22s %-22s %-22s %s", "", "HR@10", "NDCG@10", "HR@20",
               "MRR@20");
    for (int shop = 0; shop < SHOPS; shop++)
        text_row(out, prequential_names[shop], &s->shop[shop]);
    for (int shop = SHOP_FROZEN_COUNTS; shop < SHOPS; shop++)
        text_over(out, &s->shop[SHOP_LIVE], &s->shop[shop], prequential_names[shop]);
    for (int i = 0; i < PREQUENTIAL_PARTS; i++)
        for (int shop = 0; shop < SHOPS; shop++)
            top = fmax(top, metrics_ndcg(&s->part[i][shop], 10).value);
    buf_puts(out, "\nNDCG@10 from the split (top) to the end of the log (bottom)");
    for (int i = 0; i < PREQUENTIAL_PARTS; i++)
        for (int shop = 0; shop < SHOPS; shop++) {
            const double v = metrics_ndcg(&s->part[i][shop], 10).value;
            buf_printf(out, "\n%3d %% %-14s %.4f ", 10 * i, prequential_names[shop], v);
            text_bar(out, v, top);
        }
    buf_puts(out, "\n95 % intervals; equal scores rank against the model");
}

static int report(const struct benchmark *b)
{
    struct buf out;
    buf_init(&out, 1 << 16);
    if (b->how.kind == PROTOCOL_PREQUENTIAL && b->json)
        time_json(&out, b);
    else if (b->how.kind == PROTOCOL_PREQUENTIAL)
        time_text(&out, b);
    else if (b->json)
        report_json(&out, b);
    else
        report_text(&out, b);
    const int status = cli_print(COMMAND, &out);
    buf_release(&out);
    return status;
}

int cmd_benchmark(int argc, char **argv)
{
    struct benchmark b = {.sources = "all", .report = "test"};
    struct penchant_error err = {0};
    b.how.min_prefix = 1;
    b.how.cold_share = 0.1;
    penchant_train_options_default(&b.learn);
    int status = parse(&b, argc, argv);
    if (status != CLI_CONTINUE)
        return status;
    status = check(&b);
    if (status != CLI_OK)
        return status;
    status = work(&b, &err) ? cli_fail_error(COMMAND, &err) : report(&b);
    protocol_scores_release(&b.scores);
    protocol_scores_release(&b.without);
    prequential_scores_release(&b.through_time);
    protocol_release(&b.split);
    dataset_release(&b.data);
    model_free(b.model);
    return status;
}

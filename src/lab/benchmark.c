/* SPDX-License-Identifier: Apache-2.0 */
/* penchant benchmark: trains afresh in memory and reports by a published protocol. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "cli/train_options.h"
#include "lab/benchmark.h"
#include "lab/lab.h"
#include "learn/train.h"

static const char COMMAND[] = "benchmark";

/* Sources that go by what items say of themselves. */
static const uint32_t CONTENT_SOURCES = 1U << EVIDENCE_CONTENT | 1U << EVIDENCE_SEARCH;

/* ---- what was asked ------------------------------------------------------------- */

static int parse(struct benchmark *b, int argc, char **argv)
{
    const struct cli_option options[] = {
        {"protocol", 0, CLI_STRING, &b->protocol, "P", NULL, 0, 0,
         "leave-one-out, sessions, temporal, prequential or cold-items"},
        {"events", 0, CLI_STRING, &b->events, "F", NULL, 0, 0, "the log"},
        {"items", 0, CLI_STRING, &b->items, "F", NULL, 0, 0,
         "what is known of the items: attributes, content"},
        {"train", 0, CLI_STRING, &b->train, "F", NULL, 0, 0, "sessions: to learn from"},
        {"test", 0, CLI_STRING, &b->test, "F", NULL, 0, 0, "sessions: to be predicted"},
        {"map", 0, CLI_STRING, &b->map, "M", NULL, 0, 0,
         "our column names = the file's, by comma"},
        {"sources", 0, CLI_STRING, &b->sources, "S", NULL, 0, 0,
         "all, or by comma: sequence, covisitation, neighbours, repeat, content, search, "
         "popularity"},
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
    if (b->how.kind == PROTOCOL_COLD_ITEMS && !b->items)
        return cli_fail(CLI_USAGE, COMMAND,
                        "cold-items takes --items F: what the hidden items say of "
                        "themselves is all there is to find them by");
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
    struct train_options o, chosen;
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
    o.everything = b->how.report == STAGE_TEST;
    o.chosen = &chosen;
    if (!status)
        status = train_run(&b->model, &data, &o, &b->trained, err);
    if (!status && o.everything && !b->trained.stopped)
        status = train_everything(&b->served, b->model, &data, &chosen, &b->trained, err);
    history_release(&history);
    free(train_end);
    /* The signal that ended a training must not end the report too; a second one kills. */
    cli_stop = 0;
    return status;
}

/* The same engine once more as it would be if no item said anything of itself. What was
   stopped is compared with as much training, not with all of it. */
static int compare(struct benchmark *b, struct penchant_error *err)
{
    const struct penchant_train_report trained = b->trained;
    struct score_options o = {.mask = b->mask & ~CONTENT_SOURCES,
                              .threads = b->learn.threads,
                              .progress = progress_show,
                              .cookie = &b->progress};
    struct model *with = b->model, *served = b->served;
    const struct penchant_train_options asked = b->learn;
    float *said = b->data.content;
    int status = PENCHANT_OK;
    b->model = b->served = NULL;
    b->data.content = NULL;
    b->learn.content = "off";
    if (trained.stopped)
        b->learn.max_epochs = trained.epochs ? trained.epochs : 1;
    cli_catch_stop();
    if (with)
        status = train(b, err);
    o.model = b->model;
    o.served = served ? b->served : NULL;
    if (!status)
        status = protocol_score(&b->without, &b->split, &o, err);
    model_free(b->model);
    model_free(b->served);
    b->model = with;
    b->served = served;
    b->data.content = said;
    b->learn = asked;
    b->trained = trained;
    return status;
}

static int score(struct benchmark *b, struct penchant_error *err)
{
    const struct score_options o = {
        .mask = b->mask,
        .model = b->model,
        .served = b->served,
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
    if (!status)
        status = score(b, err);
    if (!status && b->how.kind == PROTOCOL_COLD_ITEMS)
        status = compare(b, err);
    progress_end(&b->progress);
    return status;
}

/* ---- the command ---------------------------------------------------------------- */

static int report(const struct benchmark *b)
{
    struct buf out;
    buf_init(&out, 1 << 16);
    if (b->how.kind == PROTOCOL_PREQUENTIAL && b->json)
        prequential_json(&out, b);
    else if (b->how.kind == PROTOCOL_PREQUENTIAL)
        prequential_text(&out, b);
    else if (b->json)
        benchmark_json(&out, b);
    else
        benchmark_text(&out, b);
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
    model_free(b.served);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* penchant train: learns a shop's model beside whoever has the shop open. */
#include "cli/train_options.h"

#include "base/json_writer.h"
#include "base/progress.h"
#include "cli/race_report.h"

static void report_json(struct buf *b, const struct penchant_train_report *r)
{
    struct json_writer w;
    json_init(&w, b);
    json_begin_object(&w);
    json_key_string(&w, "preset", r->preset);
    json_key_string(&w, "loss", r->loss);
    json_key_uint(&w, "dim", r->dim);
    json_key_uint(&w, "blocks", r->blocks);
    json_key_uint(&w, "heads", r->heads);
    json_key_uint(&w, "negatives", r->negatives);
    json_key_uint(&w, "max_length", r->max_length);
    json_key_double(&w, "dropout", r->dropout, 6);
    json_key_uint(&w, "epochs", r->epochs);
    json_key_uint(&w, "best_epoch", r->best_epoch);
    json_key_uint(&w, "seed", r->seed);
    json_key_uint(&w, "steps", r->steps);
    json_key_uint(&w, "tokens", r->tokens);
    json_key_double(&w, "train_seconds", r->seconds, 6);
    json_key_double(&w, "tokens_per_s", r->tokens_per_s, 6);
    json_key_double(&w, "validation_ndcg@10", r->best_ndcg10, 6);
    json_key_bool(&w, "stopped", r->stopped);
    race_report_json(&w, r);
    json_key_double(&w, "value_seconds", r->value_seconds, 6);
    cli_values_json(&w, r->value);
    json_end_object(&w);
}

static void report_text(struct buf *b, const struct penchant_train_report *r)
{
    buf_printf(b,
               "%s: dim %u, %u blocks, %u heads, length %u, %s loss, seed %llu\n"
               "%u epochs, %llu steps, %llu positions in %.1f s (%.0f/s)\n"
               "validation NDCG@10 %.4f after epoch %u%s",
               r->preset, r->dim, r->blocks, r->heads, r->max_length, r->loss,
               (unsigned long long)r->seed, r->epochs, (unsigned long long)r->steps,
               (unsigned long long)r->tokens, r->seconds, r->tokens_per_s, r->best_ndcg10,
               r->best_epoch, r->stopped ? " (stopped; the best so far was kept)" : "");
    race_report_text(b, r);
    cli_print_values(b, r->value);
}

int cmd_train(int argc, char **argv)
{
    struct penchant_train_options o;
    bool json = false, quiet = false;
    penchant_train_options_default(&o);
    o.dir = CLI_DEFAULT_DIR;
    const struct cli_option options[] = {
        CLI_DIR(&o.dir),
        CLI_TRAIN_ROWS(&o),
        {"values", 0, CLI_STRING, &o.values, "V", NULL, 0, 0,
         "auto, on or off: learn what items are worth in the long run"},
        {"resume", 0, CLI_FLAG, &o.resume, NULL, NULL, 0, 0,
         "go on from the last checkpoint"},
        CLI_JSON(&json),
        CLI_QUIET(&quiet),
    };
    const struct cli_spec spec = {
        "train", "learn the sequence model and the weighting of the sources",
        "May run beside a server, which picks the new model up. Ctrl-C keeps the best so "
        "far.",
        options, sizeof(options) / sizeof(options[0])};
    int status = cli_parse(&spec, argc, argv);
    if (status != CLI_CONTINUE)
        return status;
    struct penchant_train_report report = {0};
    struct penchant_error err = {0};
    struct progress progress;
    cli_catch_stop();
    progress_init(&progress, quiet, &cli_stop);
    o.progress = progress_show;
    o.cookie = &progress;
    const int failed = penchant_train(&o, &report, &err);
    progress_end(&progress);
    if (failed)
        return cli_fail_error("train", &err);
    struct buf b;
    buf_init(&b, 1 << 16);
    if (json)
        report_json(&b, &report);
    else
        report_text(&b, &report);
    status = cli_print("train", &b);
    buf_release(&b);
    return status;
}

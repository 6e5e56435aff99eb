/* SPDX-License-Identifier: Apache-2.0 */
/* penchant evaluate: the quality of a trained shop, beside its sources alone. */
#include "cli/cli.h"

#include <stdio.h>

#include "base/json_writer.h"

static const unsigned cut[3] = {5, 10, 20};

static void metric_json(struct json_writer *w, const char *name,
                        const struct penchant_metric m[3])
{
    for (int i = 0; i < 3; i++) {
        char key[16];
        snprintf(key, sizeof(key), "%s@%u", name, cut[i]);
        cli_metric_json(w, key, &m[i]);
    }
}

static void outlook_quality_json(struct json_writer *w,
                                 const struct penchant_evaluation *e)
{
    json_key(w, "outlook");
    json_begin_object(w);
    for (int i = 0; i < PENCHANT_OUTLOOK_QUALITIES; i++) {
        const struct penchant_outlook_quality *q = &e->outlook[i];
        json_key(w, q->name);
        json_begin_object(w);
        json_key_string(w, "reason", q->reason);
        if (!q->reason) {
            json_key_uint(w, "n", q->n);
            json_key_double(w, "rate", q->rate, 6);
            json_key_double(w, "log_loss", q->log_loss, 6);
            json_key_double(w, "base_log_loss", q->base_log_loss, 6);
            json_key_double(w, "rf_log_loss", q->rf_log_loss, 6);
            json_key_double(w, "gain", q->gain, 6);
            json_key_double(w, "gain_error", q->error, 6);
            json_key_double(w, "auc", q->auc, 6);
            json_key_double(w, "ece", q->ece, 6);
        }
        json_end_object(w);
    }
    json_end_object(w);
}

static void outlook_quality_text(struct buf *b, const struct penchant_evaluation *e)
{
    buf_printf(b, "\n\n%-14s %6s %8s %8s %8s %6s %6s", "what comes", "rate", "log loss",
               "rate's", "r-f's", "AUC", "ECE");
    for (int i = 0; i < PENCHANT_OUTLOOK_QUALITIES; i++) {
        const struct penchant_outlook_quality *q = &e->outlook[i];
        if (q->reason)
            buf_printf(b, "\n%-14s not given: %s", q->name, q->reason);
        else if (i == 0)
            buf_printf(b, "\n%-14s %6s %8.4f %8.4f %8.4f", q->name, "", q->log_loss,
                       q->base_log_loss, q->rf_log_loss);
        else
            buf_printf(b, "\n%-14s %6.4f %8.4f %8.4f %8.4f %6.4f %6.4f", q->name, q->rate,
                       q->log_loss, q->base_log_loss, q->rf_log_loss, q->auc, q->ece);
    }
    if (e->outlook[0].n || e->outlook[PENCHANT_OUTLOOK_QUALITIES - 1].n)
        buf_puts(
            b, "\nlog loss beside that of the rate before and of recency and frequency");
}

static void report_json(struct buf *b, const struct penchant_evaluation *e)
{
    struct json_writer w;
    json_init(&w, b);
    json_begin_object(&w);
    json_key_uint(&w, "cases", e->cases);
    json_key_bool(&w, "seen_excluded", e->seen_excluded);
    for (size_t i = 0; i < e->n; i++) {
        const struct penchant_quality *q = &e->quality[i];
        json_key(&w, q->name);
        json_begin_object(&w);
        metric_json(&w, "hr", q->hr);
        metric_json(&w, "ndcg", q->ndcg);
        metric_json(&w, "mrr", q->mrr);
        json_end_object(&w);
    }
    json_key(&w, "over_best_single");
    json_begin_object(&w);
    json_key_string(&w, "source", e->best_single);
    cli_metric_json(&w, "ndcg@10", &e->over_ndcg10);
    cli_metric_json(&w, "mrr@20", &e->over_mrr20);
    cli_metric_json(&w, "hr@20", &e->over_hr20);
    json_end_object(&w);
    outlook_quality_json(&w, e);
    cli_values_json(&w, e->value);
    json_end_object(&w);
}

void cli_print_quality(struct buf *b, const struct penchant_evaluation *e)
{
    buf_printf(b, "%-14s %-22s %-22s %-22s", "", "HR@10", "NDCG@10", "MRR@20");
    for (size_t i = 0; i < e->n; i++) {
        const struct penchant_quality *q = &e->quality[i];
        const struct penchant_metric *m[3] = {&q->hr[1], &q->ndcg[1], &q->mrr[2]};
        buf_printf(b, "\n%-14s", q->name);
        for (int j = 0; j < 3; j++)
            buf_printf(b, " %.4f [%.4f-%.4f]", m[j]->value, m[j]->low, m[j]->high);
    }
    buf_printf(b, "\nover %s alone: NDCG@10 %+.4f [%+.4f, %+.4f]", e->best_single,
               e->over_ndcg10.value, e->over_ndcg10.low, e->over_ndcg10.high);
    buf_printf(b, "\n%llu users' last events, %s; 95 %% intervals",
               (unsigned long long)e->cases,
               e->seen_excluded ? "seen items excluded" : "among all items");
}

static void report_text(struct buf *b, const struct penchant_evaluation *e)
{
    cli_print_quality(b, e);
    outlook_quality_text(b, e);
    cli_print_values(b, e->value);
}

int cmd_evaluate(int argc, char **argv)
{
    const char *dir = CLI_DEFAULT_DIR;
    bool json = false;
    const char *sources = "all";
    const struct cli_option options[] = {
        CLI_DIR(&dir),
        {"sources", 0, CLI_STRING, &sources, "S", NULL, 0, 0, "all, or names by comma"},
        CLI_JSON(&json)};
    const struct cli_spec spec = {
        "evaluate", "how well a trained shop predicts what its users did last",
        "The event that training held out of each user, among all items; where users "
        "practically never come back to one, among those not seen before;\n"
        "and how well what comes next and within 7 days (docs/outlook.md) and what items "
        "are worth (docs/values.md) was told.",
        options, sizeof(options) / sizeof(options[0])};
    int status = cli_parse(&spec, argc, argv);
    if (status != CLI_CONTINUE)
        return status;
    struct penchant *shop = NULL;
    struct penchant_evaluation e = {0};
    struct penchant_error err = {0};
    if (cli_open_shop(&shop, "evaluate", dir, CLI_OPEN_READ))
        return CLI_FAILED;
    const int failed = penchant_evaluate(shop, sources, &e, &err);
    penchant_close(&shop);
    if (failed)
        return cli_fail_error("evaluate", &err);
    struct buf b;
    buf_init(&b, 1 << 16);
    if (json)
        report_json(&b, &e);
    else
        report_text(&b, &e);
    status = cli_print("evaluate", &b);
    buf_release(&b);
    return status;
}

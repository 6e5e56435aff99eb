/* SPDX-License-Identifier: Apache-2.0 */
/* penchant import: a behaviour log and a list of items into a shop. */
#include <stdio.h>

#include "base/json_writer.h"
#include "base/progress.h"
#include "cli/cli.h"

static void on_complaint(void *cookie, const char *line)
{
    progress_end(cookie);
    fprintf(stderr, "%s\n", line);
}

static void report_json(struct buf *b, const struct penchant_import_report *r, bool check)
{
    struct json_writer w;
    json_init(&w, b);
    json_begin_object(&w);
    json_key_bool(&w, "check", check);
    json_key_uint(&w, "lines", r->lines);
    json_key_uint(&w, "events", r->events);
    json_key_uint(&w, "items", r->items);
    json_key_uint(&w, "users", r->users);
    json_key_uint(&w, "errors", r->errors);
    json_key_uint(&w, "duplicates", r->duplicates);
    json_key_uint(&w, "cancelled", r->cancelled);
    json_key_uint(&w, "bots", r->bots);
    json_key_uint(&w, "double_clicks", r->double_clicks);
    json_key_uint(&w, "price_outliers", r->price_outliers);
    json_key_uint(&w, "dropped", r->dropped);
    json_key_bool(&w, "has_clock", r->has_clock);
    json_key_double(&w, "seconds", r->seconds, 6);
    json_end_object(&w);
}

static void row(struct buf *b, const char *name, uint64_t count, const char *note)
{
    buf_printf(b, "\n%-16s %12llu  %s", name, (unsigned long long)count, note);
}

static void report_text(struct buf *b, const struct penchant_import_report *r, bool check)
{
    buf_printf(b, "%s %llu lines in %.1f s (%.0f events/s)", check ? "checked" : "read",
               (unsigned long long)r->lines, r->seconds,
               r->seconds > 0 ? (double)r->events / r->seconds : 0);
    row(b, "events", r->events, check ? "would be taken" : "taken");
    row(b, "users", r->users, check ? "in these files" : "new");
    row(b, "items", r->items, check ? "in these files" : "new");
    row(b, "bad lines", r->errors, "skipped, each named above");
    row(b, "duplicates", r->duplicates, "had an event_id that was known");
    row(b, "cancelled", r->cancelled, "purchases undone by refunds");
    row(b, "bots", r->bots, "events that look automatic");
    row(b, "double clicks", r->double_clicks, "the same again within a moment");
    row(b, "price outliers", r->price_outliers, "far from the item's usual price");
    row(b, "dropped", r->dropped, "of the three above, on request");
    if (!r->has_clock)
        buf_puts(b, "\nThe timestamps only mean order: nothing will depend on time.");
}

int cmd_import(int argc, char **argv)
{
    struct penchant_import_options o;
    struct progress progress;
    const char *dir = CLI_DEFAULT_DIR;
    bool json = false, quiet = false;
    penchant_import_options_default(&o);
    const struct cli_option options[] = {
        CLI_DIR(&dir),
        {"events", 0, CLI_STRING, &o.events, "F", NULL, 0, 0,
         "CSV or JSON lines, plain, .gz or .zst; - for standard input"},
        {"items", 0, CLI_STRING, &o.items, "F", NULL, 0, 0, "the same for the catalogue"},
        {"map", 0, CLI_STRING, &o.map, "OURS=THEIRS,..", NULL, 0, 0,
         "columns with other names, as in user_id=visitorid"},
        {"max-errors", 0, CLI_U64, &o.max_errors, "N", NULL, 0, 0,
         "bad lines after which nothing is kept"},
        {"check", 0, CLI_FLAG, &o.check, NULL, NULL, 0, 0,
         "read and report, keep nothing"},
        {"drop-bots", 0, CLI_FLAG, &o.drop_bots, NULL, NULL, 0, 0,
         "leave out events that look automatic"},
        {"drop-double-clicks", 0, CLI_FLAG, &o.drop_double_clicks, NULL, NULL, 0, 0,
         "leave out repetitions within a moment"},
        {"drop-price-outliers", 0, CLI_FLAG, &o.drop_price_outliers, NULL, NULL, 0, 0,
         "leave out events with an absurd price"},
        CLI_JSON(&json),
        CLI_QUIET(&quiet),
    };
    const struct cli_spec spec = {
        "import", "read a behaviour log and a list of items into a shop",
        "All of a file is taken or, after too many bad lines, nothing. Usual column "
        "names\n"
        "(user_id, visitorid, item_id, sku, event, timestamp, ..) are known.",
        options, sizeof(options) / sizeof(options[0])};
    int status = cli_parse(&spec, argc, argv);
    if (status != CLI_CONTINUE)
        return status;
    if (!o.events && !o.items)
        return cli_fail(CLI_USAGE, "import", "give --events, --items or both");

    struct penchant *shop = NULL;
    /* A check looks at the files alone: it makes no shop and works beside a server. */
    if (cli_open_shop(&shop, "import", dir, o.check ? CLI_OPEN_MEMORY : CLI_OPEN_CREATE))
        return CLI_FAILED;
    struct penchant_import_report report = {0};
    struct penchant_error err = {0};
    cli_catch_stop();
    progress_init(&progress, quiet, &cli_stop);
    o.progress = progress_show;
    o.complain = on_complaint;
    o.cookie = &progress;
    const int failed = penchant_import(shop, &o, &report, &err);
    progress_end(&progress);
    penchant_close(&shop);
    if (failed)
        return cli_fail(CLI_FAILED, "import", "%s; nothing of this import was kept",
                        err.text[0] ? err.text : penchant_status_text(failed));
    struct buf b;
    buf_init(&b, 1 << 16);
    if (json)
        report_json(&b, &report, o.check);
    else
        report_text(&b, &report, o.check);
    status = cli_print("import", &b);
    buf_release(&b);
    return status;
}

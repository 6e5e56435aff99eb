/* SPDX-License-Identifier: Apache-2.0 */
/* penchant import: a behaviour log, a list of items and their vectors into a shop. */
#include <stdio.h>
#include <string.h>

#include "base/json_writer.h"
#include "base/progress.h"
#include "cli/cli.h"

static void on_complaint(void *cookie, const char *line)
{
    progress_end(cookie);
    fprintf(stderr, "%s\n", line);
}

/* What was asked for and what came of it. */
struct import {
    struct penchant_import_options files;
    struct penchant_vectors_options vectors;
    bool drop; /* the vectors of that name */
    bool kept; /* the events and items are in the shop */
    struct penchant_import_report read;
    struct penchant_vectors_report given;
};

static bool has_files(const struct import *im)
{
    return im->files.events || im->files.items;
}

static void vectors_json(struct json_writer *w, const struct import *im)
{
    const struct penchant_vectors_report *r = &im->given;
    json_key(w, "vectors");
    json_begin_object(w);
    json_key_string(w, "name", im->vectors.name);
    json_key_uint(w, "dim", r->dim);
    json_key_uint(w, "rows", r->rows);
    json_key_uint(w, "taken", r->vectors);
    json_key_uint(w, "unknown", r->unknown);
    json_key_uint(w, "empty", r->empty);
    json_key_double(w, "seconds", r->seconds, 6);
    json_end_object(w);
}

static void files_json(struct json_writer *w, const struct penchant_import_report *r)
{
    json_key_uint(w, "lines", r->lines);
    json_key_uint(w, "events", r->events);
    json_key_uint(w, "items", r->items);
    json_key_uint(w, "users", r->users);
    json_key_uint(w, "errors", r->errors);
    json_key_uint(w, "duplicates", r->duplicates);
    json_key_uint(w, "cancelled", r->cancelled);
    json_key_uint(w, "bots", r->bots);
    json_key_uint(w, "double_clicks", r->double_clicks);
    json_key_uint(w, "price_outliers", r->price_outliers);
    json_key_uint(w, "dropped", r->dropped);
    json_key_bool(w, "has_clock", r->has_clock);
    json_key_double(w, "seconds", r->seconds, 6);
}

static void report_json(struct buf *b, const struct import *im)
{
    struct json_writer w;
    json_init(&w, b);
    json_begin_object(&w);
    json_key_bool(&w, "check", im->files.check);
    if (has_files(im))
        files_json(&w, &im->read);
    if (im->vectors.vectors)
        vectors_json(&w, im);
    json_end_object(&w);
}

static void row(struct buf *b, const char *name, uint64_t count, const char *note)
{
    buf_printf(b, "\n%-16s %12llu  %s", name, (unsigned long long)count, note);
}

static void vectors_text(struct buf *b, const struct import *im)
{
    const struct penchant_vectors_report *r = &im->given;
    buf_printf(b, "%s%s %llu vectors of %u numbers in %.1f s", b->len ? "\n" : "",
               im->files.check ? "checked" : "read", (unsigned long long)r->rows, r->dim,
               r->seconds);
    row(b, "vectors", r->vectors, im->files.check ? "would be taken" : "taken");
    row(b, "unknown", r->unknown, "of items that the shop does not know");
    row(b, "empty", r->empty, "all zero");
}

static void files_text(struct buf *b, const struct penchant_import_report *r, bool check)
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

/* Both in a transaction of its own, the items before their vectors. */
static int import(struct penchant *shop, struct import *im, struct penchant_error *err)
{
    int failed = has_files(im) ? penchant_import(shop, &im->files, &im->read, err) : 0;
    im->kept = !failed && has_files(im) && !im->files.check;
    if (!failed && im->vectors.vectors)
        failed = penchant_import_vectors(shop, &im->vectors, &im->given, err);
    if (!failed && im->drop)
        failed = penchant_remove_vectors(shop, im->vectors.name, err);
    return failed;
}

static int print_report(const struct import *im, bool json)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    if (json) {
        report_json(&b, im);
    } else {
        if (has_files(im))
            files_text(&b, &im->read, im->files.check);
        if (im->vectors.vectors)
            vectors_text(&b, im);
        if (im->drop)
            buf_printf(&b, "removed the vectors called %s", im->vectors.name);
    }
    const int status = cli_print("import", &b);
    buf_release(&b);
    return status;
}

/* Whether another weight than the usual one was asked for. */
static bool is_weighted(const struct penchant_vectors_options *v)
{
    struct penchant_vectors_options usual;
    penchant_vectors_options_default(&usual);
    return v->weight < usual.weight || v->weight > usual.weight;
}

static int check_usage(const struct import *im)
{
    const struct penchant_vectors_options *v = &im->vectors;
    if (!has_files(im) && !v->vectors && !im->drop)
        return cli_fail(CLI_USAGE, "import", "give --events, --items or --vectors");
    if ((v->vectors || im->drop) && !v->name)
        return cli_fail(CLI_USAGE, "import", "vectors need a --name");
    if (im->drop && (v->vectors || has_files(im) || im->files.check))
        return cli_fail(CLI_USAGE, "import", "--drop-vectors stands alone");
    const char *idle = v->ids                 ? "--ids"
                       : is_weighted(v)       ? "--weight"
                       : v->name && !im->drop ? "--name"
                                              : NULL;
    if (!v->vectors && idle)
        return cli_fail(CLI_USAGE, "import", "%s goes with --vectors", idle);
    return CLI_CONTINUE;
}

static int run(struct import *im, const char *dir, bool json, bool quiet)
{
    struct penchant *shop = NULL;
    struct progress progress;
    struct penchant_error err = {0};
    /* A check looks at the files alone: it makes no shop and works beside a server. */
    if (cli_open_shop(&shop, "import", dir,
                      im->files.check ? CLI_OPEN_MEMORY : CLI_OPEN_CREATE))
        return CLI_FAILED;
    cli_catch_stop();
    progress_init(&progress, quiet, &cli_stop);
    im->files.progress = im->vectors.progress = progress_show;
    im->files.complain = on_complaint;
    im->files.cookie = im->vectors.cookie = &progress;
    if (im->files.items && strcmp(im->files.items, "-") != 0) /* it is read again */
        im->vectors.items = im->files.items;
    im->vectors.check = im->files.check;
    const int failed = import(shop, im, &err);
    progress_end(&progress);
    penchant_close(&shop);
    if (failed && im->drop)
        return cli_fail_error("import", &err);
    if (failed)
        return cli_fail(CLI_FAILED, "import", "%s; %s",
                        err.text[0] ? err.text : penchant_status_text(failed),
                        im->kept ? "events and items were kept, no vector was"
                                 : "nothing of this import was kept");
    return print_report(im, json);
}

int cmd_import(int argc, char **argv)
{
    struct import im = {0};
    struct penchant_import_options *o = &im.files;
    const char *dir = CLI_DEFAULT_DIR;
    bool json = false, quiet = false;
    penchant_import_options_default(o);
    penchant_vectors_options_default(&im.vectors);
    const struct cli_option options[] = {
        CLI_DIR(&dir),
        {"events", 0, CLI_STRING, &o->events, "F", NULL, 0, 0,
         "CSV or JSON lines, plain, .gz or .zst; - for standard input"},
        {"items", 0, CLI_STRING, &o->items, "F", NULL, 0, 0,
         "the same for the catalogue"},
        {"map", 0, CLI_STRING, &o->map, "OURS=THEIRS,..", NULL, 0, 0,
         "columns with other names, as in user_id=visitorid"},
        {"max-errors", 0, CLI_U64, &o->max_errors, "N", NULL, 0, 0,
         "bad lines after which nothing is kept"},
        {"check", 0, CLI_FLAG, &o->check, NULL, NULL, 0, 0,
         "read and report, keep nothing"},
        {"drop-bots", 0, CLI_FLAG, &o->drop_bots, NULL, NULL, 0, 0,
         "leave out events that look automatic"},
        {"drop-double-clicks", 0, CLI_FLAG, &o->drop_double_clicks, NULL, NULL, 0, 0,
         "leave out repetitions within a moment"},
        {"drop-price-outliers", 0, CLI_FLAG, &o->drop_price_outliers, NULL, NULL, 0, 0,
         "leave out events with an absurd price"},
        {"vectors", 0, CLI_STRING, &im.vectors.vectors, "F", NULL, 0, 0,
         "vectors of items: NumPy, safetensors or JSON lines"},
        {"name", 0, CLI_STRING, &im.vectors.name, "NAME", NULL, 0, 0,
         "what the vectors are called; they replace those of that name"},
        {"ids", 0, CLI_STRING, &im.vectors.ids, "F", "the order of --items", 0, 0,
         "whose the rows of a table are: one item_id a line"},
        {"weight", 0, CLI_DOUBLE, &im.vectors.weight, "W", NULL, 1e-6, 100,
         "of the vectors beside the items' own text, which has 1"},
        {"drop-vectors", 0, CLI_FLAG, &im.drop, NULL, NULL, 0, 0,
         "remove the vectors called --name"},
        CLI_JSON(&json),
        CLI_QUIET(&quiet),
    };
    const struct cli_spec spec = {
        "import", "read a behaviour log, items and their vectors into a shop",
        "All of a file is taken or, after too many bad lines, nothing. Usual column "
        "names\n"
        "(user_id, visitorid, item_id, sku, event, timestamp, ..) are known.",
        options, sizeof(options) / sizeof(options[0])};
    int status = cli_parse(&spec, argc, argv);
    if (status != CLI_CONTINUE)
        return status;
    status = check_usage(&im);
    return status == CLI_CONTINUE ? run(&im, dir, json, quiet) : status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* penchant status: what a shop holds and how its model is doing. */
#include "base/json_writer.h"
#include "cli/cli.h"

static void time_json(struct json_writer *w, const char *key, int64_t us)
{
    char text[CLI_TIME_SIZE];
    json_key_string(w, key, us ? cli_time(us, text) : NULL);
}

static void report_json(struct buf *b, const struct penchant_status_report *r)
{
    struct json_writer w;
    json_init(&w, b);
    json_begin_object(&w);
    json_key_uint(&w, "events", r->events);
    json_key_uint(&w, "users", r->users);
    json_key_uint(&w, "items", r->items);
    json_key_uint(&w, "slates", r->slates);
    json_key_bool(&w, "has_clock", r->has_clock);
    time_json(&w, "first", r->has_clock ? r->first_us : 0);
    time_json(&w, "last", r->has_clock ? r->last_us : 0);
    json_key_uint(&w, "disk_bytes", r->disk_bytes);
    json_key_bool(&w, "read_only", r->read_only);
    json_key_bool(&w, "has_model", r->has_model);
    if (r->has_model) {
        json_key_string(&w, "preset", r->preset);
        json_key_uint(&w, "dim", r->dim);
        json_key_uint(&w, "blocks", r->blocks);
        json_key_uint(&w, "model_version", r->model_version);
        time_json(&w, "model_trained", r->model_trained_us);
        json_key_double(&w, "validation_ndcg@10", r->model_ndcg10, 6);
    }
    json_end_object(&w);
}

static void report_text(struct buf *b, const struct penchant_status_report *r)
{
    char first[CLI_TIME_SIZE], last[CLI_TIME_SIZE];
    buf_printf(b, "events  %llu", (unsigned long long)r->events);
    if (r->has_clock && r->events)
        buf_printf(b, " from %s to %s", cli_time(r->first_us, first),
                   cli_time(r->last_us, last));
    else if (r->events)
        buf_puts(b, " in order, without a clock");
    buf_printf(b, "\nusers   %llu\nitems   %llu\nslates  %llu\ndisk    %.1f MB",
               (unsigned long long)r->users, (unsigned long long)r->items,
               (unsigned long long)r->slates, (double)r->disk_bytes / 1e6);
    if (r->has_model)
        buf_printf(b,
                   "\nmodel   %s, dim %u, %u blocks, trained %s, validation NDCG@10 %.4f",
                   r->preset, r->dim, r->blocks, cli_time(r->model_trained_us, first),
                   r->model_ndcg10);
    else
        buf_puts(b, "\nmodel   none: `penchant train` makes one");
    if (r->read_only)
        buf_puts(b, "\nAnother process has this shop open for writing.");
}

int cmd_status(int argc, char **argv)
{
    const char *dir = CLI_DEFAULT_DIR;
    bool json = false;
    const struct cli_option options[] = {CLI_DIR(&dir), CLI_JSON(&json)};
    const struct cli_spec spec = {"status",
                                  "what a shop holds and how its model is doing", NULL,
                                  options, sizeof(options) / sizeof(options[0])};
    int status = cli_parse(&spec, argc, argv);
    if (status != CLI_CONTINUE)
        return status;
    struct penchant *shop = NULL;
    struct penchant_status_report r = {0};
    struct penchant_error err = {0};
    if (cli_open_shop(&shop, "status", dir, CLI_OPEN_ANY))
        return CLI_FAILED;
    const int failed = penchant_status(shop, &r, &err);
    penchant_close(&shop);
    if (failed)
        return cli_fail_error("status", &err);
    struct buf b;
    buf_init(&b, 1 << 16);
    if (json)
        report_json(&b, &r);
    else
        report_text(&b, &r);
    status = cli_print("status", &b);
    buf_release(&b);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* penchant export: a shop's events and items as CSV, vectors and slates as JSON lines. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "cli/cli.h"
#include "server/slate_json.h"

/* A list of 1,000 places and what it was drawn from, in JSON. */
enum { MOST_LINE = 1 << 20 };

struct slate_file {
    FILE *file;
    struct buf line;
};

static int write_slate(void *cookie, const struct penchant_slate *slate)
{
    struct slate_file *f = cookie;
    struct json_writer w;
    buf_clear(&f->line);
    json_init(&w, &f->line);
    slate_json(&w, slate);
    buf_putc(&f->line, '\n');
    return f->line.failed || fwrite(f->line.data, 1, f->line.len, f->file) != f->line.len
               ? PENCHANT_EIO
               : PENCHANT_OK;
}

/* Beside the file first, so that a whole one or none stands there. */
static int export_slates(struct penchant *shop, const char *path,
                         struct penchant_error *err)
{
    const bool standard = !strcmp(path, "-");
    struct slate_file f = {.file = stdout};
    char beside[4096];
    if ((size_t)snprintf(beside, sizeof(beside), "%s.part", path) >= sizeof(beside))
        return error_set(err, PENCHANT_EINVALID, "the name of the file is too long");
    if (!standard && !(f.file = fopen(beside, "we")))
        return error_set(err, PENCHANT_EIO, "cannot write %s: %s", beside,
                         strerror(errno));
    buf_init(&f.line, MOST_LINE);
    int status = penchant_read_slates(shop, write_slate, &f, err);
    buf_release(&f.line);
    const int flushed = fflush(f.file);
    const int closed = standard ? 0 : fclose(f.file);
    const bool written = status != PENCHANT_EIO && !flushed && !closed;
    if (status == PENCHANT_OK && written && (standard || rename(beside, path) == 0))
        return PENCHANT_OK;
    if (!standard)
        remove(beside);
    if (status == PENCHANT_OK || (status == PENCHANT_EIO && !err->text[0]))
        status = error_set(err, PENCHANT_EIO, "cannot write %s", path);
    return status;
}

int cmd_export(int argc, char **argv)
{
    const char *dir = CLI_DEFAULT_DIR, *events = NULL, *items = NULL;
    const char *vectors = NULL, *name = NULL, *slates = NULL;
    const struct cli_option options[] = {
        CLI_DIR(&dir),
        {"events", 0, CLI_STRING, &events, "F", NULL, 0, 0,
         "where the events go; - for standard output"},
        {"items", 0, CLI_STRING, &items, "F", NULL, 0, 0, "where the catalogue goes"},
        {"vectors", 0, CLI_STRING, &vectors, "F", NULL, 0, 0,
         "where the vectors called --name go, as JSON lines"},
        {"name", 0, CLI_STRING, &name, "NAME", NULL, 0, 0, "which vectors"},
        {"slates", 0, CLI_STRING, &slates, "F", NULL, 0, 0,
         "where the lists that were shown go, with propensities and rewards, as JSON "
         "lines"},
    };
    const struct cli_spec spec = {"export",
                                  "write a shop's events, items, vectors and slates",
                                  "What import reads back gives the same shop; slates "
                                  "are for evaluation (docs/rewards.md).",
                                  options, sizeof(options) / sizeof(options[0])};
    const int status = cli_parse(&spec, argc, argv);
    if (status != CLI_CONTINUE)
        return status;
    if (!events && !items && !vectors && !slates)
        return cli_fail(CLI_USAGE, "export",
                        "give --events, --items, --vectors or --slates");
    if (!vectors != !name)
        return cli_fail(CLI_USAGE, "export", "--vectors and --name go together");
    struct penchant *shop = NULL;
    struct penchant_error err = {0};
    if (cli_open_shop(&shop, "export", dir, CLI_OPEN_READ))
        return CLI_FAILED;
    int failed = events || items ? penchant_export(shop, events, items, &err) : 0;
    if (!failed && vectors)
        failed = penchant_export_vectors(shop, name, vectors, &err);
    if (!failed && slates)
        failed = export_slates(shop, slates, &err);
    penchant_close(&shop);
    return failed ? cli_fail_error("export", &err) : CLI_OK;
}

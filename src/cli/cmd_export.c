/* SPDX-License-Identifier: Apache-2.0 */
/* penchant export: a shop's events and items as CSV, vectors as JSON lines. */
#include "cli/cli.h"

int cmd_export(int argc, char **argv)
{
    const char *dir = CLI_DEFAULT_DIR, *events = NULL, *items = NULL;
    const char *vectors = NULL, *name = NULL;
    const struct cli_option options[] = {
        CLI_DIR(&dir),
        {"events", 0, CLI_STRING, &events, "F", NULL, 0, 0,
         "where the events go; - for standard output"},
        {"items", 0, CLI_STRING, &items, "F", NULL, 0, 0, "where the catalogue goes"},
        {"vectors", 0, CLI_STRING, &vectors, "F", NULL, 0, 0,
         "where the vectors called --name go, as JSON lines"},
        {"name", 0, CLI_STRING, &name, "NAME", NULL, 0, 0, "which vectors"},
    };
    const struct cli_spec spec = {"export",
                                  "write a shop's events, items and vectors back",
                                  "What import reads back gives the same shop.", options,
                                  sizeof(options) / sizeof(options[0])};
    const int status = cli_parse(&spec, argc, argv);
    if (status != CLI_CONTINUE)
        return status;
    if (!events && !items && !vectors)
        return cli_fail(CLI_USAGE, "export", "give --events, --items or --vectors");
    if (!vectors != !name)
        return cli_fail(CLI_USAGE, "export", "--vectors and --name go together");
    struct penchant *shop = NULL;
    struct penchant_error err = {0};
    if (cli_open_shop(&shop, "export", dir, CLI_OPEN_READ))
        return CLI_FAILED;
    int failed = events || items ? penchant_export(shop, events, items, &err) : 0;
    if (!failed && vectors)
        failed = penchant_export_vectors(shop, name, vectors, &err);
    penchant_close(&shop);
    return failed ? cli_fail_error("export", &err) : CLI_OK;
}

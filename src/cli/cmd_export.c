/* SPDX-License-Identifier: Apache-2.0 */
/* penchant export: a shop's events and items as CSV. */
#include "cli/cli.h"

int cmd_export(int argc, char **argv)
{
    const char *dir = CLI_DEFAULT_DIR, *events = NULL, *items = NULL;
    const struct cli_option options[] = {
        CLI_DIR(&dir),
        {"events", 0, CLI_STRING, &events, "F", NULL, 0, 0,
         "where the events go; - for standard output"},
        {"items", 0, CLI_STRING, &items, "F", NULL, 0, 0, "where the catalogue goes"},
    };
    const struct cli_spec spec = {"export", "write a shop's events and items back as CSV",
                                  "What import reads back gives the same shop.", options,
                                  sizeof(options) / sizeof(options[0])};
    const int status = cli_parse(&spec, argc, argv);
    if (status != CLI_CONTINUE)
        return status;
    if (!events && !items)
        return cli_fail(CLI_USAGE, "export", "give --events, --items or both");
    struct penchant *shop = NULL;
    struct penchant_error err = {0};
    if (cli_open_shop(&shop, "export", dir, CLI_OPEN_READ))
        return CLI_FAILED;
    const int failed = penchant_export(shop, events, items, &err);
    penchant_close(&shop);
    return failed ? cli_fail_error("export", &err) : CLI_OK;
}

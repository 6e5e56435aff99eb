/* SPDX-License-Identifier: Apache-2.0 */
/* penchant similar: what goes with an item. */
#include "cli/cli.h"

int cmd_similar(int argc, char **argv)
{
    const char *dir = CLI_DEFAULT_DIR, *item = NULL;
    uint32_t k = 10;
    bool json = false;
    const struct cli_option options[] = {
        CLI_DIR(&dir),
        {"item", 'i', CLI_STRING, &item, "I", NULL, 0, 0, "the item"},
        CLI_K(&k),
        CLI_JSON(&json),
    };
    const struct cli_spec spec = {"similar", "what goes with an item", NULL, options,
                                  sizeof(options) / sizeof(options[0])};
    int status = cli_parse(&spec, argc, argv);
    if (status != CLI_CONTINUE)
        return status;
    if (!item)
        return cli_fail(CLI_USAGE, "similar", "give --item");
    struct penchant *shop = NULL;
    struct penchant_list *list = NULL;
    struct penchant_error err = {0};
    if (cli_open_shop(&shop, "similar", dir, CLI_OPEN_ANY))
        return CLI_FAILED;
    if (penchant_similar(shop, item, k, &list, &err))
        status = cli_fail_error("similar", &err);
    else
        status = cli_print_list("similar", shop, list, json);
    penchant_list_free(list);
    penchant_close(&shop);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* penchant balance: what lists come to, beside its targets, which are set here too. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "server/balance_json.h"

static void put_number(struct buf *b, double x)
{
    if (isnan(x))
        buf_printf(b, "%12s", "-");
    else
        buf_printf(b, "%12.4f", x);
}

static void report_text(struct buf *b, const struct penchant_balance_report *r)
{
    buf_printf(b, "%llu places shown, %llu updates\n\n%-12s%12s%12s%12s",
               (unsigned long long)r->impressions, (unsigned long long)r->updates,
               "measure", "target", "realised", "multiplier");
    for (int m = 0; m < PENCHANT_BALANCES; m++) {
        const struct penchant_balanced *x = &r->measure[m];
        buf_printf(b, "\n%-12s", x->name);
        put_number(b, x->target);
        put_number(b, x->realised);
        put_number(b, isnan(x->target) ? (double)NAN : x->multiplier);
    }
}

static int take_target(const char *text, uint32_t *which,
                       double target[PENCHANT_BALANCES],
                       const struct penchant_balance_report *names)
{
    for (uint32_t m = 0; m < PENCHANT_BALANCES; m++) {
        const char *name = names->measure[m].name;
        const size_t n = strlen(name);
        const bool none = !strncmp(text, name, n) && !strcmp(text + n, "=none");
        if (!none && !cli_assignment(text, name, &target[m]))
            continue;
        if (none)
            target[m] = NAN;
        *which |= UINT32_C(1) << m;
        return CLI_OK;
    }
    return cli_fail(CLI_USAGE, "balance",
                    "--target: \"%s\" is no measure with a number or none", text);
}

static int set_targets(struct penchant *shop, const char *list,
                       const struct penchant_balance_report *names)
{
    struct penchant_error err = {0};
    double target[PENCHANT_BALANCES];
    uint32_t which = 0;
    size_t n;
    char *copy;
    const char **part = cli_split(list, &n, &copy);
    if (!part)
        return cli_fail(CLI_FAILED, "balance", "out of memory");
    int status = CLI_OK;
    for (size_t i = 0; i < n && status == CLI_OK; i++)
        status = take_target(part[i], &which, target, names);
    if (status == CLI_OK && penchant_set_balance(shop, which, target, &err))
        status = cli_fail_error("balance", &err);
    free(part);
    free(copy);
    return status;
}

static int report(struct penchant *shop, const char *targets, bool json)
{
    struct penchant_balance_report r;
    struct penchant_error err = {0};
    struct buf b;
    struct json_writer w;
    int status =
        penchant_get_balance(shop, &r, &err) ? cli_fail_error("balance", &err) : CLI_OK;
    if (status == CLI_OK && targets) {
        status = set_targets(shop, targets, &r);
        if (status == CLI_OK && penchant_get_balance(shop, &r, &err))
            status = cli_fail_error("balance", &err);
    }
    if (status != CLI_OK)
        return status;
    buf_init(&b, 1 << 16);
    json_init(&w, &b);
    if (json)
        balance_json(&w, &r);
    else
        report_text(&b, &r);
    status = cli_print("balance", &b);
    buf_release(&b);
    return status;
}

int cmd_balance(int argc, char **argv)
{
    const char *dir = CLI_DEFAULT_DIR, *targets = NULL;
    bool json = false;
    const struct cli_option options[] = {
        CLI_DIR(&dir),
        {"target", 0, CLI_STRING, &targets, "M=X,..", "none is changed", 0, 0,
         "sets targets by measure; none takes one away"},
        CLI_JSON(&json),
    };
    const struct cli_spec spec = {
        "balance", "what lists come to, and targets that are held",
        "Setting targets needs the shop for writing; a running server's are set by\n"
        "PUT /v1/balance. docs/balance.md tells the measures.",
        options, sizeof(options) / sizeof(options[0])};
    int status = cli_parse(&spec, argc, argv);
    if (status != CLI_CONTINUE)
        return status;
    struct penchant *shop = NULL;
    if (cli_open_shop(&shop, "balance", dir, targets ? CLI_OPEN_ANY : CLI_OPEN_READ))
        return CLI_FAILED;
    status = report(shop, targets, json);
    penchant_close(&shop);
    return status;
}

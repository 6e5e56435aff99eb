/* SPDX-License-Identifier: Apache-2.0 */
/* penchant next: what a user will do next and within a week. */
#include <math.h>

#include "cli/cli.h"
#include "server/interests_json.h"

static void print_chances(struct buf *b, const char *title,
                          const struct penchant_chance *c, const char *const *name, int n)
{
    buf_printf(b, "\n\n%s", title);
    for (int i = 0; i < n; i++) {
        buf_printf(b, "\n  %-9s ", name[i]);
        if (c[i].reason) {
            buf_printf(b, "cannot be told: %s", c[i].reason);
            continue;
        }
        cli_bar(b, c[i].probability);
        buf_printf(b, " %5.1f %%", 100 * c[i].probability);
    }
}

static void report_text(struct buf *b, const char *user, const struct penchant_outlook *x)
{
    static const char *const next[] = {"view", "cart", "purchase", "other", "leaves"};
    static const char *const week[] = {"view", "cart", "purchase", "nothing"};
    char now[CLI_TIME_SIZE];
    buf_printf(b, "user      %s", user);
    if (x->now_us)
        buf_printf(b, ", as of %s", cli_time(x->now_us, now));
    if (!x->known)
        buf_puts(b, "\nNothing is known of this user: the rates of newcomers.");
    print_chances(b, "next (leaves: nothing for 30 minutes)", x->next, next,
                  PENCHANT_NEXT_N);
    print_chances(b, "within 7 days", x->week, week, PENCHANT_WEEK_N);
}

static int print(const char *user, const struct penchant_outlook *x, bool json)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, 1 << 16);
    json_init(&w, &b);
    if (json)
        outlook_json(&w, user, x);
    else
        report_text(&b, user, x);
    const int status = cli_print("next", &b);
    buf_release(&b);
    return status;
}

int cmd_next(int argc, char **argv)
{
    const char *dir = CLI_DEFAULT_DIR, *user = NULL;
    bool json = false;
    const struct cli_option options[] = {
        CLI_DIR(&dir),
        {"user", 'u', CLI_STRING, &user, "U", NULL, 0, 0, "whose outlook"},
        CLI_JSON(&json),
    };
    const struct cli_spec spec = {
        "next", "what a user will do next and within a week",
        "Calibrated probabilities of a view, a cart, a purchase and of leaving;\n"
        "docs/outlook.md tells how they are learned.",
        options, sizeof(options) / sizeof(options[0])};
    int status = cli_parse(&spec, argc, argv);
    if (status != CLI_CONTINUE)
        return status;
    if (!user)
        return cli_fail(CLI_USAGE, "next", "give --user");
    struct penchant *shop = NULL;
    struct penchant_outlook x;
    struct penchant_error err = {0};
    if (cli_open_shop(&shop, "next", dir, CLI_OPEN_READ))
        return CLI_FAILED;
    status = penchant_get_outlook(shop, user, 0, &x, &err) ? cli_fail_error("next", &err)
                                                           : print(user, &x, json);
    penchant_close(&shop);
    return status;
}

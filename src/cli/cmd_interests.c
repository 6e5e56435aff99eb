/* SPDX-License-Identifier: Apache-2.0 */
/* penchant interests: what a user is interested in, in bars. */
#include <math.h>
#include <stdio.h>

#include "cli/cli.h"
#include "server/interests_json.h"

static void print_shares(struct buf *b, const char *what, const struct penchant_share *s,
                         size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_printf(b, "%s%s %.0f %% (%.1f times the shop's)", i ? ", " : what, s[i].name,
                   100 * s[i].share, s[i].lift);
}

static void print_interest(struct buf *b, const char *name,
                           const struct penchant_interest *x, bool clock)
{
    char first[CLI_TIME_SIZE], last[CLI_TIME_SIZE];
    buf_printf(b, "\n%-11s ", name);
    cli_bar(b, x->weight);
    buf_printf(b, " %3.0f %%  %u event%s", 100 * x->weight, x->events,
               x->events == 1 ? "" : "s");
    if (clock && x->events)
        buf_printf(b, ", %s to %s", cli_time(x->first_us, first),
                   cli_time(x->last_us, last));
    print_shares(b, "\n  categories  ", x->categories, x->n_categories);
    print_shares(b, "\n  brands      ", x->brands, x->n_brands);
    if (!isnan(x->price_low))
        buf_printf(b, "\n  prices      %.2f to %.2f", x->price_low, x->price_high);
    for (size_t i = 0; i < x->n_items; i++)
        buf_printf(b, "%s%s%s%s", i ? "; " : "\n  items       ", x->items[i],
                   x->titles[i] ? " " : "", x->titles[i] ? x->titles[i] : "");
}

static void print_saturation(struct buf *b, const struct penchant_interests *x)
{
    for (size_t i = 0; i < x->n_saturated; i++) {
        const struct penchant_saturation *s = &x->saturated[i];
        buf_puts(b, i ? "\n            " : "\n\nhas had     ");
        cli_bar(b, s->saturation);
        buf_printf(b, " %3.0f %%  %s: %.1f looks lately, %.1f usual", 100 * s->saturation,
                   s->category, s->lately, s->usual);
    }
}

static void report_text(struct buf *b, const struct penchant_interests *x)
{
    char name[32], now[CLI_TIME_SIZE];
    buf_printf(b, "user        %s", x->user_id);
    if (x->now_us)
        buf_printf(b, ", as of %s", cli_time(x->now_us, now));
    buf_puts(b, "\ndrift       ");
    if (isnan(x->drift)) {
        buf_puts(b, "cannot be told: nothing is known of the items");
    } else {
        cli_bar(b, x->drift);
        buf_printf(b, " %3.0f %%", 100 * x->drift);
    }
    buf_puts(b, "\n");
    print_interest(b, "long-term", &x->long_term, x->now_us != 0);
    for (size_t i = 0; i < x->n_short; i++) {
        snprintf(name, sizeof(name), "now %zu", i + 1);
        print_interest(b, name, &x->short_term[i], x->now_us != 0);
    }
    print_saturation(b, x);
}

int cmd_interests(int argc, char **argv)
{
    const char *dir = CLI_DEFAULT_DIR, *user = NULL;
    bool json = false;
    const struct cli_option options[] = {
        CLI_DIR(&dir),
        {"user", 'u', CLI_STRING, &user, "U", NULL, 0, 0, "whose interests"},
        CLI_JSON(&json),
    };
    const struct cli_spec spec = {
        "interests", "what a user is interested in, long-term and now",
        "Also how far the present is from the past, and of what they have had enough;\n"
        "docs/interests.md tells how it is computed.",
        options, sizeof(options) / sizeof(options[0])};
    int status = cli_parse(&spec, argc, argv);
    if (status != CLI_CONTINUE)
        return status;
    if (!user)
        return cli_fail(CLI_USAGE, "interests", "give --user");
    struct penchant *shop = NULL;
    struct penchant_interests *x = NULL;
    struct penchant_error err = {0};
    if (cli_open_shop(&shop, "interests", dir, CLI_OPEN_READ))
        return CLI_FAILED;
    if (penchant_get_interests(shop, user, 0, &x, &err)) {
        status = cli_fail_error("interests", &err);
    } else {
        struct buf b;
        struct json_writer w;
        buf_init(&b, 1 << 20);
        json_init(&w, &b);
        if (json)
            interests_json(&w, x);
        else
            report_text(&b, x);
        status = cli_print("interests", &b);
        buf_release(&b);
    }
    penchant_interests_free(x);
    penchant_close(&shop);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* penchant recommend: the list for a user. */
#include <stdlib.h>

#include "cli/cli.h"

static int recommend(struct penchant *shop, const struct penchant_request *request,
                     bool json)
{
    struct penchant_list *list = NULL;
    struct penchant_error err = {0};
    if (penchant_recommend(shop, request, &list, &err))
        return cli_fail_error("recommend", &err);
    const int status = cli_print_list("recommend", shop, list, json);
    penchant_list_free(list);
    return status;
}

/* "diversity=.3,revenue=1" */
static int take_dials(const char *text, struct penchant_dials *out)
{
    const struct {
        const char *name;
        double *value;
    } dials[] = {
        {"relevance", &out->relevance}, {"value", &out->value},
        {"diversity", &out->diversity}, {"novelty", &out->novelty},
        {"revenue", &out->revenue},     {"explore", &out->explore},
        {"long_term", &out->long_term},
    };
    const size_t n = sizeof dials / sizeof dials[0];
    size_t n_parts;
    char *copy;
    const char **part = cli_split(text, &n_parts, &copy);
    if (!part)
        return cli_fail(CLI_FAILED, "recommend", "out of memory");
    int status = CLI_OK;
    for (size_t i = 0; i < n_parts && status == CLI_OK; i++) {
        size_t d = 0;
        while (d < n && !cli_assignment(part[i], dials[d].name, dials[d].value))
            d++;
        if (d == n)
            status = cli_fail(CLI_USAGE, "recommend",
                              "--balance: \"%s\" is no dial with a number", part[i]);
    }
    free(part);
    free(copy);
    return status;
}

int cmd_recommend(int argc, char **argv)
{
    const char *dir = CLI_DEFAULT_DIR, *exclude = NULL, *balance = NULL;
    uint32_t k = 10;
    bool json = false, plain = false;
    struct penchant_request r;
    penchant_request_default(&r);
    const struct cli_option options[] = {
        CLI_DIR(&dir),
        {"user", 'u', CLI_STRING, &r.user_id, "U", "an unknown visitor", 0, 0,
         "whose list"},
        CLI_K(&k),
        {"exclude", 0, CLI_STRING, &exclude, "A,B,..", NULL, 0, 0,
         "items that must not appear"},
        {"category", 0, CLI_STRING, &r.category, "C", NULL, 0, 0,
         "only items of this category"},
        {"exclude-purchased", 0, CLI_FLAG, &r.exclude_purchased, NULL, NULL, 0, 0,
         "nothing that this user has bought"},
        {"query", 0, CLI_STRING, &r.query, "WORDS", NULL, 0, 0,
         "what the user searches for just now"},
        {"sources", 0, CLI_STRING, &r.sources, "S", NULL, 0, 0, "all, or names by comma"},
        {"placement", 0, CLI_STRING, &r.placement, "P", NULL, 0, 0,
         "where it will be shown; logged with the list"},
        {"explain", 0, CLI_FLAG, &r.explain, NULL, NULL, 0, 0,
         "say how likely each item is and what each source contributes"},
        {"explore", 0, CLI_DOUBLE, &r.explore, "SHARE", "as configured", 0, 1,
         "the share of lists that are drawn; 0: the ranking"},
        {"temperature", 0, CLI_DOUBLE, &r.temperature, "T", "as configured", 0, 1e6,
         "of the draw, in units of the scores"},
        {"kappa", 0, CLI_DOUBLE, &r.kappa, "K", "as configured", 0, 1e6,
         "how much more is drawn what little is known of"},
        {"epsilon", 0, CLI_DOUBLE, &r.epsilon, "E", "as configured", 0, 1,
         "how much of every slot's draw is uniform"},
        {"balance", 0, CLI_STRING, &balance, "D=X,..", "by the shop's targets", 0, 0,
         "dials from 0 to 1: relevance value diversity novelty revenue explore\n"
         "long_term"},
        {"seed", 0, CLI_U64, &r.seed, "S", "any", 0, 0,
         "the same one draws the same list again"},
        {"no-adapt", 0, CLI_FLAG, &plain, NULL, NULL, 0, 0,
         "without what the shop learned from feedback"},
        CLI_JSON(&json),
    };
    const struct cli_spec spec = {
        "recommend", "the list for a user",
        "The list is logged, unless another process has the shop "
        "open.",
        options, sizeof(options) / sizeof(options[0])};
    int status = cli_parse(&spec, argc, argv);
    if (status != CLI_CONTINUE)
        return status;
    char *copy = NULL;
    const char **excluded = NULL;
    r.k = k;
    r.adapt = !plain;
    if (exclude) {
        excluded = cli_split(exclude, &r.n_exclude, &copy);
        if (!excluded)
            return cli_fail(CLI_FAILED, "recommend", "out of memory");
        r.exclude = excluded;
    }
    struct penchant *shop = NULL;
    status = balance ? take_dials(balance, &r.balance) : CLI_OK;
    if (status == CLI_OK)
        status = cli_open_shop(&shop, "recommend", dir, CLI_OPEN_ANY);
    if (status == CLI_OK)
        status = recommend(shop, &r, json);
    penchant_close(&shop);
    free(excluded);
    free(copy);
    return status;
}

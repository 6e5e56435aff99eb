/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/reward.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/config.h"

#define MINUTE_US INT64_C(60000000)
#define DAY_US    (1440 * MINUTE_US)

static const struct {
    const char *name;
    double discount;
} groups[REWARD_GROUPS] = {
    [REWARD_PURCHASE] = {"purchase", 0.95},
    [REWARD_ENGAGEMENT] = {"engagement", 0.7},
    [REWARD_STAYING] = {"staying", 0.99},
};

/* About the discount of NDCG: .66 at the second place, .25 at the tenth. */
#define EXAMINATION_DECAY 0.6

const char *reward_group_name(enum reward_group group)
{
    return groups[group].name;
}

double reward_group_discount(enum reward_group group)
{
    return groups[group].discount;
}

void rewards_default(struct rewards *r)
{
    *r = (struct rewards){
        .rule =
            {
                {"view", 0.2, REWARD_ENGAGEMENT, 30 * MINUTE_US, false},
                {"wish", 0.3, REWARD_ENGAGEMENT, DAY_US, false},
                {"cart", 0.5, REWARD_PURCHASE, DAY_US, false},
                {"purchase", 1, REWARD_PURCHASE, 7 * DAY_US, true},
                {"dislike", -1, REWARD_ENGAGEMENT, DAY_US, false},
            },
        .n = 5,
        .ignored = {"ignored", -0.02, REWARD_ENGAGEMENT, 30 * MINUTE_US, false},
        .leave = {"leave", -0.2, REWARD_STAYING, 30 * MINUTE_US, false},
        .examination_decay = EXAMINATION_DECAY,
    };
}

int rewards_find(const struct rewards *r, const char *event)
{
    for (uint32_t i = 0; i < r->n; i++)
        if (!strcmp(r->rule[i].event, event))
            return (int)i;
    return -1;
}

int64_t rewards_window_us(const struct rewards *r)
{
    int64_t longest = 0;
    for (uint32_t i = 0; i < r->n; i++)
        if (r->rule[i].window_us > longest)
            longest = r->rule[i].window_us;
    return longest;
}

/* ---- a row ---- */

static int bad(const char *event, struct penchant_error *err, const char *what)
{
    return error_field(err, PENCHANT_EINVALID, 0, event, "%.64s: %s", event, what);
}

/* A word after the number; false when it is none. */
static bool take_word(struct reward_rule *rule, const char *word)
{
    for (int g = 0; g < REWARD_GROUPS; g++)
        if (!strcmp(word, groups[g].name)) {
            rule->group = (enum reward_group)g;
            return true;
        }
    if (!strcmp(word, "price")) {
        rule->by_price = true;
        return true;
    }
    return config_duration(word, &rule->window_us);
}

static int parse_rule(struct reward_rule *rule, const char *text,
                      struct penchant_error *err)
{
    char copy[128];
    char *rest = copy;
    if ((size_t)snprintf(copy, sizeof copy, "%s", text) >= sizeof copy)
        return bad(rule->event, err, "the rule is too long");
    const char *word = strsep(&rest, " \t");
    if (!config_number(word, &rule->reward) || fabs(rule->reward) > 1e6)
        return bad(rule->event, err, "a rule begins with a number, the reward");
    while ((word = strsep(&rest, " \t")))
        if (*word && !take_word(rule, word))
            return bad(rule->event, err,
                       "after the reward: purchase, engagement or staying; a window "
                       "such as 30m or 7d; price");
    return PENCHANT_OK;
}

static bool good_name(const char *event)
{
    const size_t n = strlen(event);
    return n > 0 && n <= EVENT_NAME_MAX &&
           strspn(event, "abcdefghijklmnopqrstuvwxyz0123456789_.-") == n;
}

static struct reward_rule *rule_of(struct rewards *r, const char *event)
{
    if (!strcmp(event, "ignored"))
        return &r->ignored;
    if (!strcmp(event, "leave"))
        return &r->leave;
    const int at = rewards_find(r, event);
    return at < 0 ? NULL : &r->rule[at];
}

int rewards_set(struct rewards *r, const char *event, const char *text,
                struct penchant_error *err)
{
    if (!good_name(event))
        return bad(event, err, "no name of an event");
    struct reward_rule *old = rule_of(r, event);
    if (!old && r->n == REWARD_MOST_RULES)
        return error_field(err, PENCHANT_ELIMIT, 0, event,
                           "at most %d events have rewards", REWARD_MOST_RULES);
    struct reward_rule rule = {.group = REWARD_ENGAGEMENT, .window_us = DAY_US};
    if (old)
        rule = *old;
    snprintf(rule.event, sizeof rule.event, "%s", event);
    const int status = parse_rule(&rule, text, err);
    if (status == PENCHANT_OK)
        *(old ? old : &r->rule[r->n++]) = rule;
    return status;
}

/* ---- rewards ---- */

static bool is_price(double price)
{
    return price > 0 && isfinite(price);
}

double reward_of(const struct reward_rule *rule, double price, double median)
{
    if (!rule->by_price)
        return rule->reward;
    const double ratio = is_price(price) && is_price(median) ? price / median : 1;
    return rule->reward * (1 + fmin(1, log1p(ratio) / 2));
}

double reward_examined(const struct rewards *r, uint32_t position)
{
    return pow(1.0 + position, -r->examination_decay);
}

void reward_prices_add(struct reward_prices *p, double price)
{
    if (!is_price(price))
        return;
    const double step = floor(log2(price) * REWARD_PRICE_STEPS) + REWARD_PRICES / 2.0;
    const double last = REWARD_PRICES - 1;
    p->count[(size_t)fmin(fmax(step, 0), last)]++;
    p->n++;
}

double reward_prices_median(const struct reward_prices *p)
{
    uint64_t passed = 0;
    if (p->n == 0)
        return NAN;
    size_t i = 0;
    while ((passed += p->count[i]) * 2 < p->n)
        i++;
    return exp2(((double)i - REWARD_PRICES / 2.0 + 0.5) / REWARD_PRICE_STEPS);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The reward table: its defaults, rows of a configuration, prices, examination. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/config.h"
#include "policy/reward.h"

#define MINUTE_US INT64_C(60000000)

static const struct reward_rule *rule_of(const struct rewards *r, const char *event)
{
    const int at = rewards_find(r, event);
    assert_true(at >= 0);
    return &r->rule[at];
}

static void near(double got, double want)
{
    if (!(fabs(got - want) < 1e-12))
        fail_msg("got %.17g, want %.17g", got, want);
}

static void test_reward__the_defaults_of_a_shop(void **state)
{
    (void)state;
    struct rewards r;
    rewards_default(&r);
    near(reward_of(rule_of(&r, "view"), NAN, NAN), 0.2);
    near(reward_of(rule_of(&r, "wish"), NAN, NAN), 0.3);
    near(reward_of(rule_of(&r, "cart"), 1e9, 1), 0.5);
    near(reward_of(rule_of(&r, "dislike"), NAN, NAN), -1);
    near(r.ignored.reward, -0.02);
    near(r.leave.reward, -0.2);
    assert_int_equal(rewards_find(&r, "search"), -1);
    assert_int_equal(rewards_window_us(&r), 7 * 1440 * MINUTE_US);
    assert_true(rule_of(&r, "purchase")->group == REWARD_PURCHASE);
    assert_true(rule_of(&r, "view")->group == REWARD_ENGAGEMENT);
    assert_true(r.leave.group == REWARD_STAYING);
}

static void test_reward__a_purchase_earns_by_its_price(void **state)
{
    (void)state;
    struct rewards r;
    rewards_default(&r);
    const struct reward_rule *buy = rule_of(&r, "purchase");
    near(reward_of(buy, 20, 20), 1 + log(2) / 2);
    near(reward_of(buy, 1, 20), 1 + log1p(0.05) / 2);
    near(reward_of(buy, 1e6, 20), 2);
    near(reward_of(buy, NAN, 20), 1 + log(2) / 2);
    near(reward_of(buy, 0, 20), 1 + log(2) / 2);
    near(reward_of(buy, 5, NAN), 1 + log(2) / 2);
}

static void test_reward__positions_are_examined_less_and_less(void **state)
{
    (void)state;
    struct rewards r;
    rewards_default(&r);
    near(reward_examined(&r, 0), 1);
    for (uint32_t j = 1; j < 1000; j++) {
        assert_true(reward_examined(&r, j) < reward_examined(&r, j - 1));
        assert_true(reward_examined(&r, j) > 0);
    }
    near(reward_examined(&r, 1), pow(2, -0.6));
}

static void test_reward__a_row_changes_what_it_says(void **state)
{
    (void)state;
    struct rewards r;
    struct penchant_error err;
    rewards_default(&r);
    assert_int_equal(rewards_set(&r, "view", "0.1", &err), PENCHANT_OK);
    near(rule_of(&r, "view")->reward, 0.1);
    assert_int_equal(rule_of(&r, "view")->window_us, 30 * MINUTE_US);
    assert_int_equal(rewards_set(&r, "view", ".5 2h  purchase", &err), PENCHANT_OK);
    assert_int_equal(rule_of(&r, "view")->window_us, 120 * MINUTE_US);
    assert_true(rule_of(&r, "view")->group == REWARD_PURCHASE);
    assert_int_equal(r.n, 5);
    assert_int_equal(rewards_set(&r, "share.link", "3 price", &err), PENCHANT_OK);
    assert_int_equal(r.n, 6);
    near(reward_of(rule_of(&r, "share.link"), 1e9, 1), 6);
    assert_int_equal(rule_of(&r, "share.link")->window_us, 1440 * MINUTE_US);
    assert_int_equal(rewards_set(&r, "leave", "-.5 1h", &err), PENCHANT_OK);
    near(r.leave.reward, -0.5);
    assert_int_equal(r.leave.window_us, 60 * MINUTE_US);
    assert_int_equal(rewards_set(&r, "ignored", "0", &err), PENCHANT_OK);
    near(r.ignored.reward, 0);
    assert_int_equal(r.n, 6);
}

static void test_reward__a_bad_row_changes_nothing_and_says_why(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"view", ""},         {"view", "much"},   {"view", "nan"},   {"view", "1 soon"},
        {"view", "1 5"},      {"view", "1 -5m"},  {"view", "1 5mm"}, {"view", "1e9"},
        {"view", "purchase"}, {"View", "1"},      {"", "1"},         {"a b", "1"},
        {"view", "1 1e9d"},   {"view", "1 infd"},
    };
    struct rewards r, before;
    rewards_default(&r);
    before = r;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct penchant_error err = {0};
        if (rewards_set(&r, bad[i][0], bad[i][1], &err) != PENCHANT_EINVALID)
            fail_msg("%s = %s was taken", bad[i][0], bad[i][1]);
        assert_string_equal(err.field, bad[i][0]);
        assert_true(strlen(err.text) > 10);
        assert_memory_equal(&r, &before, sizeof r);
    }
    for (char name[8] = "e00"; r.n < REWARD_MOST_RULES; name[2]++) {
        if (name[2] > '9') {
            name[1]++;
            name[2] = '0';
        }
        assert_int_equal(rewards_set(&r, name, "1", NULL), PENCHANT_OK);
    }
    assert_int_equal(rewards_set(&r, "another", "1", NULL), PENCHANT_ELIMIT);
    assert_int_equal(rewards_set(&r, "view", "1", NULL), PENCHANT_OK);
}

static void test_reward__the_median_price_is_about_the_median(void **state)
{
    (void)state;
    struct reward_prices p = {0}, other = {0};
    assert_true(isnan(reward_prices_median(&p)));
    for (int i = 0; i < 999; i++) {
        reward_prices_add(&p, 1 + 0.1 * ((i * 500) % 999)); /* the same, shuffled */
        reward_prices_add(&other, 1 + 0.1 * i);
    }
    assert_memory_equal(&p, &other, sizeof p);
    const double median = reward_prices_median(&other);
    assert_true(median > 50.9 / 1.05 && median < 50.9 * 1.05);
    const double before = reward_prices_median(&p);
    reward_prices_add(&p, NAN);
    reward_prices_add(&p, -5);
    reward_prices_add(&p, 0);
    reward_prices_add(&p, INFINITY);
    near(reward_prices_median(&p), before);
    reward_prices_add(&p, 1e300); /* at the ends it is counted with the last step */
    reward_prices_add(&p, 1e-300);
    assert_int_equal(p.n, 1001);
}

/* ---- the file ---- */

static int take(void *cookie, const char *section, const char *name, const char *value,
                struct penchant_error *err)
{
    if (strcmp(section, "rewards"))
        return error_field(err, PENCHANT_EINVALID, 0, section, "no section");
    return rewards_set(cookie, name, value, err);
}

static int read_text(struct rewards *r, const char *text, struct penchant_error *err)
{
    char path[] = "/tmp/penchant-conf-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    const int status = config_read(path, take, r, err);
    if (status) {
        assert_memory_equal(err->text, path, strlen(path));
        memmove(err->text, err->text + strlen(path), sizeof err->text - strlen(path));
    }
    unlink(path);
    return status;
}

static void test_reward__rows_of_a_file(void **state)
{
    (void)state;
    struct rewards r;
    struct penchant_error err;
    rewards_default(&r);
    assert_int_equal(config_read("/nowhere/penchant.conf", take, &r, &err), PENCHANT_OK);
    assert_int_equal(read_text(&r,
                               "# ours\n[rewards]\nview = 0.1 ; less\n\ncart=.7 2d\n"
                               "newsletter = 0.05",
                               &err),
                     PENCHANT_OK);
    near(rule_of(&r, "view")->reward, 0.1);
    near(rule_of(&r, "cart")->reward, 0.7);
    near(rule_of(&r, "newsletter")->reward, 0.05);
}

static void test_reward__a_file_says_where_it_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text, *starts;
    } bad[] = {
        {"[rewards]\nview = 1\ncart = lots\n", ":3: cart: a rule begins with a number"},
        {"[rewards]\n\n\nview = 1 fast\nwish = x\n", ":4: view: after the reward"},
        {"[reward]\nview = 1\n", ":2: no section"},
        {"[rewards]\nview\n", ":2: this is neither"},
        {"view = 1\n", ":1: no section"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct rewards r;
        struct penchant_error err = {0};
        rewards_default(&r);
        assert_int_equal(read_text(&r, bad[i].text, &err), PENCHANT_EINVALID);
        if (strncmp(err.text, bad[i].starts, strlen(bad[i].starts)))
            fail_msg("\"%s\" does not begin with \"%s\"", err.text, bad[i].starts);
    }
    char text[400] = "[rewards]\nview = 1 ";
    memset(text + strlen(text), ' ', 300);
    struct rewards r;
    struct penchant_error err = {0};
    rewards_default(&r);
    assert_int_equal(read_text(&r, text, &err), PENCHANT_EINVALID);
    assert_string_equal(err.text, ":2: the line is too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reward__the_defaults_of_a_shop),
        cmocka_unit_test(test_reward__a_purchase_earns_by_its_price),
        cmocka_unit_test(test_reward__positions_are_examined_less_and_less),
        cmocka_unit_test(test_reward__a_row_changes_what_it_says),
        cmocka_unit_test(test_reward__a_bad_row_changes_nothing_and_says_why),
        cmocka_unit_test(test_reward__the_median_price_is_about_the_median),
        cmocka_unit_test(test_reward__rows_of_a_file),
        cmocka_unit_test(test_reward__a_file_says_where_it_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

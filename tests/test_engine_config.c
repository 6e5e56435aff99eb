/* SPDX-License-Identifier: Apache-2.0 */
/* A shop's penchant.conf: every row of every section, and files that are refused. */
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rng.h"
#include "engine/engine_config.h"

#define CORPUS "tests/data/conf"

static void test_engine_config__without_a_file_the_defaults_hold(void **state)
{
    (void)state;
    struct engine_config c, d;
    engine_config_default(&c);
    engine_config_default(&d);
    assert_int_equal(engine_config_read(&c, "/no/such/penchant.conf", NULL), PENCHANT_OK);
    assert_memory_equal(&c, &d, sizeof c);
    assert_false(c.adapt);
    assert_true(c.explore.share == 0 && c.explore.temperature > 0);
    assert_int_equal(explore_check(&c.explore, NULL), PENCHANT_OK);
}

static void test_engine_config__every_row_counts(void **state)
{
    (void)state;
    struct engine_config c;
    engine_config_default(&c);
    assert_int_equal(engine_config_read(&c, CORPUS "/good_all", NULL), PENCHANT_OK);
    assert_true(c.explore.share == 0.05 && c.explore.temperature == 0.25);
    assert_true(c.explore.kappa == 0 && c.explore.epsilon == 0.02);
    assert_true(c.rewards.examination_decay == 0.6);
    assert_true(c.rewards.leave.reward == -0.2 && c.rewards.ignored.reward == -0.01);
    assert_true(c.rewards.leave.window_us == INT64_C(3600000000));
    assert_int_equal(c.rewards.n, 6);
    assert_true(c.adapt);
    engine_config_default(&c);
    assert_int_equal(engine_config_read(&c, CORPUS "/good_bom_and_crlf", NULL),
                     PENCHANT_OK);
    assert_true(c.explore.share == 1);
    assert_int_equal(engine_config_read(&c, CORPUS "/good_the_last_row_counts", NULL),
                     PENCHANT_OK);
    assert_true(c.rewards.rule[rewards_find(&c.rewards, "view")].reward == 0.6);
}

/* Whatever was read, what stands there can be used. */
static void is_sound(const struct engine_config *c)
{
    assert_in_range(c->rewards.n, 5, REWARD_MOST_RULES);
    assert_int_equal(explore_check(&c->explore, NULL), PENCHANT_OK);
    for (uint32_t i = 0; i < c->rewards.n; i++)
        assert_true(isfinite(c->rewards.rule[i].reward) &&
                    c->rewards.rule[i].window_us >= 0);
}

static void read_changed(const char *bytes, size_t size, struct rng *r, bool cut)
{
    char path[] = "/tmp/penchant-conf-XXXXXX", changed[4096];
    const size_t len = cut ? rng_below(r, (uint32_t)size + 1) : size;
    memcpy(changed, bytes, size);
    if (len && !cut)
        changed[rng_below(r, (uint32_t)len)] = (char)rng_below(r, 256);
    const int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, changed, len) == (ssize_t)len);
    close(fd);
    struct engine_config c;
    struct penchant_error err = {0};
    engine_config_default(&c);
    if (engine_config_read(&c, path, &err) != PENCHANT_OK)
        assert_memory_equal(err.text, path, strlen(path));
    is_sound(&c);
    unlink(path);
}

/* Files named good_* are taken, others refused with their name and a line; `make fuzz
   F=conf` begins with them. Each is read whole, cut short, and with a byte changed. */
static void test_engine_config__bad_files_are_refused(void **state)
{
    (void)state;
    DIR *dir = opendir(CORPUS);
    size_t n = 0;
    struct rng r;
    rng_init(&r, 5, 0);
    assert_non_null(dir);
    for (struct dirent *d; (d = readdir(dir));) {
        char name[512], bytes[4096], start[520];
        struct penchant_error err = {0};
        struct engine_config c;
        if (d->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, CORPUS "/%s", d->d_name);
        snprintf(start, sizeof start, "%s:", name);
        FILE *f = fopen(name, "rb");
        const size_t size = fread(bytes, 1, sizeof bytes, f);
        fclose(f);
        engine_config_default(&c);
        const int rc = engine_config_read(&c, name, &err);
        if ((rc == 0) != (strncmp(d->d_name, "good_", 5) == 0))
            fail_msg("%s: %s", d->d_name, rc ? err.text : "was taken");
        if (rc && (strncmp(err.text, start, strlen(start)) != 0 ||
                   strtoul(err.text + strlen(start), NULL, 10) == 0))
            fail_msg("%s: %s", d->d_name, err.text);
        is_sound(&c);
        for (int i = 0; i < 40; i++)
            read_changed(bytes, size, &r, i & 1);
        n++;
    }
    closedir(dir);
    assert_true(n >= 14);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_engine_config__without_a_file_the_defaults_hold),
        cmocka_unit_test(test_engine_config__every_row_counts),
        cmocka_unit_test(test_engine_config__bad_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

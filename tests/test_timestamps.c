/* SPDX-License-Identifier: Apache-2.0 */
/* Times as logs and requests write them. */
#include "base/timestamps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/rng.h"

static void test_timestamps__all_spellings_are_read_and_written_back(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } good[] = {
        {"0", 0},
        {"1", 1000000},
        {"1600000000", 1600000000000000},
        {"1600000000123", 1600000000123000},
        {"1600000000123456", 1600000000123456},
        {"1600000000123456789", 1600000000123456},
        {"1600000000.5", 1600000000500000},
        {"1600000000.1234567", 1600000000123456},
        {"1600000000123.25", 1600000000123250},
        {"99999999999", INT64_C(99999999999000000)},
        {"1970-01-01", 0},
        {"2020-02-29", 1582934400000000},
        {"2000-03-01T00:00:00Z", 951868800000000},
        {"2020-09-13T12:26:40Z", 1600000000000000},
        {"2020-09-13 12:26:40", 1600000000000000},
        {"2020-09-13 12:26:40 UTC", 1600000000000000},
        {"2020-09-13t14:26:40.123456+02:00", 1600000000123456},
        {"2020-09-13 08:26:40.5-0400", 1600000000500000},
        {"2019-11-24 00:01:03.979311+00:00", 1574553663979311},
        {"2020-09-13T12:26Z", 1599999960000000},
        {"2016-12-31T23:59:60Z", 1483228800000000},
        {"9999-12-31T23:59:59.999999Z", TIMESTAMP_MAX_US},
    };
    static const char *const bad[] = {
        "",
        " ",
        "-1",
        "abc",
        "1e9",
        "12:30",
        "2020-13-01",
        "2021-02-29",
        "2020-1-1",
        "2020-09-13T25:00:00Z",
        "2020-09-13T12:60:00Z",
        "2020-09-13T12:00:00+25:00",
        "2020-09-13T",
        "2020-09-13T12:26:40Zx",
        "2020-09-13 12:26:40.",
        "1969-12-31",
        "1970-01-01T00:00:00+01:00",
        "10000-01-01",
        "99999999999999999999",
        "1600000000.x",
        "9999-12-31T23:59:59-01:00",
        "2020-00-10",
        "2020-01-00",
        "2020-09-13x",
        "1.2.3",
        "1600000000 ",
        "18446744073709551617",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        int64_t us = -1;
        const char *reason = timestamp_parse(good[i].text, &us);
        if (reason || us != good[i].us)
            fail_msg("%s: %s, %lld", good[i].text, reason, (long long)us);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        int64_t us = -1;
        if (!timestamp_parse(bad[i], &us))
            fail_msg("%s was taken for %lld", bad[i], (long long)us);
    }
    struct rng rng;
    rng_init(&rng, 1, 0);
    for (int i = 0; i < 10000; i++) {
        char text[TIMESTAMP_TEXT];
        int64_t back;
        const int64_t us = (int64_t)(rng_u64(&rng) % (uint64_t)(TIMESTAMP_MAX_US + 1));
        timestamp_format(us, text);
        assert_null(timestamp_parse(text, &back));
        assert_int_equal(back, us);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timestamps__all_spellings_are_read_and_written_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

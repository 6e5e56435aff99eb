/* SPDX-License-Identifier: Apache-2.0 */
/* Who may ship: on made-up reports, on a real evaluation, on losses. */
#include "evaluate/gate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "evaluate/ope.h"

static struct penchant_ope report(const char *one, const char *two)
{
    struct penchant_ope o = {.n = 1000, .logged = 0.5, .n_estimates = 2};
    for (int i = 0; i < 2; i++) {
        struct penchant_ope_estimate *e = &o.estimate[i];
        snprintf(e->name, sizeof(e->name), "%s", i ? two : one);
        e->gain = 0.1;
        e->gain_low = 0;
        e->gain_high = 0.2;
        e->ess = 500;
    }
    return o;
}

static struct gate_loss losses(double mean, double spread, uint64_t n)
{
    struct gate_loss l = {0};
    for (uint64_t i = 0; i < n; i++)
        gate_loss_add(&l, 2 + mean + (i % 2 ? spread : -spread), 2);
    return l;
}

static enum gate_answer ask(const struct gate_rules *r, const struct penchant_ope *o,
                            const struct gate_loss *l, const char *words)
{
    const struct gate_verdict v = gate_judge(r, o, l);
    if (!strstr(v.reason, words))
        fail_msg("\"%s\" does not say \"%s\"", v.reason, words);
    return v.answer;
}

static void test_gate__ships_when_everything_holds(void **state)
{
    (void)state;
    struct gate_rules r;
    gate_rules_default(&r);
    const struct penchant_ope o = report("snips", "dr"),
                              s = report("snrips", "cascade-dr");
    const struct gate_loss l = losses(0, 0.3, 400);
    assert_int_equal(ask(&r, &o, &l, "holds"), GATE_SHIP);
    assert_int_equal(ask(&r, &s, &l, "holds"), GATE_SHIP);
}

/* Each of the lower bounds by itself. */
static void test_gate__lower_bounds_of_both_must_hold(void **state)
{
    (void)state;
    struct gate_rules r;
    gate_rules_default(&r);
    const struct gate_loss l = losses(0, 0.3, 400);
    static const char *const pair[2][2] = {{"snips", "dr"}, {"snrips", "cascade-dr"}};
    for (int i = 0; i < 4; i++) {
        struct penchant_ope o = report(pair[i / 2][0], pair[i / 2][1]);
        struct penchant_ope_estimate *e = &o.estimate[i % 2];
        e->gain_low = -0.009; /* 2 % of .5 are .01 */
        assert_int_equal(ask(&r, &o, &l, "holds"), GATE_SHIP);
        e->gain_low = -0.011;
        assert_int_equal(ask(&r, &o, &l, "may earn less"), GATE_WAIT);
        assert_int_equal(ask(&r, &o, &l, e->name), GATE_WAIT);
        e->gain_high = -0.0101;
        assert_int_equal(ask(&r, &o, &l, "may earn less"), GATE_HOLD);
        e->gain_low = 0;
        e->gain_high = 0.2;
        e->ess = 99;
        assert_int_equal(ask(&r, &o, &l, "cannot tell"), GATE_WAIT);
        e->ess = 500;
        e->gain_low = NAN;
        assert_int_equal(ask(&r, &o, &l, "cannot tell"), GATE_WAIT);
    }
}

static void test_gate__the_loss_may_not_be_worse(void **state)
{
    (void)state;
    struct gate_rules r;
    gate_rules_default(&r);
    const struct penchant_ope o = report("snips", "dr");
    struct gate_loss l = losses(0.2, 0.3, 400); /* standard error .015 */
    assert_int_equal(ask(&r, &o, &l, "worse"), GATE_HOLD);
    l = losses(0.03, 0.3, 400); /* may be chance: .03 - 1.64 x .015 is below .01 */
    assert_int_equal(ask(&r, &o, &l, "holds"), GATE_SHIP);
    l = losses(0.04, 0.3, 400); /* and this may not */
    assert_int_equal(ask(&r, &o, &l, "worse"), GATE_HOLD);
    l = losses(-0.2, 0.3, 199);
    assert_int_equal(ask(&r, &o, &l, "199 of 200"), GATE_WAIT);
    l = losses(NAN, 0.3, 400);
    assert_int_equal(ask(&r, &o, &l, "worse"), GATE_HOLD);
    assert_int_equal(ask(&r, &o, NULL, "0 of 200"), GATE_WAIT);
}

static void test_gate__what_is_not_asked_for_is_not_looked_at(void **state)
{
    (void)state;
    struct gate_rules r;
    gate_rules_default(&r);
    const struct penchant_ope o = report("snips", "dr");
    const struct gate_loss good = losses(0, 0.3, 400), bad = losses(1, 0.3, 400);
    assert_int_equal(ask(&r, NULL, &good, "no list"), GATE_WAIT);
    r.by_reward = false;
    assert_int_equal(ask(&r, NULL, &good, ""), GATE_SHIP);
    assert_int_equal(ask(&r, NULL, &bad, "worse"), GATE_HOLD);
    r.by_loss = false;
    assert_int_equal(ask(&r, NULL, &bad, ""), GATE_SHIP);
    r.by_reward = true;
    assert_int_equal(ask(&r, &o, &bad, "holds"), GATE_SHIP);
    /* What is bad is said before what is not known. */
    r.by_loss = true;
    assert_int_equal(ask(&r, NULL, &bad, "worse"), GATE_HOLD);
}

/* Real logs: a better target ships, a worse one does not, one that nobody can judge waits.
 */
static void test_gate__judges_evaluations_of_logs(void **state)
{
    (void)state;
    enum { N = 6000 };
    static double reward[N], propensity[N], target[N], quality[N], direct[N];
    struct gate_rules r;
    struct ope_options o;
    struct penchant_ope found;
    struct rng rng;
    gate_rules_default(&r);
    r.by_loss = false;
    ope_options_default(&o);
    struct ope_log l = {.n = N,
                        .reward = reward,
                        .propensity = propensity,
                        .target = target,
                        .quality = quality,
                        .direct = direct};
    for (int good = 0; good < 3; good++) {
        const double p = good == 2 ? 0.998 : 0.5, like = good == 1 ? 0.8 : 0.1;
        rng_init(&rng, 3, 0);
        for (size_t i = 0; i < N; i++) {
            const bool one = rng_double(&rng) < 1 - p;
            propensity[i] = one ? 1 - p : p;
            target[i] = good == 2 ? one : one ? like : 1 - like;
            reward[i] = rng_double(&rng) < (one ? 0.6 : 0.2);
            quality[i] = one ? 0.5 : 0.3;
            direct[i] = like * 0.5 + (1 - like) * 0.3;
        }
        assert_int_equal(ope_run(&l, &o, &found, NULL), 0);
        const struct gate_verdict v = gate_judge(&r, &found, NULL);
        assert_int_equal(v.answer, good == 0   ? GATE_HOLD
                                   : good == 1 ? GATE_SHIP
                                               : GATE_WAIT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gate__ships_when_everything_holds),
        cmocka_unit_test(test_gate__lower_bounds_of_both_must_hold),
        cmocka_unit_test(test_gate__the_loss_may_not_be_worse),
        cmocka_unit_test(test_gate__what_is_not_asked_for_is_not_looked_at),
        cmocka_unit_test(test_gate__judges_evaluations_of_logs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

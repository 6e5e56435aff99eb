/* SPDX-License-Identifier: Apache-2.0 */
/* The lab's baselines: LinUCB decides as its formula does, the myopic one learns clicks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "lab/actor.h"

enum { ARMS = 3, D = 3 };

/* a^-1 by Gauss and Jordan: another way than the actor's. */
static void invert(double a[D][D], double out[D][D])
{
    double m[D][2 * D];
    for (int i = 0; i < D; i++)
        for (int j = 0; j < D; j++) {
            m[i][j] = a[i][j];
            m[i][D + j] = i == j;
        }
    for (int i = 0; i < D; i++) {
        const double pivot = m[i][i];
        for (int j = 0; j < 2 * D; j++)
            m[i][j] /= pivot;
        for (int r = 0; r < D; r++) {
            const double by = m[r][i];
            for (int j = 0; j < 2 * D && r != i; j++)
                m[r][j] -= by * m[i][j];
        }
    }
    for (int i = 0; i < D; i++)
        memcpy(out[i], m[i] + D, sizeof(out[i]));
}

static double bound(double a[D][D], const double b[D], const double x[D])
{
    double inverse[D][D], mean = 0, squared = 0;
    invert(a, inverse);
    for (int i = 0; i < D; i++)
        for (int j = 0; j < D; j++) {
            mean += x[i] * inverse[i][j] * b[j];
            squared += x[i] * inverse[i][j] * x[j];
        }
    return mean + .5 * sqrt(squared);
}

/* Hundreds of decisions of an actor against the formula with what is kept of the past. */
static void check_linucb(const char *name, double keeps)
{
    const struct actor_ops *ops = actor_find(name);
    const struct actor_catalog catalog = {.n = ARMS, .slate = 1};
    void *actor = ops->create(1, &catalog);
    double a[ARMS][D][D] = {0}, b[ARMS][D] = {0};
    uint32_t shown[ARMS] = {0};
    struct rng r;
    rng_init(&r, 4, 4);
    for (int arm = 0; arm < ARMS; arm++)
        for (int i = 0; i < D; i++)
            a[arm][i][i] = 1;
    for (uint32_t t = 0; t < 2000; t++) {
        const float context[2] = {rng_normal(&r), rng_normal(&r)};
        const double x[D] = {(double)context[0], (double)context[1], 1};
        const struct actor_request request = {
            .id = t + 1, .k = 1, .context = context, .n_context = 2};
        uint32_t item, best = 0;
        double p;
        ops->recommend(actor, &request, &item, &p);
        for (uint32_t arm = 1; arm < ARMS; arm++)
            if (bound(a[arm], b[arm], x) > bound(a[best], b[best], x) + 1e-9)
                best = arm;
        assert_int_equal(item, best);
        assert_true(p == 1);
        shown[item]++;
        const float reward = rng_double(&r) < .5 + .2 * (item == 0   ? x[0]
                                                         : item == 1 ? -x[0]
                                                                     : x[1]);
        ops->feedback(actor, t + 1, 0, &reward, 1, false);
        for (int arm = 0; arm < ARMS; arm++)
            for (int i = 0; i < D; i++) {
                for (int j = 0; j < D; j++)
                    a[arm][i][j] = keeps * a[arm][i][j] + (i == j) * (1 - keeps);
                b[arm][i] *= keeps;
            }
        for (int i = 0; i < D; i++) {
            for (int j = 0; j < D; j++)
                a[item][i][j] += x[i] * x[j];
            b[item][i] += (double)reward * x[i];
        }
    }
    for (int arm = 0; arm < ARMS; arm++)
        assert_true(shown[arm] > 300);
    ops->destroy(actor);
}

static void test_baselines__linucb_decides_by_its_formula(void **state)
{
    (void)state;
    check_linucb("linucb", 1);
    check_linucb("linucb-forgetting", .999);
}

/* With candidates it is one ridge on their features: it carries over to other candidates. */
static void test_baselines__linucb_learns_features_of_candidates(void **state)
{
    const struct actor_ops *ops = actor_find("linucb");
    const struct actor_catalog catalog = {.dim = 2, .slate = 1};
    void *actor = ops->create(1, &catalog);
    struct rng r;
    uint32_t right = 0;
    (void)state;
    rng_init(&r, 8, 8);
    for (uint32_t t = 0; t < 400; t++) {
        float candidate[5][2];
        uint32_t item, best = 0;
        double p;
        for (uint32_t i = 0; i < 5; i++) {
            candidate[i][0] = rng_normal(&r);
            candidate[i][1] = rng_normal(&r);
            if (candidate[i][0] > candidate[best][0])
                best = i;
        }
        const struct actor_request request = {.id = t + 1,
                                              .k = 1,
                                              .candidates = candidate[0],
                                              .n_candidates = 5,
                                              .candidate_dim = 2};
        ops->recommend(actor, &request, &item, &p);
        right += t >= 200 && item == best;
        const float reward = 1 + candidate[item][0];
        ops->feedback(actor, t + 1, 0, &reward, 1, false);
    }
    assert_true(right > 180);
    ops->destroy(actor);
}

/* What is clicked depends on feature times context: no item is good for everybody. */
static void test_baselines__myopic_learns_who_clicks_what(void **state)
{
    const struct actor_ops *ops = actor_find("myopic");
    static const float features[4][2] = {{1, 0}, {0, 1}, {-1, 0}, {0, -1}};
    const struct actor_catalog catalog = {
        .n = 4, .dim = 2, .features = features[0], .slate = 2};
    void *actor = ops->create(1, &catalog);
    struct rng r;
    uint32_t right = 0;
    (void)state;
    rng_init(&r, 8, 8);
    for (uint32_t t = 0; t < 1200; t++) {
        const float context[2] = {rng_normal(&r), rng_normal(&r)};
        const struct actor_request request = {
            .id = t + 1, .k = 2, .context = context, .n_context = 2};
        uint32_t item[2];
        double p[2];
        float reward[2];
        ops->recommend(actor, &request, item, p);
        for (int i = 0; i < 2; i++) {
            const float fit =
                features[item[i]][0] * context[0] + features[item[i]][1] * context[1];
            reward[i] = fit > 0 ? 3 : 0;
            right += t >= 600 && fit > 0;
        }
        ops->feedback(actor, t + 1, 0, reward, 2, false);
    }
    assert_true(right > 1100); /* of 1200 */
    ops->destroy(actor);
}

/* Numbers only: the clicked items come to the front. */
static void test_baselines__myopic_learns_numbers(void **state)
{
    const struct actor_ops *ops = actor_find("myopic");
    const struct actor_catalog catalog = {.n = 6, .slate = 2};
    void *actor = ops->create(1, &catalog);
    uint32_t item[2];
    double p[2];
    (void)state;
    for (uint32_t t = 0; t < 50; t++) {
        const struct actor_request request = {.id = t + 1, .k = 2};
        ops->recommend(actor, &request, item, p);
        const float reward[2] = {item[0] == 5 || item[0] == 3,
                                 item[1] == 5 || item[1] == 3};
        ops->feedback(actor, t + 1, 0, reward, 2, false);
    }
    assert_true((item[0] == 5 && item[1] == 3) || (item[0] == 3 && item[1] == 5));
    ops->destroy(actor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_baselines__linucb_decides_by_its_formula),
        cmocka_unit_test(test_baselines__linucb_learns_features_of_candidates),
        cmocka_unit_test(test_baselines__myopic_learns_who_clicks_what),
        cmocka_unit_test(test_baselines__myopic_learns_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

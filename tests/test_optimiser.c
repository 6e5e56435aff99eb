/* SPDX-License-Identifier: Apache-2.0 */
/* AdamW against PyTorch and the formula; which rows and tensors a step leaves alone. */
#include "model_fixture.h"

#include "learn/optimiser.h"

struct after {
    const struct golden *g;
    struct model *m;
};

/* The error as a share of how far ten steps moved the tensor. */
static int compare_after(void *arg, const struct model_tensor *t)
{
    const struct after *a = arg;
    const size_t n = (size_t)t->rows * t->cols;
    const float *start = golden_get(a->g, "param.", t->name, n),
                *want = golden_get(a->g, "after.", t->name, n),
                *got = a->m->param + t->offset;
    double moved = 0, off = 0;
    for (size_t i = 0; i < n; i++) {
        moved += pow((double)want[i] - (double)start[i], 2);
        off += pow((double)got[i] - (double)want[i], 2);
    }
    if (!(moved > 0 && off <= moved * 1e-6))
        fail_msg("%s, %s: %s is off by %.3g of the way", a->g->name,
                 cpu_level_name(cpu_level()), t->name, sqrt(off / moved));
    return 0;
}

static void test_optimiser__ten_steps_are_those_of_pytorch(void **state)
{
    (void)state;
    EACH_LEVEL(level)
    for (size_t i = 0; i < GOLDEN_FILES; i++) {
        struct golden g;
        struct batch b;
        struct step s;
        struct optimiser o;
        golden_open(&g, golden_names[i]);
        struct model *m = golden_model(&g);
        golden_batch(&g, &b);
        step_init(&s, m, &b, TRAIN_FULL, 0, false);
        const float *train = golden_get(&g, "train", "", 5);
        assert_int_equal(optimiser_init(&o, m, train[2]), PENCHANT_OK);
        for (int k = 0; k < (int)train[0]; k++) {
            step_run(&s);
            optimiser_update(&o, m, &s.gradient, train[1], s.pool);
        }
        assert_int_equal(o.step, train[0]);
        model_each_tensor(m, compare_after, &(struct after){&g, m});
        optimiser_release(&o);
        step_release(&s);
        batch_release(&b);
        model_free(m);
        golden_close(&g);
    }
}

/* ---- the formula, in double ---------------------------------------------------- */

enum { STEPS = 7 };

static const struct model_config config = {.dim = 10,
                                           .blocks = 1,
                                           .heads = 2,
                                           .max_length = 9,
                                           .ffn_dim = 6,
                                           .gated = true,
                                           .attention = MODEL_SILU,
                                           .bias_position = true,
                                           .bias_time = true,
                                           .gap = true,
                                           .position = true,
                                           .n_items = 301,
                                           .n_types = 3};

/* A model and a gradient of random numbers; with rows only every third item has one. */
struct steps {
    struct model *m;
    struct gradient g;
    struct optimiser o;
    struct pool *pool;
    struct rng rng;
};

static void steps_init(struct steps *s, bool whole, uint32_t threads)
{
    assert_int_equal(model_new(&s->m, &config, NULL, NULL, NULL), PENCHANT_OK);
    model_initialise(s->m, 3);
    assert_int_equal(gradient_init(&s->g, s->m, whole), PENCHANT_OK);
    assert_int_equal(optimiser_init(&s->o, s->m, 0.2f), PENCHANT_OK);
    s->pool = pool_new(threads);
    assert_non_null(s->pool);
    rng_init(&s->rng, 12, 1);
}

static void steps_release(struct steps *s)
{
    pool_free(s->pool);
    optimiser_release(&s->o);
    gradient_release(&s->g);
    model_free(s->m);
}

static void steps_next(struct steps *s)
{
    gradient_clear(&s->g);
    for (size_t i = 0; i < s->g.n_dense; i++)
        s->g.dense[i] = 0.1f * rng_normal(&s->rng);
    for (uint32_t i = 0; i < config.n_items; i += 3) {
        float *row = gradient_row(&s->g, i);
        for (size_t j = 0; j < config.dim; j++)
            row[j] = 0.1f * rng_normal(&s->rng);
    }
    optimiser_update(&s->o, s->m, &s->g, 0.01f, s->pool);
}

struct by_hand {
    const struct steps *s;
    double *param, *mean, *square;
    uint64_t step;
};

static void by_hand_one(struct by_hand *h, size_t at, float gradient, bool decays)
{
    const double g = (double)gradient, rate = (double)0.01f;
    h->mean[at] = 0.9 * h->mean[at] + 0.1 * g;
    h->square[at] = 0.98 * h->square[at] + 0.02 * g * g;
    const double mean = h->mean[at] / (1 - pow(0.9, (double)h->step)),
                 square = h->square[at] / (1 - pow(0.98, (double)h->step));
    h->param[at] *= 1 - rate * (decays ? (double)0.2f : 0);
    h->param[at] -= rate * mean / (sqrt(square) + 1e-8);
}

static int by_hand_tensor(void *arg, const struct model_tensor *t)
{
    struct by_hand *h = arg;
    const struct gradient *g = &h->s->g;
    const bool decays = !strstr(t->name, "norm") && !strstr(t->name, "bias");
    const bool item = strcmp(t->name, "item") == 0;
    for (size_t i = 0; i < (size_t)t->rows * t->cols; i++) {
        const size_t row = i / t->cols, col = i % t->cols;
        if (!item)
            by_hand_one(h, t->offset + i, g->dense[t->offset + i], decays);
        else if (g->item)
            by_hand_one(h, t->offset + i, g->item[i], true);
        else if (g->slot[row])
            by_hand_one(h, t->offset + i,
                        g->value[(g->slot[row] - 1) * (size_t)t->cols + col], true);
    }
    return 0;
}

static void test_optimiser__steps_follow_the_formula(void **state)
{
    (void)state;
    EACH_LEVEL(level)
    for (int whole = 0; whole < 2; whole++) {
        struct steps s;
        steps_init(&s, whole, 3);
        const size_t n = s.m->n_params;
        struct by_hand h = {.s = &s,
                            .param = calloc(n, sizeof(double)),
                            .mean = calloc(n, sizeof(double)),
                            .square = calloc(n, sizeof(double))};
        assert_true(h.param && h.mean && h.square);
        for (size_t i = 0; i < n; i++)
            h.param[i] = (double)s.m->param[i];
        for (h.step = 1; h.step <= STEPS; h.step++) {
            steps_next(&s);
            model_each_tensor(s.m, by_hand_tensor, &h);
        }
        for (size_t i = 0; i < n; i++) {
            assert_true(fabs((double)s.m->param[i] - h.param[i]) < 1e-6);
            assert_true(fabs((double)s.o.mean[i] - h.mean[i]) < 1e-7);
            assert_true(fabs((double)s.o.square[i] - h.square[i]) < 1e-7);
        }
        free(h.param);
        free(h.mean);
        free(h.square);
        steps_release(&s);
    }
}

static void test_optimiser__rows_without_a_gradient_stay_bit_for_bit(void **state)
{
    (void)state;
    struct steps s;
    steps_init(&s, false, 2);
    const size_t d = config.dim;
    struct model *before = model_clone(s.m);
    assert_non_null(before);
    for (int k = 0; k < STEPS; k++)
        steps_next(&s);
    for (uint32_t i = 0; i < config.n_items; i++) {
        const size_t at = s.m->item.offset + i * d;
        float moments = 0;
        for (size_t j = 0; j < d; j++)
            moments += fabsf(s.o.mean[at + j]) + fabsf(s.o.square[at + j]);
        assert_int_equal(memcmp(before->param + at, s.m->param + at, d * sizeof(float)) !=
                             0,
                         i % 3 == 0);
        assert_int_equal(moments > 0, i % 3 == 0);
    }
    model_free(before);
    steps_release(&s);
}

static void test_optimiser__threads_do_not_change_a_bit(void **state)
{
    (void)state;
    for (int whole = 0; whole < 2; whole++) {
        struct steps s[3];
        for (uint32_t i = 0; i < 3; i++) {
            steps_init(&s[i], whole, i + 1);
            for (int k = 0; k < STEPS; k++)
                steps_next(&s[i]);
        }
        for (int i = 1; i < 3; i++)
            assert_memory_equal(s[0].m->param, s[i].m->param,
                                s[0].m->n_params * sizeof(float));
        for (int i = 0; i < 3; i++)
            steps_release(&s[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_optimiser__ten_steps_are_those_of_pytorch,
                                  fixture_teardown),
        cmocka_unit_test_teardown(test_optimiser__steps_follow_the_formula,
                                  fixture_teardown),
        cmocka_unit_test(test_optimiser__rows_without_a_gradient_stay_bit_for_bit),
        cmocka_unit_test(test_optimiser__threads_do_not_change_a_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

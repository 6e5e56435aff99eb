/* SPDX-License-Identifier: Apache-2.0 */
/* Losses and gradients of the whole model against PyTorch, plain sums and slopes. */
#include "model_fixture.h"

static const char *const loss_names[] = {"full", "sampled", "gbce"};

struct comparison {
    const struct step *s;
    const struct golden *g;
    const char *loss;
    double tolerance;
};

static int compare_gradient(void *arg, const struct model_tensor *t)
{
    const struct comparison *c = arg;
    const size_t n = (size_t)t->rows * t->cols;
    char prefix[32];
    snprintf(prefix, sizeof(prefix), "grad.%s.", c->loss);
    float *mine = malloc(n * sizeof(*mine));
    assert_non_null(mine);
    step_gradient(c->s, t, mine);
    char what[64];
    snprintf(what, sizeof(what), "%s%s", prefix, t->name);
    fixture_close(c->g->name, what, mine, golden_get(c->g, prefix, t->name, n), n,
                  c->tolerance);
    free(mine);
    return 0;
}

/* The loss and every gradient of one file; false when the file has no such loss. */
static bool compare_golden(const char *name, enum train_loss loss, bool bf16)
{
    struct golden g;
    golden_open(&g, name);
    size_t n;
    char record[32];
    snprintf(record, sizeof(record), "loss.%s", loss_names[loss]);
    const float *want = golden_find(&g, record, &n);
    const float *train = golden_get(&g, "train", "", 5);
    if (want) {
        struct batch b;
        struct step s;
        struct model *m = golden_model(&g);
        golden_batch(&g, &b);
        step_init(&s, m, &b, loss, (uint32_t)train[3], bf16);
        s.seed = (uint64_t)train[4];
        const struct comparison c = {.s = &s,
                                     .g = &g,
                                     .loss = loss_names[loss],
                                     .tolerance = s.tables.bf16 ? 2e-2 : 1e-4};
        const float got = (float)step_run(&s);
        fixture_close(name, record, &got, want, 1, s.tables.bf16 ? 2e-3 : 1e-5);
        model_each_tensor(m, compare_gradient, (void *)(uintptr_t)&c);
        step_release(&s);
        batch_release(&b);
        model_free(m);
    }
    golden_close(&g);
    return want != NULL;
}

static void compare_all(enum train_loss loss, int files)
{
    int compared = 0;
    EACH_LEVEL(level)
    {
        compared = 0;
        for (size_t i = 0; i < GOLDEN_FILES; i++)
            compared += compare_golden(golden_names[i], loss, false);
    }
    assert_int_equal(compared, files);
}

static void test_loss__full_is_that_of_pytorch(void **state)
{
    (void)state;
    compare_all(TRAIN_FULL, GOLDEN_FILES);
}

static void test_loss__sampled_is_that_of_pytorch(void **state)
{
    (void)state;
    compare_all(TRAIN_SAMPLED, GOLDEN_FILES);
}

static void test_loss__gbce_is_that_of_pytorch(void **state)
{
    (void)state;
    compare_all(TRAIN_GBCE, 3); /* not with cosine scores */
}

static void test_loss__full_in_bfloat16_is_near_pytorch(void **state)
{
    (void)state;
    if (!kernels_bf16_get()) {
        printf("SKIP this processor has no bfloat16 products\n");
        return;
    }
    for (size_t i = 0; i < GOLDEN_FILES; i++)
        assert_true(compare_golden(golden_names[i], TRAIN_FULL, true));
}

/* ---- bigger batches of the losses alone ---------------------------------------- */

/* Rows and items at random, more rows than a chunk holds, some without a target. */
struct rows_world {
    struct model *m;
    struct step s;
    struct batch b; /* only its items and targets */
    float *h, *dh;
    enum train_loss loss;
    bool bf16;
};

enum { ROWS = 2 * LOSS_ROWS + 39, NEGATIVES = 37 };

static void rows_init(struct rows_world *w, enum train_loss loss, bool normalise,
                      uint32_t items, bool bf16)
{
    const struct model_config c = {.dim = 20,
                                   .blocks = 1,
                                   .heads = 1,
                                   .max_length = 64,
                                   .normalise = normalise,
                                   .temperature = 0.3f,
                                   .n_items = items,
                                   .n_attributes = 3};
    struct rng rng;
    uint32_t *start = calloc(items + (size_t)1, sizeof(*start)),
             *attr = malloc(items * sizeof(*attr));
    assert_true(start && attr);
    rng_init(&rng, 4, items);
    for (uint32_t i = 0; i < items; i++) {
        attr[start[i]] = i % 3;
        start[i + 1] = start[i] + (i % 4 > 0);
    }
    *w = (struct rows_world){.loss = loss, .bf16 = bf16};
    assert_int_equal(model_new(&w->m, &c, start, attr, NULL), PENCHANT_OK);
    free(start);
    free(attr);
    for (size_t i = 0; i < w->m->n_params; i++)
        w->m->param[i] = 0.5f * rng_normal(&rng);
    assert_int_equal(batch_init(&w->b, ROWS, 1), PENCHANT_OK);
    w->b.n = ROWS;
    for (uint32_t i = 0; i < ROWS; i++) {
        /* Half of them among few items, so that targets are drawn as negatives too. */
        w->b.item[i] = rng_below(&rng, i % 2 ? 5 : items);
        w->b.target[i] = i % 11 == 3 ? NAMES_NONE : rng_below(&rng, i % 2 ? 5 : items);
    }
    step_init(&w->s, w->m, &w->b, loss, NEGATIVES, bf16);
    w->h = malloc((size_t)ROWS * c.dim * sizeof(float));
    w->dh = malloc((size_t)ROWS * c.dim * sizeof(float));
    assert_true(w->h && w->dh);
    for (size_t i = 0; i < (size_t)ROWS * c.dim; i++)
        w->h[i] = rng_normal(&rng);
}

static void rows_release(struct rows_world *w)
{
    step_release(&w->s);
    batch_release(&w->b);
    model_free(w->m);
    free(w->h);
    free(w->dh);
}

/* The mean loss; gradients are in s.gradient and dh. */
static double rows_loss(void *arg)
{
    struct rows_world *w = arg;
    struct rng rng;
    rng_init(&rng, 5, 1);
    const struct loss_rows r = {.h = w->h,
                                .target = w->b.target,
                                .n = ROWS,
                                .weight = 1.0f / (float)step_targets(&w->s),
                                .rng = &rng};
    loss_tables_update(&w->s.tables, w->s.pool);
    gradient_clear(&w->s.gradient);
    loss_run(&w->s.tables, &w->s.scratch, &r, w->dh, &w->s.gradient);
    gradient_finish(&w->s.gradient, w->m);
    assert_int_equal(w->s.gradient.targets, step_targets(&w->s));
    return w->s.gradient.loss / (double)w->s.gradient.targets;
}

static void check_row_slopes(enum train_loss loss, bool normalise)
{
    struct rows_world w;
    rows_init(&w, loss, normalise, 131, false);
    const size_t d = w.m->config.dim, n = w.m->config.n_items * d;
    float *item = malloc(n * sizeof(*item)), *attribute = malloc(3 * d * sizeof(*item)),
          *dh = malloc(ROWS * d * sizeof(*dh));
    assert_true(item && attribute && dh);
    rows_loss(&w);
    step_gradient(&w.s, &w.m->item, item);
    step_gradient(&w.s, &w.m->attribute, attribute);
    memcpy(dh, w.dh, ROWS * d * sizeof(*dh));
    struct slope slope = {.where = loss_names[loss], .loss = rows_loss, .arg = &w};
    rng_init(&slope.rng, 8, 1);
    for (int round = 0; round < 3; round++) {
        slope_check(&slope, "item", model_at(w.m, &w.m->item), item, n);
        slope_check(&slope, "attribute", model_at(w.m, &w.m->attribute), attribute,
                    3 * d);
        slope_check(&slope, "h", w.h, dh, ROWS * d);
    }
    free(item);
    free(attribute);
    free(dh);
    rows_release(&w);
}

static void test_loss__gradients_are_finite_differences(void **state)
{
    (void)state;
    EACH_LEVEL(level)
    for (int loss = TRAIN_FULL; loss <= TRAIN_GBCE; loss++)
        for (int normalise = 0; normalise < (loss == TRAIN_GBCE ? 1 : 2); normalise++)
            check_row_slopes((enum train_loss)loss, normalise);
}

/* A step through the network too: dropout, and every tensor at once. */
static double whole_step(void *arg)
{
    return step_run(arg);
}

struct whole {
    struct slope slope;
    const struct model *m;
    const float *grad; /* the model's layout */
};

static int whole_tensor(void *arg, const struct model_tensor *t)
{
    struct whole *w = arg;
    slope_check(&w->slope, t->name, w->m->param + t->offset, w->grad + t->offset,
                (size_t)t->rows * t->cols);
    return 0;
}

static void test_loss__a_whole_step_with_dropout_is_finite_differences(void **state)
{
    (void)state;
    EACH_LEVEL(level)
    for (size_t i = 0; i < GOLDEN_FILES; i++) {
        struct golden g;
        struct batch b;
        struct step s;
        golden_open(&g, golden_names[i]);
        struct model *m = golden_model(&g);
        golden_batch(&g, &b);
        step_init(&s, m, &b, i % 2 ? TRAIN_SAMPLED : TRAIN_FULL, 29, false);
        s.dropout = 0.3f;
        step_run(&s);
        float *grad = malloc(m->n_params * sizeof(*grad));
        assert_non_null(grad);
        memcpy(grad, s.gradient.dense, m->item.offset * sizeof(*grad));
        step_gradient(&s, &m->item, grad + m->item.offset);
        struct whole w = {.slope = {.where = g.name, .loss = whole_step, .arg = &s},
                          .m = m,
                          .grad = grad};
        rng_init(&w.slope.rng, 2, 1);
        model_each_tensor(m, whole_tensor, &w);
        free(grad);
        step_release(&s);
        batch_release(&b);
        model_free(m);
        golden_close(&g);
    }
}

/* ---- plain sums in double ------------------------------------------------------ */

static double plain_dot(const float *a, const float *b, size_t d)
{
    double sum = 0;
    for (size_t i = 0; i < d; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* Row i's score of an item, by the definition. */
static double plain_score(const struct rows_world *w, size_t i, uint32_t item)
{
    const size_t d = w->m->config.dim;
    float e[64];
    model_item_vector(w->m, item, e);
    const float *h = w->h + i * d;
    const double score = plain_dot(h, e, d);
    return w->m->config.normalise
               ? score / sqrt(plain_dot(h, h, d) * plain_dot(e, e, d)) / 0.3
               : score;
}

static void test_loss__full_is_minus_log_softmax(void **state)
{
    (void)state;
    for (int bf16 = 0; bf16 < (kernels_bf16_get() ? 2 : 1); bf16++)
        for (uint32_t items = 64; items < 67; items++) {
            struct rows_world w;
            rows_init(&w, TRAIN_FULL, items % 2, items, bf16);
            double sum = 0;
            for (size_t i = 0; i < ROWS; i++) {
                double all = 0;
                for (uint32_t k = 0; k < items && w.b.target[i] != NAMES_NONE; k++)
                    all += exp(plain_score(&w, i, k));
                if (w.b.target[i] != NAMES_NONE)
                    sum += log(all) - plain_score(&w, i, w.b.target[i]);
            }
            fixture_near("loss", rows_loss(&w), sum / step_targets(&w.s),
                         bf16 ? 2e-3 : 1e-5);
            rows_release(&w);
        }
}

/* The draws of a call are still in the scratch memory afterwards. */
static void test_loss__sampled_is_softmax_over_its_draws(void **state)
{
    (void)state;
    for (int normalise = 0; normalise < 2; normalise++) {
        struct rows_world w;
        rows_init(&w, TRAIN_SAMPLED, normalise, 131, false);
        for (size_t i = LOSS_ROWS; i < ROWS; i++)
            w.b.target[i] = NAMES_NONE;
        const double got = rows_loss(&w);
        double sum = 0;
        int hits = 0;
        for (size_t i = 0; i < LOSS_ROWS; i++) {
            const uint32_t target = w.b.target[i];
            if (target == NAMES_NONE)
                continue;
            const double own = plain_score(&w, i, target);
            double all = exp(own);
            for (uint32_t j = 0; j < NEGATIVES; j++) {
                const uint32_t id = w.s.scratch.id[j];
                assert_in_range(id, 0, 130);
                hits += id == target;
                const double uniform = (NEGATIVES + 1) / 2; /* the even draws */
                const double expected =
                    uniform / 131 + (NEGATIVES - uniform) * (double)w.s.frequency[id];
                if (id != target)
                    all += exp(plain_score(&w, i, id) - log(expected));
            }
            sum += log(all) - own;
        }
        assert_true(hits > 0); /* else the exception was not tried */
        fixture_near("loss", got, sum / step_targets(&w.s), 1e-5);
        rows_release(&w);
    }
}

static void test_loss__half_of_the_draws_follow_frequency(void **state)
{
    (void)state;
    struct rows_world w;
    rows_init(&w, TRAIN_SAMPLED, false, 131, false);
    /* All events are of item 7: it must be half of what is drawn, and a bit of the rest. */
    for (uint32_t i = 0; i < ROWS; i++)
        w.s.events[i] = 7;
    rows_loss(&w);
    uint32_t sevens = 0, others[131] = {0}, different = 0;
    for (uint32_t j = 0; j < NEGATIVES; j++) {
        sevens += w.s.scratch.id[j] == 7;
        different += others[w.s.scratch.id[j]]++ == 0;
    }
    assert_in_range(sevens, NEGATIVES / 2, NEGATIVES / 2 + 4);
    assert_in_range(different, 12, NEGATIVES / 2 + 2);
    rows_release(&w);
}

static void test_loss__rows_without_a_target_get_no_gradient(void **state)
{
    (void)state;
    const float zero[20] = {0};
    for (int loss = TRAIN_FULL; loss <= TRAIN_GBCE; loss++) {
        struct rows_world w;
        rows_init(&w, (enum train_loss)loss, false, 131, true);
        memset(w.dh, 0x7F, ROWS * sizeof(zero));
        const double before = rows_loss(&w);
        for (size_t i = 0; i < ROWS; i++)
            if (w.b.target[i] == NAMES_NONE) {
                assert_memory_equal(w.dh + i * 20, zero, sizeof(zero));
                for (size_t j = 0; j < 20; j++)
                    w.h[i * 20 + j] = 1e6f; /* and nothing of them is read */
            } else {
                assert_memory_not_equal(w.dh + i * 20, zero, sizeof(zero));
            }
        assert_true(before == rows_loss(&w));
        for (size_t i = 0; i < ROWS; i++)
            w.b.target[i] = NAMES_NONE;
        gradient_clear(&w.s.gradient);
        struct rng rng;
        rng_init(&rng, 1, 1);
        const struct loss_rows none = {
            .h = w.h, .target = w.b.target, .n = ROWS, .weight = 1, .rng = &rng};
        loss_run(&w.s.tables, &w.s.scratch, &none, w.dh, &w.s.gradient);
        assert_int_equal(w.s.gradient.targets, 0);
        assert_true(w.s.gradient.loss == 0);
        rows_release(&w);
    }
}

/* Two halves merged are the whole, in parts as threads do it and for both layouts. */
static void test_loss__gradients_of_two_threads_merge(void **state)
{
    (void)state;
    for (int loss = TRAIN_FULL; loss <= TRAIN_SAMPLED; loss++) {
        struct rows_world w;
        rows_init(&w, (enum train_loss)loss, true, 131, false);
        const size_t d = w.m->config.dim, n = 131 * d;
        struct gradient half[2];
        float *whole = malloc(n * sizeof(*whole)), *merged = malloc(n * sizeof(*merged));
        assert_true(whole && merged);
        for (int i = 0; i < 2; i++)
            assert_int_equal(gradient_init(&half[i], w.m, loss == TRAIN_FULL), 0);
        struct rng rng;
        for (int i = 0; i < 3;
             i++) { /* the whole, then the two halves, with equal draws */
            const size_t first = i == 2 ? LOSS_ROWS : 0;
            const size_t rows = i == 0 ? ROWS : i == 1 ? LOSS_ROWS : ROWS - LOSS_ROWS;
            rng_init(&rng, 5, 1);
            for (size_t k = 0; k < ROWS; k++) /* so that a chunk is LOSS_ROWS rows */
                w.b.target[k] = (uint32_t)(k % 100);
            const struct loss_rows r = {.h = w.h + first * d,
                                        .target = w.b.target + first,
                                        .n = rows,
                                        .weight = 0.1f,
                                        .rng = &rng};
            loss_tables_update(&w.s.tables, w.s.pool);
            loss_run(&w.s.tables, &w.s.scratch, &r, w.dh,
                     i ? &half[i - 1] : &w.s.gradient);
        }
        for (uint32_t part = 3; part-- > 0;)
            gradient_merge(&half[0], &half[1], part, 3);
        assert_int_equal(half[0].targets, ROWS);
        fixture_near("merged loss", half[0].loss, w.s.gradient.loss, 1e-12);
        gradient_finish(&w.s.gradient, w.m);
        gradient_finish(&half[0], w.m);
        step_gradient(&w.s, &w.m->item, whole);
        const struct step other = {.m = w.m, .gradient = half[0]};
        step_gradient(&other, &w.m->item, merged);
        fixture_close(loss_names[loss], "merged items", merged, whole, n, 1e-5);
        fixture_close(loss_names[loss], "merged attributes",
                      half[0].dense + w.m->attribute.offset,
                      w.s.gradient.dense + w.m->attribute.offset, 3 * d, 1e-5);
        gradient_release(&half[0]);
        gradient_release(&half[1]);
        free(whole);
        free(merged);
        rows_release(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_loss__full_is_that_of_pytorch, fixture_teardown),
        cmocka_unit_test_teardown(test_loss__sampled_is_that_of_pytorch,
                                  fixture_teardown),
        cmocka_unit_test_teardown(test_loss__gbce_is_that_of_pytorch, fixture_teardown),
        cmocka_unit_test(test_loss__full_in_bfloat16_is_near_pytorch),
        cmocka_unit_test_teardown(test_loss__gradients_are_finite_differences,
                                  fixture_teardown),
        cmocka_unit_test_teardown(
            test_loss__a_whole_step_with_dropout_is_finite_differences, fixture_teardown),
        cmocka_unit_test(test_loss__full_is_minus_log_softmax),
        cmocka_unit_test(test_loss__sampled_is_softmax_over_its_draws),
        cmocka_unit_test(test_loss__half_of_the_draws_follow_frequency),
        cmocka_unit_test(test_loss__rows_without_a_target_get_no_gradient),
        cmocka_unit_test(test_loss__gradients_of_two_threads_merge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

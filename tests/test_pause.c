/* SPDX-License-Identifier: Apache-2.0 */
/* A trainer that pauses and goes on: the same bits, its schedule, its average. */
#include "circles_fixture.h"

#include "learn/average.h"
#include "learn/trainer.h"
#include "learn/validate.h"

enum { USERS = 120, ITEMS = 60 };

static struct train_options options(const struct circles *s, const char *loss)
{
    const struct penchant_train_options asked = {.preset = "gated",
                                                 .loss = loss,
                                                 .dim = 16,
                                                 .heads = 2,
                                                 .negatives = 16,
                                                 .max_length = 8,
                                                 .dropout = 0.2,
                                                 .learning_rate = 0.01,
                                                 .weight_decay = 0.01,
                                                 .batch_tokens = 64,
                                                 .seed = 1,
                                                 .threads = 2};
    struct train_options o;
    assert_int_equal(train_options_from(&o, &asked, &s->data, NULL), 0);
    o.warmup_steps = 7;
    return o;
}

static void go(struct trainer *t, uint32_t epochs, bool last)
{
    const struct trainer_leg leg = {.epochs = epochs, .last = last};
    struct penchant_error err;
    if (trainer_go(t, &leg, &err) != PENCHANT_OK)
        fail_msg("%s", err.text);
}

static void assert_same(const struct model *a, const struct model *b)
{
    assert_int_equal(a->n_params, b->n_params);
    assert_memory_equal(a->param, b->param, a->n_params * sizeof(float));
}

static void test_pause__going_on_gives_the_bits_of_an_uninterrupted_run(void **state)
{
    (void)state;
    static const char *const loss[] = {"full", "sampled", "gbce"};
    struct circles s;
    circles_init(&s, USERS, ITEMS, 5);
    for (size_t l = 0; l < 3; l++) {
        const struct train_options o = options(&s, loss[l]);
        struct trainer *through, *paused, *other;
        assert_int_equal(trainer_new(&through, &s.data, &o, NULL), 0);
        assert_int_equal(trainer_new(&paused, &s.data, &o, NULL), 0);
        assert_int_equal(trainer_new(&other, &s.data, &o, NULL), 0);
        go(through, 4, false);
        go(through, 6, true);
        for (int i = 0; i < 4; i++) {
            go(paused, 1, false);
            trainer_rest(paused);
            if (i == 1)
                go(other, 3, false); /* another one trains between */
        }
        go(paused, 6, true);
        assert_same(trainer_best(through), trainer_best(paused));
        assert_int_equal(trainer_report(through)->steps, trainer_report(paused)->steps);
        assert_true(trainer_report(through)->best_ndcg10 ==
                    trainer_report(paused)->best_ndcg10);
        trainer_free(through);
        trainer_free(paused);
        trainer_free(other);
    }
    circles_release(&s);
}

/* Counts the steps and asks to stop after some. */
static int stop_after(void *cookie, const char *what, uint64_t done, uint64_t total,
                      const char *detail)
{
    (void)what, (void)done, (void)total, (void)detail;
    int *left = cookie;
    return --*left == 0;
}

/* A fork takes the bits of the one it comes from, wherever in an epoch that is, and
   leaves it as it was. */
static void test_pause__a_fork_goes_on_like_its_origin(void **state)
{
    (void)state;
    static const char *const losses[] = {"full", "sampled"};
    struct circles s;
    circles_init(&s, USERS, ITEMS, 3);
    for (size_t i = 0; i < 2; i++) {
        const struct train_options o = options(&s, losses[i]);
        const struct trainer_leg odd = {.steps = 13}, later = {.steps = 17};
        struct trainer *t, *fork;
        assert_int_equal(trainer_new(&t, &s.data, &o, NULL), 0);
        assert_int_equal(trainer_go(t, &odd, NULL), 0);
        assert_int_equal(trainer_report(t)->steps, 13);
        struct model *before = model_clone(trainer_model(t));
        assert_int_equal(trainer_fork(&fork, t, &o, NULL), 0);
        assert_same(trainer_model(fork), trainer_model(t));
        assert_int_equal(trainer_go(fork, &later, NULL), 0);
        assert_int_equal(trainer_report(fork)->steps, 30);
        assert_same(trainer_model(t), before);
        assert_int_equal(trainer_go(t, &later, NULL), 0);
        assert_same(trainer_model(fork), trainer_model(t));
        assert_same(trainer_best(fork), trainer_best(t));
        assert_true(trainer_ndcg(fork) == trainer_ndcg(t));
        model_free(before);
        trainer_free(t);
        trainer_free(fork);
    }
    circles_release(&s);
}

/* Its own options hold from then on, in what it reports and keeps, too. */
static void test_pause__a_fork_has_its_own_settings(void **state)
{
    (void)state;
    struct circles s;
    struct trainer *t, *fork;
    circles_init(&s, USERS, ITEMS, 3);
    const struct train_options o = options(&s, "full");
    struct train_options other = o;
    other.model.temperature = 0.1f;
    other.dropout = 0.5f;
    other.weight_decay = 2;
    other.loss = TRAIN_SAMPLED;
    assert_int_equal(trainer_new(&t, &s.data, &o, NULL), 0);
    go(t, 2, false);
    assert_int_equal(trainer_fork(&fork, t, &other, NULL), 0);
    assert_true(trainer_best(fork)->config.temperature > 0.09f);
    assert_true(trainer_model(fork)->config.temperature > 0.09f);
    assert_true(trainer_model(t)->config.temperature < 0.09f);
    const struct penchant_train_report *r = trainer_report(fork);
    assert_string_equal(r->loss, "sampled");
    assert_true(r->dropout > 0.49 && r->weight_decay > 1.9 && r->temperature > 0.09);
    assert_int_equal(r->negatives, 16);
    assert_int_equal(r->epochs, 2);
    go(t, 1, false);
    go(fork, 1, false);
    assert_memory_not_equal(trainer_model(fork)->param, trainer_model(t)->param,
                            trainer_model(t)->n_params * sizeof(float));
    trainer_free(t);
    trainer_free(fork);
    circles_release(&s);
}

static void test_pause__a_leg_cut_within_an_epoch_is_judged(void **state)
{
    (void)state;
    struct circles s;
    circles_init(&s, USERS, ITEMS, 5);
    struct train_options o = options(&s, "full");
    struct trainer *t;
    int left = 13; /* an epoch has ten steps: within the second */
    o.progress = stop_after;
    o.cookie = &left;
    assert_int_equal(trainer_new(&t, &s.data, &o, NULL), 0);
    go(t, 0, true);
    assert_true(trainer_done(t) && trainer_report(t)->stopped);
    assert_int_equal(trainer_report(t)->steps, 13);
    struct validation v;
    struct pool *pool = pool_new(1);
    double ndcg;
    assert_int_equal(validation_init(&v, &s.data), 0);
    assert_int_equal(validation_ndcg10(&v, trainer_best(t), pool, &ndcg), 0);
    fixture_near("NDCG@10", trainer_report(t)->best_ndcg10, ndcg, 1e-9);
    validation_release(&v);
    pool_free(pool);
    trainer_free(t);
    circles_release(&s);
}

/* With one window there is one step an epoch: parameters can be told apart step by step.
   The rate of a leg of ten epochs is full for seven and falls in a line after that. */
static void test_pause__the_rate_falls_at_the_end_of_the_last_leg(void **state)
{
    (void)state;
    struct circles s;
    circles_init(&s, USERS, ITEMS, 5);
    double moved[2][11] = {{0}};
    for (int last = 0; last < 2; last++)
        for (uint32_t n = 1; n <= 10; n++) {
            struct train_options o = options(&s, "full");
            struct trainer *t;
            o.batch_tokens = 100000;
            o.warmup_steps = 0;
            o.dropout = 0;
            o.patience = 100;
            int left = (int)n;
            o.progress = stop_after;
            o.cookie = &left;
            assert_int_equal(trainer_new(&t, &s.data, &o, NULL), 0);
            go(t, 10, last);
            moved[last][n] = trainer_rate(t) / (double)o.learning_rate;
            trainer_free(t);
        }
    for (uint32_t n = 1; n <= 9; n++) {
        const double behind = n < 7 ? 0 : (n - 7.0) / 3;
        fixture_near("the steady rate", moved[0][n], 1, 1e-6);
        fixture_near("the falling rate", moved[1][n], 1 - 0.95 * behind, 1e-6);
    }
    circles_release(&s);
}

static void test_pause__the_average_is_exponential(void **state)
{
    (void)state;
    float mean[5] = {1, -2, 0, 4, 8}, x[5] = {3, -2, 1, 0, 16};
    const float want[5] = {1.5f, -2, 0.25f, 3, 10};
    average_add(mean, x, 5, 0.25f);
    for (int i = 0; i < 5; i++)
        assert_true(mean[i] == want[i]);
    average_add(mean, x, 5, 1);
    assert_memory_equal(mean, x, sizeof(x));
}

/* What is kept is the average and not where the last step led: the parameters of all
   steps so far, the newest most. */
static void test_pause__what_is_kept_is_the_average_of_the_steps(void **state)
{
    (void)state;
    enum { STEPS = 40 };
    struct circles s;
    circles_init(&s, USERS, ITEMS, 5);
    for (uint32_t u = 0; u < USERS; u++)
        s.train_end[u] = s.h.start[u + 1]; /* nothing held out: the last one is kept */
    struct train_options o = options(&s, "sampled");
    struct trainer *t;
    o.patience = 1000;
    double *mean = NULL;
    size_t n = 0;
    assert_int_equal(trainer_new(&t, &s.data, &o, NULL), 0);
    n = trainer_best(t)->n_params;
    mean = calloc(n, sizeof(*mean));
    assert_non_null(mean);
    const float *param = trainer_model(t)->param;
    for (uint32_t step = 1; step <= STEPS; step++) {
        /* The bound is over before it begins: one step. */
        assert_int_equal(trainer_go(t, &(struct trainer_leg){.seconds = 1e-9}, NULL), 0);
        assert_int_equal(trainer_report(t)->steps, step);
        /* Over an eighth of the steps so far, two epochs of some twelve at most. */
        const double horizon = step / 8.0;
        assert_true(horizon < 2 * 11);
        const double share = horizon > 1 ? 1 / horizon : 1;
        for (size_t i = 0; i < n; i++)
            mean[i] += share * ((double)param[i] - mean[i]);
    }
    float *want = malloc(n * sizeof(*want));
    assert_non_null(want);
    for (size_t i = 0; i < n; i++)
        want[i] = (float)mean[i];
    fixture_close("sampled", "the average", trainer_best(t)->param, want, n, 1e-5);
    assert_true(fixture_distance(param, want, n) > 1e-3); /* it is not the last step's */
    free(want);
    free(mean);
    trainer_free(t);
    circles_release(&s);
}

/* Once nothing more comes of it the rate falls from the best average, and the run ends. */
static void test_pause__ends_after_patience_and_a_fall(void **state)
{
    (void)state;
    struct circles s;
    circles_init(&s, USERS, ITEMS, 5);
    struct train_options o = options(&s, "full");
    struct trainer *t;
    o.patience = 3;
    o.learning_rate = 1e-30f;
    assert_int_equal(trainer_new(&t, &s.data, &o, NULL), 0);
    go(t, 10, false);
    assert_false(trainer_done(t)); /* a heat without hope ends early, */
    assert_int_equal(trainer_report(t)->epochs, 1 + 3);
    go(t, 0, true);
    assert_true(trainer_done(t)); /* the last leg after the fall, of two epochs here */
    assert_in_range(trainer_report(t)->epochs, 1 + 3 + 2, 1 + 3 + 1 + 2);
    trainer_free(t);
    circles_release(&s);
}

/* Epochs of one step: patience goes by steps, and not before the rate has risen. */
static void test_pause__a_small_log_is_given_time(void **state)
{
    (void)state;
    struct circles s;
    circles_init(&s, USERS, ITEMS, 5);
    struct train_options o = options(&s, "full");
    struct trainer *t;
    o.batch_tokens = 100000;
    o.warmup_steps = 7;
    o.patience = 3;
    o.learning_rate = 1e-30f;
    assert_int_equal(trainer_new(&t, &s.data, &o, NULL), 0);
    go(t, 0, true);
    assert_int_equal(trainer_report(t)->best_epoch, 1);
    assert_int_equal(trainer_report(t)->epochs, 7 + 3 * 8 + 2); /* and the fall */
    trainer_free(t);
    circles_release(&s);
}

/* The items of the held-out events are otherwise unknown: only with everything learned
   are they expected. */
static void test_pause__everything_learns_the_held_out_events(void **state)
{
    (void)state;
    struct circles s;
    circles_init(&s, USERS, ITEMS, 5);
    for (uint32_t u = 0; u < USERS; u++)
        s.h.item[s.train_end[u]] = ITEMS - 1 - s.h.item[s.train_end[u]] / CIRCLE;
    struct train_options o = options(&s, "full");
    struct penchant_train_report r;
    struct model *best, *all;
    struct validation v;
    struct pool *pool = pool_new(1);
    double before, after;
    s.data.exclude_seen = false;
    o.max_epochs = 10;
    assert_int_equal(train_run(&best, &s.data, &o, &r, NULL), 0);
    struct model *copy = model_clone(best);
    assert_non_null(copy);
    assert_int_equal(train_everything(&all, best, &s.data, &o, &r, NULL), 0);
    assert_memory_equal(best->param, copy->param, copy->n_params * sizeof(float));
    assert_int_equal(validation_init(&v, &s.data), 0);
    assert_int_equal(validation_ndcg10(&v, best, pool, &before), 0);
    assert_int_equal(validation_ndcg10(&v, all, pool, &after), 0);
    if (!(after > before + 0.1))
        fail_msg("NDCG@10 on what was held out: %.3f, then %.3f", before, after);
    validation_release(&v);
    pool_free(pool);
    model_free(copy);
    model_free(best);
    model_free(all);
    circles_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pause__going_on_gives_the_bits_of_an_uninterrupted_run),
        cmocka_unit_test(test_pause__a_fork_goes_on_like_its_origin),
        cmocka_unit_test(test_pause__a_fork_has_its_own_settings),
        cmocka_unit_test(test_pause__a_leg_cut_within_an_epoch_is_judged),
        cmocka_unit_test(test_pause__the_rate_falls_at_the_end_of_the_last_leg),
        cmocka_unit_test(test_pause__the_average_is_exponential),
        cmocka_unit_test(test_pause__what_is_kept_is_the_average_of_the_steps),
        cmocka_unit_test(test_pause__ends_after_patience_and_a_fall),
        cmocka_unit_test(test_pause__a_small_log_is_given_time),
        cmocka_unit_test(test_pause__everything_learns_the_held_out_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

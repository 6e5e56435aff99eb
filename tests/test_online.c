/* SPDX-License-Identifier: Apache-2.0 */
/* Learning on while a shop is open: a shift is learned, poison is rolled back, the same
   calls give the same bits, and what is kept has bounds. */
#include "model_fixture.h"

#include "learn/online.h"
#include "learn/train.h"

/* ---- a made-up shop: each user walks round the circle of their group ------------- */

enum { GROUPS = 6, CIRCLE = 10, ITEMS = GROUPS * CIRCLE, USERS = 300, WALK = 8 };

/* How the shoppers of now go on. */
enum walk { BY_ONE = 1, BY_THREE = 3, ANYWHERE = 0 };

static struct online_window walk_window(struct rng *rng, enum walk walk)
{
    struct online_window w = {.n = WALK};
    const uint32_t group = rng_below(rng, GROUPS), at = rng_below(rng, CIRCLE);
    float time = 0;
    for (uint32_t i = 0; i < WALK; i++) {
        w.item[i] = walk == ANYWHERE ? rng_below(rng, ITEMS)
                                     : group * CIRCLE + (at + i * walk) % CIRCLE;
        w.type[i] = (uint8_t)(w.item[i] % 3);
        w.time[i] = time;
        time += 1 + (float)rng_below(rng, 1000);
    }
    return w;
}

static void write_history(struct history *h, uint64_t *train_end)
{
    struct rng rng;
    rng_init(&rng, 6, 1);
    *h = (struct history){.n_users = USERS, .n_items = ITEMS, .has_clock = true};
    h->start = calloc(USERS + 1, sizeof(*h->start));
    h->item = malloc(USERS * WALK * sizeof(*h->item));
    h->type = malloc(USERS * WALK * sizeof(*h->type));
    h->ts_us = malloc(USERS * WALK * sizeof(*h->ts_us));
    assert_true(h->start && h->item && h->type && h->ts_us);
    for (uint32_t u = 0; u < USERS; u++) {
        const struct online_window w = walk_window(&rng, BY_ONE);
        for (uint32_t i = 0; i < WALK; i++, h->n++) {
            h->item[h->n] = w.item[i];
            h->type[h->n] = w.type[i];
            h->ts_us[h->n] = INT64_C(1700000000000000) + (int64_t)w.time[i] * 1000000;
        }
        h->start[u + 1] = h->n;
        train_end[u] = h->n - 1;
    }
}

/* A model that walks by one. */
static struct model *champion(const char *preset)
{
    struct history h;
    uint64_t train_end[USERS];
    struct train_options o;
    struct penchant_train_report report = {.epochs = 0};
    struct penchant_error err = {0};
    struct model *m = NULL;
    write_history(&h, train_end);
    const struct train_data data = {
        .history = &h, .train_end = train_end, .exclude_seen = true, .n_types = 3};
    const struct penchant_train_options ask = {.preset = preset,
                                               .loss = "full",
                                               .dim = 16,
                                               .blocks = 1,
                                               .heads = 2,
                                               .max_length = 12,
                                               .dropout = 0.1,
                                               .learning_rate = 0.01,
                                               .weight_decay = -1,
                                               .max_epochs = 12,
                                               .batch_tokens = 64,
                                               .seed = 1,
                                               .threads = 1};
    if (train_options_from(&o, &ask, &data, &err) != PENCHANT_OK ||
        train_run(&m, &data, &o, &report, &err) != PENCHANT_OK)
        fail_msg("%s", err.text);
    history_release(&h);
    return m;
}

static struct online *learner(const struct model *m, const struct online_options *o)
{
    struct online *online;
    struct rng rng;
    rng_init(&rng, 77, 0);
    assert_int_equal(online_new(&online, m, o, NULL), PENCHANT_OK);
    for (uint32_t i = 0; i < 200; i++) {
        const struct online_window w = walk_window(&rng, BY_ONE);
        online_seed(online, &w);
    }
    return online;
}

static struct online_options quick(void)
{
    struct online_options o;
    online_options_default(&o);
    o.rate = 2e-3f;
    o.negatives = 40;
    o.horizon = 400;
    return o;
}

/* Feeds `events` events and takes a step after every 16. Returns how often it was rolled
   back meanwhile. */
static uint32_t live(struct online *o, struct rng *rng, enum walk walk, uint32_t events)
{
    uint32_t rolled = 0;
    for (uint32_t i = 0; i < events; i++) {
        enum online_outcome outcome = ONLINE_IDLE;
        const struct online_window w = walk_window(rng, walk);
        assert_true(online_feed(o, &w, NULL));
        if (i % 16 == 15)
            assert_int_equal(online_step(o, &outcome, NULL), PENCHANT_OK);
        rolled += outcome == ONLINE_ROLLED_BACK;
    }
    return rolled;
}

static bool same_parameters(const struct model *a, const struct model *b)
{
    return memcmp(a->param, b->param, a->n_params * sizeof(float)) == 0;
}

/* ---- what holds ------------------------------------------------------------------ */

static void test_online__learns_a_shift_within_a_thousand_events(void **state)
{
    static const char *const presets[] = {"gated", "hstu", "sasrec"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct online_report r;
        struct rng rng;
        struct model *m = champion(presets[i]);
        const struct online_options options = quick();
        struct online *o = learner(m, &options);
        rng_init(&rng, 3, i);
        live(o, &rng, BY_THREE, 1000);
        online_report(o, &r);
        assert_int_equal(r.rollbacks, 0);
        assert_int_equal(r.fresh, 992); /* the last 8 wait */
        if (!(r.loss < 0.8 * r.champion_loss))
            fail_msg("%s: %.3f, the champion %.3f", presets[i], r.loss, r.champion_loss);
        assert_false(same_parameters(m, online_model(o)));
        online_free(o);
        model_free(m);
    }
}

/* What does not change is not unlearned. */
static void test_online__stays_as_good_when_nothing_changes(void **state)
{
    (void)state;
    struct online_report r;
    struct rng rng;
    struct model *m = champion("gated");
    const struct online_options options = quick();
    struct online *o = learner(m, &options);
    rng_init(&rng, 4, 0);
    live(o, &rng, BY_ONE, 2000);
    online_report(o, &r);
    assert_int_equal(r.rollbacks, 0);
    assert_true(r.loss < 1.02 * r.champion_loss);
    online_free(o);
    model_free(m);
}

/* A burst of noise makes the challenger worse for those who come after it. */
static void test_online__rolls_back_what_poison_has_done(void **state)
{
    (void)state;
    struct online_report r;
    struct rng rng;
    uint32_t n;
    struct model *m = champion("gated");
    const struct online_options options = quick();
    struct online *o = learner(m, &options);
    rng_init(&rng, 5, 0);
    live(o, &rng, ANYWHERE, 600);
    online_report(o, &r);
    assert_false(same_parameters(m, online_model(o)));
    const uint32_t during = (uint32_t)r.rollbacks;
    uint32_t rolled = 0, events = 0;
    online_published(o);
    for (; !rolled && events < 3000; events += 16) {
        struct online_report before;
        online_report(o, &before);
        rolled = live(o, &rng, BY_ONE, 16);
    }
    assert_int_equal(rolled, 1);
    online_report(o, &r);
    assert_int_equal(r.rollbacks, during + 1);
    assert_true(same_parameters(m, online_model(o)));
    assert_true(isnan(r.loss));
    assert_true(r.rate < options.rate);
    online_changed(o, &n);
    assert_true(n > 0); /* whoever serves it must learn of all rows that went back */
    live(o, &rng, BY_ONE, 6400);
    online_report(o, &r);
    assert_true(r.loss < 1.02 * r.champion_loss);
    fixture_near("the rate that was won back", (double)r.rate, (double)options.rate,
                 1e-6);
    online_free(o);
    model_free(m);
}

static void test_online__is_rolled_back_when_a_loss_is_not_finite(void **state)
{
    (void)state;
    struct rng rng;
    struct model *m = champion("gated");
    struct online_options options = quick();
    options.rate = 1e30f;
    struct online *o = learner(m, &options);
    rng_init(&rng, 6, 0);
    assert_true(live(o, &rng, BY_ONE, 160) > 0);
    online_free(o);
    model_free(m);
}

static void test_online__same_calls_give_the_same_bits(void **state)
{
    (void)state;
    struct model *m = champion("hstu");
    const struct online_options options = quick();
    struct online *o[2];
    for (int i = 0; i < 2; i++) {
        struct rng rng;
        rng_init(&rng, 8, 0);
        o[i] = learner(m, &options);
        live(o[i], &rng, BY_THREE, 500);
        live(o[i], &rng, ANYWHERE, 500);
        live(o[i], &rng, BY_ONE, 500);
    }
    struct online_report a, b;
    online_report(o[0], &a);
    online_report(o[1], &b);
    assert_memory_equal(&a.loss, &b.loss, sizeof a.loss);
    assert_int_equal(a.rollbacks, b.rollbacks);
    assert_true(same_parameters(online_model(o[0]), online_model(o[1])));
    struct online_options other = options;
    other.seed = 2;
    struct online *third = learner(m, &other);
    struct rng rng;
    rng_init(&rng, 8, 0);
    live(third, &rng, BY_THREE, 500);
    assert_false(same_parameters(online_model(third), online_model(o[0])));
    online_free(third);
    online_free(o[0]);
    online_free(o[1]);
    model_free(m);
}

/* The champion is borrowed: it must not feel anything. */
static void test_online__leaves_the_champion_alone(void **state)
{
    (void)state;
    struct rng rng;
    struct model *m = champion("sasrec"), *copy = model_clone(m);
    const struct online_options options = quick();
    struct online *o = learner(m, &options);
    rng_init(&rng, 9, 0);
    live(o, &rng, BY_THREE, 320);
    assert_true(same_parameters(m, copy));
    online_free(o);
    model_free(m);
    model_free(copy);
}

static void test_online__changed_rows_are_all_that_differ(void **state)
{
    (void)state;
    struct rng rng;
    struct model *m = champion("gated");
    const size_t d = m->config.dim;
    struct online_options options = quick();
    options.negatives = 2; /* so that some rows stay untouched */
    struct online *o;
    assert_int_equal(online_new(&o, m, &options, NULL), PENCHANT_OK);
    rng_init(&rng, 10, 0);
    live(o, &rng, BY_THREE, 16);
    struct model *before = model_clone(online_model(o));
    uint32_t n;
    online_changed(o, &n);
    assert_in_range(n, 1, ITEMS);
    online_published(o);
    online_changed(o, &n);
    assert_int_equal(n, 0);
    struct online_window w = walk_window(&rng, BY_ONE);
    assert_true(online_feed(o, &w, NULL));
    enum online_outcome outcome;
    assert_int_equal(online_step(o, &outcome, NULL), PENCHANT_OK);
    assert_int_equal(outcome, ONLINE_LEARNED);
    const uint32_t *row = online_changed(o, &n);
    bool told[ITEMS] = {false};
    for (uint32_t i = 0; i < n; i++)
        told[row[i]] = true;
    for (uint32_t i = 0; i < ITEMS; i++) {
        const float *was = model_at(before, &before->item) + i * d;
        const float *is = model_at(online_model(o), &m->item) + i * d;
        if (memcmp(was, is, d * sizeof *is) != 0)
            assert_true(told[i]);
    }
    for (uint32_t i = 0; i < w.n; i++)
        assert_true(told[w.item[i]]);
    online_free(o);
    model_free(before);
    model_free(m);
}

static void test_online__refuses_what_the_model_does_not_know(void **state)
{
    (void)state;
    struct rng rng;
    struct model *m = champion("gated");
    const struct online_options options = quick();
    struct online *o = learner(m, &options);
    rng_init(&rng, 11, 0);
    const struct online_window good = walk_window(&rng, BY_ONE);
    struct online_window w = good;
    w.item[2] = ITEMS;
    assert_false(online_feed(o, &w, NULL));
    w = good;
    w.type[0] = 3;
    assert_false(online_feed(o, &w, NULL));
    w = good;
    w.n = 1;
    assert_false(online_feed(o, &w, NULL));
    w.n = 14; /* the model looks back 12 */
    assert_false(online_feed(o, &w, NULL));
    enum online_outcome outcome;
    assert_int_equal(online_waiting(o), 0);
    assert_int_equal(online_step(o, &outcome, NULL), PENCHANT_OK);
    assert_int_equal(outcome, ONLINE_IDLE);
    online_free(o);
    model_free(m);
}

/* However much comes, 32 wait, and rings take the place of what is oldest. */
static void test_online__keeps_no_more_than_it_says(void **state)
{
    (void)state;
    struct rng rng;
    struct online_report r;
    struct model *m = champion("gated");
    const struct online_options options = quick();
    struct online *o = learner(m, &options);
    rng_init(&rng, 12, 0);
    uint32_t n_displaced = 0;
    for (uint32_t i = 0; i < 3 * ONLINE_DRAWN; i++) {
        bool displaced;
        const struct online_window w = walk_window(&rng, BY_ONE);
        assert_true(online_feed(o, &w, &displaced));
        n_displaced += displaced;
        assert_true(online_waiting(o) <= ONLINE_FRESH);
    }
    online_report(o, &r);
    assert_int_equal(n_displaced, 3 * ONLINE_DRAWN - ONLINE_FRESH);
    assert_int_equal(r.displaced, n_displaced);
    enum online_outcome outcome;
    assert_int_equal(online_step(o, &outcome, NULL), PENCHANT_OK);
    online_report(o, &r);
    assert_int_equal(r.fresh, ONLINE_FRESH);
    assert_int_equal(r.replayed, ONLINE_FRESH);
    online_free(o);
    model_free(m);
}

/* Draws by frequency follow what the ring holds, and nothing else. */
static void test_online__frequencies_are_those_of_the_ring(void **state)
{
    (void)state;
    struct online_replay r;
    assert_int_equal(online_replay_init(&r, 3), PENCHANT_OK);
    for (uint32_t i = 0; i < 100; i++)
        online_replay_count(&r, 0);
    online_replay_frequencies(&r);
    assert_true(r.frequency[0] == 1 && r.frequency[1] == 0);
    for (uint32_t i = 0; i < ONLINE_DRAWN; i++)
        online_replay_count(&r, 1 + i % 2);
    online_replay_frequencies(&r);
    assert_true(r.frequency[0] == 0);
    assert_true(r.frequency[1] == 0.5f && r.frequency[2] == 0.5f);
    online_replay_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_online__learns_a_shift_within_a_thousand_events),
        cmocka_unit_test(test_online__stays_as_good_when_nothing_changes),
        cmocka_unit_test(test_online__rolls_back_what_poison_has_done),
        cmocka_unit_test(test_online__is_rolled_back_when_a_loss_is_not_finite),
        cmocka_unit_test(test_online__same_calls_give_the_same_bits),
        cmocka_unit_test(test_online__leaves_the_champion_alone),
        cmocka_unit_test(test_online__changed_rows_are_all_that_differ),
        cmocka_unit_test(test_online__refuses_what_the_model_does_not_know),
        cmocka_unit_test(test_online__keeps_no_more_than_it_says),
        cmocka_unit_test(test_online__frequencies_are_those_of_the_ring),
    };
    return cmocka_run_group_tests_name("online", tests, NULL, fixture_teardown);
}

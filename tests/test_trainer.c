/* SPDX-License-Identifier: Apache-2.0 */
/* Training from histories to a model: what it learns, repeats, stops at and refuses. */
#include "model_fixture.h"

#include "learn/held_out.h"
#include "learn/optimiser.h"
#include "learn/validate.h"
#include "learn/windows.h"
#include "model/encoder.h"

/* ---- a made-up shop: each user walks round the circle of their group ----------- */

enum { GROUPS = 6, CIRCLE = 10, ITEMS = GROUPS * CIRCLE, USERS = 240, WALK = 8 };

struct shop {
    struct history h;
    uint64_t *train_end;
    struct train_data data;
};

static void shop_alloc(struct shop *s, uint32_t users, uint32_t items, uint64_t most)
{
    *s = (struct shop){.h = {.n_users = users, .n_items = items, .has_clock = true}};
    s->h.start = calloc(users + (size_t)1, sizeof(*s->h.start));
    s->h.item = malloc(most * sizeof(*s->h.item));
    s->h.type = malloc(most * sizeof(*s->h.type));
    s->h.ts_us = malloc(most * sizeof(*s->h.ts_us));
    s->train_end = malloc(users * sizeof(*s->train_end));
    assert_true(s->h.start && s->h.item && s->h.type && s->h.ts_us && s->train_end);
}

static void shop_event(struct shop *s, uint32_t user, uint32_t item, int64_t ts_us)
{
    s->h.item[s->h.n] = item;
    s->h.type[s->h.n] = (uint8_t)(item % 3);
    s->h.ts_us[s->h.n++] = ts_us;
    s->h.start[user + 1] = s->h.n;
}

/* The last event of every user is held out. */
static void shop_ready(struct shop *s)
{
    for (uint32_t u = 0; u < s->h.n_users; u++)
        s->train_end[u] = s->h.start[u + 1] - (s->h.start[u + 1] > s->h.start[u]);
    s->data = (struct train_data){
        .history = &s->h, .train_end = s->train_end, .exclude_seen = true, .n_types = 3};
}

static void shop_init(struct shop *s)
{
    struct rng rng;
    rng_init(&rng, 6, 1);
    shop_alloc(s, USERS, ITEMS, (uint64_t)USERS * WALK);
    for (uint32_t u = 0; u < USERS; u++) {
        const uint32_t group = rng_below(&rng, GROUPS), at = rng_below(&rng, CIRCLE);
        int64_t ts = INT64_C(1700000000000000);
        for (uint32_t i = 0; i < WALK; i++) {
            shop_event(s, u, group * CIRCLE + (at + i) % CIRCLE, ts);
            ts += 1000000 * (int64_t)(1 + rng_below(&rng, 100000));
        }
    }
    shop_ready(s);
}

/* Users with 0 to `longest` events of random items. */
static void shop_random(struct shop *s, uint32_t users, uint32_t items, uint32_t longest)
{
    struct rng rng;
    rng_init(&rng, 14, longest);
    shop_alloc(s, users, items, (uint64_t)users * longest);
    for (uint32_t u = 0; u < users; u++) {
        const uint32_t n = u < 3 ? u : rng_below(&rng, longest + 1);
        int64_t ts = INT64_C(1700000000000000);
        s->h.start[u + 1] = s->h.n;
        for (uint32_t i = 0; i < n; i++, ts += rng_below(&rng, 1u << 31))
            shop_event(s, u, rng_below(&rng, items), ts);
    }
    shop_ready(s);
}

static void shop_release(struct shop *s)
{
    history_release(&s->h);
    free(s->train_end);
}

static struct penchant_train_options asked(const char *preset, const char *loss)
{
    return (struct penchant_train_options){.preset = preset,
                                           .loss = loss,
                                           .dim = 16,
                                           .blocks = 1,
                                           .heads = 2,
                                           .negatives = 20,
                                           .max_length = 12,
                                           .dropout = 0.1,
                                           .learning_rate = 0.01,
                                           .weight_decay = -1,
                                           .max_epochs = 12,
                                           .batch_tokens = 32,
                                           .seed = 1,
                                           .threads = 1};
}

static struct train_options options(const struct shop *s, const char *preset,
                                    const char *loss)
{
    struct train_options o;
    const struct penchant_train_options ask = asked(preset, loss);
    struct penchant_error err;
    if (train_options_from(&o, &ask, &s->data, &err) != PENCHANT_OK)
        fail_msg("%s", err.text);
    o.warmup_steps = 10;
    o.patience = 100;
    return o;
}

static struct model *train(const struct shop *s, const struct train_options *o,
                           struct penchant_train_report *report)
{
    struct model *best;
    struct penchant_error err;
    if (train_run(&best, &s->data, o, report, &err) != PENCHANT_OK)
        fail_msg("%s", err.text);
    assert_non_null(best);
    return best;
}

static double ndcg_of(const struct shop *s, const struct model *m)
{
    struct validation v;
    struct pool *pool = pool_new(2);
    double ndcg;
    assert_non_null(pool);
    assert_int_equal(validation_init(&v, &s->data), PENCHANT_OK);
    assert_int_equal(validation_ndcg10(&v, m, pool, &ndcg), PENCHANT_OK);
    validation_release(&v);
    pool_free(pool);
    return ndcg;
}

/* ---- learning ------------------------------------------------------------------ */

struct watch {
    uint32_t calls, stop_after, bests;
    double first_loss, loss, best_ndcg;
    uint64_t done, total;
};

static int watch_progress(void *cookie, const char *what, uint64_t done, uint64_t total,
                          const char *detail)
{
    struct watch *w = cookie;
    unsigned epoch;
    assert_string_equal(what, "train");
    assert_int_equal(sscanf(detail, "epoch %u loss %lf", &epoch, &w->loss), 2);
    if (w->calls++ == 0)
        w->first_loss = w->loss;
    assert_true(done >= w->done);
    w->done = done;
    w->total = total;
    return w->stop_after && w->calls >= w->stop_after;
}

static int watch_best(void *cookie, const struct model *m,
                      const struct penchant_train_report *report)
{
    struct watch *w = cookie;
    assert_non_null(m);
    assert_true(report->best_ndcg10 > w->best_ndcg || w->bests == 0);
    w->best_ndcg = report->best_ndcg10;
    w->bests++;
    return PENCHANT_OK;
}

static void check_learns(const struct shop *s, const char *preset, const char *loss)
{
    struct train_options o = options(s, preset, loss);
    struct watch w = {0};
    struct penchant_train_report r;
    o.progress = watch_progress;
    o.on_best = watch_best;
    o.cookie = &w;
    struct model *m = train(s, &o, &r);
    /* At first every item is as likely; sampling does not change that (logQ). */
    if (o.loss != TRAIN_GBCE)
        fixture_near("the first loss", w.first_loss, log(ITEMS), 0.02);
    /* Chance is 0.08; knowing the group but not the order gives 0.7. */
    if (!(r.best_ndcg10 > 0.9) || !(w.loss < 0.6 * w.first_loss))
        fail_msg("%s %s: NDCG@10 %.3f, loss from %.3f to %.3f", preset, loss,
                 r.best_ndcg10, w.first_loss, w.loss);
    fixture_near("the best model's NDCG@10", ndcg_of(s, m), r.best_ndcg10, 1e-9);
    fixture_near("the last best one's", w.best_ndcg, r.best_ndcg10, 0);
    assert_true(w.bests >= 1 && w.bests <= r.epochs);
    assert_string_equal(r.preset, preset);
    assert_string_equal(r.loss, loss);
    assert_int_equal(r.epochs, o.max_epochs);
    assert_in_range(r.best_epoch, 1, r.epochs);
    assert_int_equal(r.steps, w.calls);
    /* Six windows of six tokens are the first that reach batch_tokens. */
    assert_int_equal(r.steps, r.epochs * USERS / 6);
    assert_int_equal(r.tokens, (uint64_t)r.epochs * USERS * (WALK - 2));
    /* Steps and their batches are a part of the time, never more. */
    assert_true(r.tokens_per_s > 0 && (double)r.tokens / r.tokens_per_s <= r.seconds);
    assert_int_equal(w.done, w.total);
    assert_false(r.stopped);
    model_free(m);
}

static void test_trainer__learns_a_pattern_with_every_preset_and_loss(void **state)
{
    (void)state;
    static const char *const preset[] = {"sasrec", "hstu"}, *const loss[] = {"full",
                                                                             "sampled",
                                                                             "gbce"};
    struct shop s;
    shop_init(&s);
    for (size_t p = 0; p < 2; p++)
        for (size_t l = 0; l < 3; l++)
            check_learns(&s, preset[p], loss[l]);
    shop_release(&s);
}

static void test_trainer__learns_with_cosines_and_attributes(void **state)
{
    (void)state;
    struct shop s;
    uint32_t start[ITEMS + 1], attr[ITEMS];
    shop_init(&s);
    for (uint32_t i = 0; i <= ITEMS; i++)
        start[i] = i;
    for (uint32_t i = 0; i < ITEMS; i++)
        attr[i] = i / CIRCLE;
    s.data.attr_start = start;
    s.data.attr = attr;
    s.data.n_attributes = GROUPS;
    char first[] = "brand=a", rest[] = "brand=b";
    char *const name[GROUPS] = {first, rest, rest, rest, rest, rest};
    s.data.attribute_name = name;
    for (int loss = TRAIN_FULL; loss <= TRAIN_SAMPLED; loss++) {
        struct train_options o = options(&s, "hstu", loss ? "sampled" : "full");
        struct penchant_train_report r;
        o.model.normalise = true;
        o.model.temperature = 0.1f;
        struct model *m = train(&s, &o, &r);
        if (!(r.best_ndcg10 > 0.9))
            fail_msg("NDCG@10 is %.3f", r.best_ndcg10);
        assert_int_equal(m->config.n_attributes, GROUPS);
        assert_string_equal(m->attribute_name[0], "brand=a");
        model_free(m);
    }
    shop_release(&s);
}

/* ---- repeating ----------------------------------------------------------------- */

static struct model *short_run(const struct shop *s, const char *loss, uint64_t seed,
                               uint32_t threads)
{
    struct train_options o = options(s, "hstu", loss);
    struct penchant_train_report r;
    o.seed = seed;
    o.threads = threads;
    o.max_epochs = 2;
    o.batch_tokens = 1400; /* the whole epoch: groups for two threads */
    return train(s, &o, &r);
}

static void test_trainer__same_seed_and_threads_give_the_same_bits(void **state)
{
    (void)state;
    static const char *const loss[] = {"full", "sampled", "gbce"};
    struct shop s;
    shop_init(&s);
    for (size_t l = 0; l < 3; l++)
        for (uint32_t threads = 1; threads <= 2; threads++) {
            struct model *a = short_run(&s, loss[l], 1, threads),
                         *b = short_run(&s, loss[l], 1, threads),
                         *c = short_run(&s, loss[l], 2, threads);
            const size_t bytes = a->n_params * sizeof(float);
            assert_memory_equal(a->param, b->param, bytes);
            assert_memory_not_equal(a->param, c->param, bytes);
            for (size_t i = 0; i < a->n_params; i++)
                assert_true(isfinite(a->param[i]));
            model_free(a);
            model_free(b);
            model_free(c);
        }
    shop_release(&s);
}

/* One window, and parameters that stay: only dropout can change the loss. */
static void test_trainer__dropout_is_another_in_every_step(void **state)
{
    (void)state;
    struct shop s;
    shop_init(&s);
    for (uint32_t u = 1; u < USERS; u++)
        s.train_end[u] = s.h.start[u];
    for (int drops = 0; drops < 2; drops++) {
        struct train_options o = options(&s, "sasrec", "full");
        struct watch w = {0};
        struct penchant_train_report r;
        o.progress = watch_progress;
        o.cookie = &w;
        o.learning_rate = 1e-30f;
        o.dropout = drops ? 0.5f : 0;
        o.max_epochs = 2;
        model_free(train(&s, &o, &r));
        assert_int_equal(r.steps, 2);
        assert_true((w.loss != w.first_loss) == drops);
    }
    shop_release(&s);
}

/* Adam's first step is the rate itself, wherever there is a gradient. */
static void test_trainer__the_rate_warms_up(void **state)
{
    (void)state;
    struct shop s;
    shop_init(&s);
    for (uint32_t warmup = 0; warmup < 4; warmup += 3) {
        struct train_options o = options(&s, "sasrec", "full");
        struct penchant_train_report r;
        o.warmup_steps = warmup;
        o.batch_tokens = 10000;
        o.max_epochs = 1;
        struct model *m = train(&s, &o, &r), *before = model_clone(m);
        assert_non_null(before);
        assert_int_equal(r.steps, 1);
        model_initialise(before, o.seed);
        double most = 0;
        for (size_t i = 0; i < m->n_params; i++)
            most = fmax(most, fabs((double)m->param[i] - (double)before->param[i]));
        fixture_near("the largest move", most, 0.01 / (warmup + 1), 1e-3);
        model_free(before);
        model_free(m);
    }
    shop_release(&s);
}

/* Two threads are two orders of the same sums: nearly the same, without dropout. */
static void test_trainer__two_threads_learn_what_one_learns(void **state)
{
    (void)state;
    struct shop s;
    shop_init(&s);
    struct model *m[2];
    for (uint32_t i = 0; i < 2; i++) {
        struct train_options o = options(&s, "sasrec", "full");
        struct penchant_train_report r;
        o.threads = i + 1;
        o.dropout = 0;
        o.bf16 = false;
        o.max_epochs = 1;
        o.batch_tokens = 1400;
        m[i] = train(&s, &o, &r);
        assert_int_equal(r.steps, 2);
    }
    fixture_close("two threads", "parameters", m[1]->param, m[0]->param, m[0]->n_params,
                  1e-4);
    model_free(m[0]);
    model_free(m[1]);
    shop_release(&s);
}

/* ---- stopping ------------------------------------------------------------------ */

static void test_trainer__stops_when_progress_says_so(void **state)
{
    (void)state;
    struct shop s;
    shop_init(&s);
    for (uint32_t after = 1; after < 40; after += 12) {
        struct train_options o = options(&s, "sasrec", "full");
        struct watch w = {.stop_after = after};
        struct penchant_train_report r;
        o.progress = watch_progress;
        o.cookie = &w;
        o.max_epochs = 0;
        struct model *m = train(&s, &o, &r);
        assert_int_equal(w.calls, after);
        assert_int_equal(r.steps, after);
        assert_true(r.stopped);
        fixture_near("the best model's NDCG@10", ndcg_of(&s, m), r.best_ndcg10, 1e-9);
        model_free(m);
    }
    shop_release(&s);
}

static void test_trainer__stops_when_time_or_patience_is_over(void **state)
{
    (void)state;
    struct shop s;
    shop_init(&s);
    struct train_options o = options(&s, "sasrec", "full");
    struct penchant_train_report r;
    o.max_epochs = 0;
    o.minutes = 1e-7;
    model_free(train(&s, &o, &r));
    assert_int_equal(r.steps, 1);
    assert_false(r.stopped);
    o.minutes = 0;
    o.patience = 3;
    o.learning_rate = 1e-30f; /* nothing becomes better than after the first epoch */
    model_free(train(&s, &o, &r));
    assert_int_equal(r.epochs, 1 + 3 + 2); /* the best, patience, and the fall after it */
    assert_int_equal(r.best_epoch, 1);
    shop_release(&s);
}

static void test_trainer__without_validation_the_last_epoch_is_the_best(void **state)
{
    (void)state;
    struct shop s;
    shop_init(&s);
    for (uint32_t u = 0; u < USERS; u++)
        s.train_end[u] = s.h.start[u + 1];
    struct train_options o = options(&s, "sasrec", "full");
    struct penchant_train_report r;
    o.max_epochs = 6;
    model_free(train(&s, &o, &r));
    assert_int_equal(r.epochs, 6);
    assert_int_equal(r.best_epoch, 6);
    assert_true(r.best_ndcg10 == 0);
    o.max_epochs = 0;
    o.patience = 3;
    model_free(train(&s, &o, &r));
    assert_int_equal(r.epochs, 3);
    assert_int_equal(r.best_epoch, 3);
    shop_release(&s);
}

static int refuse_best(void *cookie, const struct model *m,
                       const struct penchant_train_report *report)
{
    (void)cookie, (void)m, (void)report;
    return PENCHANT_EIO;
}

static void test_trainer__fails_with_whoever_keeps_the_best(void **state)
{
    (void)state;
    struct shop s;
    shop_init(&s);
    struct train_options o = options(&s, "sasrec", "full");
    struct penchant_train_report r;
    struct model *best;
    o.on_best = refuse_best;
    assert_int_equal(train_run(&best, &s.data, &o, &r, NULL), PENCHANT_EIO);
    assert_null(best);
    shop_release(&s);
}

static void test_trainer__resumes_from_given_parameters(void **state)
{
    (void)state;
    struct shop s;
    shop_init(&s);
    struct train_options o = options(&s, "sasrec", "full");
    struct penchant_train_report r;
    struct model *first = train(&s, &o, &r);
    const double learned = r.best_ndcg10;
    o.resume_from = first;
    o.max_epochs = 1;
    o.learning_rate = 1e-30f;
    struct model *second = train(&s, &o, &r);
    fixture_near("NDCG@10", r.best_ndcg10, learned, 1e-9);
    assert_memory_equal(first->param, second->param, first->n_params * sizeof(float));
    model_free(second);
    o.model.dim = 20;
    struct penchant_error err;
    assert_int_equal(train_run(&second, &s.data, &o, &r, &err), PENCHANT_EINVALID);
    assert_null(second);
    model_free(first);
    shop_release(&s);
}

/* ---- refusing ------------------------------------------------------------------ */

static void test_trainer__refuses_options_that_make_no_sense(void **state)
{
    (void)state;
    struct shop s;
    shop_init(&s);
#define WITH(name, ...)                                                                  \
    {                                                                                    \
        name,                                                                            \
        {                                                                                \
            .dropout = -1, .learning_rate = -1, .weight_decay = -1, __VA_ARGS__          \
        }                                                                                \
    }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
    const struct {
        const char *field;
        struct penchant_train_options o;
    } row[] = {
        WITH("preset", .preset = "bert"),
        WITH("loss", .loss = "hinge"),
        WITH("dropout", .dropout = 1),
        WITH("learning_rate", .learning_rate = 0),
        WITH("learning_rate", .learning_rate = 1.5),
        WITH("weight_decay", .weight_decay = 11),
        WITH("minutes", .minutes = -1),
        WITH("minutes", .minutes = NAN),
        WITH("threads", .threads = 257),
        WITH("negatives", .negatives = 65537),
        WITH("batch_tokens", .batch_tokens = UINT32_MAX),
        /* and these by the model */
        WITH("dim", .dim = 7),
        WITH("dim", .dim = 2048),
        WITH("heads", .dim = 16, .heads = 3),
        WITH("heads", .heads = 65),
        WITH("blocks", .blocks = 17),
        WITH("max_length", .max_length = 1),
        WITH("max_length", .max_length = 5000),
    };
#pragma GCC diagnostic pop
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        struct train_options o;
        struct penchant_error err = {0};
        struct penchant_train_report r;
        struct model *best;
        int status = train_options_from(&o, &row[i].o, &s.data, &err);
        if (status == PENCHANT_OK)
            status = train_run(&best, &s.data, &o, &r, &err);
        if (status != PENCHANT_EINVALID || strcmp(err.field, row[i].field) != 0)
            fail_msg("row %zu: status %d, field \"%s\", not \"%s\": %s", i, status,
                     err.field, row[i].field, err.text);
    }
    shop_release(&s);
}

static void test_trainer__options_follow_the_data(void **state)
{
    (void)state;
    struct shop s;
    shop_init(&s);
    const struct penchant_train_options plain = {
        .dropout = -1, .learning_rate = -1, .weight_decay = -1, .seed = 5};
    struct train_options o;
    assert_int_equal(train_options_from(&o, &plain, &s.data, NULL), PENCHANT_OK);
    assert_ptr_equal(o.race, &plain);
    assert_int_equal(o.loss, TRAIN_FULL);
    assert_true(o.model.gap);
    assert_int_equal(o.model.n_items, ITEMS);
    assert_int_equal(o.model.n_types, 3);
    assert_int_equal(o.threads, 2);
    assert_int_equal(o.seed, 5);
    s.h.has_clock = false;
    s.h.n_items = 100000;
    assert_int_equal(train_options_from(&o, &plain, &s.data, NULL), PENCHANT_OK);
    assert_int_equal(o.loss, TRAIN_SAMPLED);
    assert_false(o.model.gap || o.model.bias_time);
    const struct penchant_train_options full = {
        .preset = "sasrec", .loss = "full", .dim = 32, .weight_decay = 0.5};
    assert_int_equal(train_options_from(&o, &full, &s.data, NULL), PENCHANT_EINVALID);
    struct penchant_train_options right = full;
    right.learning_rate = 0.5;
    assert_int_equal(train_options_from(&o, &right, &s.data, NULL), PENCHANT_OK);
    assert_int_equal(o.loss, TRAIN_FULL);
    assert_null(o.race);
    assert_int_equal(o.model.ffn_dim, 32);
    assert_true(o.weight_decay == 0.5f && o.learning_rate == 0.5f && o.dropout == 0);
    shop_release(&s);
}

static void test_trainer__refuses_data_without_anything_to_learn(void **state)
{
    (void)state;
    struct shop s;
    shop_init(&s);
    struct train_options o = options(&s, "sasrec", "full");
    struct penchant_train_report r;
    struct penchant_error err;
    struct model *best;
    for (uint64_t have = 0; have < 2; have++) {
        for (uint32_t u = 0; u < USERS; u++)
            s.train_end[u] = s.h.start[u] + have;
        err.text[0] = 0;
        assert_int_equal(train_run(&best, &s.data, &o, &r, &err), PENCHANT_EINVALID);
        assert_null(best);
        assert_non_null(strstr(err.text, "learn from"));
    }
    shop_release(&s);
}

static void test_trainer__says_when_it_diverged(void **state)
{
    (void)state;
    struct shop s;
    shop_init(&s);
    struct train_options o = options(&s, "sasrec", "full");
    struct penchant_train_report r;
    struct penchant_error err;
    struct model *best;
    o.learning_rate = 1e38f;
    o.warmup_steps = 0;
    assert_int_equal(train_run(&best, &s.data, &o, &r, &err), PENCHANT_EINVALID);
    assert_null(best);
    assert_non_null(strstr(err.text, "diverged"));
    shop_release(&s);
}

/* There is nothing to tell apart, but that is no fault of the log. */
static void test_trainer__a_log_of_one_item_is_learned_from(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct shop s;
        shop_random(&s, 20, 1, 6);
        struct train_options o =
            options(&s, "sasrec", (const char *const[]){"full", "sampled", "gbce"}[i]);
        struct penchant_train_report r;
        struct penchant_error err = {0};
        struct model *best;
        if (train_run(&best, &s.data, &o, &r, &err) != PENCHANT_OK)
            fail_msg("loss %zu: %s", i, err.text);
        model_free(best);
        shop_release(&s);
    }
}

/* ---- windows ------------------------------------------------------------------- */

static void check_windows(const struct shop *s, const struct windows *w, uint32_t longest)
{
    uint8_t *targets = calloc(s->h.n + 1, 1);
    assert_non_null(targets);
    for (uint32_t i = 0; i < w->n; i++) {
        assert_in_range(w->window[i].n, 1, longest);
        for (uint32_t k = 1; k <= w->window[i].n; k++)
            targets[w->window[i].first + k]++;
    }
    for (uint32_t u = 0; u < s->h.n_users; u++)
        for (uint64_t e = s->h.start[u]; e < s->h.start[u + 1]; e++)
            assert_int_equal(targets[e], e > s->h.start[u] && e < s->train_end[u]);
    free(targets);
}

static void test_trainer__windows_make_every_event_a_target_once(void **state)
{
    (void)state;
    struct shop s;
    struct windows w;
    struct rng rng;
    shop_random(&s, 60, 50, 90);
    rng_init(&rng, 1, 1);
    windows_init(&w);
    for (uint32_t longest = 2; longest <= 128; longest = longest * 3 / 2) {
        struct window first[2000];
        uint32_t n = 0, cuts = 0;
        for (int epoch = 0; epoch < 6; epoch++) {
            assert_int_equal(windows_plan(&w, &s.data, longest, &rng), PENCHANT_OK);
            check_windows(&s, &w, longest);
            assert_in_range(w.n, 1, 2000);
            cuts += epoch > 0 && w.n != n;
            n = w.n;
            if (epoch)
                assert_memory_not_equal(first, w.window,
                                        (n < 20 ? n : 20) * sizeof(*first));
            memcpy(first, w.window, n * sizeof(*first));
        }
        /* Long histories are cut elsewhere in other epochs, so counts differ at times. */
        if (longest > 3 && longest < 40)
            assert_true(cuts > 0);
    }
    windows_release(&w);
    shop_release(&s);
}

static void test_trainer__windows_fill_batches_with_what_happened(void **state)
{
    (void)state;
    struct shop s;
    struct batch b;
    shop_random(&s, 20, 50, 40);
    assert_int_equal(batch_init(&b, 64, 4), PENCHANT_OK);
    const uint64_t at = s.h.start[10];
    assert_true(s.h.start[11] - at > 6);
    batch_clear(&b);
    windows_fill(&b, &s.h, &(struct window){.first = at + 1, .n = 4});
    assert_int_equal(windows_fill_prefix(&b, &s.h, at, at + 3, 99), 3);
    assert_int_equal(b.n_sequences, 2);
    assert_int_equal(b.n, 7);
    const uint32_t start[] = {0, 4, 7};
    assert_memory_equal(b.start, start, sizeof(start));
    for (uint32_t i = 0; i < 7; i++) {
        const uint64_t zero = i < 4 ? at + 1 : at, e = i < 4 ? zero + i : zero + i - 4;
        assert_int_equal(b.item[i], s.h.item[e]);
        assert_int_equal(b.type[i], s.h.type[e]);
        assert_int_equal(b.target[i], i < 4 ? s.h.item[e + 1] : NAMES_NONE);
        const double now = (double)(s.h.ts_us[e] - s.h.ts_us[zero]) * 1e-6,
                     then = (double)(s.h.ts_us[e + 1] - s.h.ts_us[zero]) * 1e-6;
        fixture_near("time", (double)b.time[i], now, 1e-6);
        fixture_near("target_time", (double)b.target_time[i], then, 1e-6);
    }
    s.h.has_clock = false;
    batch_clear(&b);
    windows_fill(&b, &s.h, &(struct window){.first = at + 1, .n = 4});
    for (uint32_t i = 0; i < 4; i++)
        assert_true(b.time[i] == 0 && b.target_time[i] == 0);
    batch_release(&b);
    shop_release(&s);
}

/* ---- vectors and validation ---------------------------------------------------- */

/* Only every `stride`th item has a vector other than zero. */
static struct model *random_model(const struct shop *s, bool normalise, uint32_t stride)
{
    const struct model_config c = {.dim = 12,
                                   .blocks = 2,
                                   .heads = 2,
                                   .max_length = 20,
                                   .gated = true,
                                   .attention = MODEL_SILU,
                                   .bias_position = true,
                                   .bias_time = true,
                                   .position = true,
                                   .gap = true,
                                   .normalise = normalise,
                                   .temperature = 0.5f,
                                   .n_items = s->h.n_items,
                                   .n_attributes = 4,
                                   .n_types = 3};
    const uint32_t n = s->h.n_items;
    uint32_t *start = calloc(n + (size_t)1, sizeof(*start)),
             *attr = malloc(n * sizeof(*attr));
    struct model *m;
    struct rng rng;
    assert_true(start && attr);
    for (uint32_t i = 0; i < n; i++) {
        attr[start[i]] = i % 4;
        start[i + 1] = start[i] + (i % 3 > 0 && i % stride == 0);
    }
    assert_int_equal(model_new(&m, &c, start, attr, NULL), PENCHANT_OK);
    free(start);
    free(attr);
    rng_init(&rng, 3, 3);
    for (size_t i = 0; i < m->n_params; i++)
        m->param[i] = 0.4f * rng_normal(&rng);
    for (uint32_t i = 0; i < n; i++)
        if (i % stride)
            memset(model_at(m, &m->item) + (size_t)i * c.dim, 0, c.dim * sizeof(float));
    return m;
}

/* The vector for event `at`, by a pass of its own. */
static void one_vector(struct network *net, const struct model *m,
                       const struct history *h, uint64_t start, uint64_t at, float *out)
{
    const size_t d = m->config.dim;
    struct batch b;
    memset(out, 0, d * sizeof(*out));
    if (at == start)
        return;
    assert_int_equal(batch_init(&b, 20, 1), PENCHANT_OK);
    windows_fill_prefix(&b, h, at - start > 20 ? at - 20 : start, at, h->n_items);
    const struct network_pass p = {.model = m, .batch = &b};
    memcpy(out, network_forward(net, &p) + (b.n - 1) * d, d * sizeof(*out));
    if (m->config.normalise)
        kernels_get()->scale(out, model_unit_scale(out, d), d);
    batch_release(&b);
}

static void test_trainer__vectors_are_those_of_single_passes(void **state)
{
    (void)state;
    struct shop s;
    shop_random(&s, 90, 50, 45);
    for (int normalise = 0; normalise < 2; normalise++)
        for (uint32_t threads = 1; threads <= 3; threads++) {
            struct model *m = random_model(&s, normalise, 1);
            struct network *net = network_new(m, 20);
            struct pool *pool = pool_new(threads);
            const size_t d = 12;
            uint64_t *at = malloc(s.h.n * sizeof(*at));
            float *out = malloc(s.h.n * d * sizeof(*out)), want[12];
            assert_true(net && pool && at && out);
            for (uint64_t e = 0; e < s.h.n; e++) /* also the first events of users */
                at[e] = e;
            assert_int_equal(train_vectors(m, &s.h, at, s.h.n, pool, out), PENCHANT_OK);
            for (uint32_t u = 0; u < s.h.n_users; u++)
                for (uint64_t e = s.h.start[u]; e < s.h.start[u + 1]; e++) {
                    one_vector(net, m, &s.h, s.h.start[u], e, want);
                    assert_memory_equal(out + e * d, want, sizeof(want));
                }
            /* Every fifth, backwards: neighbours no more. */
            size_t n = 0;
            for (uint64_t e = s.h.n; e-- > 0;)
                if (e % 5 == 0)
                    at[n++] = e;
            float *some = malloc(n * d * sizeof(*some));
            assert_non_null(some);
            assert_int_equal(train_vectors(m, &s.h, at, n, pool, some), PENCHANT_OK);
            for (size_t c = 0; c < n; c++)
                assert_memory_equal(some + c * d, out + at[c] * d, d * sizeof(float));
            free(some);
            free(at);
            free(out);
            pool_free(pool);
            network_free(net);
            model_free(m);
        }
    shop_release(&s);
}

/* The encoder that serves passes unknown items over, too: the bits must be its own. */
static void test_trainer__vectors_pass_over_unknown_items(void **state)
{
    (void)state;
    struct shop s;
    shop_random(&s, 90, 50, 45);
    for (uint32_t known = 1; known <= 50; known += 12) {
        s.h.n_items = known;
        struct model *m = random_model(&s, false, 1);
        struct encoder *encoder;
        struct pool *pool = pool_new(2);
        const size_t d = 12;
        uint64_t *at = malloc(s.h.n * sizeof(*at));
        float *out = malloc(s.h.n * d * sizeof(*out)), want[12];
        size_t zeros = 0;
        assert_true(pool && at && out);
        assert_int_equal(encoder_new(&encoder, m, NULL), PENCHANT_OK);
        for (uint64_t e = 0; e < s.h.n; e++)
            at[e] = e;
        assert_int_equal(train_vectors(m, &s.h, at, s.h.n, pool, out), PENCHANT_OK);
        for (uint32_t u = 0; u < s.h.n_users; u++)
            for (uint64_t e = s.h.start[u]; e < s.h.start[u + 1]; e++) {
                const uint64_t n = e - s.h.start[u] < 20 ? e - s.h.start[u] : 20;
                struct encoder_state *taken = encoder_state_new(encoder, 0);
                assert_non_null(taken);
                memset(want, 0, sizeof(want));
                encoder_append(encoder, taken, s.h.item + e - n, s.h.type + e - n,
                               s.h.ts_us + e - n, n);
                zeros += encoder_query(encoder, taken, s.h.ts_us[e], want) != 0;
                assert_memory_equal(out + e * d, want, sizeof(want));
                encoder_state_free(taken);
            }
        assert_true(zeros > 80 && zeros < s.h.n);
        free(at);
        free(out);
        pool_free(pool);
        encoder_free(encoder);
        model_free(m);
    }
    shop_release(&s);
}

static void check_validation(struct shop *s, bool exclude_seen, uint32_t stride)
{
    struct model *m = random_model(s, exclude_seen, stride);
    struct network *net = network_new(m, 20);
    const size_t d = 12, items = s->h.n_items;
    float *vectors = malloc(items * d * sizeof(*vectors)), q[12];
    double sum = 0, *score = malloc(items * sizeof(*score));
    size_t cases = 0;
    assert_true(net && vectors && score);
    model_item_vectors(m, vectors);
    s->data.exclude_seen = exclude_seen;
    for (uint32_t u = 0; u < s->h.n_users; u++)
        for (uint64_t e = s->train_end[u]; e < s->h.start[u + 1]; e++) {
            if (e == s->h.start[u] || held_out_weighs(u))
                continue;
            one_vector(net, m, &s->h, s->h.start[u], e, q);
            uint32_t rank = 0;
            for (size_t i = 0; i < items; i++) {
                score[i] = 0;
                for (size_t j = 0; j < d; j++)
                    score[i] += (double)q[j] * (double)vectors[i * d + j];
            }
            for (uint32_t i = 0; i < items; i++) {
                bool seen = false;
                for (uint64_t k = s->h.start[u]; k < e; k++)
                    seen |= s->h.item[k] == i;
                rank += i != s->h.item[e] && !(seen && exclude_seen) &&
                        score[i] >= score[s->h.item[e]];
            }
            cases++;
            sum += rank < 10 ? 1 / log2(rank + 2.0) : 0;
        }
    assert_true(sum > 1); /* there is something to be compared */
    fixture_near("NDCG@10", ndcg_of(s, m), sum / (double)cases, 1e-9);
    network_free(net);
    model_free(m);
    free(vectors);
    free(score);
}

static void test_trainer__validation_ranks_every_item(void **state)
{
    (void)state;
    struct shop s;
    shop_random(&s, 150, 50, 30);
    check_validation(&s, false, 1);
    check_validation(&s, true, 1);
    /* The same items spread over a catalogue of several blocks. */
    for (uint64_t e = 0; e < s.h.n; e++)
        s.h.item[e] *= 190;
    s.h.n_items = 190 * 50;
    check_validation(&s, false, 190);
    check_validation(&s, true, 190);
    shop_release(&s);
}

/* All scores are alike: the target is ranked behind all of them. */
static void test_trainer__validation_gives_ties_to_the_others(void **state)
{
    (void)state;
    struct shop s;
    shop_random(&s, 40, 50, 30);
    struct model *m = random_model(&s, false, 1);
    memset(m->param, 0, m->n_params * sizeof(float));
    assert_true(ndcg_of(&s, m) == 0);
    model_free(m);
    shop_release(&s);
}

/* ---- what a sampled step touches ----------------------------------------------- */

static void mark(uint8_t *touched, const struct step *s)
{
    for (uint32_t i = 0; i < s->b->n; i++) {
        touched[s->b->item[i]] = 1;
        if (s->b->target[i] != NAMES_NONE)
            touched[s->b->target[i]] = 1;
    }
    for (uint32_t j = 0; j < s->tables.negatives; j++)
        touched[s->scratch.id[j]] = 1;
}

static void test_trainer__sampled_steps_touch_only_items_that_took_part(void **state)
{
    (void)state;
    enum { MANY = 2000 };
    struct shop s;
    struct batch b;
    struct step step;
    struct optimiser opt;
    shop_random(&s, 20, MANY, 20);
    struct train_options o = options(&s, "sasrec", "sampled");
    o.model.max_length = 32;
    struct model *m;
    assert_int_equal(model_new(&m, &o.model, NULL, NULL, NULL), PENCHANT_OK);
    model_initialise(m, 1);
    struct model *before = model_clone(m);
    assert_non_null(before);
    assert_int_equal(batch_init(&b, 100, 20), PENCHANT_OK);
    for (uint32_t u = 4; b.n + 20 < 100; u++)
        if (s.h.start[u + 1] - s.h.start[u] > 1)
            windows_fill(
                &b, &s.h,
                &(struct window){.first = s.h.start[u],
                                 .n = (uint32_t)(s.h.start[u + 1] - s.h.start[u] - 1)});
    step_init(&step, m, &b, TRAIN_SAMPLED, 30, false);
    assert_int_equal(optimiser_init(&opt, m, 0.1f), PENCHANT_OK);
    uint8_t touched[MANY] = {0};
    for (uint64_t k = 1; k <= 3; k++) {
        step.seed = k;
        step_run(&step);
        optimiser_update(&opt, m, &step.gradient, 0.01f, step.pool);
        mark(touched, &step);
    }
    uint32_t moved = 0;
    const size_t d = m->config.dim;
    for (uint32_t i = 0; i < MANY; i++) {
        const size_t at = m->item.offset + i * d;
        const bool changed =
            memcmp(m->param + at, before->param + at, d * sizeof(float)) != 0;
        float moments = 0;
        for (size_t j = 0; j < d; j++)
            moments += fabsf(opt.mean[at + j]) + opt.square[at + j];
        assert_int_equal(changed, touched[i]);
        assert_int_equal(moments > 0, touched[i]);
        moved += changed;
    }
    assert_in_range(moved, 50, 400);
    optimiser_release(&opt);
    step_release(&step);
    batch_release(&b);
    model_free(before);
    model_free(m);
    shop_release(&s);
}

/* The same through train_run: one step of one group. */
static void test_trainer__a_sampled_epoch_leaves_most_of_a_catalogue_alone(void **state)
{
    (void)state;
    enum { MANY = 5000 };
    struct shop s;
    shop_random(&s, 20, MANY, 12);
    struct train_options o = options(&s, "sasrec", "sampled");
    o.max_epochs = 1;
    o.batch_tokens = 1000;
    struct penchant_train_report r;
    struct model *m = train(&s, &o, &r), *before = model_clone(m);
    assert_non_null(before);
    assert_int_equal(r.steps, 1);
    model_initialise(before, o.seed);
    uint8_t in_data[MANY] = {0};
    uint32_t drawn = 0;
    for (uint32_t u = 0; u < s.h.n_users; u++)
        for (uint64_t e = s.h.start[u]; e < s.train_end[u]; e++)
            in_data[s.h.item[e]] = (uint8_t)(s.train_end[u] - s.h.start[u] > 1 ? 2 : 1);
    const size_t d = m->config.dim;
    for (uint32_t i = 0; i < MANY; i++) {
        const size_t at = m->item.offset + i * d;
        const bool changed =
            memcmp(m->param + at, before->param + at, d * sizeof(float)) != 0;
        if (in_data[i] == 2)
            assert_true(changed);
        drawn += changed && !in_data[i];
    }
    assert_in_range(drawn, 1, 2 * o.negatives); /* two groups, half of them uniform */
    model_free(before);
    model_free(m);
    shop_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trainer__learns_a_pattern_with_every_preset_and_loss),
        cmocka_unit_test(test_trainer__learns_with_cosines_and_attributes),
        cmocka_unit_test(test_trainer__same_seed_and_threads_give_the_same_bits),
        cmocka_unit_test(test_trainer__dropout_is_another_in_every_step),
        cmocka_unit_test(test_trainer__the_rate_warms_up),
        cmocka_unit_test(test_trainer__two_threads_learn_what_one_learns),
        cmocka_unit_test(test_trainer__stops_when_progress_says_so),
        cmocka_unit_test(test_trainer__stops_when_time_or_patience_is_over),
        cmocka_unit_test(test_trainer__without_validation_the_last_epoch_is_the_best),
        cmocka_unit_test(test_trainer__fails_with_whoever_keeps_the_best),
        cmocka_unit_test(test_trainer__resumes_from_given_parameters),
        cmocka_unit_test(test_trainer__refuses_options_that_make_no_sense),
        cmocka_unit_test(test_trainer__options_follow_the_data),
        cmocka_unit_test(test_trainer__refuses_data_without_anything_to_learn),
        cmocka_unit_test(test_trainer__says_when_it_diverged),
        cmocka_unit_test(test_trainer__a_log_of_one_item_is_learned_from),
        cmocka_unit_test(test_trainer__windows_make_every_event_a_target_once),
        cmocka_unit_test(test_trainer__windows_fill_batches_with_what_happened),
        cmocka_unit_test(test_trainer__vectors_are_those_of_single_passes),
        cmocka_unit_test(test_trainer__vectors_pass_over_unknown_items),
        cmocka_unit_test(test_trainer__validation_ranks_every_item),
        cmocka_unit_test(test_trainer__validation_gives_ties_to_the_others),
        cmocka_unit_test(test_trainer__sampled_steps_touch_only_items_that_took_part),
        cmocka_unit_test(test_trainer__a_sampled_epoch_leaves_most_of_a_catalogue_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

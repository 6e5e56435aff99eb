/* SPDX-License-Identifier: Apache-2.0 */
/* `--preset auto`: who runs, who wins, and what the winner keeps. */
#include "model_fixture.h"

#include "behaviour/event.h"
#include "learn/train.h"

/* Users walk round circles of ten items; the last event of each is held out. */
enum { USERS = 200, WALK = 7, CIRCLE = 10, ITEMS = 50 };

struct shop {
    struct history h;
    uint64_t train_end[USERS];
    struct train_data data;
};

static void shop_init(struct shop *s)
{
    struct history_builder b;
    struct rng rng;
    history_builder_init(&b);
    rng_init(&rng, 3, 1);
    for (uint32_t u = 0; u < USERS; u++) {
        const uint32_t first = rng_below(&rng, ITEMS);
        for (uint32_t i = 0; i < WALK; i++)
            assert_int_equal(
                history_builder_add(&b, u, first / CIRCLE * CIRCLE + (first + i) % CIRCLE,
                                    EVENT_VIEW, i + 1),
                0);
    }
    assert_int_equal(history_builder_finish(&b, USERS, ITEMS, &s->h, NULL), 0);
    history_builder_release(&b);
    for (uint32_t u = 0; u < USERS; u++)
        s->train_end[u] = s->h.start[u + 1] - 1;
    s->data = (struct train_data){
        .history = &s->h, .train_end = s->train_end, .exclude_seen = true};
}

/* What was shown of the work, phase by phase. */
struct watch {
    char phases[256];
    const char *stop_in;
    int best_calls;
};

static int watch_progress(void *cookie, const char *what, uint64_t done, uint64_t total,
                          const char *detail)
{
    struct watch *w = cookie;
    (void)done, (void)total, (void)detail;
    const size_t n = strlen(w->phases), m = strlen(what);
    if (n < m || strcmp(w->phases + n - m, what) != 0)
        snprintf(w->phases + n, sizeof(w->phases) - n, "%s%s", n ? "," : "", what);
    return w->stop_in && strcmp(what, w->stop_in) == 0;
}

static int count_best(void *cookie, const struct model *m,
                      const struct penchant_train_report *report)
{
    struct watch *w = cookie;
    assert_true(m && report->best_ndcg10 > 0);
    w->best_calls++;
    return PENCHANT_OK;
}

static struct penchant_train_options wish(void)
{
    return (struct penchant_train_options){.preset = "auto",
                                           .dim = 16,
                                           .heads = 2,
                                           .max_length = 8,
                                           .dropout = -1,
                                           .learning_rate = 0.01,
                                           .weight_decay = -1,
                                           .max_epochs = 8,
                                           .batch_tokens = 128,
                                           .seed = 1,
                                           .threads = 1};
}

static struct penchant_train_report race(const struct shop *s,
                                         const struct penchant_train_options *asked,
                                         struct watch *w, struct model **best)
{
    struct train_options o;
    struct penchant_train_report r = {0};
    assert_int_equal(train_options_from(&o, asked, &s->data, NULL), 0);
    o.warmup_steps = 5;
    o.progress = watch_progress;
    o.cookie = w;
    o.on_best = count_best;
    assert_int_equal(train_run(best, &s->data, &o, &r, NULL), 0);
    assert_non_null(*best);
    return r;
}

static void test_race__everyone_runs_and_one_goes_on(void **state)
{
    (void)state;
    struct shop s;
    struct watch w = {.phases = ""};
    struct model *best;
    const struct penchant_train_options asked = wish();
    shop_init(&s);
    const struct penchant_train_report r = race(&s, &asked, &w, &best);
    assert_string_equal(w.phases, "try gated,try gated .5,try hstu,try sasrec,train");
    assert_true(strcmp(r.preset, "gated") == 0 || strcmp(r.preset, "hstu") == 0 ||
                strcmp(r.preset, "sasrec") == 0);
    assert_true(r.best_ndcg10 > 0.8); /* a circle leaves no doubt; chance is about .1 */
    assert_true(w.best_calls > 0);
    assert_int_equal(best->config.dim, 16);
    model_free(best);
    history_release(&s.h);
}

/* What a row of the race reaches by itself in the epochs of a heat. */
static double heat_alone(const struct shop *s, const char *preset, double dropout,
                         uint32_t epochs)
{
    struct penchant_train_options asked = wish();
    struct penchant_train_report r;
    struct train_options o;
    struct model *m;
    asked.preset = preset;
    asked.dropout = dropout;
    asked.max_epochs = epochs;
    assert_int_equal(train_options_from(&o, &asked, &s->data, NULL), 0);
    assert_int_equal(train_run(&m, &s->data, &o, &r, NULL), 0);
    model_free(m);
    return r.best_ndcg10;
}

static void test_race__the_best_heat_wins_and_goes_on_from_there(void **state)
{
    (void)state;
    static const struct {
        const char *preset;
        double dropout;
    } row[] = {{"gated", 0.2}, {"gated", 0.5}, {"hstu", 0.2}, {"sasrec", 0.5}};
    struct shop s;
    struct watch w = {.phases = ""};
    struct model *best;
    struct penchant_train_options asked = wish();
    const char *winner = NULL;
    double top = -1;
    shop_init(&s);
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        const double ndcg = heat_alone(&s, row[i].preset, row[i].dropout, 2);
        winner = ndcg > top ? row[i].preset : winner;
        top = ndcg > top ? ndcg : top;
    }
    asked.max_epochs = 2; /* as many as a heat: from anew it would only get as far */
    const struct penchant_train_report r = race(&s, &asked, &w, &best);
    assert_string_equal(r.preset, winner);
    assert_true(r.best_ndcg10 > top);
    model_free(best);
    history_release(&s.h);
}

static void test_race__repeats_bit_for_bit(void **state)
{
    (void)state;
    struct shop s;
    struct watch w = {.phases = ""};
    struct model *a, *b;
    const struct penchant_train_options asked = wish();
    shop_init(&s);
    race(&s, &asked, &w, &a);
    race(&s, &asked, &w, &b);
    assert_int_equal(a->n_params, b->n_params);
    assert_memory_equal(a->param, b->param, a->n_params * sizeof(float));
    model_free(a);
    model_free(b);
    history_release(&s.h);
}

static void test_race__a_fixed_dropout_leaves_one_row_a_preset(void **state)
{
    (void)state;
    struct shop s;
    struct watch w = {.phases = ""};
    struct model *best;
    struct penchant_train_options asked = wish();
    asked.dropout = 0.3;
    shop_init(&s);
    race(&s, &asked, &w, &best);
    assert_string_equal(w.phases, "try gated,try hstu,try sasrec,train");
    model_free(best);
    history_release(&s.h);
}

static void test_race__stops_in_a_heat_with_the_best_so_far(void **state)
{
    (void)state;
    struct shop s;
    struct watch w = {.phases = "", .stop_in = "try hstu"};
    struct model *best;
    const struct penchant_train_options asked = wish();
    shop_init(&s);
    const struct penchant_train_report r = race(&s, &asked, &w, &best);
    assert_string_equal(w.phases, "try gated,try gated .5,try hstu");
    assert_true(r.stopped && r.best_ndcg10 > 0);
    model_free(best);
    history_release(&s.h);
}

static void test_race__no_heat_outlasts_the_time(void **state)
{
    (void)state;
    struct shop s;
    struct watch w = {.phases = ""};
    struct model *best;
    struct penchant_train_options asked = wish();
    asked.max_epochs = 0;
    asked.minutes = 0.01;
    shop_init(&s);
    const struct penchant_train_report r = race(&s, &asked, &w, &best);
    assert_string_equal(w.phases, "try gated,try gated .5,try hstu,try sasrec,train");
    assert_true(r.epochs >= 1 && r.seconds > 0);
    model_free(best);
    history_release(&s.h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_race__everyone_runs_and_one_goes_on),
        cmocka_unit_test(test_race__the_best_heat_wins_and_goes_on_from_there),
        cmocka_unit_test(test_race__repeats_bit_for_bit),
        cmocka_unit_test(test_race__a_fixed_dropout_leaves_one_row_a_preset),
        cmocka_unit_test(test_race__stops_in_a_heat_with_the_best_so_far),
        cmocka_unit_test(test_race__no_heat_outlasts_the_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

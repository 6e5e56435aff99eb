/* SPDX-License-Identifier: Apache-2.0 */
/* `--preset auto`: who runs, who wins, what is changed then, and what the winner keeps. */
#include "circles_fixture.h"

#include "learn/trainer.h"

enum { USERS = 200, ITEMS = 50 };

/* The rows of the race in their order, as progress calls them. */
static const struct row {
    const char *what, *preset;
    double dropout;
    uint32_t dim;
} rows[] = {{"try gated", "gated", 0.2, 0},
            {"try gated .5", "gated", 0.5, 0},
            {"try hstu", "hstu", 0.2, 0},
            {"try sasrec", "sasrec", 0.5, 0},
            {"try gated 64", "gated", 0.3, 64}};
enum { ROWS = sizeof(rows) / sizeof(rows[0]), MOST = 32 };

/* What was shown of the work, phase by phase. */
struct watch {
    char phases[1024];
    const char *stop_in;
    int best_calls;
    uint32_t warmup;     /* of a run with a bound on time */
    size_t n, steps[32]; /* phases, and how often each was shown: once a step */
};

static int watch_progress(void *cookie, const char *what, uint64_t done, uint64_t total,
                          const char *detail)
{
    struct watch *w = cookie;
    (void)done, (void)total, (void)detail;
    const size_t n = strlen(w->phases), m = strlen(what);
    if (n < m || strcmp(w->phases + n - m, what) != 0) {
        assert_true(w->n < 32);
        w->n++;
        snprintf(w->phases + n, sizeof(w->phases) - n, "%s%s", n ? "," : "", what);
    }
    w->steps[w->n - 1]++;
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
                                           .max_epochs = 18,
                                           .batch_tokens = 128,
                                           .seed = 1,
                                           .threads = 1};
}

static struct penchant_train_report race(const struct circles *s,
                                         const struct penchant_train_options *asked,
                                         struct watch *w, struct model **best)
{
    struct train_options o;
    struct penchant_train_report r = {0};
    assert_int_equal(train_options_from(&o, asked, &s->data, NULL), 0);
    o.warmup_steps = asked->minutes > 0 ? w->warmup : 5;
    o.progress = watch_progress;
    o.cookie = w;
    o.on_best = count_best;
    assert_int_equal(train_run(best, &s->data, &o, &r, NULL), 0);
    assert_non_null(*best);
    return r;
}

/* The phases that begin with "try", in order; returns how many. */
static size_t tries_of(const struct watch *w, char try[][32], size_t most)
{
    char copy[1024], *save, *word;
    size_t n = 0;
    snprintf(copy, sizeof(copy), "%s", w->phases);
    for (word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save))
        if (strncmp(word, "try", 3) == 0) {
            assert_true(n < most);
            snprintf(try[n++], 32, "%s", word);
        }
    return n;
}

static void test_race__all_begin_half_go_on_one_stays(void **state)
{
    (void)state;
    struct circles s;
    struct watch w = {.phases = ""};
    struct model *best;
    char try[MOST][32];
    const struct penchant_train_options asked = wish();
    circles_init(&s, USERS, ITEMS, 3);
    const struct penchant_train_report r = race(&s, &asked, &w, &best);
    const size_t n = tries_of(&w, try, MOST);
    assert_true(n > 11);
    assert_string_equal(try[5 + 3 + 2], "try unchanged");
    for (size_t i = 0; i < ROWS; i++)
        assert_string_equal(try[i], rows[i].what);
    for (size_t i = 8; i < 10; i++) /* the last two are of the three before */
        assert_true(strcmp(try[i], try[5]) == 0 || strcmp(try[i], try[6]) == 0 ||
                    strcmp(try[i], try[7]) == 0);
    assert_string_equal(w.phases + strlen(w.phases) - 6, ",train");
    assert_true(r.best_ndcg10 > 0.8); /* a circle leaves no doubt; chance is about .1 */
    assert_true(w.best_calls > 0);
    assert_int_equal(best->config.dim, 16);
    model_free(best);
    circles_release(&s);
}

/* What a row reaches by itself in so many epochs, by legs of these lengths. */
static double alone(const struct circles *s, const struct row *row, const uint32_t *legs,
                    size_t n_legs)
{
    struct penchant_train_options asked = wish();
    struct train_options o;
    struct trainer *t;
    asked.preset = row->preset;
    asked.dropout = row->dropout;
    assert_int_equal(train_options_from(&o, &asked, &s->data, NULL), 0);
    o.warmup_steps = 5;
    assert_int_equal(trainer_new(&t, &s->data, &o, NULL), 0);
    for (size_t i = 0; i < n_legs; i++)
        assert_int_equal(trainer_go(t, &(struct trainer_leg){.epochs = legs[i]}, NULL),
                         0);
    const double ndcg = trainer_report(t)->best_ndcg10;
    trainer_free(t);
    return ndcg;
}

/* Goes through the halving by hand, each row alone, and comes to the same survivors. */
static void test_race__halving_keeps_the_best(void **state)
{
    (void)state;
    static const uint32_t legs[] = {2, 2, 3};
    struct circles s;
    struct watch w = {.phases = ""};
    struct model *best;
    char try[MOST][32];
    double ndcg[ROWS];
    size_t left[ROWS] = {0, 1, 2, 3, 4}, n = ROWS, seen = 0;
    struct penchant_train_options asked = wish();
    circles_init(&s, USERS, ITEMS, 3);
    const struct penchant_train_report r = race(&s, &asked, &w, &best);
    tries_of(&w, try, MOST);
    for (size_t heat = 0; heat < 3; heat++) {
        for (size_t i = 0; i < n; i++)
            assert_string_equal(try[seen++], rows[left[i]].what);
        for (size_t i = 0; i < n; i++)
            ndcg[left[i]] = alone(&s, &rows[left[i]], legs, heat + 1);
        for (size_t i = 1; i < n; i++) /* by insertion: equal ones keep their order */
            for (size_t j = i; j > 0 && ndcg[left[j]] > ndcg[left[j - 1]]; j--) {
                const size_t keep = left[j];
                left[j] = left[j - 1];
                left[j - 1] = keep;
            }
        n = (n + 1) / 2;
    }
    assert_string_equal(r.preset, rows[left[0]].preset);
    assert_string_equal(try[seen], "try unchanged");
    for (size_t i = 0; i < ROWS; i++) {
        assert_string_equal(r.trial[i].what, rows[i].what + strlen("try "));
        assert_int_equal(r.trial[i].taken, i == left[0]);
    }
    assert_true(r.trial[left[0]].ndcg10 == ndcg[left[0]]);
    assert_int_equal(r.trial[left[0]].epochs, 2 + 2 + 3);
    assert_in_range(r.epochs, 2 + 2 + 3 + 2 + 1,
                    asked.max_epochs); /* it went on from there */
    assert_true(r.best_ndcg10 >= ndcg[left[0]]);
    model_free(best);
    circles_release(&s);
}

static void test_race__the_epochs_asked_for_bound_heats_and_all(void **state)
{
    (void)state;
    struct circles s;
    struct penchant_train_options asked = wish();
    circles_init(&s, USERS, ITEMS, 3);
    for (asked.max_epochs = 1; asked.max_epochs <= 5; asked.max_epochs++) {
        struct watch w = {.phases = ""};
        struct model *best;
        const struct penchant_train_report r = race(&s, &asked, &w, &best);
        assert_int_equal(r.epochs, asked.max_epochs);
        model_free(best);
    }
    circles_release(&s);
}

static void test_race__tells_what_it_chose(void **state)
{
    (void)state;
    struct circles s;
    struct watch w = {.phases = ""};
    struct model *best, *all;
    struct penchant_train_options asked = wish();
    struct train_options o, chosen = {.threads = 0};
    struct penchant_train_report r;
    asked.max_epochs = 2;
    circles_init(&s, USERS, ITEMS, 3);
    assert_int_equal(train_options_from(&o, &asked, &s.data, NULL), 0);
    o.warmup_steps = 5;
    o.chosen = &chosen;
    assert_int_equal(train_run(&best, &s.data, &o, &r, NULL), 0);
    assert_string_equal(chosen.preset, r.preset);
    assert_true((double)chosen.dropout == r.dropout);
    assert_int_equal(chosen.threads, 1);
    assert_null(chosen.race);
    chosen.progress = watch_progress;
    chosen.cookie = &w;
    assert_int_equal(train_everything(&all, best, &s.data, &chosen, &r, NULL), 0);
    assert_string_equal(w.phases, "learn all");
    assert_int_equal(all->n_params, best->n_params);
    assert_memory_not_equal(all->param, best->param, best->n_params * sizeof(float));
    model_free(best);
    model_free(all);
    circles_release(&s);
}

static void test_race__repeats_bit_for_bit(void **state)
{
    (void)state;
    struct circles s;
    struct watch w = {.phases = ""}, again = {.phases = ""};
    struct model *a, *b;
    const struct penchant_train_options asked = wish();
    circles_init(&s, USERS, ITEMS, 3);
    race(&s, &asked, &w, &a);
    race(&s, &asked, &again, &b);
    assert_string_equal(w.phases, again.phases);
    assert_int_equal(a->n_params, b->n_params);
    assert_memory_equal(a->param, b->param, a->n_params * sizeof(float));
    model_free(a);
    model_free(b);
    circles_release(&s);
}

static void test_race__a_fixed_dropout_leaves_one_row_a_preset(void **state)
{
    (void)state;
    struct circles s;
    struct watch w = {.phases = ""};
    struct model *best;
    struct penchant_train_options asked = wish();
    asked.dropout = 0.3;
    circles_init(&s, USERS, ITEMS, 3);
    char try[MOST][32];
    race(&s, &asked, &w, &best);
    assert_true(tries_of(&w, try, MOST) > 3 + 2);
    assert_string_equal(try[3 + 2], "try unchanged");
    assert_null(strstr(w.phases, "try dropout"));
    assert_string_equal(try[0], "try gated");
    assert_string_equal(try[1], "try hstu");
    assert_string_equal(try[2], "try sasrec");
    model_free(best);
    circles_release(&s);
}

static void test_race__stops_in_a_heat_with_the_best_so_far(void **state)
{
    (void)state;
    struct circles s;
    struct watch w = {.phases = "", .stop_in = "try hstu"};
    struct model *best;
    const struct penchant_train_options asked = wish();
    circles_init(&s, USERS, ITEMS, 3);
    const struct penchant_train_report r = race(&s, &asked, &w, &best);
    assert_string_equal(w.phases, "try gated,try gated .5,try hstu");
    assert_true(r.stopped && r.best_ndcg10 > 0);
    model_free(best);
    circles_release(&s);
}

/* Where time does not last for the rise of the rate nothing can be told: no race. */
static void test_race__too_little_time_to_tell_is_the_first_ones(void **state)
{
    (void)state;
    struct circles s;
    struct watch w = {.phases = "", .warmup = 1000000};
    struct model *best;
    struct penchant_train_options asked = wish();
    asked.max_epochs = 0;
    asked.minutes = 0.005;
    circles_init(&s, USERS, ITEMS, 3);
    const struct penchant_train_report r = race(&s, &asked, &w, &best);
    assert_string_equal(r.trial[0].what, "gated");
    assert_true(r.trial[0].taken && r.trial[0].steps > 0);
    for (size_t i = 1; i < ROWS; i++)
        assert_int_equal(r.trial[i].steps, 0);
    assert_string_equal(r.preset, "gated");
    assert_null(strstr(w.phases, "try unchanged"));
    model_free(best);
    circles_release(&s);
}

static void test_race__no_heat_outlasts_the_time(void **state)
{
    (void)state;
    struct circles s;
    struct watch w = {.phases = "", .warmup = 1};
    struct model *best;
    struct penchant_train_options asked = wish();
    asked.max_epochs = 0;
    asked.minutes = 0.01;
    circles_init(&s, USERS, ITEMS, 3);
    const struct penchant_train_report r = race(&s, &asked, &w, &best);
    char try[MOST][32];
    assert_true(tries_of(&w, try, MOST) >= ROWS);
    for (size_t i = 0; i < ROWS; i++) {
        assert_string_equal(try[i], rows[i].what);
        assert_true(w.steps[i] <= w.steps[0]); /* the narrow one is quicker */
    }
    assert_string_equal(w.phases + strlen(w.phases) - 6, ",train");
    assert_true(r.epochs >= 1 && r.seconds > 0);
    model_free(best);
    circles_release(&s);
}

/* The search around the winner (tests/test_tune.c) reports as one trial each what it
   tried, after the recipes. */
static void test_race__reports_every_trial_in_order(void **state)
{
    (void)state;
    struct circles s;
    struct watch w = {.phases = ""};
    struct model *best;
    char try[MOST][32];
    const struct penchant_train_options asked = wish();
    circles_init(&s, USERS, ITEMS, 3);
    const struct penchant_train_report r = race(&s, &asked, &w, &best);
    const size_t n = tries_of(&w, try, MOST), heats = 5 + 3 + 2;
    assert_int_equal(r.n_trials, ROWS + n - heats);
    for (size_t i = 0; i < r.n_trials; i++) {
        const struct penchant_trial *t = &r.trial[i];
        assert_string_equal(t->what,
                            try[i < ROWS ? i : heats + i - ROWS] + strlen("try "));
        assert_true(t->ndcg10 > 0 && t->epochs > 0 && t->steps > 0 && t->seconds > 0);
        assert_int_equal(isnan(t->gain) == 0, i > ROWS); /* not of "unchanged" */
    }
    model_free(best);
    circles_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_race__all_begin_half_go_on_one_stays),
        cmocka_unit_test(test_race__halving_keeps_the_best),
        cmocka_unit_test(test_race__the_epochs_asked_for_bound_heats_and_all),
        cmocka_unit_test(test_race__tells_what_it_chose),
        cmocka_unit_test(test_race__repeats_bit_for_bit),
        cmocka_unit_test(test_race__a_fixed_dropout_leaves_one_row_a_preset),
        cmocka_unit_test(test_race__stops_in_a_heat_with_the_best_so_far),
        cmocka_unit_test(test_race__too_little_time_to_tell_is_the_first_ones),
        cmocka_unit_test(test_race__no_heat_outlasts_the_time),
        cmocka_unit_test(test_race__reports_every_trial_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The search around the winner of the race: what is tried, compared and taken. */
#include "circles_fixture.h"

#include "learn/race.h"

enum { USERS = 800, ITEMS = 50, BEFORE = 3 /* epochs up to the branch point */ };

/* Circles with noise: half of the events are anything, so that no one reaches 1. */
static void noisy_init(struct circles *s, uint32_t users)
{
    struct rng rng;
    circles_init(s, users, ITEMS, 3);
    rng_init(&rng, 5, 1);
    for (uint64_t e = 0; e < s->h.n; e++)
        if (rng_below(&rng, 2))
            s->h.item[e] = rng_below(&rng, ITEMS);
}

struct watch {
    char tries[1024]; /* each followed by a comma */
    const char *stop_in;
};

static int watch_progress(void *cookie, const char *what, uint64_t done, uint64_t total,
                          const char *detail)
{
    struct watch *w = cookie;
    char word[64];
    (void)done, (void)total, (void)detail;
    snprintf(word, sizeof(word), "%s,", what);
    if (!strstr(w->tries, word))
        snprintf(w->tries + strlen(w->tries), sizeof(w->tries) - strlen(w->tries), "%s",
                 word);
    return w->stop_in && strcmp(what, w->stop_in) == 0;
}

/* A race of which one runner is left, after BEFORE epochs. */
struct fixture {
    struct circles log;
    struct watch watch;
    struct penchant_train_options asked;
    struct train_options o, start;
    struct race race;
};

static void fixture_init_of(struct fixture *f, const char *preset, uint32_t users)
{
    *f = (struct fixture){.asked = {.preset = "auto",
                                    .dim = 16,
                                    .heads = 2,
                                    .max_length = 8,
                                    .dropout = -1,
                                    .learning_rate = 0.01,
                                    .weight_decay = -1,
                                    .batch_tokens = 128,
                                    .seed = 1,
                                    .threads = 1}};
    noisy_init(&f->log, users);
    struct penchant_train_options started = f->asked;
    assert_int_equal(train_options_from(&f->o, &f->asked, &f->log.data, NULL), 0);
    started.preset = preset;
    assert_int_equal(train_options_from(&f->start, &started, &f->log.data, NULL), 0);
    f->start.warmup_steps = 5;
    f->start.progress = watch_progress;
    f->start.cookie = &f->watch;
}

static void fixture_init(struct fixture *f, const char *preset)
{
    fixture_init_of(f, preset, USERS);
}

/* With f->start as it is by now. */
static void begin(struct fixture *f)
{
    struct runner *r = calloc(1, sizeof(*r));
    assert_non_null(r);
    r->options = f->start;
    f->race = (struct race){.data = &f->log.data, .o = &f->o, .runner = {r}, .n = 1};
    race_enlist(&f->race, r, "winner");
    assert_int_equal(trainer_new(&r->trainer, &f->log.data, &r->options, NULL), 0);
    assert_int_equal(race_go(&f->race, r, &(struct trainer_leg){.epochs = BEFORE}, NULL),
                     0);
}

static void fixture_release(struct fixture *f)
{
    if (f->race.n)
        runner_free(f->race.runner[0]);
    circles_release(&f->log);
}

static const struct penchant_trial *trial_of(const struct fixture *f, const char *what)
{
    for (size_t i = 0; i < f->race.n_trials; i++)
        if (strcmp(f->race.trial[i].what, what) == 0)
            return &f->race.trial[i];
    return NULL;
}

/* What comes of the start and then of two epochs under other options, by hand. */
static struct trainer *by_hand(const struct fixture *f, const struct train_options *start,
                               const struct train_options *then, struct trainer **before)
{
    struct trainer *t;
    assert_int_equal(trainer_new(before, &f->log.data, start, NULL), 0);
    assert_int_equal(trainer_go(*before, &(struct trainer_leg){.epochs = BEFORE}, NULL),
                     0);
    assert_int_equal(trainer_fork(&t, *before, then, NULL), 0);
    assert_int_equal(trainer_go(t, &(struct trainer_leg){.epochs = 2}, NULL), 0);
    return t;
}

static void assert_same_state(const struct trainer *a, const struct trainer *b)
{
    const struct model *of_a = trainer_model(a), *of_b = trainer_model(b);
    assert_int_equal(of_a->n_params, of_b->n_params);
    assert_memory_equal(of_a->param, of_b->param, of_a->n_params * sizeof(float));
    assert_true(trainer_ndcg(a) == trainer_ndcg(b));
}

/* The mean and the standard error of the paired difference, the long way. */
static void difference(const struct trainer *a, const struct trainer *b, double *gain,
                       double *error)
{
    size_t n, same;
    const double *of_a = trainer_gains(a, &n), *of_b = trainer_gains(b, &same);
    double variance = 0;
    assert_int_equal(n, same);
    *gain = trainer_ndcg(a) - trainer_ndcg(b);
    for (size_t i = 0; i < n; i++)
        variance += (of_a[i] - of_b[i] - *gain) * (of_a[i] - of_b[i] - *gain);
    variance /= (double)n - 1;
    *error = sqrt(variance / (double)n);
}

static void test_tune__what_gains_clearly_is_taken(void **state)
{
    (void)state;
    struct fixture f;
    struct trainer *before, *unchanged, *less;
    double gain, error;
    fixture_init(&f, "gated");
    f.start.dropout = 0.69f; /* far too much */
    begin(&f);
    assert_int_equal(race_tune(&f.race, NULL), 0);
    struct train_options other = f.start;
    other.dropout = 0.69f - 0.15f;
    unchanged = by_hand(&f, &f.start, &f.start, &before);
    assert_int_equal(trainer_fork(&less, before, &other, NULL), 0);
    assert_int_equal(trainer_go(less, &(struct trainer_leg){.epochs = 2}, NULL), 0);
    difference(less, unchanged, &gain, &error);
    const struct penchant_trial *t = trial_of(&f, "dropout 0.54");
    assert_non_null(t);
    assert_true(gain > 3 * error && gain > 0.03 * trainer_ndcg(unchanged)); /* no doubt */
    assert_true(t->taken && t->ndcg10 == trainer_ndcg(less));
    assert_true(fabs(t->gain - gain) < 1e-12 && fabs(t->error - error) < 1e-12);
    assert_true(trial_of(&f, "unchanged")->ndcg10 == trainer_ndcg(unchanged));
    assert_true(f.race.runner[0]->options.dropout < 0.55f);
    assert_true(trainer_report(f.race.runner[0]->trainer)->dropout < 0.55);
    assert_int_equal(trainer_report(f.race.runner[0]->trainer)->epochs, BEFORE + 2);
    trainer_free(before);
    trainer_free(unchanged);
    trainer_free(less);
    fixture_release(&f);
}

/* Nothing is better than how it is, and the winner goes on as if nobody had looked. */
static void test_tune__what_loses_is_not_taken(void **state)
{
    (void)state;
    struct fixture f;
    struct trainer *before, *unchanged;
    fixture_init(&f, "sasrec");
    f.asked.dropout = 0.5;
    f.start.dropout = 0.5f;
    begin(&f);
    assert_int_equal(race_tune(&f.race, NULL), 0);
    unchanged = by_hand(&f, &f.start, &f.start, &before);
    const struct penchant_trial *decay = trial_of(&f, "weight decay 3");
    const struct penchant_trial *gbce = trial_of(&f, "loss gbce");
    assert_true(decay && decay->gain < 0 && !decay->taken);
    assert_true(gbce && gbce->gain < 0 && !gbce->taken);
    assert_true(f.race.runner[0]->options.loss == TRAIN_FULL);
    assert_same_state(f.race.runner[0]->trainer, unchanged);
    trainer_free(before);
    trainer_free(unchanged);
    fixture_release(&f);
}

/* Every change is measured against the best so far, and taken by the rule that the
   documents state. */
static void assert_taken_by_the_rule(const struct fixture *f)
{
    double best = trial_of(f, "unchanged")->ndcg10;
    for (size_t i = 2; i < f->race.n_trials; i++) {
        const struct penchant_trial *t = &f->race.trial[i];
        assert_true(fabs(t->ndcg10 - best - t->gain) < 1e-9 && t->error >= 0);
        assert_int_equal(t->taken, t->gain > t->error && t->gain > 0.01 * best);
        best = t->taken ? t->ndcg10 : best;
    }
    assert_true(trainer_ndcg(f->race.runner[0]->trainer) == best);
}

static void test_tune__all_take_the_steps_of_the_unchanged(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, "gated");
    begin(&f);
    assert_int_equal(race_tune(&f.race, NULL), 0);
    const struct penchant_trial *unchanged = trial_of(&f, "unchanged");
    assert_int_equal(unchanged->epochs, BEFORE + 2);
    assert_true(f.race.n_trials > 5);
    for (size_t i = 2; i < f.race.n_trials; i++) /* after the winner and the unchanged */
        assert_int_equal(f.race.trial[i].steps, unchanged->steps);
    assert_taken_by_the_rule(&f);
    assert_int_equal(f.race.n, 1);
    fixture_release(&f);
}

/* Small logs have large errors and large ones small gains: both sides of the rule. */
static void test_tune__takes_by_the_rule(void **state)
{
    (void)state;
    static const struct {
        const char *preset;
        uint32_t users;
        double rate;
    } with[] = {
        {"gated", 60, 0.01},   {"gated", 100, 0.03},  {"sasrec", 60, 0.01},
        {"sasrec", 100, 0.02}, {"gated", 1600, 0.01}, {"gated", 2400, 0.003},
    };
    size_t within_error = 0, too_little = 0;
    for (size_t i = 0; i < sizeof(with) / sizeof(with[0]); i++) {
        struct fixture f;
        fixture_init_of(&f, with[i].preset, with[i].users);
        f.start.learning_rate = (float)with[i].rate;
        begin(&f);
        assert_int_equal(race_tune(&f.race, NULL), 0);
        assert_taken_by_the_rule(&f);
        for (size_t k = 2; k < f.race.n_trials; k++) {
            const struct penchant_trial *t = &f.race.trial[k];
            if (!t->taken && t->gain > 0) {
                within_error += t->gain > 0.01 * t->ndcg10;
                too_little += t->gain > t->error;
            }
        }
        fixture_release(&f);
    }
    assert_true(within_error > 0 && too_little > 0);
}

/* Of two opposite changes the second is tried where the first was not taken, and only
   there, from what the winner had. Which are taken depends on where the winner stands. */
static void test_tune__does_not_turn_back(void **state)
{
    (void)state;
    for (uint32_t epochs = 6; epochs <= 14; epochs += 4) {
        struct fixture f;
        const struct trainer_leg on = {.epochs = epochs};
        fixture_init(&f, "gated");
        f.start.learning_rate = 0.03f;
        f.asked.weight_decay = 0;
        begin(&f);
        assert_int_equal(race_go(&f.race, f.race.runner[0], &on, NULL), 0);
        assert_int_equal(race_tune(&f.race, NULL), 0);
        assert_taken_by_the_rule(&f);
        const bool more = trial_of(&f, "dropout 0.35")->taken;
        const bool colder = trial_of(&f, "temperature 0.0357")->taken;
        assert_int_equal(trial_of(&f, "dropout 0.05") != NULL, !more);
        assert_int_equal(trial_of(&f, "temperature 0.07") != NULL, !colder);
        assert_null(trial_of(&f, "dropout 0.2"));
        assert_null(trial_of(&f, "temperature 0.05"));
        const struct model *m = trainer_best(f.race.runner[0]->trainer);
        assert_int_equal(m->config.temperature < 0.04f, colder); /* it serves so, too */
        fixture_release(&f);
    }
}

static void test_tune__what_the_user_fixed_stays(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, "sasrec");
    f.asked.dropout = 0.2;
    f.asked.weight_decay = 0;
    f.asked.loss = "full";
    begin(&f);
    assert_int_equal(race_tune(&f.race, NULL), 0);
    assert_string_equal(f.watch.tries, "try winner,try unchanged,");
    fixture_release(&f);
    fixture_init(&f, "sasrec");
    f.asked.negatives = 7;
    f.start.negatives = 7;
    f.start.loss = TRAIN_SAMPLED;
    begin(&f);
    assert_int_equal(race_tune(&f.race, NULL), 0);
    assert_null(strstr(f.watch.tries, "try negatives"));
    fixture_release(&f);
}

/* The loss and the negatives are settings like the others. */
static void test_tune__tries_losses_and_negatives(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, "sasrec");
    f.start.negatives = 8;
    f.start.loss = TRAIN_SAMPLED;
    f.asked.dropout = 0.2;
    begin(&f);
    assert_int_equal(race_tune(&f.race, NULL), 0);
    assert_non_null(trial_of(&f, "loss full"));
    assert_non_null(trial_of(&f, "loss gbce"));
    if (!trial_of(&f, "loss full")->taken) {
        assert_non_null(trial_of(&f, "negatives 16"));
        assert_true(trial_of(&f, "negatives 16")->taken ||
                    trial_of(&f, "negatives 4") != NULL);
    }
    fixture_release(&f);
    fixture_init(&f, "sasrec");
    f.start.negatives = f.asked.negatives = 25;
    begin(&f);
    assert_int_equal(race_tune(&f.race, NULL), 0);
    assert_non_null(trial_of(&f, "loss sampled")); /* half of the items */
    fixture_release(&f);
}

/* Nothing is tried where no epoch would be left, nothing can be told, or no memory is. */
static void test_tune__does_nothing_where_it_cannot(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, "gated");
    f.o.max_epochs = BEFORE + 1;
    begin(&f);
    assert_int_equal(race_tune(&f.race, NULL), 0);
    assert_int_equal(f.race.n_trials, 1);
    f.o.max_epochs = 6; /* legs of one epoch */
    assert_int_equal(race_tune(&f.race, NULL), 0);
    assert_true(f.race.n_trials > 1);
    assert_int_equal(trainer_report(f.race.runner[0]->trainer)->epochs, BEFORE + 1);
    fixture_release(&f);
    fixture_init(&f, "gated");
    for (uint32_t u = 0; u < USERS; u++)
        f.log.train_end[u] = f.log.h.start[u + 1];
    begin(&f);
    assert_int_equal(race_tune(&f.race, NULL), 0);
    assert_int_equal(f.race.n_trials, 1);
    fixture_release(&f);
    fixture_init(&f, "gated");
    begin(&f);
    f.race.runner[0]->options.model.n_items = 20000000; /* as it would be of such a log */
    assert_int_equal(race_tune(&f.race, NULL), 0);
    assert_int_equal(f.race.n_trials, 1);
    fixture_release(&f);
}

/* A bound on time ends the search and not the training. */
static void test_tune__changes_have_their_share_of_the_time(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, "gated");
    begin(&f);
    f.race.budget = 1e-6; /* seconds: one step, and nothing is left */
    assert_int_equal(race_tune(&f.race, NULL), 0);
    assert_in_range(f.race.n_trials, 2, 3); /* the winner, the unchanged, a change */
    assert_int_equal(f.race.n, 1);
    assert_int_equal(trial_of(&f, "unchanged")->steps, trial_of(&f, "winner")->steps + 1);
    fixture_release(&f);
}

/* At this rate a decay of 3 takes more than all of a parameter away, with every step. */
static void test_tune__a_change_that_diverges_has_lost(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init_of(&f, "gated", 2400);
    f.start.learning_rate = 0.9f;
    f.asked.dropout = 0.2;
    begin(&f);
    assert_int_equal(race_tune(&f.race, NULL), 0);
    const struct penchant_trial *decay = trial_of(&f, "weight decay 3");
    assert_true(decay && isnan(decay->gain) && !decay->taken);
    assert_true(decay->steps < trial_of(&f, "unchanged")->steps);
    assert_non_null(trial_of(&f, "temperature 0.0357")); /* the others have their turn */
    assert_false(f.race.stopped);
    fixture_release(&f);
}

static void test_tune__stops_with_the_best_so_far(void **state)
{
    (void)state;
    static const char *const in[] = {"try unchanged", "try dropout 0.35"};
    for (size_t i = 0; i < 2; i++) {
        struct fixture f;
        fixture_init(&f, "gated");
        begin(&f);
        f.watch.stop_in = in[i];
        assert_int_equal(race_tune(&f.race, NULL), 0);
        assert_true(f.race.stopped);
        assert_int_equal(f.race.n_trials, 2 + i);
        assert_false(f.race.trial[f.race.n_trials - 1].taken);
        assert_true(f.race.runner[0]->options.dropout < 0.21f);
        assert_true(trainer_report(f.race.runner[0]->trainer)->best_ndcg10 > 0);
        fixture_release(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tune__what_gains_clearly_is_taken),
        cmocka_unit_test(test_tune__what_loses_is_not_taken),
        cmocka_unit_test(test_tune__all_take_the_steps_of_the_unchanged),
        cmocka_unit_test(test_tune__takes_by_the_rule),
        cmocka_unit_test(test_tune__does_not_turn_back),
        cmocka_unit_test(test_tune__what_the_user_fixed_stays),
        cmocka_unit_test(test_tune__tries_losses_and_negatives),
        cmocka_unit_test(test_tune__does_nothing_where_it_cannot),
        cmocka_unit_test(test_tune__changes_have_their_share_of_the_time),
        cmocka_unit_test(test_tune__a_change_that_diverges_has_lost),
        cmocka_unit_test(test_tune__stops_with_the_best_so_far),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

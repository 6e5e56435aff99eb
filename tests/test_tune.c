/* SPDX-License-Identifier: Apache-2.0 */
/* The search around the winner of the race: what is tried, compared and taken. */
#include "circles_fixture.h"

#include "learn/race.h"

enum { USERS = 800, ITEMS = 50, BEFORE = 3 /* epochs up to the branch point */ };

/* Circles with noise: half of the events are anything, so that no one reaches 1. */
static void noisy_init(struct circles *s)
{
    struct rng rng;
    circles_init(s, USERS, ITEMS, 3);
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

static void fixture_init(struct fixture *f, const char *preset)
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
    noisy_init(&f->log);
    struct penchant_train_options started = f->asked;
    assert_int_equal(train_options_from(&f->o, &f->asked, &f->log.data, NULL), 0);
    started.preset = preset;
    assert_int_equal(train_options_from(&f->start, &started, &f->log.data, NULL), 0);
    f->start.warmup_steps = 5;
    f->start.progress = watch_progress;
    f->start.cookie = &f->watch;
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
    const struct penchant_trial *decay = trial_of(&f, "weight decay 1");
    const struct penchant_trial *gbce = trial_of(&f, "loss gbce");
    assert_true(decay && decay->gain < 0 && !decay->taken);
    assert_true(gbce && gbce->gain < 0 && !gbce->taken);
    assert_true(f.race.runner[0]->options.loss == TRAIN_FULL);
    assert_same_state(f.race.runner[0]->trainer, unchanged);
    trainer_free(before);
    trainer_free(unchanged);
    fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tune__what_gains_clearly_is_taken),
        cmocka_unit_test(test_tune__what_loses_is_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

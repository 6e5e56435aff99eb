/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The search around the winner of the race, one coordinate after another. Dropout, weight
 * decay, temperature, loss and negatives are not worth a recipe each: from the winner's
 * state a copy goes on as it is, and for every change of the table, in its order, another
 * copy goes on with that one thing changed, over the same windows for the same steps (the
 * idea of population based training, Jaderberg et al. 2017, with the branch point fixed so
 * that all are compared at the same place). A change is taken when it gains more than the
 * standard error of the paired difference and gain_least of the score; the ones after it
 * change the changed. What the user fixed stays. The winner loses nothing meanwhile: the
 * copy that is best goes on in its place.
 *
 * Besides the branch point at most two copies wait. The changes have tune_share of the
 * minutes; those that no time is left for are not tried.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "learn/race.h"

enum { TUNE_EPOCHS = 2, TUNE_PART = 6, TUNE_COPIES = 3 };
static const double leg_share = 0.015, tune_share = 0.05, slow_most = 1.5;
static const double gain_least = 0.01;

/* What a change is made of; false: it has nothing to change here. */
struct setting {
    const struct penchant_train_options *asked;
    const struct train_options *first; /* at the branch point */
    uint32_t n_items;
};
typedef bool change_fn(const struct setting *s, struct train_options *o);

/* ---- the changes --------------------------------------------------------------- */

static const float dropout_step = 0.15f, dropout_most = 0.7f;
static const float decay_first = 3, decay_factor = 3, decay_most = 10;
static const float temperature_factor = 1.4f;
enum { FULL_ITEMS = 20000, GBCE_NEGATIVES = 256, NEGATIVES_MOST = 65536 };

/* Of two opposite changes the second is for when the first was not taken. */
static bool same(float a, float b)
{
    return fabsf(a - b) < 1e-6f;
}

static bool more_dropout(const struct setting *s, struct train_options *o)
{
    if (s->asked->dropout >= 0 || o->dropout + dropout_step > dropout_most)
        return false;
    o->dropout += dropout_step;
    return true;
}

static bool less_dropout(const struct setting *s, struct train_options *o)
{
    if (s->asked->dropout >= 0 || !same(o->dropout, s->first->dropout) ||
        same(o->dropout, 0))
        return false;
    o->dropout = o->dropout > dropout_step ? o->dropout - dropout_step : 0;
    return true;
}

static bool more_decay(const struct setting *s, struct train_options *o)
{
    if (s->asked->weight_decay >= 0)
        return false;
    o->weight_decay = o->weight_decay > 0 ? o->weight_decay * decay_factor : decay_first;
    return o->weight_decay <= decay_most;
}

static bool still_more_decay(const struct setting *s, struct train_options *o)
{
    return !same(o->weight_decay, s->first->weight_decay) && more_decay(s, o);
}

static bool colder(const struct setting *s, struct train_options *o)
{
    (void)s;
    o->model.temperature /= temperature_factor;
    return o->model.normalise;
}

static bool warmer(const struct setting *s, struct train_options *o)
{
    const bool open = same(o->model.temperature, s->first->model.temperature);
    o->model.temperature *= temperature_factor;
    return o->model.normalise && open;
}

/* Full and sampled softmax learn the same score; which one pays is a matter of items. */
static bool other_softmax(const struct setting *s, struct train_options *o)
{
    if (s->asked->loss)
        return false;
    if (o->loss == TRAIN_SAMPLED) {
        o->loss = TRAIN_FULL;
        return s->n_items <= FULL_ITEMS;
    }
    o->loss = TRAIN_SAMPLED;
    return s->n_items >= 2 * o->negatives;
}

/* Of plain scores alone: its probabilities need their length. */
static bool binary(const struct setting *s, struct train_options *o)
{
    if (s->asked->loss || o->model.normalise)
        return false;
    o->loss = TRAIN_GBCE;
    if (!s->asked->negatives)
        o->negatives = GBCE_NEGATIVES;
    return true;
}

static bool more_negatives(const struct setting *s, struct train_options *o)
{
    if (s->asked->negatives || o->loss == TRAIN_FULL || o->negatives > s->n_items / 4)
        return false;
    o->negatives *= 2;
    return o->negatives <= NEGATIVES_MOST;
}

static bool fewer_negatives(const struct setting *s, struct train_options *o)
{
    if (s->asked->negatives || o->loss != TRAIN_SAMPLED ||
        o->negatives != s->first->negatives)
        return false;
    o->negatives /= 2;
    return o->negatives > 0;
}

static change_fn *const changes[] = {
    more_dropout, less_dropout,  more_decay,     still_more_decay, colder,
    warmer,       other_softmax, more_negatives, fewer_negatives,  binary,
};
enum { CHANGES = sizeof(changes) / sizeof(changes[0]) };

/* The name says what the change made of it. */
static void name_change(char *out, size_t size, const struct train_options *from,
                        const struct train_options *to)
{
    static const char *const loss_name[] = {"full", "sampled", "gbce"};
    if (from->loss != to->loss)
        snprintf(out, size, "loss %s", loss_name[to->loss]);
    else if (from->negatives != to->negatives)
        snprintf(out, size, "negatives %u", to->negatives);
    else if (!same(from->dropout, to->dropout))
        snprintf(out, size, "dropout %.3g", (double)to->dropout);
    else if (!same(from->weight_decay, to->weight_decay))
        snprintf(out, size, "weight decay %.3g", (double)to->weight_decay);
    else
        snprintf(out, size, "temperature %.3g", (double)to->model.temperature);
}

/* ---- one against one ----------------------------------------------------------- */

static int fork_runner(struct race *race, struct runner **out, const struct runner *from,
                       const struct train_options *o, const char *name,
                       struct penchant_error *err)
{
    struct runner *r = calloc(1, sizeof(*r));
    *out = r;
    if (!r)
        return error_memory(err);
    r->recipe = from->recipe;
    r->options = *o;
    race_enlist(race, r, name);
    return trainer_fork(&r->trainer, from->trainer, &r->options, err);
}

/* How much more a gains than b, case by case, and the standard error of that. */
static void compare(const struct runner *a, const struct runner *b, double *gain,
                    double *error)
{
    size_t n;
    const double *of_a = trainer_gains(a->trainer, &n);
    const double *of_b = trainer_gains(b->trainer, &n);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += of_a[i] - of_b[i];
    *gain = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += pow(of_a[i] - of_b[i] - *gain, 2);
    *error = sqrt(squares / (double)n / (double)(n > 1 ? n - 1 : 1));
}

static bool gains_clearly(struct race *race, const struct runner *r,
                          const struct runner *best)
{
    struct penchant_trial *trial = race_trial(race, r);
    trial->ndcg10 = trainer_ndcg(r->trainer);
    compare(r, best, &trial->gain, &trial->error);
    trial->taken = trial->gain > trial->error &&
                   trial->gain > gain_least * trainer_ndcg(best->trainer);
    return trial->taken;
}

struct search {
    struct race *race;
    const struct runner *from; /* the branch point */
    struct runner *best;
    struct setting setting;
    struct trainer_leg leg; /* what the unchanged one took */
    double spent;           /* on changes */
};

/* A change under which training diverges has lost, and nothing else has. */
static int go_changed(struct search *s, struct runner *r, bool *came,
                      struct penchant_error *err)
{
    struct penchant_error detail = {0};
    const int status = race_go(s->race, r, &s->leg, &detail);
    *came = status == PENCHANT_OK && !s->race->stopped;
    if (status == PENCHANT_EINVALID)
        return PENCHANT_OK;
    if (status && err)
        *err = detail;
    return status;
}

static int try_change(struct search *s, change_fn *change, struct penchant_error *err)
{
    struct train_options o = s->best->options;
    struct runner *r;
    char name[32];
    bool came = false;
    if (!change(&s->setting, &o))
        return PENCHANT_OK;
    name_change(name, sizeof(name), &s->best->options, &o);
    const double before = s->race->seconds;
    int status = fork_runner(s->race, &r, s->from, &o, name, err);
    if (!status)
        status = go_changed(s, r, &came, err);
    s->spent += s->race->seconds - before;
    if (came && gains_clearly(s->race, r, s->best)) {
        struct runner *worse = s->best;
        s->best = r;
        r = worse;
    }
    runner_free(r);
    return status;
}

static uint32_t leg_epochs(const struct race *race)
{
    const uint32_t most = race->o->max_epochs / TUNE_PART;
    return race->o->max_epochs && most < TUNE_EPOCHS ? most : TUNE_EPOCHS;
}

/* The unchanged one goes on too; its steps are the measure for all. */
static int set_the_measure(struct search *s, struct penchant_error *err)
{
    const struct penchant_train_report *before = trainer_report(s->from->trainer);
    const double budget = s->race->budget;
    const struct trainer_leg leg = {.epochs = leg_epochs(s->race),
                                    .seconds = leg_share * budget};
    int status =
        fork_runner(s->race, &s->best, s->from, &s->from->options, "unchanged", err);
    if (!status)
        status = race_go(s->race, s->best, &leg, err);
    if (status)
        return status;
    race_trial(s->race, s->best)->ndcg10 = trainer_ndcg(s->best->trainer);
    const struct penchant_train_report *after = trainer_report(s->best->trainer);
    s->leg = (struct trainer_leg){.steps = after->steps - before->steps};
    if (budget > 0)
        s->leg.seconds = slow_most * (after->seconds - before->seconds);
    return PENCHANT_OK;
}

/* ---- all of them --------------------------------------------------------------- */

/* There must be something to tell by, room for the copies, and an epoch left. */
static bool worth_it(const struct race *race)
{
    const struct runner *r = race->runner[0];
    const uint32_t most = race->o->max_epochs, leg = leg_epochs(race);
    size_t cases;
    trainer_gains(r->trainer, &cases);
    if (race->budget > 0 && trainer_report(r->trainer)->steps < r->options.warmup_steps)
        return false; /* the rate still rises */
    return cases > 1 && !trainer_done(r->trainer) && leg > 0 &&
           TUNE_COPIES * race_bytes(&r->options) <= RACE_BYTES &&
           (!most || trainer_report(r->trainer)->epochs + leg < most);
}

static bool has_time(const struct search *s)
{
    const double budget = s->race->budget;
    return budget <= 0 || s->spent + s->leg.seconds / slow_most <= tune_share * budget;
}

int race_tune(struct race *race, struct penchant_error *err)
{
    if (!worth_it(race))
        return PENCHANT_OK;
    struct search s = {.race = race,
                       .from = race->runner[0],
                       .setting = {.asked = race->o->race,
                                   .first = &race->runner[0]->options,
                                   .n_items = race->data->history->n_items}};
    int status = set_the_measure(&s, err);
    for (size_t i = 0; i < CHANGES && !status && !race->stopped && has_time(&s); i++)
        status = try_change(&s, changes[i], err);
    if (status) {
        runner_free(s.best);
        return status;
    }
    runner_free(race->runner[0]);
    race->runner[0] = s.best;
    return PENCHANT_OK;
}

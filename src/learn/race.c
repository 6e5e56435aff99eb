/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `--preset auto`: which form, width, loss and dropout suit a log cannot be told from its
 * looks, so the recipes are rows and race by successive halving (Jamieson and Talwalkar
 * 2016): all train for a short heat, the better half goes on from where it is, and so on.
 * In a heat all take as many steps as the first of them does in its time, so that none is
 * ahead only because it is narrow and quick. Where the items have content and the user
 * left it open, a twin of the winner with item vectors on content has as many steps as it
 * had, and takes its place unless it is clearly worse, since it knows new items too. Then
 * single settings of the winner are changed (tune.c), and it has the rest of the time.
 * What is judged is the average of the parameters, which tells early where a falling rate
 * would end.
 *
 * Who is sent home has had about a fifth of the minutes, content aside. Recipes that wait
 * keep what trainer.h says; as many rows run as stay within RACE_BYTES together, the first
 * ones first.
 */
#include "learn/race.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a row changes of its preset; 0: as the preset says. Gates and a little dropout
   suit long histories, much dropout short ones; narrow ones see more epochs. */
static const struct recipe {
    const char *what, *preset;
    float dropout;
    uint32_t dim;
} recipes[] = {
    {"gated", "gated", 0.2f, 0},     {"gated .5", "gated", 0.5f, 0},
    {"hstu", "hstu", 0.2f, 0},       {"sasrec", "sasrec", 0.5f, 0},
    {"gated 64", "gated", 0.3f, 64},
};
enum { RECIPES = sizeof(recipes) / sizeof(recipes[0]) };

/* How long a heat is for the first of those who run it; others are cut off when they need
   slow_most times as long. */
static const struct heat {
    double share; /* of the minutes */
    uint32_t epochs;
} heats[] = {{0.02, 2}, {0.025, 2}, {0.035, 4}};
static const double slow_most = 2;
/* While the rate still rises no recipe can be told from another: the first one has so much
   more time to get over that, and if it does not, it goes on alone. */
static const double warm_share = 0.03;
enum { HEATS = sizeof(heats) / sizeof(heats[0]), HEAT_PART = 6 };

/* Validation NDCG@10 of two runs with other seeds differs by about so much. */
static const double content_tolerance = 0.02;

/* The last lesson, over all events: a part of the minutes and of the epochs so far. */
enum { EVERYTHING_PART = 4, EVERYTHING_LEAST = 4, EVERYTHING_WARMUP = 20 };
static const double everything_share = 0.12;

_Static_assert(RECIPES + 1 <= RACE_RUNNERS, "a place for each and for the twin");

/* ---- who runs ------------------------------------------------------------------ */

/* The runner's options: those of its preset under what the user asked for. */
static int options_of(const struct race *race, const struct recipe *recipe, bool content,
                      struct train_options *out, struct penchant_error *err)
{
    struct penchant_train_options asked = *race->o->race;
    asked.preset = recipe->preset;
    if (race->o->content_open)
        asked.content = content ? "on" : "off";
    asked.dim = asked.dim ? asked.dim : recipe->dim;
    if (asked.dropout < 0)
        asked.dropout = (double)recipe->dropout;
    const int status = train_options_from(out, &asked, race->data, err);
    out->progress = race->o->progress;
    out->cookie = race->o->cookie;
    out->bf16 = race->o->bf16;
    out->warmup_steps = race->o->warmup_steps;
    out->patience = race->o->patience;
    return status;
}

/* What the user fixed can make rows equal: one of them runs. */
static bool is_new(const struct race *race, const struct train_options *o)
{
    for (size_t i = 0; i < race->n; i++) {
        const struct train_options *other = &race->runner[i]->options;
        if (strcmp(o->preset, other->preset) == 0 && o->loss == other->loss &&
            o->model.dim == other->model.dim &&
            memcmp(&o->dropout, &other->dropout, sizeof(o->dropout)) == 0)
            return false;
    }
    return true;
}

size_t race_bytes(const struct train_options *o)
{
    return RACE_COPIES * sizeof(float) * (size_t)o->model.n_items * o->model.dim;
}

struct penchant_trial *race_trial(struct race *race, const struct runner *r)
{
    return &race->trial[r->trial];
}

void race_enlist(struct race *race, struct runner *r, const char *name)
{
    snprintf(r->what, sizeof(r->what), "try %s", name);
    r->options.what = r->what;
    r->trial = race->n_trials < PENCHANT_TRIALS ? race->n_trials++ : PENCHANT_TRIALS - 1;
    struct penchant_trial *trial = race_trial(race, r);
    *trial = (struct penchant_trial){.gain = NAN, .error = NAN};
    snprintf(trial->what, sizeof(trial->what), "%s", name);
}

static int add(struct race *race, const struct recipe *recipe, const char *name,
               const struct train_options *o, struct penchant_error *err)
{
    struct runner *r = calloc(1, sizeof(*r));
    if (!r)
        return error_memory(err);
    race->runner[race->n++] = r;
    r->recipe = recipe;
    r->options = *o;
    if (name)
        race_enlist(race, r, name);
    return trainer_new(&r->trainer, race->data, &r->options, err);
}

static int enter(struct race *race, const struct recipe *recipe, size_t *bytes,
                 struct penchant_error *err)
{
    struct train_options o;
    int status = options_of(race, recipe, false, &o, err);
    if (status || !is_new(race, &o))
        return status;
    const size_t each = race_bytes(&o);
    if (race->n && *bytes + each > RACE_BYTES)
        return PENCHANT_OK;
    *bytes += each;
    return add(race, recipe, recipe->what, &o, err);
}

void runner_free(struct runner *r)
{
    if (r)
        trainer_free(r->trainer);
    free(r);
}

/* Sends home all but the first n. */
static void keep(struct race *race, size_t n)
{
    while (race->n > n)
        runner_free(race->runner[--race->n]);
}

/* ---- the heats ----------------------------------------------------------------- */

static double ndcg_of(const struct runner *r)
{
    return trainer_report(r->trainer)->best_ndcg10;
}

/* The best first; equal ones keep their order. */
static void sort(struct race *race)
{
    for (size_t i = 1; i < race->n; i++) {
        struct runner *r = race->runner[i];
        size_t at = i;
        for (; at > 0 && ndcg_of(r) > ndcg_of(race->runner[at - 1]); at--)
            race->runner[at] = race->runner[at - 1];
        race->runner[at] = r;
    }
}

int race_go(struct race *race, struct runner *r, const struct trainer_leg *leg,
            struct penchant_error *err)
{
    const struct penchant_train_report *report = trainer_report(r->trainer);
    const double before = report->seconds;
    const int status = trainer_go(r->trainer, leg, err);
    race->seconds += report->seconds - before;
    race->stopped |= report->stopped;
    trainer_rest(r->trainer);
    if (race->n_trials && !leg->last) {
        struct penchant_trial *trial = race_trial(race, r);
        trial->epochs = report->epochs;
        trial->steps = report->steps;
        trial->ndcg10 = report->best_ndcg10;
        trial->seconds += report->seconds - before;
    }
    return status;
}

/* A heat is short of the epochs that the user allows, too. */
static uint32_t epochs_of(const struct race *race, const struct heat *heat)
{
    const uint32_t most = race->o->max_epochs / HEAT_PART;
    if (!race->o->max_epochs || heat->epochs < most)
        return heat->epochs;
    return most ? most : 1;
}

/* What takes a runner to where the first one is. */
static struct trainer_leg as_far_as(const struct runner *first, const struct runner *r,
                                    double seconds)
{
    const uint64_t there = trainer_report(first->trainer)->steps;
    const uint64_t here = trainer_report(r->trainer)->steps;
    return (struct trainer_leg){.seconds = seconds,
                                .steps = there > here ? there - here : 1};
}

/* Whether the first recipe has left the rise of the rate behind. */
static int warm_up(struct race *race, bool *warm, struct penchant_error *err)
{
    struct runner *first = race->runner[0];
    const uint64_t steps = trainer_report(first->trainer)->steps;
    const uint64_t rise = first->options.warmup_steps;
    const struct trainer_leg leg = {.seconds = warm_share * race->budget,
                                    .steps = rise > steps ? rise - steps : 0};
    int status = PENCHANT_OK;
    if (race->budget > 0 && leg.steps && !race->stopped)
        status = race_go(race, first, &leg, err);
    *warm = race->budget <= 0 || trainer_report(first->trainer)->steps >= rise;
    return status;
}

static int run_heat(struct race *race, const struct heat *heat,
                    struct penchant_error *err)
{
    struct trainer_leg leg = {.epochs = epochs_of(race, heat)};
    const struct runner *first = race->runner[0];
    const double before = race->seconds;
    bool warm = true;
    if (race->budget > 0)
        leg = (struct trainer_leg){.seconds = heat->share * race->budget};
    int status = race_go(race, race->runner[0], &leg, err);
    if (!status)
        status = warm_up(race, &warm, err);
    if (!warm)
        keep(race, 1);
    const double most = slow_most * (race->seconds - before);
    for (size_t i = 1; i < race->n && !status && !race->stopped; i++) {
        if (race->budget > 0)
            leg = as_far_as(first, race->runner[i], most);
        status = race_go(race, race->runner[i], &leg, err);
    }
    sort(race);
    return status;
}

static int run_heats(struct race *race, struct penchant_error *err)
{
    uint32_t done = 0;
    int status = PENCHANT_OK;
    for (size_t h = 0; h < HEATS && race->n > 1 && !status && !race->stopped; h++) {
        done += epochs_of(race, &heats[h]);
        if (h > 0 && race->o->max_epochs && done >= race->o->max_epochs)
            break; /* an epoch is left for the winner */
        status = run_heat(race, &heats[h], err);
        if (!status && !race->stopped)
            keep(race, h + 1 < HEATS ? (race->n + 1) / 2 : 1);
    }
    if (!status && !race->stopped)
        keep(race, 1);
    return status;
}

/* The winner's twin on content has as many steps as the winner had so far. */
static int run_content(struct race *race, struct penchant_error *err)
{
    struct runner *winner = race->runner[0];
    const struct penchant_train_report *report = trainer_report(winner->trainer);
    struct trainer_leg leg = {.epochs = report->epochs};
    struct train_options o;
    if (race->budget > 0)
        leg = (struct trainer_leg){.seconds = slow_most * report->seconds,
                                   .steps = report->steps};
    int status = options_of(race, winner->recipe, true, &o, err);
    if (!status)
        status = add(race, winner->recipe, "content", &o, err);
    if (!status)
        status = race_go(race, race->runner[1], &leg, err);
    if (status)
        return status;
    if (ndcg_of(race->runner[1]) > ndcg_of(winner) * (1 - content_tolerance)) {
        race_trial(race, race->runner[1])->taken = true;
        race->runner[0] = race->runner[1];
        race->runner[1] = winner;
    }
    return PENCHANT_OK;
}

/* ---- the winner ---------------------------------------------------------------- */

static int run_winner(struct race *race, struct penchant_error *err)
{
    struct runner *r = race->runner[0];
    const struct penchant_train_report *report = trainer_report(r->trainer);
    const uint32_t most = race->o->max_epochs;
    struct trainer_leg leg = {.last = true};
    int status = PENCHANT_OK;
    keep(race, 1);
    r->options.what = race->o->what;
    r->options.on_best = race->o->on_best;
    if (r->options.on_best && report->epochs)
        status = r->options.on_best(race->o->cookie, trainer_best(r->trainer), report);
    if (race->budget > 0) {
        leg.seconds = race->budget - race->seconds;
        leg.seconds = leg.seconds > 1e-9 ? leg.seconds : 1e-9; /* one step */
    }
    if (most)
        leg.epochs = most > report->epochs ? most - report->epochs : 0;
    return status || (most && !leg.epochs) ? status : race_go(race, r, &leg, err);
}

static int enter_all(struct race *race, struct penchant_error *err)
{
    size_t bytes = 0;
    int status = PENCHANT_OK;
    for (size_t i = 0; i < RECIPES && !status; i++)
        status = enter(race, &recipes[i], &bytes, err);
    return status;
}

/* Recipe, content, settings. */
static int choose(struct race *race, struct penchant_error *err)
{
    int status = enter_all(race, err);
    if (!status)
        status = run_heats(race, err);
    if (!status)
        race_trial(race, race->runner[0])->taken = true;
    if (status || race->stopped)
        return status;
    if (race->o->content_open)
        status = run_content(race, err);
    keep(race, 1);
    return status || race->stopped ? status : race_tune(race, err);
}

static void tell(const struct race *race, struct penchant_train_report *report)
{
    *report = *trainer_report(race->runner[0]->trainer);
    report->seconds = race->seconds;
    report->stopped = race->stopped;
    report->n_trials = race->n_trials;
    memcpy(report->trial, race->trial, race->n_trials * sizeof(race->trial[0]));
}

int train_run(struct model **best, const struct train_data *data,
              const struct train_options *o, struct penchant_train_report *report,
              struct penchant_error *err)
{
    struct race race = {.data = data, .o = o};
    *best = NULL;
    race.budget = o->minutes * 60 * (o->everything ? 1 - everything_share : 1);
    int status = o->race ? choose(&race, err) : add(&race, NULL, NULL, o, err);
    if (!status && !race.stopped)
        status = run_winner(&race, err);
    if (!status) {
        struct runner *r = race.runner[0];
        tell(&race, report);
        *best = trainer_take_best(r->trainer);
        if (o->chosen) {
            *o->chosen = r->options;
            o->chosen->what = o->what; /* not the runner's, which goes */
        }
    }
    keep(&race, 0);
    return status;
}

/* ---- everything ---------------------------------------------------------------- */

static uint32_t everything_epochs(uint32_t epochs)
{
    const uint32_t part = epochs / EVERYTHING_PART;
    return part > EVERYTHING_LEAST ? part : EVERYTHING_LEAST;
}

int train_everything(struct model **out, const struct model *from,
                     const struct train_data *data, const struct train_options *o,
                     struct penchant_train_report *report, struct penchant_error *err)
{
    struct train_data all = *data;
    struct train_options longer = *o;
    struct trainer *t = NULL;
    *out = NULL;
    all.train_end = data->history->start + 1;
    longer.resume_from = from;
    if (longer.warmup_steps > EVERYTHING_WARMUP)
        longer.warmup_steps = EVERYTHING_WARMUP; /* it begins with the moments at 0 */
    longer.what = "learn all";
    longer.on_best = NULL;
    int status = trainer_new(&t, &all, &longer, err);
    const struct trainer_leg leg = {.seconds = o->minutes * 60 * everything_share,
                                    .epochs = everything_epochs(report->best_epoch),
                                    .last = true,
                                    .falling = true};
    if (!status)
        status = trainer_go(t, &leg, err);
    if (!status) {
        report->seconds += trainer_report(t)->seconds;
        *out = trainer_take_best(t);
    }
    trainer_free(t);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `--preset auto`: which preset, and how much dropout, suits a log cannot be told from
 * its looks, so each runner is trained for a share of the time and the one with the best
 * validation NDCG@10 goes on from where it is with the rest. The best one then runs once
 * more with item vectors on the items' content, where there is any and the user left it
 * open: that one goes on unless it is clearly worse, since it knows new items too.
 */
#include <string.h>

#include "base/timing.h"
#include "learn/train.h"

/* Gates and a little dropout suit long histories, much dropout short ones. */
static const struct runner {
    const char *preset, *what;
    float dropout;
} runners[] = {
    {"gated", "try gated", 0.2f},
    {"gated", "try gated .5", 0.5f},
    {"hstu", "try hstu", 0.2f},
    {"sasrec", "try sasrec", 0.5f},
};
enum { RUNNERS = sizeof(runners) / sizeof(runners[0]), HEAT_EPOCHS = 2 };

static const double heat_share = 0.06; /* of the minutes, for each */

/* Validation NDCG@10 of two runs with other seeds differs by about so much. */
static const double content_tolerance = 0.02;

struct race {
    const struct train_data *data;
    const struct train_options *o; /* what was made of the wish for `auto` */
    const struct runner *runner;   /* the best so far */
    struct train_options winner;
    struct model *model; /* the winner's so far */
    struct penchant_train_report report;
    double seconds; /* of all heats */
};

/* The runner's options: those of its preset under what the user asked for. */
static int enter(const struct race *race, const struct runner *runner, bool content,
                 struct train_options *out, struct penchant_error *err)
{
    struct penchant_train_options asked = *race->o->race;
    asked.preset = runner->preset;
    if (race->o->content_open)
        asked.content = content ? "on" : "off";
    if (asked.dropout < 0)
        asked.dropout = (double)runner->dropout;
    const int status = train_options_from(out, &asked, race->data, err);
    out->progress = race->o->progress;
    out->cookie = race->o->cookie;
    out->bf16 = race->o->bf16;
    return status;
}

static int heat(struct race *race, const struct runner *runner, bool content,
                struct penchant_error *err)
{
    struct train_options options;
    struct penchant_train_report report;
    struct model *m = NULL;
    int status = enter(race, runner, content, &options, err);
    if (status != PENCHANT_OK)
        return status;
    struct train_options trial = options;
    trial.what = runner->what;
    trial.minutes = options.minutes * heat_share;
    if (!(options.minutes > 0))
        trial.max_epochs = options.max_epochs && options.max_epochs < HEAT_EPOCHS
                               ? options.max_epochs
                               : HEAT_EPOCHS;
    status = trainer_run(&m, race->data, &trial, &report, err);
    if (status != PENCHANT_OK)
        return status;
    race->seconds += report.seconds;
    const double bar = race->report.best_ndcg10 * (content ? 1 - content_tolerance : 1);
    if (race->model && report.best_ndcg10 <= bar) {
        race->report.stopped |= report.stopped;
        model_free(m);
        return PENCHANT_OK;
    }
    model_free(race->model);
    race->model = m;
    race->runner = runner;
    race->winner = options;
    race->report = report;
    return PENCHANT_OK;
}

/* A dropout that the user fixed makes the rows of one preset equal: one of them runs. */
static bool runs(const struct race *race, size_t i)
{
    return i == 0 || race->o->race->dropout < 0 ||
           strcmp(runners[i].preset, runners[i - 1].preset) != 0;
}

int train_run(struct model **best, const struct train_data *data,
              const struct train_options *o, struct penchant_train_report *report,
              struct penchant_error *err)
{
    struct race race = {.data = data, .o = o};
    *best = NULL;
    if (!o->race)
        return trainer_run(best, data, o, report, err);
    int status = PENCHANT_OK;
    for (size_t i = 0; i < RUNNERS && status == PENCHANT_OK && !race.report.stopped; i++)
        if (runs(&race, i))
            status = heat(&race, &runners[i], false, err);
    if (status == PENCHANT_OK && !race.report.stopped && o->content_open)
        status = heat(&race, race.runner, true, err);
    *report = race.report;
    if (status == PENCHANT_OK && race.report.stopped) {
        *best = race.model;
        return PENCHANT_OK;
    }
    if (status == PENCHANT_OK) {
        race.winner.resume_from = race.model;
        race.winner.on_best = o->on_best;
        const double left = race.winner.minutes - race.seconds / 60;
        if (race.winner.minutes > 0)
            race.winner.minutes = left > 0.001 ? left : 0.001;
        status = trainer_run(best, data, &race.winner, report, err);
        report->seconds += race.seconds;
    }
    model_free(race.model);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/timing.h"
#include "learn/average.h"
#include "learn/step.h"
#include "learn/validate.h"
#include "model/item_content.h"

/* The average looks back over two epochs; a small log has epochs of a step or two. */
enum { AVERAGE_EPOCHS = 2, AVERAGE_LEAST = 16 };
/* Steps that each validation of the patience stands for at least. */
enum { PATIENCE_STEPS = 8 };
/* Epochs of falling rate once validation has stopped improving, a part of those so far. */
enum { COOL_PART = 4, COOL_LEAST = 2, COOL_MOST = 10, COOL_PATIENCE = 4 };

static const double cool_share = 0.3;   /* of the time or the epochs known beforehand */
static const double lowest_rate = 0.05; /* of the full one, at the end */

struct trainer {
    const struct train_data *data;
    const struct train_options *o;
    struct model *model, *best;
    struct average average;
    struct optimiser optimiser;
    struct validation validation;
    struct penchant_train_report report;
    /* the place in the epoch */
    struct windows windows;
    bool planned;
    uint32_t at;
    uint64_t epoch_tokens;
    uint64_t judged_step; /* the step after which it was last judged */
    /* the schedule */
    bool cooling, done;
    double cool_from, cool_epochs; /* in epochs; cool_epochs 0: no such bound */
    double cool_from_s, cool_s;    /* in seconds of training; cool_s 0: no such bound */
    uint32_t stale;                /* validations since the best one */
    double best_ndcg, loss;
    double *gain, ndcg; /* (validation.n) of what was judged last, and their mean */
    /* the present leg */
    struct trainer_leg leg;
    uint32_t leg_epochs; /* done before it */
    uint64_t leg_steps;  /* taken before it */
    double leg_s;        /* spent before it */
    int64_t began_ns;
    double step_s; /* spent in steps */
    bool awake;
    struct stepper stepper;
};

/* ---- life ---------------------------------------------------------------------- */

/* The parameters of an earlier run, and what its items said. */
static void take_up(struct model *m, const struct model *from)
{
    const size_t row = m->config.dim * sizeof(float);
    memcpy(m->param, from->param, from->n_params * sizeof(float));
    if (!m->content)
        return;
    memcpy(m->content, from->content, m->config.n_items * row);
    memcpy(m->content_map, from->content_map, m->config.content * row);
}

static int make_model(struct trainer *t, struct penchant_error *err)
{
    const struct train_data *data = t->data;
    const int status =
        model_new(&t->model, &t->o->model, data->attr_start, data->attr, err);
    if (status != PENCHANT_OK)
        return status;
    if (t->model->config.n_attributes && data->attribute_name &&
        model_name_attributes(t->model, data->attribute_name) != PENCHANT_OK)
        return error_memory(err);
    const struct model *from = t->o->resume_from;
    if (from && (from->n_params != t->model->n_params ||
                 from->config.content != t->model->config.content))
        return error_set(err, PENCHANT_EINVALID,
                         "the checkpoint to go on from has another shape");
    if (!from && t->model->content && item_content_fit(t->model, data->content, err))
        return err->status;
    if (from)
        take_up(t->model, from);
    else
        model_initialise(t->model, t->o->seed);
    t->average.mean = model_clone(t->model);
    t->best = model_clone(t->model);
    return t->average.mean && t->best ? PENCHANT_OK : error_memory(err);
}

static void report_options(struct penchant_train_report *r, const struct train_options *o)
{
    static const char *const loss_name[] = {"full", "sampled", "gbce"};
    r->dim = o->model.dim;
    r->blocks = o->model.blocks;
    r->heads = o->model.heads;
    r->negatives = o->loss == TRAIN_FULL ? 0 : o->negatives;
    r->max_length = o->model.max_length;
    r->seed = o->seed;
    r->dropout = (double)o->dropout;
    r->weight_decay = (double)o->weight_decay;
    r->temperature = o->model.normalise ? (double)o->model.temperature : 0;
    snprintf(r->preset, sizeof(r->preset), "%s", o->preset);
    snprintf(r->loss, sizeof(r->loss), "%s", loss_name[o->loss]);
}

static int start_validation(struct trainer *t)
{
    if (validation_init(&t->validation, t->data))
        return PENCHANT_ENOMEM;
    t->gain = calloc(t->validation.n + 1, sizeof(*t->gain));
    return t->gain ? PENCHANT_OK : PENCHANT_ENOMEM;
}

int trainer_new(struct trainer **out, const struct train_data *data,
                const struct train_options *o, struct penchant_error *err)
{
    struct trainer *t = calloc(1, sizeof(*t));
    *out = NULL;
    if (!t)
        return error_memory(err);
    t->data = data;
    t->o = o;
    t->best_ndcg = -1;
    windows_init(&t->windows);
    report_options(&t->report, o);
    int status = make_model(t, err);
    if (!status &&
        (optimiser_init(&t->optimiser, t->model, o->weight_decay) || start_validation(t)))
        status = error_memory(err);
    if (status) {
        trainer_free(t);
        return status;
    }
    *out = t;
    return PENCHANT_OK;
}

static struct model *fork_model(const struct model *m, const struct train_options *o)
{
    struct model *copy = model_clone(m);
    if (copy)
        copy->config.temperature = o->model.temperature;
    return copy;
}

/* What *t borrowed from *from when it was copied becomes its own. */
static int fork_state(struct trainer *t, const struct trainer *from)
{
    const size_t bytes = from->model->n_params * sizeof(float);
    t->model = fork_model(from->model, t->o);
    t->best = fork_model(from->best, t->o);
    t->average.mean = fork_model(from->average.mean, t->o);
    if (!t->model || !t->best || !t->average.mean || start_validation(t) ||
        optimiser_init(&t->optimiser, t->model, t->o->weight_decay) ||
        windows_copy(&t->windows, &from->windows))
        return PENCHANT_ENOMEM;
    memcpy(t->optimiser.mean, from->optimiser.mean, bytes);
    memcpy(t->optimiser.square, from->optimiser.square, bytes);
    memcpy(t->gain, from->gain, t->validation.n * sizeof(*t->gain));
    t->optimiser.step = from->optimiser.step;
    return PENCHANT_OK;
}

int trainer_fork(struct trainer **out, const struct trainer *from,
                 const struct train_options *o, struct penchant_error *err)
{
    struct trainer *t = malloc(sizeof(*t));
    *out = NULL;
    if (!t)
        return error_memory(err);
    *t = *from;
    t->o = o;
    t->awake = false;
    t->stale = 0;
    t->stepper = (struct stepper){0};
    t->optimiser = (struct optimiser){0};
    t->validation = (struct validation){0};
    t->model = t->best = t->average.mean = NULL;
    t->gain = NULL;
    windows_init(&t->windows);
    report_options(&t->report, o);
    if (fork_state(t, from)) {
        trainer_free(t);
        return error_memory(err);
    }
    *out = t;
    return PENCHANT_OK;
}

void trainer_rest(struct trainer *t)
{
    if (t->awake)
        stepper_release(&t->stepper);
    t->awake = false;
}

void trainer_free(struct trainer *t)
{
    if (!t)
        return;
    trainer_rest(t);
    windows_release(&t->windows);
    validation_release(&t->validation);
    optimiser_release(&t->optimiser);
    model_free(t->model);
    model_free(t->average.mean);
    model_free(t->best);
    free(t->gain);
    free(t);
}

const struct penchant_train_report *trainer_report(const struct trainer *t)
{
    return &t->report;
}

double trainer_ndcg(const struct trainer *t)
{
    return t->ndcg;
}

const double *trainer_gains(const struct trainer *t, size_t *n)
{
    *n = t->validation.n;
    return t->gain;
}

bool trainer_done(const struct trainer *t)
{
    return t->done;
}

const struct model *trainer_best(const struct trainer *t)
{
    return t->best;
}

const struct model *trainer_model(const struct trainer *t)
{
    return t->model;
}

struct model *trainer_take_best(struct trainer *t)
{
    struct model *best = t->best;
    t->best = NULL;
    return best;
}

/* ---- where it stands ----------------------------------------------------------- */

static double spent(const struct trainer *t)
{
    return t->leg_s + (double)(timing_steady_ns() - t->began_ns) * 1e-9;
}

static double epochs_done(const struct trainer *t)
{
    const double part = t->windows.n ? (double)t->at / (double)t->windows.n : 0;
    return t->report.epochs + (t->planned ? part : 0);
}

static double epoch_steps(const struct trainer *t)
{
    const double steps = (double)t->epoch_tokens / t->o->batch_tokens;
    return steps > 1 ? steps : 1;
}

/* Whether validation has not improved for long enough to say that it will not. */
static bool stale(const struct trainer *t)
{
    const double steps = epoch_steps(t);
    const double part = steps < PATIENCE_STEPS ? steps / PATIENCE_STEPS : 1;
    return t->stale * part >= t->o->patience;
}

static void fill_report(struct trainer *t)
{
    struct penchant_train_report *r = &t->report;
    r->seconds = spent(t);
    r->tokens_per_s = t->step_s > 0 ? (double)r->tokens / t->step_s : 0;
    r->best_ndcg10 = t->best_ndcg > 0 ? t->best_ndcg : 0;
}

/* Progress counts the time when time is the bound, else the epochs of the leg. */
static void show(struct trainer *t)
{
    char detail[96];
    const struct trainer_leg *leg = &t->leg;
    fill_report(t);
    uint64_t done = (uint64_t)((epochs_done(t) - t->leg_epochs) * t->windows.n + 0.5);
    uint64_t total = leg->epochs * (uint64_t)t->windows.n;
    if (leg->seconds > 0) {
        total = (uint64_t)(leg->seconds * 1000);
        done = (uint64_t)((t->report.seconds - t->leg_s) * 1000);
        done = done < total ? done : total;
    }
    snprintf(detail, sizeof(detail), "epoch %u loss %.4f best NDCG@10 %.4f %.0f tokens/s",
             t->report.epochs + 1, t->loss, t->report.best_ndcg10,
             t->report.tokens_per_s);
    const char *what = t->o->what ? t->o->what : "train";
    if (t->o->progress && t->o->progress(t->o->cookie, what, done, total, detail) != 0)
        t->done = t->report.stopped = true;
}

/* ---- the schedule -------------------------------------------------------------- */

static void cool(struct trainer *t, double epochs, double seconds)
{
    t->cooling = true;
    t->cool_from = epochs_done(t);
    t->cool_epochs = epochs;
    t->cool_from_s = spent(t);
    t->cool_s = seconds;
    t->stale = 0;
}

/* From where the average was best, once nothing more comes of the full rate. */
static void cool_from_best(struct trainer *t)
{
    const struct trainer_leg *leg = &t->leg;
    const double part = t->report.best_epoch / COOL_PART;
    const size_t bytes = t->model->n_params * sizeof(float);
    memcpy(t->model->param, t->best->param, bytes);
    memcpy(t->average.mean->param, t->best->param, bytes);
    t->average.steps = 0;
    cool(t, fmin(fmax(part, COOL_LEAST), COOL_MOST),
         leg->seconds > 0 ? t->leg_s + leg->seconds - spent(t) : 0);
}

/* Whether the bounds of the last leg say that the rate must fall now. */
static void look_ahead(struct trainer *t)
{
    const struct trainer_leg *leg = &t->leg;
    if (t->cooling || !leg->last)
        return;
    const double end_s = t->leg_s + leg->seconds;
    const double end = (double)t->leg_epochs + leg->epochs;
    const double left_s = end_s - spent(t), left = end - epochs_done(t);
    const bool late = leg->seconds > 0 && left_s <= cool_share * end_s;
    if (leg->falling || late || (leg->epochs && left <= floor(cool_share * end)))
        cool(t, leg->epochs ? left : 0, leg->seconds > 0 ? left_s : 0);
}

/* How much of the fall lies behind, [0, 1]. */
static double cooled(const struct trainer *t)
{
    if (!t->cooling)
        return 0;
    const double epochs =
        t->cool_epochs > 0 ? (epochs_done(t) - t->cool_from) / t->cool_epochs : 0;
    const double time = t->cool_s > 0 ? (spent(t) - t->cool_from_s) / t->cool_s : 0;
    return fmin(fmax(epochs, time), 1);
}

double trainer_rate(const struct trainer *t)
{
    const double warm = (double)(t->optimiser.step + 1) / (t->o->warmup_steps + 1.0);
    const double fall = 1 - (1 - lowest_rate) * cooled(t);
    return (double)t->o->learning_rate * (warm < 1 ? warm : 1) * fall;
}

static bool leg_over(const struct trainer *t)
{
    const struct trainer_leg *leg = &t->leg;
    return t->done || (leg->seconds > 0 && spent(t) >= t->leg_s + leg->seconds) ||
           (leg->epochs && t->report.epochs >= t->leg_epochs + leg->epochs) ||
           (leg->steps && t->optimiser.step >= t->leg_steps + leg->steps);
}

/* ---- epochs -------------------------------------------------------------------- */

static int judge(struct trainer *t, struct penchant_error *err)
{
    double ndcg = 0;
    const bool blind = t->validation.n == 0;
    t->judged_step = t->optimiser.step;
    if (validation_gains(&t->validation, t->average.mean, t->stepper.pool, t->gain))
        return error_memory(err);
    for (size_t c = 0; c < t->validation.n; c++)
        ndcg += t->gain[c] / (double)t->validation.n;
    t->ndcg = ndcg;
    /* While the rate still rises nothing is to be expected. With nothing held out the
       last epoch is the best; patience still ends it. */
    t->stale += t->optimiser.step > t->o->warmup_steps || blind;
    if (ndcg <= t->best_ndcg && !blind)
        return PENCHANT_OK;
    if (!blind)
        t->stale = 0;
    t->best_ndcg = ndcg;
    t->report.best_epoch = t->report.epochs;
    memcpy(t->best->param, t->average.mean->param, t->model->n_params * sizeof(float));
    fill_report(t);
    return t->o->on_best ? t->o->on_best(t->o->cookie, t->best, &t->report) : PENCHANT_OK;
}

static int plan(struct trainer *t, struct penchant_error *err)
{
    struct rng rng;
    rng_init(&rng, t->o->seed, 2 + (uint64_t)t->report.epochs * 65537);
    if (windows_plan(&t->windows, t->data, t->o->model.max_length, &rng) != PENCHANT_OK)
        return error_memory(err);
    if (t->windows.n == 0)
        return error_set(err, PENCHANT_EINVALID, "no user has two events to learn from");
    t->planned = true;
    t->at = 0;
    t->epoch_tokens = 0;
    for (uint32_t i = 0; i < t->windows.n; i++)
        t->epoch_tokens += t->windows.window[i].n;
    return PENCHANT_OK;
}

static int take_step(struct trainer *t, struct penchant_error *err)
{
    const int64_t began = timing_steady_ns();
    struct step_result r;
    int status = t->planned ? PENCHANT_OK : plan(t, err);
    if (!status)
        status = stepper_step(&t->stepper, &t->windows, t->at, &t->optimiser,
                              (float)trainer_rate(t), &r, err);
    if (status)
        return status;
    average_step(&t->average, t->model,
                 fmax(AVERAGE_EPOCHS * epoch_steps(t), AVERAGE_LEAST), t->stepper.pool);
    t->at = r.end;
    t->loss = r.loss;
    t->report.tokens += r.tokens;
    t->report.steps++;
    t->step_s += (double)(timing_steady_ns() - began) * 1e-9;
    show(t);
    return PENCHANT_OK;
}

static int end_epoch(struct trainer *t, struct penchant_error *err)
{
    t->planned = false;
    t->report.epochs++;
    const int status = judge(t, err);
    if (status)
        return status;
    const bool blind = t->validation.n == 0;
    if (t->cooling)
        t->done |= !blind && t->stale >= COOL_PATIENCE;
    else if (blind && t->stale >= t->o->patience)
        t->done = true;
    else if (stale(t) && t->leg.last)
        cool_from_best(t);
    return PENCHANT_OK;
}

static int wake(struct trainer *t, struct penchant_error *err)
{
    const int status =
        t->awake ? PENCHANT_OK : stepper_init(&t->stepper, t->data, t->o, t->model, err);
    t->awake = !status;
    return status;
}

/* Without an end a leg also ends when its runner has stopped improving. */
static bool stalled(const struct trainer *t)
{
    return !t->leg.last && stale(t);
}

int trainer_go(struct trainer *t, const struct trainer_leg *leg,
               struct penchant_error *err)
{
    t->leg = *leg;
    t->leg_s = t->report.seconds;
    t->leg_epochs = t->report.epochs;
    t->leg_steps = t->optimiser.step;
    t->began_ns = timing_steady_ns();
    int status = wake(t, err);
    if (!status && t->o->resume_from && !t->optimiser.step)
        status = judge(t, err); /* so that what comes out is never worse */
    for (bool first = true; !status && !t->done && !stalled(t); first = false) {
        if (!first && leg_over(t)) /* one step is always taken */
            break;
        look_ahead(t);
        status = take_step(t, err);
        if (!status && t->at == t->windows.n)
            status = end_epoch(t, err);
        t->done |= cooled(t) >= 1;
    }
    if (!status && t->judged_step < t->optimiser.step)
        status = judge(t, err); /* it was cut short within an epoch */
    fill_report(t);
    return status;
}

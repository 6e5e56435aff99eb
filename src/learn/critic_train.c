/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/critic_train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/timing.h"
#include "kernels/kernels.h"

enum { LEAST_STEPS = 3000, MOST_STEPS = 12000, PASSES = 6, SLICE = 100 };

struct critic_train_options critic_train_defaults(size_t n_train)
{
    const size_t steps = n_train / CRITIC_BATCH * PASSES;
    return (struct critic_train_options){
        .loss = {.expectile = 0.7F,
                 .conservative = 0.1F,
                 .negative_weight = 0.2F,
                 .negatives = 10},
        .rate = 0.002F,
        .polyak = 0.005F,
        .decay = 0.01F,
        .steps = steps < LEAST_STEPS  ? LEAST_STEPS
                 : steps > MOST_STEPS ? MOST_STEPS
                                      : (uint32_t)steps,
        .batch = CRITIC_BATCH,
        .seed = 1,
    };
}

/* ---- one head ---- */

int critic_learner_init(struct critic_learner *l, const struct critic_form *f,
                        enum critic_objective objective, struct critic_head *head,
                        const struct critic_train_options *o)
{
    const size_t n = critic_size(f);
    *l = (struct critic_learner){.form = *f,
                                 .objective = objective,
                                 .gamma = head->gamma,
                                 .scale = head->scale,
                                 .param = head->param,
                                 .o = *o};
    l->target = malloc(n * sizeof *l->target);
    l->grad = malloc(n * sizeof *l->grad);
    l->mean = calloc(n, sizeof *l->mean);
    l->square = calloc(n, sizeof *l->square);
    l->work = critic_work_new(f, o->batch, o->loss.negatives);
    l->pick = malloc(o->batch * sizeof *l->pick);
    l->negative = malloc((o->batch * (size_t)o->loss.negatives + 1) * sizeof(uint32_t));
    rng_init(&l->rng, o->seed, 0xc417 + (uint64_t)objective);
    if (!l->target || !l->grad || !l->mean || !l->square || !l->work || !l->pick ||
        !l->negative) {
        critic_learner_release(l);
        return PENCHANT_ENOMEM;
    }
    memcpy(l->target, head->param, n * sizeof *l->target);
    return PENCHANT_OK;
}

void critic_learner_release(struct critic_learner *l)
{
    free(l->target);
    free(l->grad);
    free(l->mean);
    free(l->square);
    critic_work_free(l->work);
    free(l->pick);
    free(l->negative);
    *l = (struct critic_learner){0};
}

/* Items that were not chosen: any other one. */
static void draw(struct critic_learner *l, const struct critic_data *d)
{
    const uint32_t each = l->o.loss.negatives;
    for (uint32_t i = 0; i < l->o.batch; i++) {
        l->pick[i] = rng_below(&l->rng, (uint32_t)d->n_train);
        const uint32_t chosen = d->at[l->pick[i]].item;
        for (uint32_t j = 0; j < each; j++) {
            const uint32_t other = rng_below(&l->rng, d->n_items);
            l->negative[(size_t)i * each + j] =
                other == chosen ? (other + 1) % d->n_items : other;
        }
    }
}

void critic_learner_step(struct critic_learner *l, const struct critic_data *d,
                         float rate)
{
    const struct kernels *k = kernels_get();
    const size_t n = critic_size(&l->form);
    const struct critic_lesson lesson = {.form = &l->form,
                                         .objective = l->objective,
                                         .gamma = l->gamma,
                                         .scale = l->scale,
                                         .param = l->param,
                                         .target = l->target};
    draw(l, d);
    const struct critic_batch b = {
        .data = d, .n = l->o.batch, .pick = l->pick, .negative = l->negative};
    memset(l->grad, 0, n * sizeof *l->grad);
    l->loss = critic_loss(l->work, &lesson, &b, &l->o.loss, l->grad);
    l->step++;
    const struct adam a = {.param = l->param,
                           .mean = l->mean,
                           .square = l->square,
                           .gradient = l->grad,
                           .n = n,
                           .rate = l->o.rate * rate,
                           .beta1 = 0.9F,
                           .beta2 = 0.999F,
                           .epsilon = 1e-8F,
                           .decay = l->o.decay,
                           .bias1 = (float)(1 - pow(0.9, (double)l->step)),
                           .bias2 = (float)(1 - pow(0.999, (double)l->step))};
    k->adam(&a);
    k->scale(l->target, 1 - l->o.polyak, n);
    k->add_scaled(l->target, l->param, l->o.polyak, n);
}

/* Mean and deviation of what came after the states that are learned from. */
static void measure(const struct critic_data *d, enum critic_objective o, double *mean,
                    double *deviation)
{
    double sum = 0, square = 0;
    const double n = (double)d->n_train;
    for (size_t i = 0; i < d->n_train; i++)
        sum += (double)d->at[i].after[o];
    *mean = n > 0 ? sum / n : 0;
    for (size_t i = 0; i < d->n_train; i++) {
        const double off = (double)d->at[i].after[o] - *mean;
        square += off * off;
    }
    *deviation = n > 0 ? sqrt(square / n) : 0;
}

void critic_head_initialise(struct critic_head *head, const struct critic_form *f,
                            const struct critic_data *d, enum critic_objective objective,
                            uint64_t seed)
{
    struct rng rng;
    double mean, deviation;
    const size_t width = critic_width(f);
    const size_t row = (size_t)f->inputs + f->hidden;
    measure(d, objective, &mean, &deviation);
    head->scale = deviation > 1e-6 ? (float)deviation : 1;
    rng_init(&rng, seed, 0x1717 + (uint64_t)objective);
    for (size_t i = 0; i < critic_heads_at(f); i++)
        head->param[i] =
            rng_normal(&rng) * (i % width < 2 * (size_t)f->dim ? 0.05F : 0.7F);
    float *r = head->param + critic_heads_at(f);
    for (size_t i = 0; i < 3 * row; i++)
        r[i] = rng_normal(&rng) * 0.02F;
    for (size_t i = 0; i < 3; i++) /* of the constant */
        r[i * row + f->inputs - 1] = (float)(mean / (double)head->scale);
}

/* ---- all of them ---- */

struct critic_training {
    struct critic *critic;
    const struct critic_data *d;
    const struct critic_train_options *o;
    struct critic_learner learner[CRITIC_OBJECTIVES];
    uint32_t from, to, steps; /* of this slice; in all */
    int failed[CRITIC_OBJECTIVES];
};

static void train_slice(void *arg, uint32_t i)
{
    struct critic_training *t = arg;
    for (uint32_t s = t->from; t->learner[i].param && s < t->to; s++) {
        const double done = (double)s / (double)t->steps;
        critic_learner_step(&t->learner[i], t->d,
                            (float)(0.5 * (1 + cos(3.14159265358979 * done))));
    }
}

static void judge(void *arg, uint32_t i)
{
    struct critic_training *t = arg;
    struct critic_head *head = &t->critic->head[i];
    if (head->why == CRITIC_GIVEN)
        t->failed[i] =
            critic_judge(head, &t->critic->form, (enum critic_objective)i, t->d);
}

/* Whether there is enough to learn from and to judge by. */
static enum critic_why learnable(const struct critic_data *d, enum critic_objective o)
{
    double mean, deviation;
    uint32_t users = 0;
    for (size_t i = d->n_train; i < d->n; i++)
        users += i == d->n_train || d->at[i].user != d->at[i - 1].user;
    if (d->n_train < CRITIC_LEAST_TRANSITIONS || users < CRITIC_LEAST_USERS ||
        d->n_items < 2)
        return CRITIC_TOO_FEW;
    measure(d, o, &mean, &deviation);
    return deviation > 1e-6 ? CRITIC_GIVEN : CRITIC_UNLOGGED;
}

static int begin(struct critic_training *t)
{
    int rc = PENCHANT_OK;
    for (int i = 0; !rc && i < CRITIC_OBJECTIVES; i++) {
        const enum critic_objective o = (enum critic_objective)i;
        struct critic_head *head = &t->critic->head[i];
        head->why = learnable(t->d, o);
        if (head->why != CRITIC_GIVEN)
            continue;
        critic_head_initialise(head, &t->critic->form, t->d, o, t->o->seed);
        rc = critic_learner_init(&t->learner[i], &t->critic->form, o, head, t->o);
    }
    return rc;
}

/* As many steps as there is time for, going by what the first slice took. */
static void fit_time(struct critic_training *t, int64_t ns)
{
    const double left = t->o->seconds - (double)ns * 1e-9;
    const double more = fmax(0, left) * SLICE / fmax(1e-6, (double)ns * 1e-9);
    if (t->o->seconds > 0 && SLICE + more < t->steps)
        t->steps = SLICE + (uint32_t)more;
}

static int work(struct critic_training *t, struct pool *pool, struct penchant_error *err)
{
    const int64_t start = timing_steady_ns();
    bool any = false;
    for (int i = 0; i < CRITIC_OBJECTIVES; i++)
        any = any || t->learner[i].param;
    t->steps = t->o->steps;
    for (t->from = 0; any && t->from < t->steps; t->from = t->to) {
        t->to = t->from + SLICE < t->steps ? t->from + SLICE : t->steps;
        pool_run(pool, train_slice, t, CRITIC_OBJECTIVES);
        if (t->from == 0)
            fit_time(t, timing_steady_ns() - start);
        if (t->o->progress && t->o->progress(t->o->cookie, "values", t->to, t->steps, ""))
            return error_set(err, PENCHANT_EINTERRUPTED, "stopped on request");
    }
    return PENCHANT_OK;
}

int critic_train(struct critic **out, const struct critic_data *d,
                 const struct critic_train_options *o, struct pool *pool,
                 struct penchant_error *err)
{
    const struct critic_form form = {
        .dim = d->dim, .inputs = d->inputs, .hidden = CRITIC_HIDDEN};
    struct critic_training t = {.critic = critic_new(&form), .d = d, .o = o};
    *out = NULL;
    int rc = t.critic && begin(&t) == PENCHANT_OK ? PENCHANT_OK : error_memory(err);
    if (!rc)
        rc = work(&t, pool, err);
    for (int i = 0; i < CRITIC_OBJECTIVES; i++)
        critic_learner_release(&t.learner[i]);
    if (!rc)
        pool_run(pool, judge, &t, CRITIC_OBJECTIVES);
    for (int i = 0; !rc && i < CRITIC_OBJECTIVES; i++)
        rc = t.failed[i] ? error_memory(err) : PENCHANT_OK;
    if (rc)
        critic_free(t.critic);
    else
        *out = t.critic;
    return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/critic_loss.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"

/* What one set of parameters makes of a batch's states. */
struct critic_pass {
    float *x;    /* (cap, inputs) */
    float *y;    /* (cap, 2 dim + hidden) the affine part; the last columns are hidden */
    float *term; /* (cap, 3) R . [x, z] */
};

struct critic_work {
    struct critic_form form;
    uint32_t cap, negatives;
    struct critic_pass now, next, target;
    float *dy, *dterm;
    float *score, *push; /* (negatives) of one transition and twin */
};

/* ---- scratch ---- */

static int pass_init(struct critic_pass *p, const struct critic_form *f, uint32_t cap)
{
    p->x = malloc((size_t)cap * f->inputs * sizeof *p->x);
    p->y = malloc((size_t)cap * critic_width(f) * sizeof *p->y);
    p->term = malloc((size_t)cap * 3 * sizeof *p->term);
    return p->x && p->y && p->term ? 0 : -1;
}

static void pass_release(struct critic_pass *p)
{
    free(p->x);
    free(p->y);
    free(p->term);
}

struct critic_work *critic_work_new(const struct critic_form *f, uint32_t cap,
                                    uint32_t negatives)
{
    struct critic_work *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->form = *f;
    w->cap = cap;
    w->negatives = negatives;
    w->dy = malloc((size_t)cap * critic_width(f) * sizeof *w->dy);
    w->dterm = malloc((size_t)cap * 3 * sizeof *w->dterm);
    w->score = malloc((negatives + (size_t)1) * sizeof *w->score);
    w->push = malloc((negatives + (size_t)1) * sizeof *w->push);
    if (pass_init(&w->now, f, cap) || pass_init(&w->next, f, cap) ||
        pass_init(&w->target, f, cap) || !w->dy || !w->dterm || !w->score || !w->push) {
        critic_work_free(w);
        return NULL;
    }
    return w;
}

void critic_work_free(struct critic_work *w)
{
    if (!w)
        return;
    pass_release(&w->now);
    pass_release(&w->next);
    pass_release(&w->target);
    free(w->dy);
    free(w->dterm);
    free(w->score);
    free(w->push);
    free(w);
}

/* ---- forward and backward of the network ---- */

static const float *row_of_r(const struct critic_form *f, const float *param, int row)
{
    return param + critic_heads_at(f) + (size_t)row * ((size_t)f->inputs + f->hidden);
}

static void forward(const struct critic_form *f, const float *param,
                    struct critic_pass *p, uint32_t n)
{
    const struct kernels *k = kernels_get();
    const size_t width = critic_width(f);
    const struct gemm g = {.m = n,
                           .n = width,
                           .k = f->inputs,
                           .a = p->x,
                           .a_row = f->inputs,
                           .a_col = 1,
                           .b = param,
                           .ldb = width,
                           .c = p->y,
                           .ldc = width};
    k->gemm(&g);
    for (uint32_t i = 0; i < n; i++) {
        const float *x = p->x + (size_t)i * f->inputs;
        float *z = p->y + (size_t)i * width + 2 * (size_t)f->dim;
        k->relu_forward(z, z, f->hidden);
        for (int row = 0; row < 3; row++) {
            const float *r = row_of_r(f, param, row);
            p->term[3 * i + (uint32_t)row] =
                k->dot(r, x, f->inputs) + k->dot(r + f->inputs, z, f->hidden);
        }
    }
}

/* dy holds the gradient of the twins' rows, dterm that of the terms; grad +=. */
static void backward(const struct critic_form *f, const float *param,
                     const struct critic_pass *p, uint32_t n, float *dy,
                     const float *dterm, float *grad)
{
    const struct kernels *k = kernels_get();
    const size_t width = critic_width(f);
    float *dr = grad + critic_heads_at(f);
    for (uint32_t i = 0; i < n; i++) {
        const float *x = p->x + (size_t)i * f->inputs;
        const float *z = p->y + (size_t)i * width + 2 * (size_t)f->dim;
        float *dz = dy + (size_t)i * width + 2 * (size_t)f->dim;
        memset(dz, 0, f->hidden * sizeof *dz);
        for (int row = 0; row < 3; row++) {
            const float g = dterm[3 * i + (uint32_t)row];
            float *to = dr + (size_t)row * ((size_t)f->inputs + f->hidden);
            k->add_scaled(to, x, g, f->inputs);
            k->add_scaled(to + f->inputs, z, g, f->hidden);
            k->add_scaled(dz, row_of_r(f, param, row) + f->inputs, g, f->hidden);
        }
        k->relu_backward(dz, dz, z, f->hidden);
    }
    const struct gemm g = {.m = f->inputs,
                           .n = width,
                           .k = n,
                           .a = p->x,
                           .a_row = 1,
                           .a_col = f->inputs,
                           .b = dy,
                           .ldb = width,
                           .c = grad,
                           .ldc = width,
                           .add = true};
    k->gemm(&g);
}

/* ---- the loss ---- */

/* One transition, for its losses. */
struct moment {
    const float *item;        /* (dim) of what was chosen */
    const uint32_t *negative; /* (negatives) */
    float v, q_target, y;
    float share; /* 1 / n */
};

static float q_of(const struct critic_form *f, const struct critic_pass *p, uint32_t i,
                  int twin, const float *item)
{
    const float *y = p->y + (size_t)i * critic_width(f) + (size_t)twin * f->dim;
    return kernels_get()->dot(y, item, f->dim) + p->term[3 * i + 1 + (uint32_t)twin];
}

/* log sum exp of the chosen item's q and the scores, each of which stands for `each` items;
   push becomes every score's share of it. */
static double log_sum(const float *score, float *push, uint32_t n, float q, float each)
{
    double top = (double)q, sum;
    for (uint32_t j = 0; j < n; j++)
        top = fmax(top, (double)score[j] + log((double)each));
    sum = exp((double)q - top);
    for (uint32_t j = 0; j < n; j++)
        sum += exp((double)score[j] + log((double)each) - top);
    for (uint32_t j = 0; j < n; j++)
        push[j] = (float)(exp((double)score[j] + log((double)each) - top) / sum);
    return top + log(sum);
}

/* One twin of one transition. dq and dterm get gradients; dy += those of the row. */
static double twin_loss(struct critic_work *w, const struct critic_lesson *l,
                        const struct critic_batch *b, const struct critic_options *o,
                        const struct moment *m, uint32_t i, int twin)
{
    const struct kernels *k = kernels_get();
    const struct critic_form *f = &w->form;
    const uint32_t n = o->negatives;
    const size_t width = critic_width(f);
    const float *row = w->now.y + (size_t)i * width + (size_t)twin * f->dim;
    float *drow = w->dy + (size_t)i * width + (size_t)twin * f->dim;
    const float term = w->now.term[3 * i + 1 + (uint32_t)twin];
    const float q = q_of(f, &w->now, i, twin, m->item);
    const float dq = q - m->y;
    double loss = 0.5 * (double)(dq * dq);
    if (n) {
        k->gather_dots(w->score, row, b->data->item, m->negative, n, f->dim);
        for (uint32_t j = 0; j < n; j++)
            w->score[j] += term;
        const float each = (float)b->data->n_items / (float)n;
        loss += (double)o->conservative * log_sum(w->score, w->push, n, q, each);
        const float weight = o->negative_weight / (float)n;
        float all = 0;
        for (uint32_t j = 0; j < n; j++) {
            const float off = w->score[j] - l->gamma * m->v;
            loss += 0.5 * (double)(weight * off * off);
            w->push[j] = m->share * (o->conservative * w->push[j] + weight * off);
            all += w->push[j];
        }
        k->add_scaled(drow, m->item, -all, f->dim);
        k->gather_sum(drow, w->push, b->data->item, m->negative, n, f->dim);
    }
    k->add_scaled(drow, m->item, m->share * dq, f->dim);
    w->dterm[3 * i + 1 + (uint32_t)twin] = m->share * dq;
    return loss;
}

static double value_loss(struct critic_work *w, const struct critic_options *o,
                         const struct moment *m, uint32_t i)
{
    const float u = m->q_target - m->v;
    const float weight = u < 0 ? 1 - o->expectile : o->expectile;
    w->dterm[3 * i] = -m->share * weight * u;
    return 0.5 * (double)(weight * u * u);
}

static void gather(const struct critic_batch *b, bool next, float *x)
{
    const size_t row = b->data->inputs;
    for (uint32_t i = 0; i < b->n; i++) {
        const struct critic_transition *t = &b->data->at[b->pick[i]];
        memcpy(x + i * row, b->data->state + (next ? t->next : t->state) * row,
               row * sizeof *x);
    }
}

/* The states of a batch and those that follow through the parameters; Q' through the
   target's where `target` is not NULL. */
static void look(struct critic_work *w, const struct critic_lesson *l,
                 const struct critic_batch *b, const float *target)
{
    gather(b, false, w->now.x);
    gather(b, true, w->next.x);
    forward(&w->form, l->param, &w->now, b->n);
    forward(&w->form, l->param, &w->next, b->n);
    if (!target)
        return;
    memcpy(w->target.x, w->now.x, (size_t)b->n * w->form.inputs * sizeof *w->now.x);
    forward(&w->form, target, &w->target, b->n);
}

static struct moment moment_of(const struct critic_work *w, const struct critic_lesson *l,
                               const struct critic_batch *b, uint32_t i)
{
    const struct critic_form *f = &w->form;
    const struct critic_transition *t = &b->data->at[b->pick[i]];
    struct moment m = {.item = b->data->item + (size_t)t->item * f->dim,
                       .negative = b->negative + (size_t)i * w->negatives,
                       .v = w->now.term[3 * i],
                       .share = 1.0F / (float)b->n};
    m.y = t->reward[l->objective] / l->scale +
          t->discount[l->objective] * w->next.term[3 * i];
    return m;
}

double critic_loss(struct critic_work *w, const struct critic_lesson *l,
                   const struct critic_batch *b, const struct critic_options *o,
                   float *grad)
{
    const struct critic_form *f = &w->form;
    double loss = 0;
    look(w, l, b, l->target);
    memset(w->dy, 0, (size_t)b->n * critic_width(f) * sizeof *w->dy);
    for (uint32_t i = 0; i < b->n; i++) {
        struct moment m = moment_of(w, l, b, i);
        m.q_target =
            fminf(q_of(f, &w->target, i, 0, m.item), q_of(f, &w->target, i, 1, m.item));
        loss += value_loss(w, o, &m, i);
        for (int twin = 0; twin < 2; twin++)
            loss += twin_loss(w, l, b, o, &m, i, twin);
    }
    if (grad)
        backward(f, l->param, &w->now, b->n, w->dy, w->dterm, grad);
    return loss / (double)b->n;
}

void critic_judge_batch(struct critic_work *w, const struct critic_lesson *l,
                        const struct critic_batch *b, float *v, float *q, float *y)
{
    look(w, l, b, NULL);
    for (uint32_t i = 0; i < b->n; i++) {
        const struct moment m = moment_of(w, l, b, i);
        v[i] = l->scale * m.v;
        y[i] = l->scale * m.y;
        q[i] = l->scale * fminf(q_of(&w->form, &w->now, i, 0, m.item),
                                q_of(&w->form, &w->now, i, 1, m.item));
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/critic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "behaviour/event.h"
#include "kernels/kernels.h"
#include "model/model.h"

const char *const critic_names[CRITIC_OBJECTIVES] = {"purchase", "engagement", "staying"};
const float critic_discounts[CRITIC_OBJECTIVES] = {0.95F, 0.7F, 0.99F};

const char *critic_reason(enum critic_why why)
{
    switch (why) {
    case CRITIC_GIVEN:
        return NULL;
    case CRITIC_UNLOGGED:
        return "the log earns nothing of it, or the same everywhere";
    case CRITIC_TOO_FEW:
        return "there are too few events or users to learn from and to judge by";
    default:
        return "no values have been trained";
    }
}

/* ---- life ---- */

size_t critic_heads_at(const struct critic_form *f)
{
    return f->inputs * critic_width(f);
}

size_t critic_size(const struct critic_form *f)
{
    return critic_heads_at(f) + 3 * ((size_t)f->inputs + f->hidden);
}

struct critic *critic_new(const struct critic_form *f)
{
    struct critic *c = calloc(1, sizeof *c);
    const size_t size = critic_size(f);
    float *slab = c ? calloc(CRITIC_OBJECTIVES * size, sizeof *slab) : NULL;
    if (!slab) {
        free(c);
        return NULL;
    }
    c->form = *f;
    c->slab = slab;
    for (int o = 0; o < CRITIC_OBJECTIVES; o++)
        c->head[o] = (struct critic_head){.why = CRITIC_UNTRAINED,
                                          .gamma = critic_discounts[o],
                                          .scale = 1,
                                          .param = slab + (size_t)o * size};
    return c;
}

void critic_free(struct critic *c)
{
    if (!c)
        return;
    free(c->slab);
    free(c);
}

struct critic_form critic_form_of(uint32_t dim)
{
    return (struct critic_form){
        .dim = dim, .inputs = dim + CRITIC_FACTS + 1, .hidden = CRITIC_HIDDEN};
}

/* ---- states ---- */

enum { KINDS = 5, SHORT = 0, LONG = KINDS, COUNT = 2 * KINDS, SINCE, VISIT };
_Static_assert(VISIT + 1 == CRITIC_FACTS, "the facts are these");

#define SHORT_DECAY 0.8F /* an event */
#define LONG_DECAY  0.95F
#define MONTH_US    INT64_C(2592000000000)

static int kind_of(uint8_t type)
{
    switch (type) {
    case EVENT_VIEW:
        return 0;
    case EVENT_WISH:
        return 1;
    case EVENT_CART:
        return 2;
    case EVENT_PURCHASE:
        return 3;
    default:
        return 4;
    }
}

/* From 0 to 1 on a logarithmic scale. */
static float level(double x, double most)
{
    return (float)(log1p(fmin(fmax(x, 0), most)) / log1p(most));
}

void critic_facts(const uint8_t *type, const int64_t *ts_us, size_t n, uint64_t total,
                  int64_t now_us, bool has_clock, float facts[CRITIC_FACTS])
{
    const size_t from = n > CRITIC_LOOK_BACK ? n - CRITIC_LOOK_BACK : 0;
    float near = 1, far = 1, near_sum = 0, far_sum = 0;
    size_t visit = 0;
    bool here = true;
    memset(facts, 0, CRITIC_FACTS * sizeof *facts);
    if (!n)
        return;
    for (size_t i = n; i > from; i--) {
        const int kind = kind_of(type[i - 1]);
        const int64_t after = i == n ? now_us : ts_us[i];
        facts[SHORT + kind] += near;
        facts[LONG + kind] += far;
        near_sum += near;
        far_sum += far;
        near *= SHORT_DECAY;
        far *= LONG_DECAY;
        here = here && !(has_clock && after - ts_us[i - 1] > EVENT_SESSION_GAP_US);
        visit += here;
    }
    for (int k = 0; k < KINDS; k++) {
        facts[SHORT + k] /= near_sum;
        facts[LONG + k] /= far_sum;
    }
    facts[COUNT] = level((double)total, 1000);
    facts[VISIT] = level((double)visit, CRITIC_LOOK_BACK);
    if (has_clock)
        facts[SINCE] =
            level((double)(now_us - ts_us[n - 1]) * 1e-6, (double)MONTH_US * 1e-6);
}

void critic_input(const struct critic_form *f, const float *h,
                  const float facts[CRITIC_FACTS], float *x)
{
    const float unit = model_unit_scale(h, f->dim);
    for (uint32_t i = 0; i < f->dim; i++)
        x[i] = unit * h[i];
    memcpy(x + f->dim, facts, CRITIC_FACTS * sizeof *x);
    x[f->inputs - 1] = 1;
}

/* ---- values ---- */

/* What stands in R's row `row` (0: V, 1, 2: the twins) for a state and its hidden units. */
static float state_term(const struct critic_form *f, const float *param, int row,
                        const float *x, const float *z)
{
    const struct kernels *k = kernels_get();
    const float *r =
        param + critic_heads_at(f) + (size_t)row * ((size_t)f->inputs + f->hidden);
    return k->dot(r, x, f->inputs) + k->dot(r + f->inputs, z, f->hidden);
}

/* y = x times n columns of the affine part from `from` on. */
static void affine(const struct critic_form *f, const float *param, size_t from, size_t n,
                   const float *x, float *y)
{
    const struct gemm g = {.m = 1,
                           .n = n,
                           .k = f->inputs,
                           .a = x,
                           .a_row = f->inputs,
                           .a_col = 1,
                           .b = param + from,
                           .ldb = critic_width(f),
                           .c = y,
                           .ldc = n};
    kernels_get()->gemm(&g);
}

/* The values of all items by one head; y is scratch (critic_width). */
static void head_values(const struct critic_form *f, const struct critic_head *head,
                        const float *x, const float *const *vector, size_t n, float *y,
                        float *out)
{
    const struct kernels *k = kernels_get();
    float *z = y + 2 * (size_t)f->dim;
    affine(f, head->param, 0, critic_width(f), x, y);
    k->relu_forward(z, z, f->hidden);
    const float one = state_term(f, head->param, 1, x, z);
    const float two = state_term(f, head->param, 2, x, z);
    for (size_t i = 0; i < n; i++) {
        const float *e = vector[i];
        const float unit = e ? model_unit_scale(e, f->dim) : NAN;
        out[i] = !e ? NAN
                    : head->scale * fminf(one + unit * k->dot(y, e, f->dim),
                                          two + unit * k->dot(y + f->dim, e, f->dim));
    }
}

int critic_values(const struct critic *c, const float *x, const float *const *vector,
                  size_t n, float *out)
{
    float *y = malloc(critic_width(&c->form) * sizeof *y);
    if (!y)
        return PENCHANT_ENOMEM;
    for (int o = 0; o < CRITIC_OBJECTIVES; o++) {
        float *row = out + (size_t)o * n;
        if (c->head[o].why == CRITIC_GIVEN)
            head_values(&c->form, &c->head[o], x, vector, n, y, row);
        for (size_t i = 0; c->head[o].why != CRITIC_GIVEN && i < n; i++)
            row[i] = NAN;
    }
    free(y);
    return PENCHANT_OK;
}

void critic_state_values(const struct critic *c, const float *x,
                         float v[CRITIC_OBJECTIVES])
{
    const struct critic_form *f = &c->form;
    float z[CRITIC_HIDDEN];
    for (int o = 0; o < CRITIC_OBJECTIVES; o++) {
        const struct critic_head *head = &c->head[o];
        v[o] = NAN;
        if (head->why != CRITIC_GIVEN || f->hidden > CRITIC_HIDDEN)
            continue;
        affine(f, head->param, 2 * (size_t)f->dim, f->hidden, x, z);
        kernels_get()->relu_forward(z, z, f->hidden);
        v[o] = head->scale * state_term(f, head->param, 0, x, z);
    }
}

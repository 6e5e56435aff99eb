/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much of each category a person has had lately over what is usual for them; the
 * formula is in interests.h. Looks and purchases fade at their own pace.
 *
 * Every event is divided between lately (2^-(age / half-life) of it) and before (the
 * rest). Events that come at a steady rate r over a span T leave
 *
 *   before = r (T - t (1 - 2^-(T / half-life))),   t = half-life / ln 2,
 *   lately = r t                                   once T is long,
 *
 * so usual = before t / (T - t (1 - 2^-(T / half-life)) + 2 t); the last 2 t keep a single
 * purchase or a short past from being taken for a habit.
 */
#include <math.h>
#include <stdlib.h>

#include "behaviour/event.h"
#include "interest/interest_work.h"

#define DAY_US         86400e6
#define PURCHASE_LOOKS 16.0
#define ENOUGH_LOOKS   16.0
#define LEAST_TOLD     0.05

enum { LOOKS, PURCHASES, KINDS };

static const double half_life_days[KINDS] = {2, 30};
static const double half_life_events[KINDS] = {16, 128};
static const double looks_of[KINDS] = {1, PURCHASE_LOOKS};

struct pace {
    double half_life, span;
    double usual; /* what of `before` is usual */
};

/* Ages are in days, or in events without a clock. */
static double age(const struct interest_work *w, uint32_t i)
{
    return w->in->has_clock ? fmax(0, (double)(w->in->now_us - w->ts_us[i]) / DAY_US)
                            : (double)(w->n - 1 - i);
}

static void set_pace(const struct interest_work *w, struct pace pace[KINDS])
{
    for (int k = 0; k < KINDS; k++) {
        struct pace *p = &pace[k];
        p->half_life = w->in->has_clock ? half_life_days[k] : half_life_events[k];
        p->span = age(w, 0);
        const double t = p->half_life / log(2);
        p->usual = t / (p->span - t * (1 - exp2(-p->span / p->half_life)) + 2 * t);
    }
}

/* Puts x in its place among the most saturated; equal ones stay in their order. */
static void insert(struct interests *out, const struct interest_saturation *x)
{
    struct interest_saturation *best = out->saturated;
    uint32_t at = out->n_saturated;
    if (at < INTERESTS_SATURATED)
        out->n_saturated++;
    else if (best[--at].saturation >= x->saturation)
        return;
    for (; at && best[at - 1].saturation < x->saturation; at--)
        best[at] = best[at - 1];
    best[at] = *x;
}

int interest_saturate(const struct interest_work *w, struct interests *out)
{
    struct pace pace[KINDS];
    double *sum = calloc(2 * (size_t)w->n_attributes + 1, sizeof(*sum));
    if (!sum)
        return PENCHANT_ENOMEM;
    double *lately = sum, *usual = sum + w->n_attributes;
    set_pace(w, pace);
    for (uint32_t i = 0; i < w->n; i++) {
        const int kind = w->type[i] == EVENT_PURCHASE ? PURCHASES : LOOKS;
        const double fresh = exp2(-age(w, i) / pace[kind].half_life);
        for (uint32_t j = w->start[i]; j < w->start[i + 1]; j++) {
            lately[w->local[j]] += looks_of[kind] * fresh;
            usual[w->local[j]] += looks_of[kind] * (1 - fresh) * pace[kind].usual;
        }
    }
    for (uint32_t j = 0; j < w->n_attributes; j++) {
        struct interest_saturation x = {
            .category = w->attribute[j], .lately = lately[j], .usual = usual[j]};
        const double over = fmax(0, lately[j] - usual[j]);
        x.saturation = 1 - exp(-over / (ENOUGH_LOOKS + usual[j]));
        if (w->telling[j] > 0 && x.saturation >= LEAST_TOLD)
            insert(out, &x);
    }
    free(sum);
    return PENCHANT_OK;
}

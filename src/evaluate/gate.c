/* SPDX-License-Identifier: Apache-2.0 */
#include "evaluate/gate.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const double Z95_ONE_SIDED = 1.6448536269514722;

void gate_rules_default(struct gate_rules *r)
{
    *r = (struct gate_rules){.by_reward = true,
                             .by_loss = true,
                             .slack = 0.02,
                             .loss_slack = 0.01,
                             .least_events = 200};
}

void gate_loss_add(struct gate_loss *l, double candidate, double in_use)
{
    const double d = candidate - in_use;
    l->n++;
    l->sum += d;
    l->squares += d * d;
}

static struct gate_verdict say(enum gate_answer answer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static struct gate_verdict say(enum gate_answer answer, const char *format, ...)
{
    struct gate_verdict v = {.answer = answer};
    va_list args;
    va_start(args, format);
    vsnprintf(v.reason, sizeof(v.reason), format, args);
    va_end(args);
    return v;
}

static const struct penchant_ope_estimate *find(const struct penchant_ope *o,
                                                const char *name)
{
    for (size_t i = 0; i < o->n_estimates; i++)
        if (strcmp(o->estimate[i].name, name) == 0)
            return &o->estimate[i];
    return NULL;
}

/* Which estimators must hold: those of single choices or their like for slates. */
static const char *const MUST[][2] = {{"snips", "dr"}, {"snrips", "cascade-dr"}};

static struct gate_verdict by_reward(const struct gate_rules *r,
                                     const struct penchant_ope *o)
{
    if (!o || !o->n)
        return say(GATE_WAIT, "no list with propensities has been shown yet");
    const char *const *must = find(o, MUST[0][0]) ? MUST[0] : MUST[1];
    const double least = -r->slack * fabs(o->logged);
    unsigned judged = 0;
    for (int i = 0; i < 2; i++) {
        const struct penchant_ope_estimate *e = find(o, must[i]);
        if (!e || e->reason)
            continue;
        judged++;
        /* A difference may be known although the value alone spans a factor. */
        if (isnan(e->gain_low) || e->ess < 100)
            return say(GATE_WAIT, "the lists cannot tell what it would earn (%s): %s",
                       must[i], e->doubt);
        if (e->gain_low < least)
            return say(e->gain_high < least ? GATE_HOLD : GATE_WAIT,
                       "it may earn less (%s): %+.3g [%+.3g, %+.3g] over %.3g, and %.3g "
                       "is the least",
                       must[i], e->gain, e->gain_low, e->gain_high, o->logged, least);
    }
    return judged ? say(GATE_SHIP, "its reward holds")
                  : say(GATE_WAIT, "nothing tells what it would earn");
}

static struct gate_verdict by_loss(const struct gate_rules *r, const struct gate_loss *l)
{
    if (!l || l->n < r->least_events || l->n < 2)
        return say(GATE_WAIT, "only %llu of %llu events have come since its training",
                   l ? (unsigned long long)l->n : 0ULL,
                   (unsigned long long)r->least_events);
    const double n = (double)l->n, mean = l->sum / n;
    const double spread = sqrt(fmax(0, l->squares - n * mean * mean) / (n - 1) / n);
    if (!isfinite(mean) || mean - Z95_ONE_SIDED * spread > r->loss_slack)
        return say(GATE_HOLD,
                   "its loss on %llu events after its training is worse by %.4f nats "
                   "(standard error %.4f)",
                   (unsigned long long)l->n, mean, spread);
    return say(GATE_SHIP, "its loss holds: %+.4f nats", mean);
}

struct gate_verdict gate_judge(const struct gate_rules *r, const struct penchant_ope *ope,
                               const struct gate_loss *loss)
{
    struct gate_verdict reward = say(GATE_SHIP, "not asked"), lost = reward;
    if (r->by_reward)
        reward = by_reward(r, ope);
    if (r->by_loss)
        lost = by_loss(r, loss);
    if (reward.answer == GATE_HOLD || lost.answer == GATE_SHIP)
        return reward;
    return lost;
}

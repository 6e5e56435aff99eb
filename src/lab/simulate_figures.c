/* SPDX-License-Identifier: Apache-2.0 */
/* The figures of a simulation: means, paired differences, shares, T90. */
#include <math.h>
#include <stdlib.h>

#include "lab/simulate.h"

/* ---- sums of a run --------------------------------------------------------------- */

static const struct simulate_run *run_of(const struct simulation *s, uint32_t policy,
                                         uint32_t seed)
{
    return &s->run[policy * s->options.seeds + seed];
}

/* Of one episode; NaN when it had no turn in that part. */
static double episode_reward(const struct simulation *s, const struct simulate_run *r,
                             uint32_t episode, int part)
{
    const size_t first = (size_t)episode * s->parts;
    if (part != SIMULATE_ALL_PARTS)
        return r->turns[first + (size_t)part] ? r->reward[first + (size_t)part] : NAN;
    double sum = 0;
    for (uint32_t p = 0; p < s->parts; p++)
        sum += r->reward[first + p];
    return sum;
}

static double run_reward(const struct simulation *s, uint32_t policy, uint32_t seed,
                         int part)
{
    const struct simulate_run *r = run_of(s, policy, seed);
    double sum = 0, n = 0;
    for (uint32_t e = 0; e < s->options.episodes; e++) {
        const double reward = episode_reward(s, r, e, part);
        if (!isnan(reward)) {
            sum += reward;
            n += 1;
        }
    }
    return n > 0 ? sum / n : NAN;
}

/* ---- figures with intervals ------------------------------------------------------ */

struct interval simulation_reward(const struct simulation *s, uint32_t policy, int part)
{
    double of_seed[SIMULATE_MOST_SEEDS];
    for (uint32_t i = 0; i < s->options.seeds; i++)
        of_seed[i] = run_reward(s, policy, i, part);
    return interval_of(of_seed, s->options.seeds);
}

struct interval simulation_over_first(const struct simulation *s, uint32_t policy,
                                      int part)
{
    double of_seed[SIMULATE_MOST_SEEDS];
    for (uint32_t i = 0; i < s->options.seeds; i++)
        of_seed[i] = run_reward(s, policy, i, part) - run_reward(s, 0, i, part);
    return interval_of(of_seed, s->options.seeds);
}

struct interval simulation_over_first_by_episode(const struct simulation *s,
                                                 uint32_t policy, int part)
{
    const uint32_t seeds = s->options.seeds, episodes = s->options.episodes;
    double *difference = malloc((size_t)seeds * episodes * sizeof(*difference));
    if (!difference)
        return (struct interval){.mean = NAN, .low = NAN, .high = NAN};
    for (uint32_t i = 0; i < seeds; i++)
        for (uint32_t e = 0; e < episodes; e++)
            difference[(size_t)i * episodes + e] =
                episode_reward(s, run_of(s, policy, i), e, part) -
                episode_reward(s, run_of(s, 0, i), e, part);
    const struct interval out = interval_of(difference, (size_t)seeds * episodes);
    free(difference);
    return out;
}

static double reward_or_nothing(const struct simulation *s, uint32_t policy,
                                uint32_t seed, int part)
{
    return policy == SIMULATE_NOTHING ? 0 : run_reward(s, policy, seed, part);
}

struct interval simulation_between(const struct simulation *s, uint32_t policy,
                                   uint32_t low, uint32_t high, int part)
{
    double over[SIMULATE_MOST_SEEDS] = {0}, span[SIMULATE_MOST_SEEDS] = {0};
    const uint32_t seeds = s->options.seeds;
    for (uint32_t i = 0; i < seeds; i++) {
        const double bottom = reward_or_nothing(s, low, i, part);
        over[i] = run_reward(s, policy, i, part) - bottom;
        span[i] = run_reward(s, high, i, part) - bottom;
    }
    const double whole = interval_of(span, seeds).mean;
    if (whole == 0)
        return (struct interval){.mean = NAN, .low = NAN, .high = NAN};
    const double ratio = interval_of(over, seeds).mean / whole;
    for (uint32_t i = 0; i < seeds; i++)
        over[i] = (over[i] - ratio * span[i]) / whole;
    const struct interval left = interval_of(over, seeds);
    return (struct interval){ratio, ratio + left.low, ratio + left.high, left.n};
}

/* ---- by time --------------------------------------------------------------------- */

enum which_curve { BY_TURN, BEFORE, SINCE };

static const struct simulate_curve *curve_of(const struct simulate_run *r,
                                             enum which_curve which)
{
    return which == BY_TURN ? &r->turn : which == BEFORE ? &r->before : &r->since;
}

static uint32_t curve_length(const struct simulation *s, uint32_t policy,
                             enum which_curve which)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->options.seeds; i++) {
        const uint32_t length = curve_of(run_of(s, policy, i), which)->n;
        if (length > n)
            n = length;
    }
    return n;
}

/* Mean reward over the turns [from, to) of all users and seeds. */
static double curve_mean(const struct simulation *s, uint32_t policy,
                         enum which_curve which, uint32_t from, uint32_t to)
{
    double sum = 0, n = 0;
    for (uint32_t i = 0; i < s->options.seeds; i++) {
        const struct simulate_curve *c = curve_of(run_of(s, policy, i), which);
        for (uint32_t t = from; t < to && t < c->n; t++) {
            sum += c->reward[t];
            n += c->episodes[t];
        }
    }
    return n > 0 ? sum / n : NAN;
}

double simulation_turns_mean(const struct simulation *s, uint32_t policy, uint32_t from,
                             uint32_t to)
{
    return curve_mean(s, policy, BY_TURN, from, to);
}

double simulation_episodes_mean(const struct simulation *s, uint32_t policy,
                                uint32_t from, uint32_t to)
{
    double sum = 0, n = 0;
    for (uint32_t i = 0; i < s->options.seeds; i++)
        for (uint32_t e = from; e < to && e < s->options.episodes; e++) {
            sum += episode_reward(s, run_of(s, policy, i), e, SIMULATE_ALL_PARTS);
            n += 1;
        }
    return n > 0 ? sum / n : NAN;
}

uint32_t simulation_turns(const struct simulation *s)
{
    uint32_t n = 0;
    for (uint32_t p = 0; p < s->options.n_policies; p++) {
        const uint32_t length = curve_length(s, p, BY_TURN);
        if (length > n)
            n = length;
    }
    return n;
}

bool simulation_has_switch(const struct simulation *s)
{
    const struct simulate_options *o = &s->options;
    return o->world->episodes > 1 && o->episodes > 1 && curve_length(s, 0, SINCE) > 0;
}

double simulation_switch_turn(const struct simulation *s)
{
    return curve_length(s, 0, BEFORE);
}

int simulation_t90(const struct simulation *s, uint32_t policy)
{
    const uint32_t before = curve_length(s, policy, BEFORE);
    const uint32_t after = curve_length(s, policy, SINCE);
    const double level = curve_mean(s, policy, BEFORE, before / 2, before);
    for (uint32_t t = 0; t + SIMULATE_SMOOTH <= after; t++)
        if (curve_mean(s, policy, SINCE, t, t + SIMULATE_SMOOTH) >= 0.9 * level)
            return (int)t;
    return SIMULATE_NEVER;
}

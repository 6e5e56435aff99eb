/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/simulate_report.h"

#include <math.h>
#include <string.h>

#include "base/json_writer.h"

static const uint32_t NONE = UINT32_MAX;

static uint32_t find_policy(const struct simulation *s, const char *name)
{
    for (uint32_t p = 0; p < s->options.n_policies; p++)
        if (strcmp(s->options.policy[p].name, name) == 0)
            return p;
    return NONE;
}

/* Of all seeds; the policy's own time only. */
static double micros_a_decision(const struct simulation *s, uint32_t policy)
{
    double seconds = 0, decisions = 0;
    for (uint32_t i = 0; i < s->options.seeds; i++) {
        const struct simulate_run *r = &s->run[policy * s->options.seeds + i];
        seconds += r->deciding_s;
        decisions += (double)r->decisions;
    }
    return decisions > 0 ? 1e6 * seconds / decisions : NAN;
}

/* ---- JSON ------------------------------------------------------------------------ */

static void json_interval(struct json_writer *w, const char *key, struct interval v)
{
    json_key(w, key);
    json_begin_object(w);
    json_key_double(w, "value", v.mean, 8);
    json_key_double(w, "low", v.low, 8);
    json_key_double(w, "high", v.high, 8);
    json_key_uint(w, "n", v.n);
    json_end_object(w);
}

/* A share and its interval, which is null of one seed. */
static void json_share(struct json_writer *w, const char *const key[3], struct interval v)
{
    json_key_double(w, key[0], v.mean, 6);
    json_key_double(w, key[1], v.low, 6);
    json_key_double(w, key[2], v.high, 6);
}

static void json_figures(struct json_writer *w, const struct simulation *s,
                         uint32_t policy, int part)
{
    static const char *const share[] = {"share_of_oracle", "share_low", "share_high"};
    static const char *const gap[] = {"gap", "gap_low", "gap_high"};
    const uint32_t oracle = find_policy(s, "oracle"), random = find_policy(s, "random");
    json_interval(w, "reward", simulation_reward(s, policy, part));
    if (policy) {
        json_interval(w, "over_first", simulation_over_first(s, policy, part));
        json_interval(w, "over_first_by_episode",
                      simulation_over_first_by_episode(s, policy, part));
    }
    if (oracle != NONE)
        json_share(w, share,
                   simulation_between(s, policy, SIMULATE_NOTHING, oracle, part));
    if (oracle != NONE && random != NONE)
        json_share(w, gap, simulation_between(s, policy, random, oracle, part));
}

typedef double mean_fn(const struct simulation *s, uint32_t policy, uint32_t from,
                       uint32_t to);

/* Means of stretches, so that a long episode does not make a long answer. */
static void json_by(struct json_writer *w, const char *key, const struct simulation *s,
                    uint32_t policy, uint32_t length, mean_fn *mean)
{
    const uint32_t stride = (length + SIMULATE_POINTS - 1) / SIMULATE_POINTS;
    json_key(w, key);
    json_begin_object(w);
    json_key_uint(w, "stride", stride);
    json_key(w, "reward");
    json_begin_array(w);
    for (uint32_t i = 0; i < length; i += stride)
        json_double(w, mean(s, policy, i, i + stride), 6);
    json_end_array(w);
    json_end_object(w);
}

static void json_policy(struct json_writer *w, const struct simulation *s,
                        uint32_t policy)
{
    json_begin_object(w);
    json_key_string(w, "policy", s->options.policy[policy].name);
    json_figures(w, s, policy, SIMULATE_ALL_PARTS);
    if (s->parts > 1) {
        json_key(w, "parts");
        json_begin_object(w);
        for (uint32_t p = 0; p < s->parts; p++) {
            json_key(w, s->options.world->parts[p]);
            json_begin_object(w);
            json_figures(w, s, policy, (int)p);
            json_end_object(w);
        }
        json_end_object(w);
    }
    if (simulation_has_switch(s)) {
        const int t90 = simulation_t90(s, policy);
        json_key_int_if(w, "t90", t90 != SIMULATE_NEVER, t90);
    }
    json_key_double(w, "us_a_decision", micros_a_decision(s, policy), 4);
    json_by(w, "by_turn", s, policy, simulation_turns(s), simulation_turns_mean);
    json_by(w, "by_episode", s, policy, s->options.episodes, simulation_episodes_mean);
    json_end_object(w);
}

void simulate_json(struct buf *out, const struct simulation *s)
{
    struct json_writer w;
    json_init(&w, out);
    json_begin_object(&w);
    json_key_string(&w, "world", s->options.world->name);
    json_key_uint(&w, "episodes", s->options.episodes);
    json_key_uint(&w, "seed", s->options.seed);
    json_key_uint(&w, "seeds", s->options.seeds);
    json_key_string(&w, "compared_with", s->options.policy[0].name);
    json_key(&w, "policies");
    json_begin_array(&w);
    for (uint32_t p = 0; p < s->options.n_policies; p++)
        json_policy(&w, s, p);
    json_end_array(&w);
    json_end_object(&w);
}

/* ---- text ------------------------------------------------------------------------ */

/* What is not known, where the oracle earns nothing or as much as random lists, is left out. */
static void text_shares(struct buf *out, const struct simulation *s, uint32_t policy,
                        int part)
{
    const uint32_t oracle = find_policy(s, "oracle"), random = find_policy(s, "random");
    if (oracle == NONE)
        return;
    const struct interval share =
        simulation_between(s, policy, SIMULATE_NOTHING, oracle, part);
    if (!isnan(share.mean))
        buf_printf(out, "  %4.0f %% of the oracle", 100 * share.mean);
    if (random == NONE)
        return;
    const struct interval gap = simulation_between(s, policy, random, oracle, part);
    if (!isnan(gap.mean))
        buf_printf(out, ", gap %5.2f", gap.mean);
    if (!isnan(gap.low) && policy != random && policy != oracle)
        buf_printf(out, " (%.2f..%.2f)", gap.low, gap.high);
}

static void text_figures(struct buf *out, const struct simulation *s, uint32_t policy,
                         int part)
{
    const struct interval reward = simulation_reward(s, policy, part);
    const struct interval over = simulation_over_first(s, policy, part);
    buf_printf(out, "%10.4g", reward.mean);
    if (isnan(reward.low))
        buf_printf(out, " %10s", "");
    else
        buf_printf(out, " +- %-7.3g", reward.high - reward.mean);
    if (!policy)
        buf_printf(out, " %26s", "");
    else if (isnan(over.low))
        buf_printf(out, " %+10.4g %15s", over.mean, "");
    else
        buf_printf(out, " %+8.4g (%+.4g..%+.4g)", over.mean, over.low, over.high);
    text_shares(out, s, policy, part);
}

static void text_policy(struct buf *out, const struct simulation *s, uint32_t policy)
{
    const char *name = s->options.policy[policy].name;
    buf_printf(out, "\n%-20s", name);
    text_figures(out, s, policy, SIMULATE_ALL_PARTS);
    buf_printf(out, "  %.3g us", micros_a_decision(s, policy));
    for (uint32_t p = 0; s->parts > 1 && p < s->parts; p++) {
        if (isnan(simulation_reward(s, policy, (int)p).mean))
            continue; /* no episode came so far */
        buf_printf(out, "\n  %-18s", s->options.world->parts[p]);
        text_figures(out, s, policy, (int)p);
    }
    if (!simulation_has_switch(s))
        return;
    const int t90 = simulation_t90(s, policy);
    if (t90 == SIMULATE_NEVER)
        buf_puts(out, "\n  never back at 90 % of what it was before the switch");
    else
        buf_printf(out, "\n  back at 90 %% after %d steps", t90);
}

void simulate_text(struct buf *out, const struct simulation *s)
{
    const struct simulate_options *o = &s->options;
    buf_printf(out, "%s, %u episodes, %u seed%s from %llu\n", o->world->name, o->episodes,
               o->seeds, o->seeds > 1 ? "s" : "", (unsigned long long)o->seed);
    buf_printf(out, "reward an episode; the difference to %s, paired by seed, 95 %%",
               o->policy[0].name);
    for (uint32_t p = 0; p < o->n_policies; p++)
        text_policy(out, s, p);
}

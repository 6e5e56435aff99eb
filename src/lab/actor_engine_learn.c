/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "lab/actor_engine.h"

static const double REWARD_RATE = .01;
static const double SLOW_KEEP = .9995, LATE_KEEP = .97, SHOWN_KEEP = .98;
static const double ARM_SD = .15;

double engine_looked(const struct engine *e, uint32_t place)
{
    double most = 1;
    for (uint32_t j = 0; j <= place; j++) {
        const double r = (e->look_clicks[j] + 8 * most) / (e->look_expected[j] + 8);
        most = j ? (r < most ? r : most) : 1;
    }
    return most;
}

static uint32_t most_had(const struct engine *e, const struct engine_user *u)
{
    uint32_t count[SATURATION_GROUPS], most = 0;
    saturation_counts(&u->had, &e->window, count);
    for (uint32_t g = 0; g < SATURATION_GROUPS; g++)
        most = count[g] > most ? count[g] : most;
    return most;
}

/* Whether the list was looked at by the user who is known; a new one begins anew. */
static double looked_at(struct engine *e, struct engine_user *u,
                        const struct engine_open *o, const float *reward, uint32_t before,
                        bool learns, bool *changed)
{
    double chance[ACTOR_MOST_SLATE], looked[ACTOR_MOST_SLATE];
    for (uint32_t j = 0; j < o->k; j++) {
        chance[j] = 1 / (1 + exp(-o->slot[j].z));
        looked[j] = o->slot[j].looked;
    }
    const struct presence_list l = {.chance = chance,
                                    .looked = looked,
                                    .reward = reward,
                                    .n = o->k,
                                    .saturation = before,
                                    .after = most_had(e, u)};
    const double here = presence_observe(&e->presence, &u->presence, &l, learns, changed);
    if (*changed && u->has_taste)
        taste_clear(&u->taste);
    return here;
}

/* ---- each part learns its share ---------------------------------------------------- */

static void count_shown(struct engine_user *u, uint32_t item, bool click)
{
    struct engine_shown *s = &u->shown;
    uint32_t at = 0, least = 0;
    for (at = 0; at < s->n && s->item[at] != item; at++)
        if (s->clicked[at] + s->ignored[at] < s->clicked[least] + s->ignored[least])
            least = at;
    if (at == s->n) {
        at = s->n < ENGINE_VIEWS ? s->n++ : least;
        s->item[at] = item;
        s->clicked[at] = s->ignored[at] = 0;
    }
    for (uint32_t i = 0; i < s->n; i++) {
        s->clicked[i] *= (float)SHOWN_KEEP;
        s->ignored[i] *= (float)SHOWN_KEEP;
    }
    s->clicked[at] += click ? 1 : 0;
    s->ignored[at] += click ? 0 : 1;
}

static void count_item(struct engine *e, const struct engine_open *o,
                       const struct engine_slot *s, double y, double weight)
{
    const uint32_t i = s->item;
    const float shown = (float)(weight * (y > 0 ? 1 : s->looked)),
                clicked = (float)(weight * y);
    e->clicks[i] = (float)SLOW_KEEP * e->clicks[i] + clicked;
    e->shows[i] = (float)SLOW_KEEP * e->shows[i] + shown;
    e->late_clicks[i] = (float)LATE_KEEP * e->late_clicks[i] + clicked;
    e->late_shows[i] = (float)LATE_KEEP * e->late_shows[i] + shown;
    if (e->pair_shows && o->last != UINT32_MAX) {
        e->pair_clicks[(size_t)o->last * e->c.n + i] += clicked;
        e->pair_shows[(size_t)o->last * e->c.n + i] += shown;
    }
}

static bool ready_arm(struct engine *e, struct last_layer *arm)
{
    if (arm->o.dim)
        return true;
    if (last_layer_init(
            arm, &(struct last_layer_options){.dim = e->arm_dim,
                                              .logistic = true,
                                              .prior_sd = e->has_context ? .7 : ARM_SD,
                                              .slow = .999,
                                              .fast = .985})) {
        last_layer_release(arm);
        arm->o.dim = 0;
        return false;
    }
    return true;
}

static void learn_slot(struct engine *e, const struct engine_open *o,
                       const struct engine_slot *s, double y, double weight)
{
    const double base = s->z - last_layer_mean(&e->layer, s->f);
    e->all_clicks += weight * y;
    e->all_shows += weight * (y > 0 ? 1 : s->looked);
    if (s->item != UINT32_MAX) {
        if (e->arm && e->arm_dim && ready_arm(e, &e->arm[s->item]))
            last_layer_observe(&e->arm[s->item],
                               &(struct last_layer_seen){.phi = o->arm,
                                                         .y = y,
                                                         .weight = weight,
                                                         .seen = s->looked,
                                                         .offset = s->z - s->f[F_ARM]});
        count_item(e, o, s, y, weight);
    }
    last_layer_observe(
        &e->layer,
        &(struct last_layer_seen){
            .phi = s->f, .y = y, .weight = weight, .seen = s->looked, .offset = base});
}

static void learn_taste(struct engine *e, struct engine_user *u,
                        const struct engine_open *o, const float *reward, double weight)
{
    float x[ACTOR_MOST_SLATE * (ENGINE_MOST_TASTE + 1)], y[ACTOR_MOST_SLATE];
    double offset[ACTOR_MOST_SLATE], seen[ACTOR_MOST_SLATE];
    const uint32_t d = e->taste.dim + 1;
    if (!u->has_taste)
        return;
    for (uint32_t j = 0; j < o->k; j++) {
        const struct engine_slot *s = &o->slot[j];
        memcpy(x + (size_t)j * d, s->x, d * sizeof(*x));
        offset[j] = s->z - s->f[F_TASTE];
        seen[j] = s->looked;
        y[j] = reward[j] > 0;
    }
    taste_observe(
        &u->taste,
        &(struct taste_slate){
            .x = x, .offset = offset, .seen = seen, .y = y, .weight = weight, .n = o->k});
}

static void learn_looking(struct engine *e, const struct engine_open *o,
                          const float *reward, double weight)
{
    double some = 1, one = 0;
    uint32_t clicks = 0;
    for (uint32_t j = 0; j < o->k; j++) {
        const double chance = 1 / (1 + exp(-o->slot[j].z));
        const double p = weight * chance * o->slot[j].looked;
        e->look_clicks[j] += reward[j] > 0;
        e->look_expected[j] += weight * chance;
        one = one * (1 - p) + some * p;
        some *= 1 - p;
        clicks += reward[j] > 0;
    }
    e->expected_multi += 1 - some - one;
    e->seen_multi += clicks > 1;
    e->null_lists += !clicks;
    e->lists_seen += 1;
}

static void learn_rewards(struct engine *e, const struct engine_open *o,
                          const float *reward)
{
    for (uint32_t j = 0; j < o->k; j++)
        if (reward[j] > 0) {
            const uint32_t g = o->slot[j].group;
            e->reward_sum[g] += (double)reward[j];
            e->reward_n[g] += 1;
            e->reward_sum[SATURATION_GROUPS] += (double)reward[j];
            e->reward_n[SATURATION_GROUPS] += 1;
        }
}

/* The session moves on; returns what the list earned. */
static double move_on(const struct engine_open *o, const float *reward,
                      struct engine_user *u)
{
    uint8_t clicked[ACTOR_MOST_SLATE];
    uint32_t n = 0;
    double total = 0;
    for (uint32_t j = 0; j < o->k; j++)
        if (reward[j] > 0) {
            clicked[n++] = o->slot[j].group;
            total += (double)reward[j];
        }
    saturation_slate(&u->had, clicked, n);
    return total;
}

/* The critics see the step. */
static void learn_value(struct engine *e, struct engine_user *u,
                        const struct engine_open *o, double total, bool done)
{
    double soon[SATURATION_SOON], lasting[SATURATION_LASTING];
    saturation_soon(&u->had, &e->window, u->presence.away, soon);
    saturation_lasting(&u->had, lasting);
    critic_online_step(&e->soon, u->soon_trace, o->soon, total, done ? NULL : soon);
    critic_online_step(&e->lasting, u->lasting_trace, o->lasting, total,
                       done ? NULL : lasting);
}

void engine_learn_spread(struct engine *e)
{
    const double p = (e->all_clicks + .5) / (e->all_shows + 5);
    double over = 0, weight = 0;
    for (uint32_t i = 0; i < e->c.n; i++) {
        const double n = (double)e->shows[i], far = (double)e->clicks[i] - n * p;
        over += far * far - n * p * (1 - p);
        weight += n * n;
    }
    /* One item's worth of doubt: rates differ by a factor of two. */
    const double doubt = 1e3, between = (over + doubt * .25 * p * p) / (weight + doubt);
    const double prior = p * (1 - p) / fmax(between, 1e-9);
    e->rate_prior = fmin(fmax(prior, 2), 5e3);
}

void engine_learn(struct engine *e, struct engine_user *u, const struct engine_open *o,
                  const float *reward, bool done, bool ours)
{
    const bool learns = !e->o.frozen_after || e->lists <= e->o.frozen_after;
    const uint32_t before = most_had(e, u);
    const double total = move_on(o, reward, u);
    bool changed = false;
    const double here = looked_at(e, u, o, reward, before, learns, &changed);
    if (learns && ours)
        learn_value(e, u, o, total, done);
    if (learns) {
        learn_taste(e, u, o, reward, changed ? 1 : here);
        for (uint32_t j = 0; j < o->k; j++)
            learn_slot(e, o, &o->slot[j], reward[j] > 0, here);
        learn_looking(e, o, reward, here);
        e->usual_reward += REWARD_RATE * here * (total - e->usual_reward);
        learn_rewards(e, o, reward);
    }
    for (uint32_t j = 0; j < o->k; j++)
        if (o->slot[j].item != UINT32_MAX)
            count_shown(u, o->slot[j].item, reward[j] > 0);
}

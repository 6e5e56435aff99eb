/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "lab/actor_engine.h"
#include "policy/slate.h"

enum { PLACES_IN_DOUBT = 3, LEAST_ENDS = 5 };
static const double KAPPA = .3, KAPPA_OF_ONE = 1, TEMPERATURE = .01, EPSILON = .01,
                    GAIN_RATE = .003;
/* Standard deviations that an effect must stand out by. */
static const double BAR_COUNT = 2, BAR_LASTING = 2;

/* Of an item's click: what it brings itself. */
static double worth(const struct engine *e, uint32_t group)
{
    const double all =
        (e->reward_sum[SATURATION_GROUPS] + 1) / (e->reward_n[SATURATION_GROUPS] + 1);
    return (e->reward_sum[group] + 5 * all) / (e->reward_n[group] + 5);
}

/* Features that only grow have values once some sessions have been seen to end. */
static double lasting_effect(const struct engine *e, const uint32_t *at, const double *a,
                             uint32_t n)
{
    if (e->lasting.ends < LEAST_ENDS)
        return 0;
    return e->lasting.o.gamma * critic_online_effect(&e->lasting, at, a, n, BAR_LASTING);
}

/* What one more click on a group changes in what follows, given that c of its clicks are
   recent, and `most` of any group. */
static double effect_of_click(const struct engine *e, uint32_t group, uint32_t c,
                              uint32_t most)
{
    if (e->o.no_values)
        return 0;
    const uint32_t count = saturation_at_count(c + 1);
    const uint32_t now = c > most ? c : most, then = c + 1 > most ? c + 1 : most;
    const double one = 1;
    const double goes =
        presence_goes(&e->presence, then) - presence_goes(&e->presence, now);
    const uint32_t lasting[] = {saturation_at_group(group), SATURATION_AT_CLICKS};
    const double unit[] = {SATURATION_GROUP_UNIT, SATURATION_UNIT};
    return e->soon.o.gamma * critic_online_effect(&e->soon, &count, &one, 1, BAR_COUNT) -
           goes * presence_spell(&e->presence) * e->usual_reward +
           lasting_effect(e, lasting, unit, 2);
}

/* And none. */
static double effect_of_null(const struct engine *e)
{
    const uint32_t at[] = {SATURATION_AT_NULLS};
    const double a[] = {SATURATION_UNIT};
    if (e->o.no_values || e->o.no_null)
        return 0;
    return lasting_effect(e, at, a, 1);
}

/* Lists where many clicks would have been seen together by now, had they been possible. */
static bool one_click_a_list(const struct engine *e)
{
    return e->expected_multi > 8 && e->seen_multi < .02 * e->expected_multi;
}

/* Draws one of the left ones by e->gain; returns its place among them. The temperature is
   relative to what the best usually gains: where this user's best is far below that, too
   little is known of them, and the draw is wide. */
static uint32_t draw(struct engine *e, uint32_t n, bool first, double *p)
{
    double most = 0;
    for (uint32_t i = 0; i < n; i++)
        most = fabs(e->gain[i]) > most ? fabs(e->gain[i]) : most;
    if (first && !e->picks_one)
        e->usual_gain += GAIN_RATE * (most - e->usual_gain);
    if (!e->picks_one)
        most = most > e->usual_gain ? most : e->usual_gain;
    const struct explore_options o = {.share = 1,
                                      .temperature =
                                          e->o.no_exploration ? 0 : TEMPERATURE * most,
                                      .epsilon = e->o.no_exploration ? 0 : EPSILON};
    uint32_t slot = 0;
    *p = 1;
    if (explore_draw(&o, &(struct explore_candidates){.score = e->gain, .n = n}, 1,
                     &e->rng, &slot, p))
        *p = 1;
    return slot;
}

static double chance(const struct engine *e, uint32_t i)
{
    const double usual = e->picks_one ? KAPPA_OF_ONE : KAPPA;
    const double kappa = e->o.no_exploration ? 0 : usual;
    return 1 / (1 + exp(-(e->judged[i].z + kappa * e->sd[i])));
}

/* The same for somebody of whom nothing is known. */
static double stranger(const struct engine *e, uint32_t i)
{
    return 1 / (1 + exp(-(e->judged[i].z - (double)e->judged[i].f[F_TASTE])));
}

/* One click a list at most: the gain of SlateQ's numerator under Dinkelbach's lambda. */
static void gains_of_one(struct engine *e, uint32_t n, uint32_t k, double *v, double *q)
{
    struct slate_best best = {0};
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        v[i] = chance(e, i);
        q[i] =
            worth(e, e->judged[i].group) + effect_of_click(e, e->judged[i].group, 0, 0);
        sum += v[i];
    }
    double null = 1 - sum / n * k;
    null = null > .05 ? null : .05;
    const struct slate_candidates c = {.attraction = v,
                                       .value = q,
                                       .null_attraction = null,
                                       .null_value = effect_of_null(e),
                                       .n = n};
    uint32_t slot[ACTOR_MOST_SLATE];
    if (slate_choose(&c, k, slot, &best))
        return;
    for (uint32_t i = 0; i < n; i++)
        e->gain[i] = v[i] * (q[i] - best.value);
}

static void take_out(struct engine *e, uint32_t slot, uint32_t *n)
{
    e->left[slot] = e->left[--*n];
    e->gain[slot] = e->gain[*n];
}

static void list_of_one(struct engine *e, uint32_t n, uint32_t k, uint32_t *item,
                        double *p)
{
    double *v = e->sd, *q = malloc(n * sizeof(*q));
    uint32_t left = n;
    if (q)
        gains_of_one(e, n, k, v, q);
    free(q);
    for (uint32_t j = 0; j < k; j++) {
        const uint32_t slot = draw(e, left, j == 0, &p[j]);
        item[j] = e->left[slot];
        take_out(e, slot, &left);
    }
}

/* What one more click on each group is worth, given the chances of how many clicks it
   will have had: by[g][c]. */
struct kinds {
    uint32_t count[SATURATION_GROUPS], most;
    double by[SATURATION_GROUPS][ACTOR_MOST_SLATE + 1]; /* of c clicks in this list */
    double effect[SATURATION_GROUPS];
    uint32_t n[SATURATION_GROUPS]; /* places taken */
};

static void expect(const struct engine *e, struct kinds *k, uint32_t g)
{
    k->effect[g] = 0;
    for (uint32_t c = 0; c <= k->n[g]; c++)
        if (k->by[g][c] > 1e-9)
            k->effect[g] += k->by[g][c] * effect_of_click(e, g, k->count[g] + c, k->most);
}

static void take_place(struct kinds *k, uint32_t g, double p)
{
    k->n[g]++;
    for (uint32_t c = k->n[g]; c > 0; c--)
        k->by[g][c] = k->by[g][c] * (1 - p) + k->by[g][c - 1] * p;
    k->by[g][0] *= 1 - p;
}

/* Several clicks may come: place by place what adds most. While the user seems to be away,
   what is shown costs nothing: places after the first ones find out whether they are
   somebody else. */
static void list_of_many(struct engine *e, const struct engine_user *u, uint32_t n,
                         uint32_t k, uint32_t *item, double *p)
{
    struct kinds kinds = {0};
    uint32_t left = n;
    saturation_counts(&u->had, &e->window, kinds.count);
    for (uint32_t g = 0; g < SATURATION_GROUPS; g++)
        kinds.most = kinds.count[g] > kinds.most ? kinds.count[g] : kinds.most;
    for (uint32_t g = 0; g < SATURATION_GROUPS; g++) {
        kinds.by[g][0] = 1;
        expect(e, &kinds, g);
    }
    for (uint32_t i = 0; i < n; i++)
        e->sd[i] = chance(e, i);
    const double doubt = u->presence.away + u->presence.changed;
    for (uint32_t j = 0; j < k; j++) {
        if (doubt > .5 && j == PLACES_IN_DOUBT)
            for (uint32_t i = 0; i < n; i++)
                e->sd[i] = stranger(e, i);
        for (uint32_t i = 0; i < left; i++) {
            const uint32_t g = e->judged[e->left[i]].group;
            e->gain[i] = e->sd[e->left[i]] * (worth(e, g) + kinds.effect[g]);
        }
        const uint32_t slot = draw(e, left, j == 0, &p[j]);
        item[j] = e->left[slot];
        const uint32_t g = e->judged[item[j]].group;
        take_place(&kinds, g, e->sd[item[j]] * engine_looked(e, j));
        expect(e, &kinds, g);
        take_out(e, slot, &left);
    }
}

void engine_list(struct engine *e, struct engine_user *u, uint32_t n, uint32_t k,
                 uint32_t *item, double *p)
{
    for (uint32_t i = 0; i < n; i++)
        e->left[i] = i;
    e->picks_one = k > 1 && one_click_a_list(e);
    if (e->picks_one)
        list_of_one(e, n, k, item, p);
    else
        list_of_many(e, u, n, k, item, p);
}

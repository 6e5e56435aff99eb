/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/presence.h"

#include <math.h>

enum { KNOWN = 10 };                 /* lists after which somebody can be somebody else */
static const double CALLED = .8;     /* belief at which a change is called */
static const double SURE = .9;       /* no forecast is believed further */
static const double MOST_AWAY = .98; /* nor that somebody is away */
static const double NONE_OF_A_STRANGER = .85;
static const double LISTS_A_CHANGE = 1000;

/* Pooled adjacent violators (Ayer et al. 1955): what falls is put together. */
static void find_hazard(struct presence *a)
{
    double away[PRESENCE_LEVELS], all[PRESENCE_LEVELS];
    int size[PRESENCE_LEVELS], n = 0;
    for (int i = 0; i < PRESENCE_LEVELS; i++) {
        away[n] = a->goes[i][0];
        all[n] = a->goes[i][0] + a->goes[i][1];
        size[n++] = 1;
        for (; n > 1 && away[n - 2] * all[n - 1] > away[n - 1] * all[n - 2]; n--) {
            away[n - 2] += away[n - 1];
            all[n - 2] += all[n - 1];
            size[n - 2] += size[n - 1];
        }
    }
    for (int b = 0, i = 0; b < n; b++)
        for (int j = 0; j < size[b]; j++)
            a->hazard[i++] = away[b] / all[b];
}

void presence_init(struct presence *a)
{
    *a = (struct presence){.stays = {2, 2}, .changes = 1, .lists = LISTS_A_CHANGE};
    for (int i = 0; i < PRESENCE_LEVELS; i++) {
        a->goes[i][0] = .1;
        a->goes[i][1] = 5;
    }
    find_hazard(a);
}

static double likelihood(double p, bool click)
{
    return click ? p : 1 - p;
}

/* How likely the clicks are: of the user who is known, and of a newcomer. */
static void likelihoods(const struct presence *a, const struct presence_list *l,
                        double *known, double *newcomer, uint32_t *clicks)
{
    const double usual = (a->new_clicks + .5) / (a->new_shows + 5);
    double none = 1;
    *known = *newcomer = 1;
    *clicks = 0;
    for (uint32_t j = 0; j < l->n; j++) {
        const bool click = l->reward[j] > 0;
        const double p = usual * l->looked[j] + 1e-4;
        *known *= likelihood(fmin(l->chance[j], SURE) * l->looked[j] + 1e-4, click);
        *newcomer *= likelihood(p, click);
        none *= 1 - p;
        *clicks += click;
    }
    /* A list made for other interests seldom pleases a newcomer: more of the likelihood is
       on no click, and less on all others. */
    if (none < NONE_OF_A_STRANGER)
        *newcomer *=
            *clicks ? (1 - NONE_OF_A_STRANGER) / (1 - none) : NONE_OF_A_STRANGER / none;
}

/* A spell that ended tells how long such spells are and where they begin. */
static void learn_spell(struct presence *a, struct presence_user *u)
{
    if (u->spell > .5) {
        a->goes[u->from][0] += fmin(u->spell, 1);
        a->stays[0] += fmax(u->spell - 1, 0);
        a->stays[1] += 1;
    }
    u->spell = 0;
}

static void begin_anew(struct presence_user *u)
{
    *u = (struct presence_user){0};
}

static uint32_t level(uint32_t saturation)
{
    return saturation < PRESENCE_LEVELS ? saturation : PRESENCE_LEVELS - 1;
}

double presence_goes(const struct presence *a, uint32_t saturation)
{
    return a->hazard[level(saturation)];
}

double presence_spell(const struct presence *a)
{
    return (a->stays[0] + a->stays[1]) / a->stays[1];
}

/* Beliefs before the next list. */
static void move_on(const struct presence *a, struct presence_user *u, uint32_t after)
{
    const double goes = presence_goes(a, after);
    const double stays = a->stays[0] / (a->stays[0] + a->stays[1]);
    const double changes = u->lists > KNOWN ? a->changes / a->lists : 0;
    const double looking = 1 - u->away - u->changed;
    u->away = fmin(u->away * stays + looking * goes, MOST_AWAY) * (1 - changes);
    u->changed += (1 - u->changed) * changes;
}

double presence_observe(struct presence *a, struct presence_user *u,
                        const struct presence_list *l, bool learns, bool *changed)
{
    double known, newcomer;
    uint32_t clicks;
    likelihoods(a, l, &known, &newcomer, &clicks);
    const double looking = (1 - u->away - u->changed) * known;
    const double away = clicks ? 0 : u->away, other = u->changed * newcomer;
    const double all = looking + away + other;
    u->away = away / all;
    u->changed = other / all;
    u->lists++;
    if (u->spell < .5)
        u->from = level(l->saturation);
    u->spell += u->away;
    if (learns) {
        for (uint32_t j = 0; u->lists <= PRESENCE_NEWCOMER && j < l->n; j++) {
            a->new_clicks += l->reward[j] > 0;
            a->new_shows += l->looked[j];
        }
        a->goes[level(l->saturation)][1] += looking / all;
        a->lists++;
        if (clicks)
            learn_spell(a, u);
        find_hazard(a);
    }
    *changed = u->changed > CALLED;
    if (*changed) {
        a->changes += learns;
        begin_anew(u);
        return 0;
    }
    const double here = 1 - u->away - u->changed;
    move_on(a, u, l->after);
    return here;
}

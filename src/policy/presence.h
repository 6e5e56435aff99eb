/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a list got no click: nothing on it pleased, the user was away (bored, or did not look),
 * or they are not who they were (somebody else, other interests). A hidden Markov model
 * of three states a session,
 *
 *   looking -> away    learned, by how saturated the session was (policy/saturation.h)
 *   away -> away       learned from spells that ended
 *   any -> changed     learned, one list in some hundreds at first
 *
 * where what was clicked is as likely as foretold when looking; only no click is possible
 * when away; and a changed user clicks as newcomers do. So what was not looked at teaches
 * nothing, and a change is told from a pause: it is called when it has four fifths of the
 * belief, and the belief begins anew.
 *
 * Memory: fixed. Not thread-safe.
 */
#ifndef POLICY_PRESENCE_H
#define POLICY_PRESENCE_H

#include <stdbool.h>
#include <stdint.h>

enum { PRESENCE_LEVELS = 11, PRESENCE_NEWCOMER = 5 /* lists */ };

/* Of everybody: soft counts. */
struct presence {
    double goes[PRESENCE_LEVELS][2]; /* went away, kept looking; by saturation */
    double hazard[PRESENCE_LEVELS];  /* their shares, made to rise with saturation */
    double stays[2];                 /* away: stayed, came back */
    double changes, lists;
    double new_clicks, new_shows; /* of newcomers */
};

/* Of a session. */
struct presence_user {
    double away, changed; /* beliefs before the next list */
    double spell;         /* lists away in a row, by belief */
    uint32_t from, lists; /* saturation where it began */
};

struct presence_list {
    const double *chance; /* (n) of a click, if looked at */
    const double *looked; /* (n) of having been looked at, by place */
    const float *reward;  /* (n) above 0: clicked */
    uint32_t n;
    uint32_t saturation; /* of the session, before this list and .. */
    uint32_t after;      /* .. after it */
};

void presence_init(struct presence *a);

/*
 * Moves the beliefs on. Returns the chance that the list was looked at by the one who is
 * known; *changed: what is known of them is of somebody else. Without `learns` the counts
 * stay.
 */
double presence_observe(struct presence *a, struct presence_user *u,
                        const struct presence_list *l, bool learns, bool *changed);

/* The chance that whoever is that saturated goes away; never less than for less. */
double presence_goes(const struct presence *a, uint32_t saturation);
double presence_spell(const struct presence *a); /* lists, on average */

#endif

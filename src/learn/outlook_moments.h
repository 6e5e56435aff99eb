/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moments of users to learn the outlook from: who, when, what was known then, and what
 * came. Serving asks at any time, so half of the moments lie some time (log-uniform in a
 * second to two hours) after an event drawn by chance, and half are uniform over the time
 * since a user drawn by chance first came.
 *
 * The log is divided by time, at quantiles of its events: learning, calibrating,
 * reporting. What comes is looked at for a horizon after a moment, and a moment is drawn
 * early enough for its horizon to end within its part, so that no part has seen what the
 * next one asks.
 */
#ifndef LEARN_OUTLOOK_MOMENTS_H
#define LEARN_OUTLOOK_MOMENTS_H

#include "base/rng.h"
#include "behaviour/history.h"
#include "interest/outlook.h"

enum outlook_part {
    OUTLOOK_LEARNING,
    OUTLOOK_CALIBRATING,
    OUTLOOK_REPORTING,
    OUTLOOK_PARTS
};

/* Part p is the time in [at[p], at[p + 1]). */
struct outlook_times {
    int64_t at[OUTLOOK_PARTS + 1];
};

/* 0 or PENCHANT_ENOMEM. The ends leave half a percent of the events out, which may be
   dated wrongly. */
int outlook_divide(const struct history *h, struct outlook_times *t);

struct outlook_moment {
    uint32_t user;
    int64_t now_us;
    bool came[OUTLOOK_OUTPUTS]; /* those about the horizon that was asked for */
};

struct outlook_question {
    const struct history *history;
    const struct catalog *catalog; /* of the history's items; NULL: no prices */
    bool week;                     /* the week's outputs, else what is next */
};

int64_t outlook_horizon_us(bool week);

/* The outputs that a question is about are [first, end). */
static inline int outlook_first(bool week)
{
    return week ? OUTLOOK_NEXT : 0;
}

static inline int outlook_end(bool week)
{
    return week ? OUTLOOK_OUTPUTS : OUTLOOK_NEXT;
}

/* Up to n moments of which the horizon ends before `to_us`; returns how many. */
size_t outlook_draw(const struct outlook_question *q, int64_t from_us, int64_t to_us,
                    size_t n, struct rng *rng, struct outlook_moment *out);

/* Moments right after the first event of users, up to n of them. */
size_t outlook_newcomers(const struct outlook_question *q, const struct outlook_times *t,
                         size_t n, struct outlook_moment *out);

/* What was known of the moment's user. */
struct outlook_state outlook_known(const struct outlook_question *q,
                                   const struct outlook_moment *m);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a session has had of which kind of item, as features of two critics
 * (learn/critic_online.h), so that it is learned, and not assumed, what one more click on
 * a kind does to what follows. Kinds are groups of alike items. Both have 1 and the steps,
 * slates without a click and clicks so far (/ 50), and
 *
 *   soon:    the chance that the user is away from the next list (policy/presence.h), and
 *            how many groups have at least c of the recent clicks (one feature a count c:
 *            any shape of saturation, thresholds too);
 *   lasting: clicks so far by group (/ 10).
 *
 * So a click on a group with c recent ones changes soon's value by w[c + 1], and by w[away] for the
 * chance that they go away for it; it changes lasting's by
 * w[g] / 10 + w[clicks] / 50. They are apart since the first is learned from few steps and
 * changes with the policy, and the second needs many.
 *
 * Memory: a fixed struct a session. Threads: no state but the caller's.
 */
#ifndef POLICY_SATURATION_H
#define POLICY_SATURATION_H

#include <stdint.h>

enum {
    SATURATION_GROUPS = 24,
    SATURATION_RECENT = 20, /* clicks that are remembered */
    SATURATION_COUNTS = 10, /* counts of 1, 2, .., 10 and more */
    SATURATION_SOON = 5 + SATURATION_COUNTS,
    SATURATION_LASTING = 4 + SATURATION_GROUPS
};

/* Of the recent clicks: at most so many, none older than so many slates. */
struct saturation_window {
    uint32_t clicks, slates;
};

struct saturation {
    uint32_t steps, nulls, clicks;
    uint32_t n_recent;
    uint8_t group[SATURATION_RECENT]; /* oldest first */
    uint32_t at[SATURATION_RECENT];   /* the slate, from 1 */
    uint32_t by_group[SATURATION_GROUPS];
};

/* A slate was seen; the groups of what was clicked, in order. */
void saturation_slate(struct saturation *s, const uint8_t *clicked, uint32_t n);

/* Recent clicks by group, as they stand for the next slate. */
void saturation_counts(const struct saturation *s, const struct saturation_window *w,
                       uint32_t count[SATURATION_GROUPS]);

void saturation_soon(const struct saturation *s, const struct saturation_window *w,
                     double away, double phi[SATURATION_SOON]);
void saturation_lasting(const struct saturation *s, double phi[SATURATION_LASTING]);

/* Where they have what, for the effect of one more click. */
uint32_t saturation_at_count(uint32_t count); /* in soon; count >= 1 */
uint32_t saturation_at_group(uint32_t group); /* in lasting */
enum {
    SATURATION_AT_STEPS = 1,
    SATURATION_AT_NULLS = 2,
    SATURATION_AT_CLICKS = 3,
    SATURATION_AT_AWAY = 4, /* in soon */
    SATURATION_AT_OWN = 4   /* what is only in one of them begins here */
};
extern const double SATURATION_UNIT; /* of steps, nulls and clicks: 1 / 50 */
extern const double SATURATION_GROUP_UNIT;

#endif

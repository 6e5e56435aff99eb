/* SPDX-License-Identifier: Apache-2.0 */
/* What a simulation found, for people, for programs and as a picture. */
#ifndef LAB_SIMULATE_REPORT_H
#define LAB_SIMULATE_REPORT_H

#include "base/buf.h"
#include "lab/simulate.h"

/* Lines, without a last line feed. */
void simulate_text(struct buf *out, const struct simulation *s);

/*
 * One object. Of every policy: reward an episode with its interval, over_first (paired by
 * seed) and over_first_by_episode, null for the first policy; the same of each part;
 * share_of_oracle when the oracle is among the policies, and gap, which is 0 at "random"
 * and 1 at the oracle, when both are, with share_low, share_high, gap_low and gap_high; t90 in a world that switches, null when the level
 * never came back; by_turn, the mean reward of every turn (of at most SIMULATE_POINTS
 * stretches of turns).
 */
enum { SIMULATE_POINTS = 200 };
void simulate_json(struct buf *out, const struct simulation *s);

/* Reward against time as SVG: by the turn of an episode, and by episode. */
void simulate_plot(struct buf *out, const struct simulation *s);

#endif

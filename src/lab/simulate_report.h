/* SPDX-License-Identifier: Apache-2.0 */
/* What a simulation found, for people, for programs and as a picture. */
#ifndef LAB_SIMULATE_REPORT_H
#define LAB_SIMULATE_REPORT_H

#include "base/buf.h"
#include "lab/simulate.h"

/* Lines, without a last line feed. */
void simulate_text(struct buf *out, const struct simulation *s);

/*
 * One object. Of every policy: reward an episode with its interval; for all but the first
 * over_first (paired by seed) and over_first_by_episode; the same of each part;
 * share_of_oracle with share_low and share_high when the oracle is among the policies, and
 * gap, which is 0 at "random" and 1 at the oracle, with gap_low and gap_high when both are;
 * t90 in a world that switches, null when the level never came back; by_turn and
 * by_episode, the mean reward of every turn and episode, or of stretches of `stride` of them
 * when there are more than SIMULATE_POINTS.
 */
enum { SIMULATE_POINTS = 200 };
void simulate_json(struct buf *out, const struct simulation *s);

/* Reward against time as SVG: by the turn of an episode, and by episode. */
void simulate_plot(struct buf *out, const struct simulation *s);

#endif

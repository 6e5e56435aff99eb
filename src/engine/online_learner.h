/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The background learner of a shop that is open for writing with penchant_options.learn: a
 * thread of low priority that owns what learn/online.h needs, takes the events that the
 * writer has applied, and publishes what it has learned as a snapshot.
 *
 *   take     the writer copies the user's newest events into a bounded queue; when that is
 *            full the event is dropped, and learned from at the next training. The writer
 *            takes no lock.
 *   step     when LEARNER_STEP_EVENTS wait, or some have waited a quarter of a second; then
 *            the thread rests, so that it uses at most LEARNER_SHARE of a core. What comes
 *            in faster goes to the replay.
 *   publish  at most once a second, and at most a tenth of the time: in a catalogue so
 *            large that a snapshot takes over .1 s, less often. Only after a step.
 *   guard    a roll-back is published at once, as the model that was trained, and told in
 *            the log.
 *
 * The champion is the snapshot of the file that the shop picked up last; a new one begins
 * everything anew, with the newest events of up to ONLINE_ANCHORS users. Nothing is kept on
 * disk: a shop that opens again serves the model as trained and learns on from there.
 *
 * Memory: the queue (LEARNER_QUEUE * 450 bytes), what online.h says, and one snapshot more
 * while it is being made.
 */
#ifndef ENGINE_ONLINE_LEARNER_H
#define ENGINE_ONLINE_LEARNER_H

#include "engine/engine.h"

enum { LEARNER_QUEUE = 1024, LEARNER_STEP_EVENTS = 16 };
#define LEARNER_SHARE 0.25

/* Starts the thread; p->learner is NULL before. */
int online_learner_start(struct penchant *p, struct penchant_error *err);

/* Ends the thread; what waits is forgotten. NULL learner: nothing to do. */
void online_learner_stop(struct penchant *p);

/* After the writer has stopped, before the snapshot is closed. */
void online_learner_free(struct penchant *p);

/* An event that has just been applied; the writer's. */
void online_learner_take(struct penchant *p, const struct event *e);

#endif

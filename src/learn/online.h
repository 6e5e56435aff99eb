/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sequence model learning on while its shop is open. The model as trained is the
 * champion and stays as it is; a copy of it, the challenger, learns from every event that
 * comes, mixed with older ones, and is what the shop may serve.
 *
 *   feed   a window of a user whose newest event has just happened waits as fresh. More
 *          than ONLINE_FRESH do not wait: the oldest goes to the replay (online_replay.h)
 *   step   up to ONLINE_FRESH fresh windows, of which the newest event is a target, and
 *          as many replayed ones, of which all are. Both models first predict the fresh
 *          events (the prequential losses, Dawid 1984); then the challenger takes one Adam
 *          step on the sampled softmax with logQ (loss.h), half of its weight on either
 *          kind. Of the item table only the rows that occur are touched. Attributes and
 *          content stand still, so that the vector of an item that is in no window moves
 *          by no step.
 *   guard  both losses are compared on the same events and negatives. What the challenger
 *          lost more than the champion is summed up, with weights that fall to 1/e over
 *          `horizon` events and never below 0, so that gains of before do not pay for harm
 *          of now (Page 1954). When the sum passes `tolerance` of what the champion loses
 *          over a horizon, everything goes back: parameters, moments, averages and the
 *          recent windows; and it goes on at half the rate, which it wins back after
 *          `horizon` events without another. So does a loss that is not finite.
 *
 * Labels that are noise are learned like any other while they are all that comes; that
 * harms those that are not, and the guard sees it as soon as such come again.
 *
 * No threads and no clock in it: the same calls give the same bits (on one instruction
 * set). Memory beside the champion, which is borrowed: three times its parameters (the
 * copy and two moments), three gradients without the item table, activations of
 * ONLINE_FRESH * ONLINE_LENGTH positions, and online_replay.h.
 */
#ifndef LEARN_ONLINE_H
#define LEARN_ONLINE_H

#include "base/status.h"
#include "learn/online_replay.h"
#include "model/model.h"

enum { ONLINE_FRESH = 32 };

struct online_options {
    float rate;         /* of Adam */
    uint32_t negatives; /* drawn for each batch */
    double tolerance;   /* by how much of its loss the challenger may be worse */
    uint32_t horizon;   /* in events */
    uint64_t seed;
};

void online_options_default(struct online_options *o);

enum online_outcome {
    ONLINE_IDLE,       /* nothing was waiting */
    ONLINE_LEARNED,    /* the challenger has changed */
    ONLINE_ROLLED_BACK /* it is the champion again */
};

struct online_report {
    uint64_t fresh;     /* events learned as fresh */
    uint64_t displaced; /* sent to the replay instead */
    uint64_t replayed;  /* windows drawn from there */
    uint64_t steps, rollbacks;
    double loss, champion_loss; /* prequential averages in nats; NaN: none yet */
    double rolled_loss, rolled_champion_loss; /* the same, at the last roll-back */
    float rate;                               /* of the next step */
};

struct online;

/* champion is borrowed until online_free(). *out is NULL on failure: PENCHANT_ENOMEM. */
int online_new(struct online **out, const struct model *champion,
               const struct online_options *options, struct penchant_error *err);
void online_free(struct online *o);

/* A window of before, oldest first; they come before the first step. */
void online_seed(struct online *o, const struct online_window *w);

/* False: it names an item or type that the model does not know, or has the wrong length,
   and was passed over. *displaced (may be NULL): an older one was sent to the replay. */
bool online_feed(struct online *o, const struct online_window *w, bool *displaced);

/* How many windows wait as fresh. */
uint32_t online_waiting(const struct online *o);

/* One step on what waits. 0 with *outcome, or PENCHANT_ENOMEM and nothing has changed. */
int online_step(struct online *o, enum online_outcome *outcome,
                struct penchant_error *err);

void online_report(const struct online *o, struct online_report *out);

/* What has been learned; changes with the next step. */
const struct model *online_model(const struct online *o);

/*
 * The rows of the item table that differ from what they were at the last call of
 * online_published(), and perhaps some that do not: *n of them, in the order of their
 * first change. After a roll-back these are all that ever changed.
 */
const uint32_t *online_changed(const struct online *o, uint32_t *n);
void online_published(struct online *o);

#endif

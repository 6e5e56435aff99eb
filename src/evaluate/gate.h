/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The release gate: whether a newly trained model may take the place of the one in use. It
 * ships when
 *
 *   - of what it would have earned over what the one in use did earn, the lower bounds of
 *     both SNIPS and DR (with a model of the reward; else SNIPS alone) are not more than
 *     `slack` of the logged reward below 0, and the log can answer at all (ope.h),
 *   - its prequential loss, on events that came after its training and that neither had
 *     seen, is not worse: the mean of the paired differences is not above `loss_slack`
 *     nats by more than chance, one-sided at 95 %.
 *
 * Whatever is not known says no, or is left out where the rules do not ask for it. A
 * function of its arguments.
 */
#ifndef EVALUATE_GATE_H
#define EVALUATE_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

struct gate_rules {
    bool by_reward, by_loss; /* what is asked for */
    double slack;            /* of the logged reward that may be lost, >= 0 */
    double loss_slack;       /* nats an event, >= 0 */
    uint64_t least_events;   /* for the loss; at least 2 */
};

/* Both, slacks of .02 and .01, 200 events. */
void gate_rules_default(struct gate_rules *r);

/* Losses of the candidate less those of the one in use, event by event. */
struct gate_loss {
    uint64_t n;
    double sum, squares;
};

void gate_loss_add(struct gate_loss *l, double candidate, double in_use);

enum gate_answer {
    GATE_SHIP,
    GATE_WAIT, /* too little is known yet: ask again when more has been seen */
    GATE_HOLD  /* it is worse, or may be */
};

struct gate_verdict {
    enum gate_answer answer;
    char reason[512]; /* one plain sentence */
};

/* `ope`: the candidate as the target on the lists of the one in use; NULL: nothing is
   known. `loss` likewise. Where something says hold, that is the answer. */
struct gate_verdict gate_judge(const struct gate_rules *r, const struct penchant_ope *ope,
                               const struct gate_loss *loss);

#endif

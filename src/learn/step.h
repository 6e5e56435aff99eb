/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps of training: a step is a batch of windows, packed into groups; group i goes to
 * thread i % threads, each thread sums its gradient, the sums are added in thread order,
 * and one AdamW step follows: so a run repeats bit for bit.
 *
 * Holds everything that a step needs and that is worth nothing between two of them: it
 * can be released and made anew at any time without changing a result. About
 * threads * (1024 positions of activations + one gradient), and for the full softmax
 * three tables of item vectors.
 */
#ifndef LEARN_STEP_H
#define LEARN_STEP_H

#include "learn/loss.h"
#include "learn/optimiser.h"
#include "learn/windows.h"

struct step_worker;
struct step_group;

struct stepper {
    const struct train_data *data;
    const struct train_options *o;
    struct model *model; /* borrowed: what is trained */
    struct pool *pool;
    struct loss_tables tables;
    struct step_worker *worker; /* (threads) */
    const struct windows *windows;
    struct step_group *group; /* of the present step */
    uint32_t n_groups, cap_groups, group_tokens;
    uint32_t *events; /* items of all training events, for draws by frequency */
    float *frequency;
    uint32_t
        *seen; /* (n_items) with content: items of training events, then the others */
    uint64_t number; /* of the present step, for its random streams */
    float weight;
};

int stepper_init(struct stepper *s, const struct train_data *data,
                 const struct train_options *o, struct model *m,
                 struct penchant_error *err);
void stepper_release(struct stepper *s);

struct step_result {
    uint32_t end; /* the first window that the step did not use */
    uint64_t tokens;
    double loss; /* mean over the targets */
};

/* One step over windows [first, ..): about batch_tokens positions. */
int stepper_step(struct stepper *s, const struct windows *w, uint32_t first,
                 struct optimiser *optimiser, float rate, struct step_result *r,
                 struct penchant_error *err);

#endif

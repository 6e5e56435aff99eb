/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trains and judges critics (learn/critic.h). Each objective is a learner of its own with
 * its own random stream, so that any number of threads gives the same bits. AdamW; the rate
 * falls along a half cosine to nothing.
 *
 * Users are held out by a hash of their number, CRITIC_HELD_OUT of 8: nothing of a critic
 * is fitted on them, and its figures are of their states alone. (The sequence model, which
 * makes the states, did learn from them.)
 */
#ifndef LEARN_CRITIC_TRAIN_H
#define LEARN_CRITIC_TRAIN_H

#include "base/pool.h"
#include "base/rng.h"
#include "learn/critic_loss.h"

enum { CRITIC_BATCH = 256, CRITIC_LEAST_TRANSITIONS = 2000, CRITIC_LEAST_USERS = 20 };

static inline bool critic_held_out(uint32_t user)
{
    return rng_mix(0x6a09e667ULL ^ ((uint64_t)user << 8)) >> 61 == 0;
}

struct critic_train_options {
    struct critic_options loss;
    float rate, polyak, decay;
    uint32_t steps, batch;
    uint64_t seed;
    double seconds; /* 0: no bound; else as many of the steps as fit, by the first ones */
    penchant_progress_fn *progress;
    void *cookie;
};

/* IQL's and SNQN's numbers; steps by how much there is to learn from. */
struct critic_train_options critic_train_defaults(size_t n_train);

/* One head that learns. Also for learning on from a loaded critic. */
struct critic_learner {
    struct critic_form form;
    enum critic_objective objective;
    float gamma, scale;
    float *param;  /* (critic_size) borrowed */
    float *target; /* this and the rest (critic_size), owned */
    float *grad, *mean, *square;
    struct critic_work *work;
    uint32_t *pick, *negative; /* (batch), (batch, negatives) */
    struct critic_train_options o;
    struct rng rng;
    uint64_t step;
    double loss; /* of the last step */
};

/* Takes the head's parameters as they are. 0 or PENCHANT_ENOMEM. */
int critic_learner_init(struct critic_learner *l, const struct critic_form *f,
                        enum critic_objective objective, struct critic_head *head,
                        const struct critic_train_options *o);
void critic_learner_release(struct critic_learner *l);

/* One step on transitions drawn from the first n_train of the data; `rate` times o.rate. */
void critic_learner_step(struct critic_learner *l, const struct critic_data *d,
                         float rate);

/* Random parameters to start from, and values that are the mean return everywhere. */
void critic_head_initialise(struct critic_head *head, const struct critic_form *f,
                            const struct critic_data *d, enum critic_objective objective,
                            uint64_t seed);

/*
 * All heads, then their figures. *out is the caller's. A head that cannot be learned says
 * why. PENCHANT_EINTERRUPTED when progress asks to stop, and then there is nothing to
 * free.
 */
int critic_train(struct critic **out, const struct critic_data *d,
                 const struct critic_train_options *o, struct pool *pool,
                 struct penchant_error *err);

/* ---- critic_judge.c ---- */

/* Fills a trained head's figures from transitions [n_train, n). 0 or PENCHANT_ENOMEM. */
int critic_judge(struct critic_head *head, const struct critic_form *f,
                 enum critic_objective objective, const struct critic_data *d);

/* Spearman's rank correlation, ties at their mean rank; NaN without spread. -1: memory. */
int critic_spearman(const float *a, const float *b, size_t n, double *out);

/* ---- critic_data.c ---- */

struct history;
struct model;

enum {
    CRITIC_MOST_TRANSITIONS = 1000000,
    CRITIC_USER_EVENTS = 2000, /* the newest of a user */
    CRITIC_AHEAD = 3           /* rewards that are counted before V(s') is asked */
};

#define CRITIC_STATE_BYTES ((size_t)192 << 20)

/* A choice that is no event of the history: what was said no to. The state stays. */
struct critic_aside {
    uint64_t after; /* the event of the history after which it was */
    uint32_t item;
    float reward[CRITIC_OBJECTIVES];
};

struct critic_log {
    const struct history *history;
    const float *reward;              /* (n, CRITIC_OBJECTIVES) of each event */
    const uint8_t *ends;              /* (n) bit o: nothing of objective o follows */
    const struct critic_aside *aside; /* (n_asides) by `after` */
    size_t n_asides;
};

/*
 * States of the log as the model sees them, and the transitions between them. Of a log
 * that is longer than the bounds above, users are drawn by a hash of their number: at most
 * 192 MB of states and 72 MB of transitions, beside two tables of item vectors.
 */
int critic_data_make(struct critic_data *d, const struct model *m,
                     const struct critic_log *log, struct pool *pool,
                     struct penchant_error *err);
void critic_data_release(struct critic_data *d);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one head of a critic learns from a batch of transitions (s, a, R, s'), R the sum of
 * the next few discounted rewards and D the discount of what follows (0: nothing does):
 *
 *   L_V  mean 1/2 |tau - [u < 0]| u^2, u = Q'(s, a) - V(s)        (expectile: IQL)
 *   L_Q  mean sum_k 1/2 (Q_k(s, a) - y)^2, y = R + D V(s')         (twins)
 *   L_N  negative_weight mean sum_k mean_j 1/2 (Q_k(s, a_j) - gamma V(s))^2    (SNQN)
 *   L_C  conservative mean sum_k log sum exp Q_k over a and the a_j, each a_j weighted by
 *        how many items it stands for                              (CQL)
 *
 * Q' = min of the twins of the target parameters, which follow slowly (Polyak). a_j are
 * sampled items that the shopper did not choose: no reward, and the state stays. y, gamma V
 * and Q' are taken as given, and so is Q_k(s, a) where L_N and L_C compare with it: in them
 * Q_k(s, a_j) = Q_k(s, a) + x W_k . (e_j - e), of which only the difference is learned. So
 * what was not chosen tells items apart and says nothing of how much a state is worth. With
 * the gradient of all of Q_k(s, a_j) states are valued too low wherever items look alike;
 * and pulling the logged value up, as CQL does, bootstrapping makes of it conservative
 * (1 - p) / (1 - D) on every value, for long discounts more than the values are
 * (docs/values.md has the figures).
 *
 * With tau = 1/2 it learns the values of what shoppers do, towards 1 those of the best of
 * what they did: the maximum of Q-learning without asking for an item nobody chose.
 * Kostrikov et al. 2022 (IQL), Kumar et al. 2020 (CQL), Xin et al. 2022 (SNQN), Fujimoto
 * et al. 2018 (twins).
 */
#ifndef LEARN_CRITIC_LOSS_H
#define LEARN_CRITIC_LOSS_H

#include "learn/critic.h"

/* One choice that was logged, for every objective. */
struct critic_transition {
    uint32_t state, next, item, user;
    float reward[CRITIC_OBJECTIVES];   /* of the next few events, discounted */
    float discount[CRITIC_OBJECTIVES]; /* of V(next); 0: nothing follows */
    float after[CRITIC_OBJECTIVES];    /* all that came, discounted */
    float rate[CRITIC_OBJECTIVES];     /* recent mean reward of the user before */
};

/* What is learned from; states and items are tables of rows. */
struct critic_data {
    uint32_t inputs, dim, n_items;
    size_t n_states;
    float *state; /* (n_states, inputs) */
    float *item;  /* (n_items, dim) of length 1, or zero */
    /* First those learned from, then those of held-out users. */
    struct critic_transition *at; /* (n) */
    size_t n_train, n;
};

struct critic_options {
    float expectile, conservative, negative_weight;
    uint32_t negatives;
};

/* Draws of one step: transitions of the data, and items that were not chosen. */
struct critic_batch {
    const struct critic_data *data;
    uint32_t n;
    const uint32_t *pick;     /* (n) */
    const uint32_t *negative; /* (n, negatives) */
};

/* Scratch for batches of up to `cap`; one thread. */
struct critic_work;
struct critic_work *critic_work_new(const struct critic_form *f, uint32_t cap,
                                    uint32_t negatives);
void critic_work_free(struct critic_work *w);

/* One head under training. Borrowed. */
struct critic_lesson {
    const struct critic_form *form;
    enum critic_objective objective;
    float gamma, scale;  /* rewards are divided by scale */
    const float *param;  /* (critic_size) */
    const float *target; /* (critic_size) */
};

/* The loss of a batch; its gradient (critic_size) is added to grad unless that is NULL. */
double critic_loss(struct critic_work *w, const struct critic_lesson *l,
                   const struct critic_batch *b, const struct critic_options *o,
                   float *grad);

/* For judging, of a batch: V(s), Q(s, a) of the twins' minimum and R + D V(s'), in units of
   the rewards. */
void critic_judge_batch(struct critic_work *w, const struct critic_lesson *l,
                        const struct critic_batch *b, float *v, float *q, float *y);

#endif

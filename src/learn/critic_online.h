/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A critic that learns while it is used: V(s) = w' phi(s), with w the fixed point of temporal
 * differences, found by recursive least squares (LSTD(lambda): Bradtke and Barto 1996, Boyan
 * 2002): with the trace z <- gamma lambda z + phi(s),
 *
 *   A = reg I + sum z (phi(s) - gamma phi(s'))',  b = sum z r,  w = A^-1 b
 *
 * where A^-1 is kept by Sherman-Morrison, and older steps fade since
 * they tell of an older policy: at step n with a window of n / 2 steps, within bounds, so
 * that first attempts are forgotten early, and late values stand on many steps. phi(s') is 0 after
 * the last step of a session. It needs no step size and each step is used to the full:
 * some hundreds of steps are enough where gradient methods take ten thousands.
 *
 * How far a difference of values can be trusted is told by the variance of least squares on
 * the same features, so that effects that are not there are not acted upon.
 *
 * O(dim^2) a step. Memory: 2 dim^2 + 4 dim doubles. Not thread-safe.
 */
#ifndef LEARN_CRITIC_ONLINE_H
#define LEARN_CRITIC_ONLINE_H

#include <stdint.h>

enum { CRITIC_ONLINE_MOST_DIM = 96 };

struct critic_online_options {
    uint32_t dim;
    double gamma, lambda;             /* discount; decay of the trace */
    double least_window, most_window; /* steps after which a step counts 1 / e */
    double regularisation;
};

struct critic_online {
    struct critic_online_options o;
    double *inverse;      /* (dim, dim) A^-1 */
    double *b, *w;        /* (dim) */
    double *spread;       /* (dim, dim) (reg I + sum phi phi')^-1 */
    double noise;         /* variance of a temporal difference */
    uint64_t steps, ends; /* ends: steps that were the last of a session */
};

int critic_online_init(struct critic_online *c, const struct critic_online_options *o);
void critic_online_release(struct critic_online *c);

/* One step: trace (dim) belongs to the session and is moved on; next NULL: it ended. */
void critic_online_step(struct critic_online *c, double *trace, const double *phi,
                        double reward, const double *next);

double critic_online_value(const struct critic_online *c, const double *phi);

/*
 * The value of a sparse direction sum_i a_i w[at[i]], drawn towards 0 by how uncertain it
 * is: x max(0, 1 - (bar sd / x)^2).
 */
double critic_online_effect(const struct critic_online *c, const uint32_t *at,
                            const double *a, uint32_t n, double bar);

#endif

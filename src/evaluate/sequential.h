/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A comparison of two arms that may be looked at whenever one likes, and stopped because of
 * what one sees, without more false alarms than stated: the mixture sequential probability
 * ratio of Robbins (1970) as a confidence sequence (Howard, Ramdas, McAuliffe and Sekhon
 * 2021), with the variance estimated (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2021,
 * "Time-uniform central limit theory and asymptotic confidence sequences").
 *
 * An arm's figure is what it earned per trial, theta = sum R_u / sum T_u over its users u
 * with rewards R_u in T_u trials. Users are what was randomised, so they carry the
 * variance: v = n / (n - 1) sum (R_u - theta T_u)^2 / (sum T_u)^2. With d the difference of
 * two arms, v the sum of their variances and n of their users, for a mixture N(0, rho^2),
 *
 *   evidence  E = (1 + n rho^2)^-1/2 exp(n rho^2 z^2 / (2 (1 + n rho^2))),  z^2 = d^2 / v
 *   p-value   min(1, 1 / E), valid at all times at once (Ville 1939)
 *   interval  d +- sqrt(v 2 (n rho^2 + 1) / (n rho^2) log(sqrt(n rho^2 + 1) / alpha))
 *
 * A user who comes back adds to what they had: sums of one user are then positively
 * correlated over time, more so than a random walk's, and by Slepian's inequality the
 * chance of ever leaving the interval is no larger for it.
 *
 * Arithmetic alone: no state, no randomness.
 */
#ifndef EVALUATE_SEQUENTIAL_H
#define EVALUATE_SEQUENTIAL_H

#include <stdbool.h>
#include <stdint.h>

struct sequential_arm {
    uint64_t users;
    double trials, rewards;                         /* sums over users */
    double reward_squares, products, trial_squares; /* of R^2, R T, T^2 */
};

/* One more user, with all that they have done so far. */
void sequential_add(struct sequential_arm *a, double rewards, double trials);

struct sequential_options {
    double alpha; /* false alarms, however often it is looked at; (0, 1) */
    double
        tight_users; /* the interval is as narrow as it can be at so many users, >= 1 */
    uint64_t least_users; /* in each arm, before anything is said; at least 2 */
};

/* alpha .05, tight at 2,000 users, at least 50 in each arm. */
void sequential_options_default(struct sequential_options *o);

struct sequential_answer {
    bool known; /* false: too few users, or nothing varies yet; then the rest is NaN */
    double value, low, high;
    double p; /* that there is no difference (of one arm: that it earns nothing) */
};

/* One arm's figure. */
struct sequential_answer sequential_of(const struct sequential_arm *a,
                                       const struct sequential_options *o);

/* b over a. */
struct sequential_answer sequential_difference(const struct sequential_arm *a,
                                               const struct sequential_arm *b,
                                               const struct sequential_options *o);

#endif

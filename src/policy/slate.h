/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The slate of greatest value under a choice model with a null item (no click), as in
 * SlateQ (Ie et al. 2019), but the value of "no click" counts too. Of a slate A with item
 * A_j at position j, which is examined with probability e_j, the user picks item i with
 *
 *   P(i | A) = e_j v_i / (v_0 + sum_j e_j v_{A_j}),   v: attraction, v_0: of no click,
 *
 * so that with Q_i, the value of what follows a click, and Q_0, of what follows none,
 *
 *   value(A) = (sum_j e_j v_{A_j} Q_{A_j} + v_0 Q_0) / (sum_j e_j v_{A_j} + v_0).
 *
 * The maximum over all lists of k of the candidates is exact, by Dinkelbach's method
 * (1967): with lambda the value so far, the best list for the numerator less lambda times
 * the denominator is the top k by v_i (Q_i - lambda), the largest at the best examined
 * positions; the value of that list is the next lambda. It never falls, the convergence
 * is faster than linear, and in practice 3 to 6 steps are made.
 *
 * Threads: no state but the caller's. Memory: 40 bytes a slot during a call.
 */
#ifndef POLICY_SLATE_H
#define POLICY_SLATE_H

#include <stdint.h>

struct slate_candidates {
    const double *attraction;  /* (n) v_i >= 0 */
    const double *value;       /* (n) Q_i, finite */
    const double *examination; /* (k) e_j >= 0 in any order; NULL: all 1 */
    double null_attraction;    /* v_0 >= 0 */
    double null_value;         /* Q_0 */
    uint32_t n;
};

struct slate_best {
    double value;
    uint32_t steps; /* how often a list was chosen */
};

/* The value of a list of k places of candidates. When nobody can pick anything and not
   even nothing (the denominator is 0), it is Q_0. */
double slate_value(const struct slate_candidates *c, const uint32_t *slot, uint32_t k);

/*
 * Fills slot[min(k, n)] with the list of greatest value, all slots filled; equal
 * candidates in their order. `out` may be NULL. 0 or PENCHANT_ENOMEM.
 */
int slate_choose(const struct slate_candidates *c, uint32_t k, uint32_t *slot,
                 struct slate_best *out);

#endif

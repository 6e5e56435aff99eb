/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Off-policy evaluation: what a target policy pi_e would have earned, from rows that a
 * logging policy pi_b chose. Arithmetic on arrays; the rows come from a file or from the
 * shop's slates. With w = pi_e / pi_b, r the reward, q(x, a) a model of the reward of the
 * logged action and dm = sum over a of pi_e(a|x) q(x, a), means over the n rows:
 *
 *   IPS       mean(w r)                              Horvitz and Thompson 1952
 *   cIPS      mean(min(w, clip) r)                   Ionides 2008
 *   SNIPS     sum(w r) / sum(w)                      Swaminathan and Joachims 2015
 *   DM        mean(dm)
 *   DR        mean(dm + w (r - q))                   Dudik, Langford and Li 2011
 *   SNDR      mean(dm) + sum(w (r - q)) / sum(w)
 *   SWITCH    mean(dm + [w <= tau] w (r - q))        Wang, Agarwal and Dudik 2017
 *   DRos      mean(dm + lambda w / (w^2 + lambda) (r - q))    Su et al. 2020
 *   MRDR      DR with the q of least variance of DR  Farajtabar et al. 2018 (ope_fit.h)
 *   MIPS      mean(w(e) r), w(e) = pi_e(e|x) / pi_b(e|x) of the action's group e
 *                                                    Saito and Joachims 2022
 *
 * Slates of slots k = 1..K with conditional propensities pi(a_k | x, a_1 .. a_k-1), and
 * W_k the product of the w of slots 1..k; sums over slots, means over slates:
 *
 *   SIPS      mean(W_K sum_k r_k)
 *   IIPS      mean(sum_k w_k r_k)                    Li et al. 2018; slots independent
 *   RIPS      mean(sum_k W_k r_k)                    McInerney et al. 2020
 *   SNRIPS    sum_k of sum(W_k r_k) / sum(W_k), a slate shorter than k staying with its
 *             last weight and no reward
 *   cascade-DR mean(sum_k W_k (r_k - q_k) + W_k-1 dm_k)    Kiyohara et al. 2022; q_k is
 *             what slot k and those after it are expected to earn, given the slots before
 *
 * Every estimate has a 95 % bootstrap interval (ope_sums.h), also of its gain over what
 * was logged, and sentences on why it cannot be believed (ope_doubt.c).
 *
 * Threads: functions of their arguments alone. The same input and seed give the same bits.
 * Memory: ope_sums.h; nothing by row beyond the caller's arrays.
 */
#ifndef EVALUATE_OPE_H
#define EVALUATE_OPE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct ope_options {
    double clip, tau, lambda; /* of cIPS, SWITCH, DRos; > 0 */
    uint32_t draws;           /* of the bootstrap; at least 2 */
    uint64_t seed;
};

/* clip 10, tau 10, lambda 100, 1000 draws, seed 1. */
void ope_options_default(struct ope_options *o);

/* Pairs of arrays that are not known are NULL, and the estimators that need them then say
   so. */
struct ope_log {
    size_t n;
    const double *reward;                     /* (n) */
    const double *propensity;                 /* (n) in (0, 1] */
    const double *target;                     /* (n) in [0, 1] */
    const double *quality, *direct;           /* (n) q and dm */
    const double *mrdr_quality, *mrdr_direct; /* (n) the same of MRDR's q */
    const double *group_weight;               /* (n) w(e) of the action's group */
    const uint32_t *cluster;                  /* (n) rows of one user are not independent;
                                                   NULL: all rows are */
};

/* PENCHANT_EINVALID names the first row at fault in err->index. */
int ope_run(const struct ope_log *log, const struct ope_options *o,
            struct penchant_ope *out, struct penchant_error *err);

enum { OPE_SLOTS_MAX = 100 };

struct ope_slates {
    size_t n;                 /* slates */
    const size_t *start;      /* (n + 1) slate i has slots start[i] .. start[i + 1] */
    const double *reward;     /* of every slot, in the order of the positions */
    const double *propensity; /* given the slots before */
    const double *target;     /* the same */
    const double *slot_propensity, *slot_target; /* whatever the other slots are; NULL:
                                                    IIPS goes by the conditional ones */
    const double *quality, *direct;              /* see cascade-DR; both or neither */
    const uint32_t *cluster;                     /* (n) of slates */
};

/* err->index is the slot at fault. Slates have 1 to OPE_SLOTS_MAX slots. */
int ope_run_slates(const struct ope_slates *s, const struct ope_options *o,
                   struct penchant_ope *out, struct penchant_error *err);

#endif

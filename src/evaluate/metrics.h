/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranking metrics with 95 % intervals, from the rank that each case gave its one target.
 * A rank is 0-based; METRICS_MISS is a target that no list could hold. Over n cases:
 *
 *   HR@k    mean of [rank < k]
 *   NDCG@k  mean of [rank < k] / log2(rank + 2)     (one target: the ideal DCG is 1)
 *   MRR@k   mean of [rank < k] / (rank + 1)
 *
 * Intervals: HR is a proportion and gets Wilson's score interval, which stays inside [0,
 * 1] and is right for rare hits too. NDCG and MRR are means of bounded values over
 * thousands of cases, where the normal approximation is as good as a bootstrap,
 * deterministic, and one pass. Cases of one user or session are not independent: those
 * added by metrics_add_again() are summed before the variance is taken (cluster-robust,
 * Liang and Zeger 1986), so that long sessions do not make the interval too narrow.
 *
 * Not thread-safe while it is added to. The ranks stay readable: m->rank[0..n).
 */
#ifndef EVALUATE_METRICS_H
#define EVALUATE_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define METRICS_MISS UINT32_MAX

enum metrics_kind { METRICS_HR, METRICS_NDCG, METRICS_MRR };

struct metrics {
    uint32_t *rank; /* (n) */
    bool *again;    /* (n) of the same user or session as the case before */
    size_t n, cap;
};

void metrics_init(struct metrics *m);
void metrics_release(struct metrics *m);

/* One more case; 0 or PENCHANT_ENOMEM. */
int metrics_add(struct metrics *m, uint32_t rank);

/* One more case of the user or session of the case before. */
int metrics_add_again(struct metrics *m, uint32_t rank);

/* Without a case the value is 0 and the interval everything that is possible. */
struct penchant_metric metrics_hr(const struct metrics *m, uint32_t at);
struct penchant_metric metrics_ndcg(const struct metrics *m, uint32_t at);
struct penchant_metric metrics_mrr(const struct metrics *m, uint32_t at);
struct penchant_metric metrics_of(const struct metrics *m, enum metrics_kind kind,
                                  uint32_t at);

/*
 * Mean of a minus b over the same cases in the same order, with the interval of the
 * paired differences. Both must have the same number of cases (else the interval is [-1,
 * 1]).
 */
struct penchant_metric metrics_difference(const struct metrics *a,
                                          const struct metrics *b, enum metrics_kind kind,
                                          uint32_t at);

/* All of it at 5, 10 and 20. */
void metrics_quality(const struct metrics *m, const char *name,
                     struct penchant_quality *out);

/*
 * The rank of `target` among the n scores: how many other admissible items do not score
 * below it. So ties rank against the target, and so does a NaN on either side. The items
 * in `skip` (distinct) are not admissible; a target that is skipped, or not below n, is
 * METRICS_MISS. n < 2^24.
 */
uint32_t metrics_rank(const float *score, uint32_t n, uint32_t target,
                      const uint32_t *skip, size_t n_skip);

#endif

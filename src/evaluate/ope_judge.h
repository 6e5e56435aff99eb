/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From sums to a report: values, intervals, what the weights are like, and when the data
 * cannot answer. Private to src/evaluate.
 *
 * An estimate is doubted, each with a sentence, when
 *   - its weights' effective sample size is below OPE_ESS_LEAST,
 *   - the mean of the uncut weights is more than OPE_MEAN_OFF and four standard errors from
 *     1: below, the target shows what the log never does; above, the probabilities are not
 *     those that were in force,
 *   - fewer than OPE_REWARDED_LEAST rows have a reward, so that no resample knows how rare
 *     it is,
 *   - its interval holds 0 or its ends differ by more than a factor of OPE_FACTOR_MOST.
 */
#ifndef EVALUATE_OPE_JUDGE_H
#define EVALUATE_OPE_JUDGE_H

#include <stdbool.h>
#include <stddef.h>

#include "evaluate/ope.h"
#include "evaluate/ope_sums.h"

#define OPE_ESS_LEAST      100.0
#define OPE_MEAN_OFF       0.05
#define OPE_REWARDED_LEAST 30
#define OPE_FACTOR_MOST    2.0

struct ope_weights {
    double sum, squares, most;
    size_t n, cut;
};

static inline void ope_weights_add(struct ope_weights *w, double x, bool cut)
{
    w->sum += x;
    w->squares += x * x;
    w->most = x > w->most ? x : w->most;
    w->n++;
    w->cut += cut;
}

/* One estimator of a report. */
struct ope_row {
    const char *name;
    const char *reason; /* why it is not given, or NULL */
    struct sums_form form;
    const struct ope_weights *weights; /* as it uses them; NULL: none */
    const struct ope_weights *uncut;   /* the same before any cut; NULL: none */
};

/*
 * Fills *out, whose n, slots and rewarded are set. `prefer` names the estimators that the
 * answer may stand on, best first, NULL at the end: the first that is given, unless its
 * effective sample size is too small and a later one's is not.
 */
int ope_judge(const struct sums *s, const struct ope_row *row, size_t n,
              const char *const *prefer, const struct ope_options *o,
              struct penchant_ope *out, struct penchant_error *err);

/* Whether x[0..n) are all within; PENCHANT_EINVALID names field and index. `above`: the
   lower bound itself is not allowed. */
struct ope_range {
    double low, high;
    bool above;
};
int ope_check(const double *x, size_t n, struct ope_range range, const char *field,
              struct penchant_error *err);
int ope_check_options(const struct ope_options *o, struct penchant_error *err);

#endif

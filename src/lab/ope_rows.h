/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log for off-policy evaluation, read from a CSV file (plain, .gz, .zst or "-") by the
 * names of its columns, and brought into the arrays that src/evaluate/ope.h takes. Any bad
 * line refuses the file, with file, line, column and reason: numbers that nobody sees
 * missing would be worse than none.
 *
 * Slates are put together by the slate's name, wherever its rows stand, in the order of
 * their positions, and come in the order in which they first appear.
 *
 * Memory: the columns as doubles and the distinct texts, at most OPE_ROWS_MAX rows; the
 * target's probabilities of all actions at most OPE_CELLS_MAX numbers.
 */
#ifndef LAB_OPE_ROWS_H
#define LAB_OPE_ROWS_H

#include <stdbool.h>

#include "base/names.h"
#include "evaluate/ope.h"

enum { OPE_ROWS_MAX = 100000000, OPE_CELLS_MAX = 1 << 27 };

/* Columns of numbers and of texts. */
enum ope_number {
    OPE_REWARD,
    OPE_PROPENSITY,
    OPE_TARGET,
    OPE_QUALITY,
    OPE_DIRECT,
    OPE_MRDR_QUALITY,
    OPE_MRDR_DIRECT,
    OPE_GROUP_TARGET,
    OPE_GROUP_PROPENSITY,
    OPE_SLOT_TARGET,
    OPE_SLOT_PROPENSITY,
    OPE_POSITION, /* of slates: a number, so that slots have an order */
    OPE_NUMBERS
};
enum ope_text { OPE_ACTION, OPE_SLATE, OPE_USER, OPE_GROUP, OPE_STRATUM, OPE_TEXTS };

/* Which columns are what; NULL: not given. */
struct ope_columns {
    const char *number[OPE_NUMBERS];
    const char *text[OPE_TEXTS];
    const char *context; /* names by comma */
    const char *all;     /* the target's probability of action A is in column `all`A */
};

struct ope_rows {
    const char *path; /* the caller's */
    size_t n;
    uint64_t *line;              /* (n) of the file */
    double *number[OPE_NUMBERS]; /* (n) or NULL */
    uint32_t *text[OPE_TEXTS];   /* (n) or NULL */
    struct names names[OPE_TEXTS];
    double *context; /* (n, n_context) */
    uint32_t n_context;
    double *policy; /* (n_policies, actions) the target's of all actions, or NULL */
    uint32_t *policy_of;
    size_t n_policies;
    double *group_weight; /* (n) */
    /* Of slates alone. */
    size_t n_slates;
    size_t *start; /* (n_slates + 1) */
    uint32_t *slate_user;
};

/* Zeroed on failure. */
int ope_rows_read(struct ope_rows *r, const char *path, const struct ope_columns *c,
                  struct penchant_error *err);
void ope_rows_release(struct ope_rows *r);

/*
 * What the log itself tells of its columns: fits the model of the reward where quality and
 * direct are missing, MRDR's, and the groups' probabilities from the weights of their rows
 * (the mean of w over the rows of a group and a position, which estimates w(e) where the
 * weight does not depend on the context otherwise). What cannot be told stays NULL.
 */
int ope_rows_complete(struct ope_rows *r, struct penchant_error *err);

int ope_rows_run(const struct ope_rows *r, const struct ope_options *o,
                 struct penchant_ope *out, struct penchant_error *err);

#endif

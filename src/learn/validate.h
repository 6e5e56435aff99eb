/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NDCG@10 of a model on the choosing half (held_out.h) of the validation events of its
 * training data, for early stopping and for the choice of a recipe.
 */
#ifndef LEARN_VALIDATE_H
#define LEARN_VALIDATE_H

#include "learn/train.h"

enum { VALIDATE_CASES = 10000 }; /* at most, evenly spread over the users */

struct validation {
    const struct train_data *data;
    uint64_t *at;    /* (n) the events to be predicted */
    uint64_t *start; /* (n) the first event of the same user */
    size_t n;
};

int validation_init(struct validation *v, const struct train_data *data);
void validation_release(struct validation *v);

/* Ranks every item for every case; equal scores rank against the model. */
int validation_ndcg10(const struct validation *v, const struct model *m,
                      struct pool *pool, double *ndcg);

/* The same case by case: gain (v->n) is what each adds, whose mean is the NDCG@10. */
int validation_gains(const struct validation *v, const struct model *m, struct pool *pool,
                     double *gain);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AdamW (Loshchilov and Hutter 2019). Tensors are updated whole; of the item table, when
 * the gradient keeps rows only, just the touched rows (their moments do not decay in
 * between). Rows of items with content are brought back inside their bound
 * (model/item_content.h).
 */
#ifndef LEARN_OPTIMISER_H
#define LEARN_OPTIMISER_H

#include "base/pool.h"
#include "learn/gradient.h"

struct optimiser {
    float *mean, *square; /* (n_params) */
    uint64_t step;
    float beta1, beta2, epsilon, decay; /* decay: not of norms and biases */
};

int optimiser_init(struct optimiser *o, const struct model *m, float decay);
void optimiser_release(struct optimiser *o);

/* One step with a finished gradient (gradient_finish). */
void optimiser_update(struct optimiser *o, struct model *m, const struct gradient *g,
                      float rate, struct pool *pool);

#endif

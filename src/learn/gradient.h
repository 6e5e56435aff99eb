/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one thread has summed up of a step's gradient. The tensors before `item` in the
 * slab are dense. The item vectors (E and attributes together) are either a whole table,
 * for the full softmax, or only the rows that were touched, so that a step costs the same
 * in a small catalogue and a large one.
 */
#ifndef LEARN_GRADIENT_H
#define LEARN_GRADIENT_H

#include "kernels/kernels.h"
#include "model/model.h"

struct gradient {
    const struct kernels *k;
    size_t dim, n_dense, n_items;
    float *dense;   /* (n_dense) in the model's layout */
    float *item;    /* (n_items, d) whole table; NULL when only rows are kept */
    float *scored;  /* of the vectors as scores use them; = item unless normalised */
    uint32_t *row;  /* (n_rows) the touched items, by first touch */
    uint32_t *slot; /* (n_items) 1 + index into row, or 0 */
    float *value;   /* (cap_rows, d) gradient of row[i] */
    uint32_t n_rows, cap_rows;
    double loss; /* summed over targets */
    uint64_t targets;
    bool failed; /* out of memory: the step is void */
};

int gradient_init(struct gradient *g, const struct model *m, bool whole);
void gradient_release(struct gradient *g);
void gradient_clear(struct gradient *g);

/* Where the gradient of item i's vector is summed; valid until the next call. */
float *gradient_row(struct gradient *g, uint32_t i);

/* to += from, part `part` of `parts` (whole tables) or all at part 0 (rows). */
void gradient_merge(struct gradient *to, const struct gradient *from, uint32_t part,
                    uint32_t parts);

/* With y = factor x / |x|: dx += the gradient of x, from dy. */
void gradient_unit_backward(const struct kernels *k, float *dx, const float *dy,
                            const float *x, float factor, size_t d);

/* Turns the gradient of item vectors into those of E and of the attributes, after
   merging: the chain through normalisation first, then a share to every attribute. */
void gradient_finish(struct gradient *g, const struct model *m);

#endif

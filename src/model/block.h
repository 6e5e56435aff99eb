/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One gated attention block over a packed batch, forward and backward (the formulas are
 * in model.h). The caller owns all memory; what the backward pass needs is kept in
 * block_memory, what only one call needs is shared by all blocks in block_scratch.
 */
#ifndef MODEL_BLOCK_H
#define MODEL_BLOCK_H

#include "model/network.h"

enum block_memory_part {
    BLOCK_NORM1,     /* (n, d) LN(x) */
    BLOCK_STAT1,     /* (n, 2) */
    BLOCK_PROJECTED, /* (n, w) a W_in before SiLU; w = 4d gated [U,V,Q,K], 3d [V,Q,K] */
    BLOCK_ACTIVE,    /* (n, w) after SiLU; gated only, else the same as above */
    BLOCK_SCORE,     /* per sequence and head (n_s, n_s), see attention.h */
    BLOCK_ATTENDED,  /* (n, d) A V */
    BLOCK_STAT_ATTENDED, /* (n, 2) gated */
    BLOCK_NORMED,        /* (n, d) LN(A V), gated */
    BLOCK_GATED,         /* (n, d) U * LN(A V), gated */
    BLOCK_MIDDLE,        /* (n, d) x after attention, with feed-forward */
    BLOCK_NORM2,         /* (n, d) */
    BLOCK_STAT2,         /* (n, 2) */
    BLOCK_HIDDEN,        /* (n, ffn_dim) after relu and dropout */
    BLOCK_MEMORY
};

enum block_scratch_part {
    BLOCK_BRANCH,     /* (n, d) */
    BLOCK_DBRANCH,    /* (n, d) */
    BLOCK_DWIDE,      /* (n, max(w, ffn_dim)) */
    BLOCK_TRANSPOSED, /* the largest weight matrix, transposed */
    BLOCK_WORK,       /* of attention */
    BLOCK_SCRATCH
};

struct block_memory {
    float *part[BLOCK_MEMORY];
};

struct block_scratch {
    float *part[BLOCK_SCRATCH];
};

struct block {
    const struct kernels *k;
    const struct model *model;
    const struct model_block *weights;
    const struct batch *batch;
    struct block_memory *memory;
    struct block_scratch *scratch;
    float dropout;
    uint32_t seed;
};

/* Floats of each part for up to n tokens. */
void block_memory_sizes(const struct model_config *c, size_t n,
                        size_t size[BLOCK_MEMORY]);
void block_scratch_sizes(const struct model_config *c, size_t n,
                         size_t size[BLOCK_SCRATCH]);

/* y (n, d) from x (n, d) */
void block_forward(const struct block *b, float *y, const float *x);

/* dx holds dy and becomes the gradient of x; weight gradients are added to grad (the
   model's layout). */
void block_backward(const struct block *b, float *dx, const float *x, float *grad);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model over packed batches: forward and backward. Sequences stand one behind the
 * other without padding. A network is the scratch memory of one thread; it belongs to one
 * caller at a time and remembers its last forward pass for the backward one.
 */
#ifndef MODEL_NETWORK_H
#define MODEL_NETWORK_H

#include "kernels/kernels.h"
#include "model/model.h"

/* Sequences for the model: sequence s has tokens [start[s], start[s + 1]), at most
   max_length of them; token number = position in the window. */
struct batch {
    uint32_t n, n_sequences;
    uint32_t cap, cap_sequences;
    uint32_t *start;    /* (cap_sequences + 1) */
    uint32_t *item;     /* (cap) */
    uint32_t *target;   /* (cap) the item to be predicted, or NAMES_NONE: no loss */
    uint8_t *type;      /* (cap) */
    float *time;        /* (cap) seconds since the sequence's first event */
    float *target_time; /* (cap) the time of the event to be predicted, same zero */
};

int batch_init(struct batch *b, uint32_t cap, uint32_t cap_sequences); /* 0 or ENOMEM */
void batch_release(struct batch *b);
void batch_clear(struct batch *b);

struct network;

/* Scratch for batches of up to cap tokens of this model's configuration; NULL: no
   memory. */
struct network *network_new(const struct model *m, uint32_t cap);
void network_free(struct network *net);

struct network_pass {
    const struct model *model;
    const struct batch *batch;
    const float *vectors; /* (n_items, d) unnormalised item vectors, or NULL: made here */
    float dropout;        /* 0 when not training */
    uint32_t seed;        /* of the dropout, another for every pass */
};

/* Returns the output rows (batch->n, d), the network's until the next pass. */
const float *network_forward(struct network *net, const struct network_pass *p);

/*
 * After network_forward with the same p. dh (n, d) is the gradient of the output rows and
 * is overwritten by the gradient of the tokens' item vectors. grad has the model's
 * layout; the gradients of all tensors but `item` and `attribute` are added to it.
 */
void network_backward(struct network *net, const struct network_pass *p, float *dh,
                      float *grad);

/* The keys and values that a block saw in the last pass, (n, d) with a row stride. */
struct network_memory {
    const float *key, *value;
    size_t stride;
};
struct network_memory network_memory(const struct network *net, const struct model *m,
                                     uint32_t block);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The losses over output rows, with their gradients in the same pass. For row t with a
 * target:
 *   full     -log softmax over all items
 *   sampled  the same over the target and `negatives` items shared by the rows of a call,
 *            drawn half uniformly and half by frequency; a negative's score is lowered by
 *            the log of how often it is expected among them (logQ: Bengio and Senecal
 *            2008, Yi et al. 2019), and a negative that is the target does not count
 *   gbce     binary cross-entropy with `negatives` items of its own for every row,
 *            uniform, the positive's probability to the power beta (gSASRec, Petrov and
 *            Macdonald 2023, t = 0.75)
 * Everything is multiplied by `weight` (1 / targets of the step) on the way back.
 */
#ifndef LEARN_LOSS_H
#define LEARN_LOSS_H

#include "base/pool.h"
#include "base/rng.h"
#include "learn/gradient.h"
#include "learn/train.h"

enum { LOSS_ROWS = 128 }; /* rows of a chunk */

/* What all threads share in a step: the item vectors, in the forms that products want. */
struct loss_tables {
    const struct model *model;
    const struct kernels *k;
    const struct kernels_bf16 *bf16; /* NULL: products in float */
    enum train_loss loss;
    uint32_t negatives;
    float *vectors;    /* (n_items, d) unnormalised; NULL: the parameters are they */
    float *scored;     /* (n_items, d) as scores use them; NULL: as above */
    float *transposed; /* (d, n_items) of scored, full without bf16 */
    uint32_t *along;   /* (d / 2, n_items) pairs of the transposed, full with bf16 */
    uint32_t *down;    /* ((n_items + 1) / 2, d) pairs of scored */
    const uint32_t
        *events; /* (n_events) items of all training events: draws by frequency */
    uint64_t n_events;
    const float *frequency; /* (n_items) share of each item among them */
    /* With content, an item that no training event names is not taken for one that nobody
       wants: it is no negative, and its delta stays 0. Borrowed; n_seen 0: all are. */
    const uint32_t *seen, *unseen; /* (n_seen), (n_unseen) items */
    uint32_t n_seen, n_unseen;
};

/* How many items are drawn from uniformly, and the one with this number among them. */
static inline uint32_t loss_drawable(const struct loss_tables *t)
{
    return t->n_seen ? t->n_seen : t->model->config.n_items;
}

static inline uint32_t loss_drawn(const struct loss_tables *t, uint32_t at)
{
    return t->n_seen ? t->seen[at] : at;
}

int loss_tables_init(struct loss_tables *t, const struct model *m,
                     const struct train_options *o);
void loss_tables_release(struct loss_tables *t);

/* Makes the tables anew after the parameters have changed. */
void loss_tables_update(struct loss_tables *t, struct pool *pool);

/* The vectors that tokens use, for network_pass.vectors; NULL: made from the parameters. */
const float *loss_token_vectors(const struct loss_tables *t);

/* (n_items, d) as scores use them; full softmax and gbce only. */
const float *loss_scored_vectors(const struct loss_tables *t);

/* Scratch of one thread. */
struct loss_scratch {
    float *h, *dh; /* (LOSS_ROWS, d) rows with a target, and their gradients */
    float *unit;   /* (LOSS_ROWS, d) h / |h|, when normalised */
    float *score;  /* (rows at a time, n_items or negatives + 1) */
    uint32_t *h_along, *h_down, *p_along, *p_down; /* pairs */
    float *negative, *negative_t, *dnegative; /* (negatives, d), (d, negatives), .. */
    float *correction;                        /* (negatives) */
    uint32_t *id;                             /* (negatives) */
    uint32_t rows;                            /* rows of scores at a time */
};

int loss_scratch_init(struct loss_scratch *s, const struct loss_tables *t);
void loss_scratch_release(struct loss_scratch *s);

struct loss_rows {
    const float *h;         /* (n, d) */
    const uint32_t *target; /* (n) item or NAMES_NONE */
    size_t n;
    float weight;
    struct rng *rng;
};

/* Adds the loss and the gradient of item vectors to g, writes dh (n, d). */
void loss_run(const struct loss_tables *t, struct loss_scratch *s,
              const struct loss_rows *r, float *dh, struct gradient *g);

/*
 * Softmax with -log likelihood of one row: adds the loss to g, turns score (n) into
 * exponentials with their sum taken off at `target`, and returns the factor that makes
 * them (p - 1[target]) * weight.
 */
float loss_softmax_row(const struct loss_tables *t, float *score, size_t n, size_t target,
                       float weight, struct gradient *g);

/*
 * One loss: chunk() does at most LOSS_ROWS rows that all have targets, in s->h, and
 * leaves s->dh; begin() and end() stand around all chunks of a call. May be NULL.
 */
struct loss_kind {
    void (*begin)(const struct loss_tables *t, struct loss_scratch *s, struct rng *rng);
    void (*chunk)(const struct loss_tables *t, struct loss_scratch *s,
                  const uint32_t *target, size_t rows, const struct loss_rows *r,
                  struct gradient *g);
    void (*end)(const struct loss_tables *t, struct loss_scratch *s, struct gradient *g);
};
extern const struct loss_kind loss_full, loss_sampled, loss_gbce;

#endif

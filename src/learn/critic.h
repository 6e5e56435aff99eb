/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values: what an item is worth to a shopper in the long run, by one critic for each
 * objective, so that a frequent reward does not drown a rare one. A critic stands on the
 * sequence model's state of a shopper and its item vectors, and changes neither.
 *
 *   state   x    = [h / |h|, facts, 1]                 (inputs)  critic_input()
 *   hidden  z    = relu(x A)                           (hidden)
 *   V(s)         = R_0 . [x, z]
 *   Q_k(s, a)    = x W_k . e_a / |e_a| + R_k . [x, z]  k = 1, 2: twins
 *   Q(s, a)      = min(Q_1, Q_2)
 *
 * The bilinear form is a table Q[s][a] where states and items are one-hot, costs a state d
 * products of a row and an item two dots, and can be searched as any item vector. What is
 * learned, and how, is in learn/critic_loss.h. Values are in units of the rewards; inside
 * the network they are divided by head.scale, the deviation of the returns.
 *
 * A critic is immutable once it is shared; any thread.
 */
#ifndef LEARN_CRITIC_H
#define LEARN_CRITIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "model/checkpoint.h"

enum critic_objective {
    CRITIC_PURCHASE,   /* what is bought, a purchase by its price */
    CRITIC_ENGAGEMENT, /* looks, wishes, carts, purchases; dislikes count against it */
    CRITIC_STAYING,    /* further events of the same visit */
    CRITIC_OBJECTIVES
};

extern const char *const critic_names[CRITIC_OBJECTIVES]; /* "purchase", .. */
extern const float critic_discounts[CRITIC_OBJECTIVES];   /* 0.95, 0.7, 0.99 an event */

/* Why an objective has no critic. */
enum critic_why {
    CRITIC_GIVEN,
    CRITIC_UNTRAINED, /* training left values out */
    CRITIC_UNLOGGED,  /* the log earns nothing of it, or the same everywhere */
    CRITIC_TOO_FEW,   /* too few transitions or users to learn from and to judge by */
    CRITIC_WHYS
};

/* One sentence for each; NULL for CRITIC_GIVEN. */
const char *critic_reason(enum critic_why why);

/* What a state says beside h: shares of kinds of events, how many, since when. */
enum { CRITIC_FACTS = 13, CRITIC_LOOK_BACK = 50, CRITIC_HIDDEN = 32 };

struct critic_form {
    uint32_t dim;    /* of item vectors */
    uint32_t inputs; /* of a state */
    uint32_t hidden;
};

/* How good a critic is, on users it has not learned from. In units of the rewards. */
struct critic_figures {
    float n, users;         /* states, and whose; 0: not judged */
    float mean_return;      /* what came of them, discounted, until the log's end */
    float mean_value;       /* mean V(s) */
    float td_error;         /* root mean square of r + gamma V(s') - Q(s, a) */
    float rmse;             /* of V(s) against the return */
    float mean_rmse;        /* of the mean return of the users learned from */
    float rate_rmse;        /* of a line through the user's recent rate of reward */
    float gain, gain_error; /* rate_rmse^2 - rmse^2, standard error by user */
    float spearman;         /* rank correlation of V(s) with the return */
    float rate_spearman;    /* of the recent rate */
    float action_spearman;  /* of Q(s, a) of what was chosen */
};

enum { CRITIC_FIGURES = 13 };

struct critic_head {
    enum critic_why why;
    float gamma, scale;
    float *param; /* (critic_size()) affine (inputs, 2 dim + hidden): W_1, W_2, A side by
                     side; then R (3, inputs + hidden) */
    struct critic_figures figures;
};

struct critic {
    struct critic_form form;
    struct critic_head head[CRITIC_OBJECTIVES];
    float *slab; /* of all parameters, owned */
};

/* Parameters of one head, and where R begins among them. */
size_t critic_size(const struct critic_form *f);
size_t critic_heads_at(const struct critic_form *f);
static inline size_t critic_width(const struct critic_form *f)
{
    return 2 * (size_t)f->dim + f->hidden;
}

/* All heads untrained and zero; NULL: no memory. */
struct critic *critic_new(const struct critic_form *f);
void critic_free(struct critic *c);

/* The form for a model's states: h, the facts, a constant. */
struct critic_form critic_form_of(uint32_t dim);

/*
 * The facts of a moment from the newest events (n, oldest first; more than
 * CRITIC_LOOK_BACK: the newest count) of somebody who had `total` of them. Without a clock
 * times are not looked at.
 */
void critic_facts(const uint8_t *type, const int64_t *ts_us, size_t n, uint64_t total,
                  int64_t now_us, bool has_clock, float facts[CRITIC_FACTS]);

/* x (inputs) of a query vector h (dim) of any length. */
void critic_input(const struct critic_form *f, const float *h,
                  const float facts[CRITIC_FACTS], float *x);

/*
 * Values of n items in state x: out (CRITIC_OBJECTIVES, n). vector[i] (dim) may have any
 * length; NULL, and objectives without a critic, give NaN. About 0.05 ms for 500 items of
 * 64 numbers. 0 or PENCHANT_ENOMEM.
 */
int critic_values(const struct critic *c, const float *x, const float *const *vector,
                  size_t n, float *out);

/* V(s) of each objective; NaN without a critic. */
void critic_state_values(const struct critic *c, const float *x,
                         float v[CRITIC_OBJECTIVES]);

/* ---- critic_keep.c: to and from a checkpoint, tensors "critic.*" ---- */

enum { CRITIC_EXTRAS = 1 + 2 * CRITIC_OBJECTIVES, CRITIC_KEPT = 3 + CRITIC_FIGURES };

/* Room for what is no tensor of its own: why, gamma, scale, figures. */
struct critic_kept {
    float facts[CRITIC_OBJECTIVES][CRITIC_KEPT];
};

/* Fills up to CRITIC_EXTRAS entries that borrow from c and kept; c NULL: none. */
size_t critic_extras(const struct critic *c, struct critic_kept *kept,
                     struct checkpoint_extra *extra);

/* *out is the caller's; NULL where the checkpoint has none or one of another form.
   ECORRUPT for one that cannot be. */
int critic_load(struct critic **out, const char *path, uint32_t dim,
                struct penchant_error *err);

#endif

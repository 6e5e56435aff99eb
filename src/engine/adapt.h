/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What feedback teaches at once: two Bayesian last layers (learn/last_layer.h) that change
 * with every place of a list whose outcome is settled (engine/feedback.h tells them, in
 * the order of the log), and so change the next list of everybody.
 *
 *   engage  was the place taken:  logit P = s(i) + w'phi, seen with the chance of its
 *           position (policy/reward.h); s(i) is the blend's score of the item less the
 *           candidates' mean, each as likely as the blend says
 *   buy     once taken, was it bought: logit P = -3 + v'phi. An item counts as not bought
 *           when it is taken and as bought when it is, both weighing alike ("fake
 *           negatives", Ktena et al. 2019): nothing has to wait for a window to pass
 *
 * and the score of an item becomes
 *
 *   score + w'phi + log((1 + R b(i)) / (1 + R b)),  b = sigmoid(-3 + v'phi), b(i) and on
 *                                                   average, R = reward of buying / of taking
 *
 * at most ADAPT_MOST either way: exactly the score before any feedback. How unsure w'phi
 * is (its standard deviation) is what exploration adds kappa times.
 *
 * phi of an item is made when the list is and logged with the list (its first ADAPT_PLACES
 * places), so that what is learned from is what was shown, and a shop that opens again
 * reads its log to the same bits. A category counts as the catalogue has it when the
 * outcome comes.
 *
 * Memory: the newest ADAPT_LISTS lists (at most ADAPT_LISTS x ADAPT_PLACES x 84 bytes,
 * 44 MB; 7 MB where lists have 10 places) and adapt_rates.h. An outcome of an older list
 * teaches nothing. Threads: the writer calls slate, told, erase; the others may run beside.
 */
#ifndef ENGINE_ADAPT_H
#define ENGINE_ADAPT_H

#include "behaviour/catalog.h"
#include "engine/feedback.h"
#include "evidence/evidence.h"
#include "policy/reward.h"
#include "retrieval/topk.h"
#include "store/store.h"

enum { ADAPT_LISTS = 1 << 13, ADAPT_PLACES = 64 };
#define ADAPT_MOST 4.0F

/* phi. The scales stand in adapt_features.c; a log keeps the vectors, so what one means
   must not change. */
enum adapt_feature {
    ADAPT_ONE,
    ADAPT_LEVEL,  /* how sure the blend is of its best item; as ADAPT_ONE, of the list */
    ADAPT_SCORE,  /* the blend's score, and.. */
    ADAPT_SOURCE, /* ..what each source contributed, against the mean under the blend */
    ADAPT_NOVELTY = ADAPT_SOURCE + EVIDENCE_SOURCES,
    ADAPT_PRICE,     /* log of the price over what this user usually looks at, */
    ADAPT_PRICE_GAP, /* and how far off it is */
    ADAPT_RECENT,    /* among the user's newest 32 items, */
    ADAPT_JUST,      /* and how near the end */
    ADAPT_ITEM_LIFT, /* adapt_rates.h */
    ADAPT_KIND_LIFT,
    ADAPT_USER_ITEM_LIFT,
    ADAPT_USER_KIND_LIFT,
    ADAPT_USER_ITEM_SHOWN,
    ADAPT_USER_KIND_SHOWN,
    ADAPT_DIM
};
_Static_assert(ADAPT_DIM == 21, "adapt.h states the memory bound");

struct adapt;

/* NULL: no memory. The catalogue outlives it. */
struct adapt *adapt_new(const struct rewards *rewards, const struct catalog *catalog);
void adapt_free(struct adapt *a);

/* A list with features, in the order of the log. 0 or PENCHANT_ENOMEM. */
int adapt_slate(struct adapt *a, const struct store_slate *s);

/* A feedback_told_fn: an outcome. 0 or PENCHANT_ENOMEM. */
int adapt_told(void *a, const struct feedback_told *t);

/* Forgets the user's lists and pairs; the weights stay until the shop is opened anew. */
void adapt_erase_user(struct adapt *a, uint32_t user);

uint64_t adapt_settled(const struct adapt *a); /* outcomes so far; the writer's */
void adapt_read(struct adapt *a, struct penchant_adaptation *out);

/* ---- a list ---- */

/* The candidates of one list as the layers see them. */
struct adapt_view {
    struct adapt *adapt;
    bool correct;           /* else the scores stay as they are */
    uint32_t user;          /* NAMES_NONE: unknown visitor */
    double log_price;       /* the mean of what the user looked at; NaN: unknown */
    const uint32_t *recent; /* (n_recent) the user's items, oldest first; borrowed */
    uint32_t n_recent;
    size_t n;
    uint32_t *item;    /* (n) */
    float *phi;        /* (n, ADAPT_DIM) */
    float *correction; /* (n) */
};

/* Where the candidates come from. */
struct adapt_candidates {
    const uint32_t *item;
    size_t n;
    const float *score, *parts, *novelty; /* (n), (EVIDENCE_SOURCES, n), (n) */
    double log_sum;                       /* of exp(score) */
};

/* Fills the view anew: 0 or PENCHANT_ENOMEM. The catalogue is locked for reading. */
int adapt_view_fill(struct adapt_view *v, const struct adapt_candidates *c);
void adapt_view_release(struct adapt_view *v);

/* Which candidate an item is; it is one. */
size_t adapt_view_find(const struct adapt_view *v, uint32_t item);

/* How unsure the layer is of each of n hits, into unsure (n). */
void adapt_view_unsure(const struct adapt_view *v, const struct topk_hit *hit, size_t n,
                       double *unsure);

/* What the log keeps of n hits: (min(n, ADAPT_PLACES), ADAPT_DIM), to be freed, and how
   many floats these are; NULL: no memory. */
float *adapt_view_features(const struct adapt_view *v, const struct topk_hit *hit,
                           size_t n, uint32_t *n_features);

#endif

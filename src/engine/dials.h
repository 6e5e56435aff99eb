/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a list is to be good at beside being wanted (docs/balance.md). From the best
 * DIALS_POOL candidates (twice as many as are wanted where that is more) the list is built
 * place by place, always with the largest
 *
 *   relevance x score + 5 x (value V + revenue R + novelty N + new C + coverage U
 *                            + L - diversity max over those above of S)
 *
 * where every capital is in [0, 1]: V the critic's value of buying and R log(1 + price),
 * both between the least and the largest of the candidates (unknown ones at the mean; the
 * score being the logarithm of a probability, this weighs the probability times a power of
 * the price); N = 1 / (1 + events / their mean over all items); C 1 in a category that the
 * user has wanted nothing of; U = 1 / (1 + how often it was shown of late); L the nearness
 * to the long-term interest, times the dial, and to the present one, times the rest
 * (interest/leaning.h); S the mean of what two items have of their categories in common
 * (Jaccard) and of the cosine of their vectors (not below 0), as far as both are known
 * (greedy maximal marginal relevance, Carbonell and Goldstein 1998).
 *
 * A dial of the request goes before the multiplier of the target of that name, which
 * stands for five times as much: a multiplier of 5 is a dial of 1. Without dials and
 * multipliers nothing is done at all.
 *
 * Memory: 60 bytes a candidate. Threads: the caller's struct; p->lock held for reading.
 */
#ifndef ENGINE_DIALS_H
#define ENGINE_DIALS_H

#include "engine/engine.h"
#include "engine/snapshot.h"
#include "engine/want.h"
#include "retrieval/topk.h"

enum { DIALS_POOL = 200 };

struct dials {
    double relevance;
    double value, revenue, novelty, categories, coverage, diversity; /* x 5 already */
    double long_term; /* NaN: not asked for */
    double explore;   /* the share of drawn lists; NaN: as configured */
    bool active;      /* anything but explore and the plain ranking is wanted */
    const char *warning;
    struct topk_hit *plain; /* (n) the candidates with their own scores, by row; NULL: the
                               list's are they */
    double *made;           /* (n) the scores of the list, while its own stand in it */
    uint32_t n;
};

/* What the request says over the shop's multipliers; PENCHANT_EINVALID names the field. */
int dials_init(struct dials *d, struct penchant *p, const struct penchant_request *r,
               struct penchant_error *err);
void dials_release(struct dials *d);

/* How many candidates are wanted for a list of k where `pool` would do without dials. */
uint32_t dials_pool(const struct dials *d, uint32_t pool, size_t k);
/* And how many must be there, or the whole catalogue is looked at: what is new or dear may
   be what no source of evidence speaks for. */
uint32_t dials_enough(const struct dials *d, size_t k);

/*
 * Puts hit[n], best first, into the order of the dials, with the scores by which it was
 * made, and returns n or PENCHANT_ENOMEM. Only the first `length` places are chosen with
 * what stands above them in view; those behind keep their order.
 */
int64_t dials_rank(struct dials *d, struct penchant *p, const struct snapshot *s,
                   const struct want *w, const struct evidence_query *q,
                   struct topk_hit *hit, size_t n, size_t length);

/* Gives the n chosen items their own scores back, which are what can be explained, and
   tells what was made of them: the list's scores and the parts that are not their own. */
void dials_set_apart(struct dials *d, struct topk_hit *hit, size_t n);
void dials_tell(const struct dials *d, struct penchant_list *list);

/* The share of two items' categories that they have in common; NaN: unknown of one. */
double dials_common(const struct catalog *c, uint32_t a, uint32_t b);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list that is drawn instead of ranked: from the best DRAW_POOL candidates, or twice as
 * many as are wanted where that is more, with the propensity of every slot
 * (policy/explore.h). How unsure the shop is of an item is 1 / sqrt(1 + its events), and
 * in one that learns from feedback what adapt_view_unsure() says.
 * What the log keeps of it are the options, the DRAW_KEPT best candidates and those that
 * are shown, with scores, and the normaliser of all: enough to tell the propensities of
 * the list under these and any other options of its kind.
 */
#ifndef ENGINE_DRAW_H
#define ENGINE_DRAW_H

#include "engine/adapt.h"
#include "engine/engine.h"
#include "policy/explore.h"
#include "retrieval/topk.h"

enum { DRAW_POOL = 200, DRAW_KEPT = 50 };

struct draw {
    struct explore_options options;
    uint64_t seed;
    float *propensity;          /* (n); NULL: the list is the ranking */
    struct store_choice choice; /* its arrays are ours */
    void *block;                /* behind all of them */
};

/* What the request says over the dial of the balance (NaN: none) over what is configured;
   PENCHANT_EINVALID names the field. */
int draw_init(struct draw *d, const struct penchant *p, const struct penchant_request *r,
              double dial, struct penchant_error *err);
void draw_release(struct draw *d);

/* How many candidates are wanted for a list of k: k when nothing is drawn. */
uint32_t draw_pool(const struct draw *d, size_t k);

/*
 * Turns hit[n], the candidates best first, into the list of min(k, n) and returns its
 * length, or PENCHANT_ENOMEM. view: of the candidates, or NULL. p->lock is held for
 * reading.
 */
int64_t draw_list(struct draw *d, const struct penchant *p, const struct adapt_view *view,
                  struct topk_hit *hit, size_t n, size_t k);

#endif

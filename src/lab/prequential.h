/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Test, then train, through time (Dawid 1984): every event after the split is first
 * predicted and then learned from, as in an open shop. Three shops with the same model and
 * the same weights answer each case:
 *
 *   live           counts every event as it comes and knows what each user did up to now
 *   frozen counts  knows what each user did up to now; its counters stand still at the
 *                  split, and an item that came later is in none of its lists
 *   frozen state   counts every event, but knows of each user only what was before the
 *                  split (the request of such a user is made at the time of their first
 *                  event after it, which is when that state was last asked)
 *
 * The model is trained, and the weights are fitted, on what was before the split. What is
 * learned live is the state and the counters; the networks are those that were served.
 */
#ifndef LAB_PREQUENTIAL_H
#define LAB_PREQUENTIAL_H

#include "lab/protocol_score.h"

enum prequential_shop { SHOP_LIVE, SHOP_FROZEN_COUNTS, SHOP_FROZEN_STATE, SHOPS };
enum {
    PREQUENTIAL_CASES = 20000, /* asked at most, evenly through time; all are learned */
    PREQUENTIAL_PARTS = 10     /* of the time after the split, reported one by one */
};

struct prequential_scores {
    size_t events;          /* after the split, all learned from */
    size_t cases;           /* of them predicted */
    size_t new_users;       /* cases of users who came after the split */
    size_t unknown_targets; /* cases whose item nobody had named before: misses */
    struct metrics shop[SHOPS];
    struct metrics part[PREQUENTIAL_PARTS][SHOPS];
    struct blend blend;
    struct blend_report fitted;
};

extern const char *const prequential_names[SHOPS];

/* The protocol is PROTOCOL_PREQUENTIAL. On success *out is the caller's to release;
   PENCHANT_EINTERRUPTED when progress said so. */
int prequential_score(struct prequential_scores *out, const struct protocol *p,
                      const struct score_options *o, struct penchant_error *err);
void prequential_scores_release(struct prequential_scores *s);

#endif

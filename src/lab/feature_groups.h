/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups of a catalogue's items by their features, for actors that spread their lists over
 * topics that nobody named. Features of which none is negative are read as shares of
 * topics: an item's group is its largest. Others are grouped by spherical k-means
 * (interest/segments_fit.h), as many groups as there are features. At most
 * FEATURE_GROUPS_MOST of either.
 */
#ifndef LAB_FEATURE_GROUPS_H
#define LAB_FEATURE_GROUPS_H

#include "lab/actor.h"

enum { FEATURE_GROUPS_MOST = 64 };

/* (n) the group of every item, the caller's to free; NULL: no memory. Without features all
   are in one group. */
uint8_t *feature_groups_find(const struct actor_catalog *c, uint64_t seed);

/* The best k of n by score, ties to the smaller number, at most `most` of one group as long
   as that leaves enough; group NULL: of all one group. score is changed. */
void feature_groups_best(double *score, uint32_t n, const uint8_t *group, uint32_t most,
                         uint32_t k, uint32_t *item);

#endif

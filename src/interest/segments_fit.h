/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding segments: spherical k-means (Dhillon and Modha 2001) from k-means++ starts
 * (Arthur and Vassilvitskii 2007) on a reservoir sample, and the choice of how many by
 * what they are for.
 *
 * A number of segments K is judged by how much better a user's held-out next item is
 * predicted by what the user's segment wanted than by what everybody wanted:
 *
 *   gain = mean over cases of ln p(i | segment) - ln p(i)          (nats)
 *   p(i | s) = (n_si + a p(i)) / (n_s + a)
 *
 * with the counts of training events of the newest SEGMENTS_WINDOW of each user, both
 * divided by what is left of them without the items that the user had before (those are
 * no answers). a, how many events of the shop's make a segment's shares sure, is the
 * best of segments_priors. Of the
 * numbers tried the smallest is taken whose gain lies within one standard error (of the
 * paired difference) of the best: no more segments than the data ask for.
 *
 * Deterministic: the same data, seed and instruction set give the same bits with any
 * number of threads. Memory: 19 bytes a user, 20 an item, 148 a held-out case, and for
 * each thread 256 rows and their nearness to each centre.
 */
#ifndef INTEREST_SEGMENTS_FIT_H
#define INTEREST_SEGMENTS_FIT_H

#include "base/pool.h"
#include "interest/segments.h"

enum {
    SEGMENTS_SAMPLE = 20000,   /* users that k-means sees at most */
    SEGMENTS_LEAST_USERS = 20, /* a segment, on average, at least */
    SEGMENTS_MAX_CHOICES = 12,
    SEGMENTS_PRIORS = 6
};

extern const double segments_priors[SEGMENTS_PRIORS]; /* 100 to 30,000 */

/* Users as points, and what they did; all borrowed. */
struct segments_data {
    const float *vector; /* (n_users, dim) of length 1, or zero: nothing is known */
    uint32_t n_users, dim;
    /* for segments_choose() alone: user u wanted item[start[u]] to item[end[u] - 1] */
    const uint64_t *start, *end;
    const uint32_t *item;
    uint32_t n_items;
    const uint32_t *case_user, *case_item; /* (n_cases) held out, item < n_items */
    size_t n_cases;
};

/* One number of segments that was tried. */
struct segments_choice {
    uint32_t n;
    double gain, error; /* of the gain: its standard error */
    double prior;       /* a, with which it was reached */
};

struct segments_found {
    uint32_t n;
    float *centre;               /* (n, dim) the caller's to free */
    float updates[SEGMENTS_MAX]; /* users nearest to each */
    double cohesion;             /* mean cosine of the users with their centres */
};

/* k-means with n segments; fewer come out when fewer users differ, none (n 0) when no
   user has a vector. 0 or PENCHANT_ENOMEM. */
int segments_find(struct segments_found *out, const struct segments_data *d, uint32_t n,
                  uint64_t seed, struct pool *pool);

/* The nearest centre of every user into segment (n_users); SEGMENT_NONE without vector. */
int segments_assign(const struct segments_found *f, const struct segments_data *d,
                    struct pool *pool, uint8_t *segment);

/* The gain of every case with every one of n_priors priors, for users grouped into n
   segments, into each (n_priors, n_cases). 0 or PENCHANT_ENOMEM. */
int segments_gain(const struct segments_data *d, const uint8_t *segment, uint32_t n,
                  const double *prior, uint32_t n_priors, double *each);

/* Tries several numbers: what each gained into choice[] (n_choices of them, 1 segment
   first), and the one to take. 0 or PENCHANT_ENOMEM. */
int segments_choose(const struct segments_data *d, uint64_t seed, struct pool *pool,
                    struct segments_choice choice[SEGMENTS_MAX_CHOICES],
                    uint32_t *n_choices, uint32_t *best);

#endif

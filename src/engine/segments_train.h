/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The segments that training leaves beside the model: found among the users of the log in
 * the model's item space, as many as the held-out events of the choosing half ask for
 * (interest/segments_fit.h). At most SEGMENTS_TRAIN_USERS users, chosen by a hash of
 * their number, are looked at: 4 * dim bytes each.
 */
#ifndef ENGINE_SEGMENTS_TRAIN_H
#define ENGINE_SEGMENTS_TRAIN_H

#include "engine/lessons.h"
#include "interest/segments_fit.h"
#include "model/checkpoint.h"

enum { SEGMENTS_TRAIN_USERS = 100000, SEGMENTS_EXTRAS = 4 };

/* Matrices of a checkpoint. */
#define EXTRA_SEGMENT_CENTRES "segments.centres" /* (n, dim) */
#define EXTRA_SEGMENT_UPDATES "segments.updates" /* (1, n) */
#define EXTRA_SEGMENT_MEAN    "segments.mean"    /* (1, dim) of the item space */
#define EXTRA_SEGMENT_CHOICES                                                            \
    "segments.choices" /* (.., 4) segments, gain, its error, prior */

struct segments_trained {
    struct segments_found found; /* n 0: no user has a vector */
    float *mean;                 /* (dim) */
    uint32_t dim, n_choices;
    struct segments_choice choice[SEGMENTS_MAX_CHOICES];
    float choices[SEGMENTS_MAX_CHOICES][4]; /* the same as it is saved */
};

/* How often each item was among the newest events of a user: the weights of the mean. */
int segments_item_weights(const struct history *h, uint32_t n_items, float **out);

/* The rows of a history as points: everybody's newest events, or those before the held-out
   one. */
struct segments_points {
    struct segments_data data;
    uint32_t *user; /* (data.n_users) which user a row is */
    /* private */
    float *vector;
    uint64_t *start, *end;
    uint32_t *case_user, *case_item;
};

/* held_out: without the events that `l` holds out, which become the cases of those users
   for whom counts() (NULL: all) is true. */
int segments_points_init(struct segments_points *p, const struct lessons *l,
                         const struct segment_space *space, bool held_out,
                         bool (*counts)(uint32_t user), struct penchant_error *err);
void segments_points_release(struct segments_points *p);

int segments_train(struct segments_trained *out, const struct lessons *l,
                   const float *item_vectors, uint32_t n_items, uint32_t dim,
                   uint64_t seed, uint32_t threads, struct penchant_error *err);
void segments_trained_release(struct segments_trained *t);

/* For checkpoint_save(): returns how many were filled; they borrow from *t. */
size_t segments_extras(struct segments_trained *t,
                       struct checkpoint_extra extra[SEGMENTS_EXTRAS]);

#endif

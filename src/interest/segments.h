/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups of shoppers who want alike things, kept up event by event.
 *
 * A user's vector is the decayed mean of the directions of the items that the user wanted
 * last: z = |sum_j 2^(-j / SEGMENTS_HALF_LIFE) w(type_j) (x_j / |x_j| - m)|, j counted
 * from the newest event, w as event_type_weight() has it, m the mean direction of what the
 * whole shop wants. Times do not enter, only their order.
 *
 * Online spherical k-means: a user's new vector moves the centre c of the user's segment,
 * c <- |(1 - r) c + r z|, r = max(1 / n, SEGMENTS_RATE_FLOOR), n counting the segment's
 * updates. Hysteresis: a user leaves a segment only when another one's cosine was larger
 * by SEGMENTS_MARGIN at SEGMENTS_PATIENCE updates in a row, the same one each time.
 *
 * Memory: 3 bytes a user, n_segments * dim floats, and 4 bytes an item. An update costs
 * SEGMENTS_WINDOW * dim + n_segments * dim multiplications: some microseconds. It is a
 * function of the calls before it, so that a replay in the same order gives the same
 * bits.
 *
 * One thread at a time; the engine guards it.
 */
#ifndef INTEREST_SEGMENTS_H
#define INTEREST_SEGMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum {
    SEGMENTS_MAX = 64,       /* segments at most */
    SEGMENTS_MAX_DIM = 4096, /* of an item space */
    SEGMENTS_WINDOW = 64,    /* events of a user that count */
    SEGMENTS_HALF_LIFE = 16, /* events after which one counts half */
    SEGMENTS_PATIENCE = 2,   /* updates */
    SEGMENT_NONE = UINT8_MAX
};
#define SEGMENTS_MARGIN     0.05F
#define SEGMENTS_RATE_FLOOR 1e-4

/* Where items lie, as directions. Read only once made; may be shared. */
struct segment_space {
    const float *vectors; /* (n_items, dim) borrowed, of any length */
    float *scale;         /* (n_items) 1 / length; 0 for a vector of zeros */
    float *mean;          /* (dim) */
    uint32_t n_items, dim;
};

/* With mean zero. PENCHANT_ELIMIT past SEGMENTS_MAX_DIM, or PENCHANT_ENOMEM. */
int segment_space_init(struct segment_space *s, const float *vectors, uint32_t n_items,
                       uint32_t dim, struct penchant_error *err);
/* A copy over the same vectors. 0 or PENCHANT_ENOMEM. */
int segment_space_copy(struct segment_space *out, const struct segment_space *s,
                       struct penchant_error *err);
void segment_space_release(struct segment_space *s);

/* Sets the mean of the directions, item i counted weight[i] times. */
void segment_space_centre(struct segment_space *s, const float *weight);

/*
 * The vector of a user with these wanted events (n each, oldest first) into out (dim), of
 * length 1; the newest SEGMENTS_WINDOW count, items past n_items do not, nor those with
 * skip(cookie, item) (NULL: none). False and all zero when nothing is left.
 */
bool segment_user_vector(const struct segment_space *s, const uint32_t *item,
                         const uint8_t *type, uint32_t n,
                         bool (*skip)(const void *cookie, uint32_t item),
                         const void *cookie, float *out);

struct segment_member {
    uint8_t segment;   /* SEGMENT_NONE: none yet */
    uint8_t candidate; /* which other one was nearer last time */
    uint8_t streak;    /* how often in a row */
};

struct segments {
    uint32_t n, dim;
    float *centre;    /* (n, dim) of length 1 */
    double *updates;  /* (n) how many vectors a centre stands for */
    uint64_t *size;   /* (n) users */
    uint64_t changes; /* moves of users between segments so far */
    /* private */
    struct segment_member *member; /* (cap) by user number */
    uint32_t cap;
};

/* n segments, 1 to SEGMENTS_MAX; both arrays are copied. PENCHANT_ECORRUPT for numbers
   that cannot be, or PENCHANT_ENOMEM. */
int segments_init(struct segments *s, const float *centre, const float *updates,
                  uint32_t n, uint32_t dim, struct penchant_error *err);
void segments_release(struct segments *s);

/* The segment nearest to z (the lower number of equal ones); its cosine in *cosine. */
uint32_t segments_nearest(const struct segments *s, const float *z, float *cosine);

/* Puts a user into the nearest segment at once; no centre moves. 0 or PENCHANT_ENOMEM. */
int segments_place(struct segments *s, uint32_t user, const float *z);

/* The same for a user whose vector an event has changed: with hysteresis, and the centre
   moves. A user without a segment is placed. 0 or PENCHANT_ENOMEM. */
int segments_update(struct segments *s, uint32_t user, const float *z);

/* The segment of a user, or SEGMENT_NONE. */
uint8_t segments_of(const struct segments *s, uint32_t user);

/* Forgets a user: what moved the centres stays in them, without any name. */
void segments_erase(struct segments *s, uint32_t user);

#endif

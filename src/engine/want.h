/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom a list is for: the newest items of a user, the events of a session that the
 * request brought along, and what the sequence model makes of both. A copy, so that the
 * list is made without holding the user's state.
 *
 * The vector is a function of the user's events alone, not of what happened to be cached
 * (encoder_window_start()), so the lists after a restart are those before it.
 */
#ifndef ENGINE_WANT_H
#define ENGINE_WANT_H

#include "engine/engine.h"
#include "engine/snapshot.h"

struct want {
    uint32_t user; /* NAMES_NONE: nobody we know */
    uint32_t n;    /* newest wanted events, at most 2 ENGINE_RECENT; oldest first: */
    uint32_t *item;
    uint8_t *type;
    int64_t *ts_us;
    float *liking;       /* in [-1, 1]: what the user thinks of each */
    uint64_t total;      /* length of the whole sequence that these end */
    uint32_t *purchased; /* (n_purchased) items bought and not refunded */
    uint32_t n_purchased;
    struct user_likes likes; /* what the user said no to.. */
    uint32_t *disliked;      /* (likes.n) ..and the items alone */
    struct user_words words; /* what the user wrote and searched for, the request's too */
    float *vector;           /* (dim), or NULL: no model, or no item that it knows */
    /* private */
    const float **fresh; /* (n) vectors of items that came after the model; NULL: none */
    float *fresh_rows;   /* what they point to */
    uint64_t version; /* of what the vector is made with: the model and those vectors */
    bool stored;      /* no session events: the sequence is the user's own */
};

/* Reads the request's user and events; PENCHANT_EINVALID names the field. Takes p->lock
   and the user's shard itself. `s` may be NULL. */
int want_init(struct want *w, struct penchant *p, const struct snapshot *s,
              const struct penchant_request *r, int64_t now_us,
              struct penchant_error *err);
void want_release(struct want *w);

#endif

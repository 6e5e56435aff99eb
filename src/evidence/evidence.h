/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence: who says that this user wants that item, and how strongly. Each source is a
 * row of one table (evidence_sources[]) with the same small interface; its scores are
 * logarithms of something like a probability, so that a weighted sum of sources is a
 * product of experts.
 *
 * Threads: observe() is called by one thread at a time, in log order; candidates() and
 * score() may run beside it on other threads (each source locks what it must).
 * Replaying the same observations gives the same state bit for bit.
 */
#ifndef EVIDENCE_EVIDENCE_H
#define EVIDENCE_EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "retrieval/topk.h"
#include "retrieval/words.h"

/* One wanted event as the counting sources see it. */
struct evidence_event {
    uint32_t user; /* whose it is */
    uint32_t item, type;
    int64_t ts_us;
    const uint32_t *recent; /* the user's items before this one, oldest first */
    const int64_t *recent_us;
    const uint8_t *recent_type; /* NULL: all of one type */
    uint32_t n_recent;
};

/* What the items say of themselves (model/content.h): text and imported vectors. */
struct evidence_content {
    const float *vectors; /* (n, dim) of length 1, or all zero where nothing is known */
    const struct topk_index *index; /* over the first n_indexed of them; NULL: none */
    uint32_t n, n_indexed, dim; /* items in [n_indexed, n) are few and looked through */
    const struct words *words;  /* the items' words, for exact search; NULL: none */
};

enum evidence_id {
    EVIDENCE_SEQUENCE,
    EVIDENCE_COVISITATION,
    EVIDENCE_NEIGHBOURS,
    EVIDENCE_REPEAT,
    EVIDENCE_CONTENT,
    EVIDENCE_SEARCH,
    EVIDENCE_POPULARITY,
    EVIDENCE_SOURCES
};

/* Whom and what a list is for. */
struct evidence_query {
    uint32_t user;          /* NAMES_NONE: nobody that the sources have seen */
    const uint32_t *recent; /* the user's items, oldest first; may be empty */
    const uint8_t *recent_type;
    const int64_t *recent_us;
    const float *recent_liking; /* (n_recent) in [-1, 1], from reviews; NULL: all 1 */
    uint32_t n_recent;
    const uint32_t *disliked; /* (n_disliked) items the user said no to */
    uint32_t n_disliked;
    int64_t now_us;
    const float *vector;       /* (dim) what the sequence model makes of them, or NULL */
    const float *item_vectors; /* (n_indexed, dim), or NULL without a model; a row of
                                  zeros is as good as none */
    const struct topk_index *index; /* over item_vectors */
    uint32_t dim, n_indexed; /* items numbered past n_indexed came after the model: */
    /* what it makes of their content, row 0 is item n_indexed, all zero where nothing is
       known; NULL: of none; its index is not used */
    const struct evidence_content *newcomers;
    const struct evidence_content *content; /* NULL: nothing is known of any item */
    const float *asked; /* (content->dim) of length 1: what the newest search was for */
    const char *asked_text;   /* its words, or NULL; either may be missing */
    float asked_weight;       /* (0, 1]: how much of it is left; 0 without a search */
    const float *told;        /* (n_told, content->dim) of length 1: texts of reviews */
    const float *told_liking; /* (n_told) in [-1, 1]: what they think of what they say */
    uint32_t n_told;
    bool by_direction; /* vectors are compared by their angle alone (alike, not wanted) */
    bool by_count;     /* popularity is the decayed count alone, whoever asks */
    struct evidence_sums *sums; /* kept from one call to the next, or NULL */
    const uint64_t *skip;       /* bitmap of items that must not be candidates, or NULL */
    uint32_t n_items;           /* size of the catalogue */
};

static inline bool evidence_skips(const struct evidence_query *q, uint32_t item)
{
    return topk_skips(q->skip, item);
}

/* After so many days a count is half of what it was, unless a caller says otherwise. */
#define EVIDENCE_HALF_LIFE_DAYS 30.0

struct evidence_options {
    bool has_clock;
    double half_life_days; /* of counts, with a clock; associations live longer */
};

struct evidence_source {
    const char *name;
    /* Its state; NULL when out of memory. May be NULL for a source without state. */
    void *(*create)(const struct evidence_options *o);
    void (*destroy)(void *state);
    int (*observe)(void *state,
                   const struct evidence_event *e); /* 0 or PENCHANT_ENOMEM */
    /* Up to k items worth considering, best first; returns how many. */
    size_t (*candidates)(void *state, const struct evidence_query *q, size_t k,
                         uint32_t *item);
    /* Its score of each item[i] into out[i]: finite, and up to a constant of the query
       the logarithm of how likely the item is. The score of an item does not depend on
       what else is asked for, so a catalogue may be scored in pieces. */
    void (*score)(void *state, const struct evidence_query *q, const uint32_t *item,
                  size_t n, float *out);
    /* Its weight where no fit has seen it say anything: 0 for most; 1 for one that speaks
       in rare situations only. */
    float unfitted;
};

extern const struct evidence_source *const evidence_sources[EVIDENCE_SOURCES];

/* The states of all sources of one shop. */
struct counts;
struct evidence {
    void *state[EVIDENCE_SOURCES];
    struct counts *counts; /* of events by item (evidence/counts.h) */
};

int evidence_init(struct evidence *e, const struct evidence_options *o);
void evidence_release(struct evidence *e);
int evidence_observe(struct evidence *e, const struct evidence_event *event);

/* A weight per source; 0 leaves a source out. See blend.h for weights that depend. */
struct evidence_weights {
    float w[EVIDENCE_SOURCES];
};

/* "all", or names by comma -> a mask of (1 << enum evidence_id); PENCHANT_EINVALID else. */
int evidence_parse(const char *names, uint32_t *mask, struct penchant_error *err);

/* Union of the candidates of the sources in `mask` (each asked for k_each), without
   repeats; returns how many; item[] has room for EVIDENCE_SOURCES * k_each. */
size_t evidence_candidates(struct evidence *e, uint32_t mask,
                           const struct evidence_query *q, size_t k_each, uint32_t *item);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine as an actor (lab/actor.h): what it stands on is in the library, this is the
 * wiring. A request goes through
 *
 *   features of each candidate (actor_engine_features.c): how the item fares with everybody,
 *     slowly and lately, what this user looked at, likes (learn/taste.h) and had enough of,
 *     what is known of the item in this moment (an arm's own regression)
 *   the last layer (learn/last_layer.h) that weighs them -> chance of a click, if looked at
 *   values (actor_engine_list.c): what a click on a kind of item does to what follows
 *     (learn/critic_online.h on policy/saturation.h), with the value of no click
 *   the list, slot by slot, drawn with exact propensities (policy/explore.h)
 *
 * and feedback back through all of them (actor_engine_learn.c).
 *
 * Memory: bounded by ENGINE_MOST_USERS users (the oldest is forgotten), ENGINE_OPEN lists
 * whose feedback may come, and per item some counts; pairs of items up to
 * ENGINE_MOST_PAIRED items.
 */
#ifndef LAB_ACTOR_ENGINE_H
#define LAB_ACTOR_ENGINE_H

#include "lab/actor.h"
#include "learn/critic_online.h"
#include "learn/last_layer.h"
#include "learn/organic.h"
#include "learn/taste.h"
#include "policy/presence.h"
#include "policy/explore.h"
#include "policy/saturation.h"

enum {
    ENGINE_MOST_USERS = 20000,
    ENGINE_OPEN = 1024,
    ENGINE_MOST_PAIRED = 512,
    ENGINE_MOST_ARMS = 256,
    ENGINE_MOST_ARM_DIM = 36,
    ENGINE_MOST_TASTE = TASTE_MOST_DIM, /* features; more are projected */
    ENGINE_VIEWS = 24,                  /* items whose views by a user are counted */
};

/* What is said of a candidate. */
enum engine_feature {
    F_ONE,
    F_RATE,      /* log odds of a click on the item, over everybody's */
    F_RATE_LATE, /* the same of late */
    F_TASTE,     /* what the user's taste says */
    F_ARM,       /* what the item's own regression on the moment says */
    F_MATCH,     /* inner product of context and features */
    F_MATCH_2,
    F_VIEWED, /* how often the user looked at it, log(1 + decayed count) */
    F_VIEWED_LATE,
    F_LAST,    /* it was looked at last */
    F_PAIR,    /* log odds of a click after looking at the last one, over the item's */
    F_ORGANIC, /* how likely it is looked at next, over its popularity */
    F_ORGANIC_LATE,
    F_CLICKED, /* the user's clicks on it, log(1 + ..) */
    F_IGNORED, /* and showings without */
    F_HAD_1,   /* recent clicks on its group: at least 2, 3, 4, 5, 7 */
    F_HAD_2,
    F_HAD_3,
    F_HAD_4,
    F_HAD_5,
    ENGINE_FEATURES
};

struct engine_options {
    bool no_values, no_null, no_exploration;
    uint64_t frozen_after; /* lists after which nothing is learned; 0: never */
};

struct engine_views {
    uint32_t item[ENGINE_VIEWS];
    float slow[ENGINE_VIEWS], late[ENGINE_VIEWS]; /* decayed counts */
    uint32_t n;
};

struct engine_shown {
    uint32_t item[ENGINE_VIEWS];
    float clicked[ENGINE_VIEWS], ignored[ENGINE_VIEWS];
    uint32_t n;
};

struct engine_user {
    uint32_t number, last; /* item looked at last; UINT32_MAX: none */
    struct engine_views views;
    struct engine_shown shown;
    struct organic_user organic;
    struct saturation had;
    struct presence_user presence;
    double soon_trace[SATURATION_SOON], lasting_trace[SATURATION_LASTING];
    bool has_taste;
    struct taste taste;
};

/* One shown item, as it was judged. */
struct engine_slot {
    uint32_t item; /* UINT32_MAX: a candidate without number */
    uint8_t group;
    double z, looked; /* logit of a click; chance of being looked at */
    float f[ENGINE_FEATURES];
    float x[ENGINE_MOST_TASTE + 1];
};

struct engine_open {
    uint64_t id; /* 0: free */
    uint32_t user, k, last;
    double soon[SATURATION_SOON], lasting[SATURATION_LASTING];
    float arm[ENGINE_MOST_ARM_DIM];
    struct engine_slot *slot; /* (k) */
};

struct engine {
    struct engine_options o;
    struct actor_catalog c;
    struct rng rng;
    uint64_t lists;
    /* items of the catalogue */
    float *x;              /* (n, taste.dim + 1), or NULL */
    uint8_t *group;        /* (n) */
    float *clicks, *shows; /* (n) and lately */
    float *late_clicks, *late_shows;
    float *pair_clicks, *pair_shows; /* (n, n), or NULL */
    struct organic organic;
    bool has_organic, has_context;
    struct last_layer *arm; /* (n), or NULL */
    uint32_t arm_dim, n_context;
    /* everybody */
    uint32_t raw_dim; /* of features as they come */
    float scale;      /* of features, 0: not known */
    float *projection;
    bool has_taste, nonnegative;
    struct taste_population taste;
    struct last_layer layer;
    double all_clicks, all_shows;
    double rate_prior; /* showings that everybody's rate counts as in an item's */
    double reward_sum[SATURATION_GROUPS + 1], reward_n[SATURATION_GROUPS + 1];
    double look_clicks[ACTOR_MOST_SLATE], look_expected[ACTOR_MOST_SLATE];
    struct presence presence;
    double expected_multi, seen_multi; /* lists with several clicks */
    double null_lists, lists_seen;
    bool picks_one;      /* the present list is for one click at most */
    double usual_reward; /* of a list that is looked at, EWMA */
    double usual_gain;   /* of the best of a list, EWMA */
    struct critic_online soon, lasting;
    struct saturation_window window;
    /* people, requests */
    struct engine_user **user; /* by number */
    uint32_t n_users;
    uint32_t *alive; /* ring of user numbers */
    uint32_t alive_at, n_alive;
    struct engine_open open[ENGINE_OPEN];
    /* of the present request */
    struct {
        double base, base_logit, weight[ENGINE_FEATURES];
        uint32_t had[SATURATION_GROUPS];
        float late_vector[ORGANIC_DIM];
        struct taste_mix taste;
    } now;
    /* (cap) */
    uint32_t cap;
    struct engine_slot *judged;
    double *sd, *gain;
    uint32_t *left;
};

/* ---- actor_engine_features.c ---- */
void *engine_room(struct engine *e, uint32_t n); /* NULL: no memory */
bool engine_learn_shape(struct engine *e, const float *features, uint32_t n,
                        uint32_t dim);
void engine_moment(struct engine *e, const struct engine_user *u, const float *context,
                   uint32_t n_context, float *arm);
struct engine_asked {
    struct engine_user *user;
    const float *candidates; /* (n, dim) or NULL */
    const float *context;
    uint32_t n_context, dim;
    const float *arm; /* what engine_moment() made */
};
/* Judges item `i` of the catalogue, or candidate i, into *s; sd: of its logit. */
void engine_judge(struct engine *e, const struct engine_asked *a, uint32_t i,
                  struct engine_slot *s, double *sd);

/* ---- actor_engine_learn.c ---- */
void engine_learn(struct engine *e, struct engine_user *u, const struct engine_open *o,
                  const float *reward, bool done, bool ours);
/* How much items differ in their rates, from time to time (empirical Bayes). */
void engine_learn_spread(struct engine *e);
double engine_looked(const struct engine *e, uint32_t place);

/* ---- actor_engine_list.c ---- */
/* Fills the list from e->judged[n]. */
void engine_list(struct engine *e, struct engine_user *u, uint32_t n, uint32_t k,
                 uint32_t *item, double *p);

#endif

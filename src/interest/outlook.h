/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a shopper will do: the probability that the next event is a view, a cart, a
 * purchase, another one, or that they leave (no event within the EVENT_SESSION_GAP_US
 * after now), and that within 7 days there is a view, a cart, a purchase, or nothing at
 * all. Events are those that speak for an item (event_wanted()), less refunded purchases.
 *
 * The model is linear in features of the state: a softmax for what is next, a logistic
 * regression for each question about the week, over the standardised features and once
 * more over those while a visit is going on. Its probabilities are calibrated by isotonic
 * regression (Zadrozny and Elkan 2002) and, where they exclude each other, brought to 1.
 * learn/outlook_fit.h fits it. Features of a moment are a function of the newest
 * OUTLOOK_EVENTS events, the first time and the number of events, so serving and fitting
 * see the same.
 *
 * A model is a plain value of about 13 kB; functions are pure, any thread.
 */
#ifndef INTEREST_OUTLOOK_H
#define INTEREST_OUTLOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "behaviour/catalog.h"
#include "model/checkpoint.h"

enum outlook_output {
    OUTLOOK_NEXT_VIEW,
    OUTLOOK_NEXT_CART,
    OUTLOOK_NEXT_PURCHASE,
    OUTLOOK_NEXT_OTHER,
    OUTLOOK_NEXT_LEAVE,
    OUTLOOK_WEEK_VIEW,
    OUTLOOK_WEEK_CART,
    OUTLOOK_WEEK_PURCHASE,
    OUTLOOK_WEEK_NOTHING,
    OUTLOOK_OUTPUTS,
    OUTLOOK_NEXT = OUTLOOK_WEEK_VIEW, /* how many are about what is next */
};

extern const char *const outlook_names[OUTLOOK_OUTPUTS]; /* "next.view", .. */

/* Why there is no probability. */
enum outlook_why {
    OUTLOOK_GIVEN,
    OUTLOOK_UNTRAINED, /* no model, or one without an outlook */
    OUTLOOK_CLOCKLESS, /* times only mean order */
    OUTLOOK_UNLOGGED,  /* the shop has no such events */
    OUTLOOK_TOO_FEW,   /* not enough of them (or of others) to learn from */
    OUTLOOK_TOO_SHORT, /* the log does not reach far enough */
    OUTLOOK_WHYS
};

/* One sentence for each; NULL for OUTLOOK_GIVEN. */
const char *outlook_reason(enum outlook_why why);

enum {
    OUTLOOK_EVENTS = 256,
    OUTLOOK_FEATURES = 67,
    OUTLOOK_ROW = 2 * OUTLOOK_FEATURES + 2, /* 1, features, during a visit: 1, features */
    OUTLOOK_KNOTS = 64,
    OUTLOOK_FIGURES = 9
};

#define OUTLOOK_WEEK_US INT64_C(604800000000)

/* What is known of somebody at a moment. */
struct outlook_state {
    const uint32_t *item; /* (n) events up to now, oldest first */
    const uint8_t *type;
    const int64_t *ts_us;
    uint32_t n;     /* more than OUTLOOK_EVENTS: the newest count */
    uint64_t total; /* events there ever were, at least n */
    int64_t first_us, now_us;
    const struct catalog *catalog; /* for prices; NULL: none */
};

/* A monotone curve through its knots, flat beyond them. */
struct outlook_curve {
    uint32_t n;
    float x[OUTLOOK_KNOTS], y[OUTLOOK_KNOTS];
};

/* How good one probability is, on moments that nothing was fitted on. */
struct outlook_figures {
    float n;                /* moments; 0: not judged */
    float rate;             /* how often it came true */
    float log_loss;         /* mean, in nats */
    float base;             /* log loss of the rate of the time before */
    float recency;          /* log loss of a table of recency and frequency */
    float auc;              /* NaN: only one outcome */
    float ece;              /* expected calibration error, 15 bins of equal size */
    float gain, gain_error; /* recency - log_loss, and its standard error */
};

struct outlook_model {
    uint8_t why[OUTLOOK_OUTPUTS]; /* enum outlook_why */
    float mean[OUTLOOK_FEATURES], scale[OUTLOOK_FEATURES];
    float weight[OUTLOOK_OUTPUTS][OUTLOOK_ROW];
    struct outlook_curve curve[OUTLOOK_OUTPUTS];
    float newcomer[OUTLOOK_OUTPUTS]; /* rates right after somebody's first event */
    struct outlook_figures figures[OUTLOOK_OUTPUTS + 1]; /* the last: what is next */
};

/* A model that gives nothing, for one reason. */
void outlook_none(struct outlook_model *m, enum outlook_why why);

/* The features of a moment (n at least 1), as they are. */
void outlook_features(const struct outlook_state *s, float feature[OUTLOOK_FEATURES]);
/* Whether a visit is going on. */
bool outlook_visiting(const struct outlook_state *s);
/* A row for the model: features standardised, and the same again during a visit. */
void outlook_row(const struct outlook_model *m, const float feature[OUTLOOK_FEATURES],
                 bool visiting, float row[OUTLOOK_ROW]);

/* Before calibration: exclusive probabilities of what is next, then the week's. */
void outlook_raw(const struct outlook_model *m, const float row[OUTLOOK_ROW],
                 double p[OUTLOOK_OUTPUTS]);

/* Calibrates in place: NaN for what is not given, what is next sums to 1. */
void outlook_calibrate(const struct outlook_model *m, double p[OUTLOOK_OUTPUTS]);

/* Of somebody who has n = 0 events: the newcomers' rates. */
void outlook_predict(const struct outlook_model *m, const struct outlook_state *s,
                     double p[OUTLOOK_OUTPUTS]);

float outlook_curve_at(const struct outlook_curve *c, double x);

/* ---- outlook_keep.c: to and from a checkpoint, tensors "outlook.*" ---- */

enum { OUTLOOK_EXTRAS = 5, OUTLOOK_CURVE_COLS = 2 * OUTLOOK_KNOTS + 1 };

/* Room for what the tensors hold that is no array of the model. */
struct outlook_kept {
    float facts[2][OUTLOOK_OUTPUTS]; /* why, newcomer */
    float curve[OUTLOOK_OUTPUTS][OUTLOOK_CURVE_COLS];
};

/* Fills OUTLOOK_EXTRAS entries that borrow from m and kept; returns how many. */
size_t outlook_extras(const struct outlook_model *m, struct outlook_kept *kept,
                      struct checkpoint_extra *extra);

/* A checkpoint without an outlook, or with one of another form, gives nothing and says
   so by OUTLOOK_UNTRAINED. ECORRUPT for one that cannot be. */
int outlook_load(struct outlook_model *m, const char *path, struct penchant_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event inside the engine: ids are numbers (see base/names.h), strings are borrowed.
 * Event types are numbered too; the known ones come first and in this order, names that a
 * shop adds follow by first appearance.
 */
#ifndef BEHAVIOUR_EVENT_H
#define BEHAVIOUR_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/names.h"
#include "base/status.h"

/* name, whether it says that the user wants the item (a token of the user's history) */
#define EVENT_TYPE_MAP(X)                                                                \
    X(IMPRESSION, "impression", false)                                                   \
    X(VIEW, "view", true)                                                                \
    X(SEARCH, "search", false)                                                           \
    X(WISH, "wish", true)                                                                \
    X(CART, "cart", true)                                                                \
    X(UNCART, "uncart", false)                                                           \
    X(PURCHASE, "purchase", true)                                                        \
    X(REFUND, "refund", false)                                                           \
    X(REVIEW, "review", true)                                                            \
    X(DISLIKE, "dislike", false)

enum event_type {
#define X(id, name, wanted) EVENT_##id,
    EVENT_TYPE_MAP(X)
#undef X
        EVENT_KNOWN_TYPES /* the first number of a name that a shop added */
};

enum { EVENT_MAX_TYPES = 256, EVENT_NAME_MAX = 64, EVENT_TEXT_MAX = 4096 };

/* The first microsecond of 1990: what lies before is a position and no time. */
#define EVENT_CLOCK_MIN_US INT64_C(631152000000000)

/* After such a pause the next event of a user begins a new session. */
#define EVENT_SESSION_GAP_US INT64_C(1800000000)

struct event {
    uint64_t seq; /* 1, 2, .. in log order; 0 before it is numbered */
    int64_t ts_us;
    uint32_t user;
    uint32_t item; /* NAMES_NONE: none (a search) */
    uint32_t type;
    double value, quantity;     /* NaN: none */
    const char *session;        /* NULL: none */
    const char *recommendation; /* NULL: none */
    const char *extra;          /* behaviour/extra.h; NULL: none */
    const char *query, *text;   /* of `extra`, where a reader took it apart; else NULL */
};

/* Fills an empty names table with the known types. 0 or -1 (out of memory). */
int event_types_init(struct names *types);

/* Whether events of this type are tokens of a user's history; added names are. */
bool event_type_wanted(uint32_t type);

/* How much a wanted event of this type counts: a purchase 3, a place in the cart or on the
   wish list 2, any other 1. */
float event_type_weight(uint32_t type);

/*
 * What an event says of its item, from -1 (away with it) to 1: a review with a value
 * between 1 and 5 (value - 3) / 2, a dislike -1, everything else 1, as it was done because
 * it was wanted.
 */
float event_liking(uint32_t type, double value);

/* Whether it says what the user thinks of the item: a dislike, a review with a value
   between 1 and 5. */
bool event_judges(uint32_t type, double value);

/* Whether the user does not want to see the item: a dislike, a review of 1 to 2. */
bool event_dislikes(uint32_t type, double value);

/* Whether one event is a token of its user's history: of a wanted type and no dislike. */
bool event_wanted(uint32_t type, double value);

/* Whether it takes an earlier dislike of its item back: a purchase, a place in the cart or
   on the wish list, a review above 2. */
bool event_takes_back(uint32_t type, double value);

/*
 * Our name for what other systems call an event ("add_to_cart", "detail-page-view",
 * "pv"), also for our own names in another spelling ("View"); NULL for a name we do not
 * know. The names of GA4, Google retail, Personalize, Recombee, RetailRocket and Taobao
 * are known.
 */
const char *event_name_canonical(const char *name);

/* Checks what penchant.h promises of one event from outside; `index` goes into err. */
int event_check(const struct penchant_event *e, size_t index, struct penchant_error *err);

#endif

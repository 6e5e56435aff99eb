/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Penchant: a real-time interest and recommendation engine for shops.
 *
 * The only public header. A shop is one folder; `struct penchant` is one open shop.
 *
 * Conventions
 *   status   functions return 0 or a negative `enum penchant_status`; where a
 *            `struct penchant_error *` is taken (it may be NULL) it then holds the detail.
 *   strings  UTF-8, NUL-terminated; those passed in are copied before the call returns.
 *   options  structs are filled by their `_default` function first, then changed; a zeroed
 *            optional pointer means "not given".
 *   threads  every function may be called from several threads on one handle, unless its
 *            comment says otherwise. penchant_close() must be the last call.
 *   times    microseconds since 1970-01-01 UTC.
 */
#ifndef PENCHANT_H
#define PENCHANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define PENCHANT_API __attribute__((visibility("default")))
#else
#define PENCHANT_API
#endif

#define PENCHANT_VERSION "0.1.0"

/* ---- status and errors -------------------------------------------------------------- */

#define PENCHANT_STATUS_MAP(X)                                                           \
    X(OK, 0, "success")                                                                  \
    X(EINVALID, -1, "invalid input")                                                     \
    X(ENOTFOUND, -2, "not found")                                                        \
    X(EIO, -3, "input or output failed")                                                 \
    X(ECORRUPT, -4, "stored data is damaged")                                            \
    X(ELOCKED, -5, "another process has this shop open for writing")                     \
    X(ENOMEM, -6, "out of memory")                                                       \
    X(ELIMIT, -7, "a limit was passed")                                                  \
    X(EINTERRUPTED, -8, "stopped on request")                                            \
    X(EVERSION, -9, "made by another version")                                           \
    X(EREADONLY, -10, "the shop is open for reading only")                               \
    X(ENOMODEL, -11, "no model has been trained")                                        \
    X(ECLOSED, -12, "the shop is closing")

enum penchant_status {
#define X(name, value, text) PENCHANT_##name = value,
    PENCHANT_STATUS_MAP(X)
#undef X
};

struct penchant_error {
    int status;     /* the status that was returned */
    size_t index;   /* which element of an array was at fault; 0 for a single one */
    char field[64]; /* which field was at fault; "" when none is */
    char text[400]; /* one plain sentence */
};

/* The name ("EINVALID") and the text ("invalid input") of a status; never NULL. */
PENCHANT_API const char *penchant_status_name(int status);
PENCHANT_API const char *penchant_status_text(int status);
PENCHANT_API const char *penchant_version(void);

/* ---- opening a shop ----------------------------------------------------------------- */

struct penchant;

enum penchant_log_level { PENCHANT_DEBUG, PENCHANT_INFO, PENCHANT_WARN, PENCHANT_ERROR };

/* One log line, `event key=value ...`; may be called from any thread, never re-entered. */
typedef void penchant_log_fn(void *cookie, int level, const char *line);

struct penchant_options {
    const char *dir;      /* the shop's folder; NULL with store "memory" */
    const char *store;    /* "sqlite" (default) or "memory" (kept nowhere; for tests) */
    bool create;          /* make the folder when it is missing (default true) */
    bool read_only;       /* read beside a writing process; nothing is logged or locked */
    size_t state_mb;      /* bound on cached encoder states of users (default 256) */
    penchant_log_fn *log; /* NULL: silent */
    void *log_cookie;
    bool learn; /* the model learns on from events, see penchant_get_learning()
                             (default false; nothing while the shop is read only) */
    uint64_t reserved[7];
};

PENCHANT_API void penchant_options_default(struct penchant_options *o);

/* Opens a shop and replays its log into memory. On failure *out is NULL. */
PENCHANT_API int penchant_open(struct penchant **out, const struct penchant_options *o,
                               struct penchant_error *err);

/* Commits what is pending, frees everything and clears the caller's pointer. */
PENCHANT_API void penchant_close(struct penchant **p);

/* ---- behaviour ---------------------------------------------------------------------- */

/*
 * One event. Required: user_id or session_id, event, and item_id unless the event is a
 * search. Known events: impression, view, search, wish, cart, uncart, purchase, refund,
 * review, dislike; any other name of 1-64 characters [a-z0-9_.-] is kept as it is.
 */
struct penchant_event {
    const char *user_id;
    const char *item_id;
    const char *event;
    int64_t timestamp_us; /* 0: now */
    double value;         /* price; of a review 1 (bad) to 5 (good); NaN: none */
    double quantity;      /* NaN: none */
    const char *session_id;
    const char *recommendation_id; /* as answered by penchant_recommend */
    const char *event_id;          /* an event_id seen before is not taken twice */
    const char *query;
    const char *placement;
    const char *text; /* what a review says; its first 4096 bytes are kept */
};

PENCHANT_API void penchant_event_default(struct penchant_event *e);

struct penchant_accepted {
    size_t accepted;   /* events now on disk */
    size_t duplicates; /* events whose event_id had been seen */
    uint64_t last_seq; /* number of the last event of the log */
};

/*
 * Adds all n events or none, and returns when they are on disk and in the users' state.
 * PENCHANT_EINVALID names the first bad event in err->index and its field in err->field.
 */
PENCHANT_API int penchant_add_events(struct penchant *p, const struct penchant_event *e,
                                     size_t n, struct penchant_accepted *out,
                                     struct penchant_error *err);

/* Checks one event as penchant_add_events would, and changes nothing. */
PENCHANT_API int penchant_check_event(const struct penchant_event *e,
                                      struct penchant_error *err);

/* Called from the writing thread, once, when the events are on disk or have failed. */
typedef void penchant_added_fn(void *cookie, int status,
                               const struct penchant_accepted *out);

/*
 * The same without waiting: checks the events now (a failure returns at once and `done` is
 * never called), copies them, and calls `done` after the commit.
 */
PENCHANT_API int penchant_submit_events(struct penchant *p,
                                        const struct penchant_event *e, size_t n,
                                        penchant_added_fn *done, void *cookie,
                                        struct penchant_error *err);

/* ---- the catalogue ------------------------------------------------------------------ */

struct penchant_item {
    const char *item_id;
    const char *title;    /* NULL or "": unknown */
    const char *category; /* several are separated by '|' */
    const char *brand;
    double price;    /* NaN: unknown */
    bool available;  /* an unavailable item is in no list */
    uint64_t events; /* how many events named it (output only) */
};

PENCHANT_API void penchant_item_default(struct penchant_item *item);

/* On success *out is ours until penchant_item_free(). */
PENCHANT_API int penchant_get_item(struct penchant *p, const char *item_id,
                                   struct penchant_item **out,
                                   struct penchant_error *err);
PENCHANT_API void penchant_item_free(struct penchant_item *item);

/* Puts (replaces) an item; *created tells whether it was unknown. Durable on return. */
PENCHANT_API int penchant_put_item(struct penchant *p, const struct penchant_item *item,
                                   bool *created, struct penchant_error *err);

/* Takes an item out of the catalogue and of every list; its events stay in the log. */
PENCHANT_API int penchant_delete_item(struct penchant *p, const char *item_id,
                                      struct penchant_error *err);

/* ---- lists -------------------------------------------------------------------------- */

enum { PENCHANT_MAX_K = 1000, PENCHANT_ID_MAX = 256, PENCHANT_RECOMMENDATION_ID = 32 };

/*
 * What a list is to be good at, beside being wanted: docs/balance.md. Each 0 to 1; NaN: as
 * the shop's targets have it, which without targets is relevance alone.
 */
struct penchant_dials {
    double relevance; /* how much the scores count; by default 1 */
    double value;     /* what is worth most in the long run, by the model's critics */
    double diversity; /* items that are unlike those above them */
    double novelty;   /* items that are little known, categories new to the user */
    double revenue;   /* dear items, as likely to be bought */
    double explore;   /* the share of lists that are drawn; `explore` goes before it */
    double long_term; /* 1: the user's long-term interest, 0: the present one */
};

struct penchant_request {
    const char *user_id;                 /* NULL: an unknown visitor */
    const struct penchant_event *events; /* of a session, newest last; not stored */
    size_t n_events;
    size_t k;                   /* 1..PENCHANT_MAX_K, default 10 */
    const char *const *exclude; /* item ids that must not appear; unknown ones are fine */
    size_t n_exclude;
    const char *category;   /* only items of this category; NULL: any */
    bool exclude_purchased; /* nothing this user has bought */
    const char *sources; /* "all" (default) or names by comma: sequence,covisitation,.. */
    const char *placement; /* where it will be shown; logged */
    int64_t now_us;        /* 0: now */
    const char *query;     /* what the user searches for just now; not stored */
    bool explain;          /* say why each item is in the list */
    /* Exploration (docs/rewards.md); NaN: as the shop is configured, by default not. */
    double explore;     /* this share of lists is drawn, 0 to 1; 0: this is the ranking */
    double temperature; /* of the draw, in units of the scores; 0: the best first */
    double kappa;       /* how much more items are drawn that little is known of */
    double epsilon;     /* 0 to 1: how much of every slot's draw is uniform */
    uint64_t seed;      /* the same one draws the same again; 0: any */
    /* The list that the shop shows by itself (docs/ab.md): it is logged, and what is answered
       is only what the engine would have shown. Items that are known, each once. */
    const char *const *shown;
    size_t n_shown; /* 0: the shop shows what is answered; at most PENCHANT_MAX_K */
    struct penchant_dials balance;
    bool adapt; /* default true: in a shop that learns from feedback, use what it learned;
                   false: the list as it would be without */
};

/* What an item may be worth to a shopper in the long run: docs/values.md. */
enum penchant_value {
    PENCHANT_VALUE_PURCHASE,   /* what will be bought */
    PENCHANT_VALUE_ENGAGEMENT, /* what will be looked at and liked */
    PENCHANT_VALUE_STAYING,    /* how long the visit goes on */
    PENCHANT_VALUES
};

/* What one source of evidence says of an item. */
struct penchant_evidence {
    const char *source;  /* its name */
    double score;        /* by itself */
    double weight;       /* what a unit more of it would add, here and for this user */
    double contribution; /* its part of the item's score: these add up to it */
};

struct penchant_scored {
    const char *item_id;
    double score;
    double
        propensity; /* the chance of its place, given those before it; 1 unless drawn */
    double balance; /* the part of the score that dials and targets made; 0 without */
    /* With `explain` only: */
    double probability;            /* that the user's next event is of this item */
    double value[PENCHANT_VALUES]; /* in the long run; NaN: there is none */
    size_t n_evidence;
    const struct penchant_evidence *evidence; /* freed with the list */
};

/* Which arm of a running experiment a user is in. */
struct penchant_assigned {
    const char *experiment, *arm;
    bool shop; /* the shop is to show its own list */
};

struct penchant_list {
    char recommendation_id[PENCHANT_RECOMMENDATION_ID + 1]; /* "" if not logged */
    size_t n;
    struct penchant_scored *items; /* best first, unless drawn */
    bool drawn; /* it was explored: with another draw it could have been another list */
    size_t n_assigned;
    struct penchant_assigned *assigned; /* by name of the experiment */
    const char *warning; /* a dial that could not be followed, and why; never freed. NULL:
                            none */
};

PENCHANT_API void penchant_request_default(struct penchant_request *r);

/*
 * The list for a user as of their last acknowledged event. Never an error for an unknown
 * user, never empty while an item passes the filters. The slate is logged. On success *out
 * is the caller's until penchant_list_free().
 */
PENCHANT_API int penchant_recommend(struct penchant *p, const struct penchant_request *r,
                                    struct penchant_list **out,
                                    struct penchant_error *err);

/* Items that go with this one; ENOTFOUND for an unknown item. */
PENCHANT_API int penchant_similar(struct penchant *p, const char *item_id, size_t k,
                                  struct penchant_list **out, struct penchant_error *err);

/* What is popular now (decayed), optionally in one category. */
PENCHANT_API int penchant_popular(struct penchant *p, size_t k, const char *category,
                                  struct penchant_list **out, struct penchant_error *err);

PENCHANT_API void penchant_list_free(struct penchant_list *list);

/* ---- what became of lists ----------------------------------------------------------- */

/* The discounts under which rewards count; docs/rewards.md. */
enum penchant_reward_group {
    PENCHANT_REWARD_PURCHASE,
    PENCHANT_REWARD_ENGAGEMENT,
    PENCHANT_REWARD_STAYING,
    PENCHANT_REWARD_GROUPS
};

/* One place of a list that was shown. */
struct penchant_shown {
    const char *item_id;
    double propensity; /* the chance of its place, given those before it; 1: not drawn */
    double reward;     /* so far, all groups together */
    double rewards[PENCHANT_REWARD_GROUPS];
    const char *outcome; /* the event that earned most; "ignored"; "unseen", when
                            impressions are reported and none of it; NULL: not yet known */
};

/* What a list was drawn from. */
struct penchant_candidate {
    const char *item_id;
    double score, uncertainty;
};

struct penchant_slate {
    const char *recommendation_id;
    const char *user_id;   /* NULL: an unknown visitor */
    const char *placement; /* NULL: none */
    int64_t timestamp_us;
    uint64_t model_version; /* 0: without a model */
    double reward;          /* of all its places, and leave */
    double leave;           /* the reward of leaving without a click; 0: it was not so */
    bool open;              /* an event may still change it */
    size_t n;
    const struct penchant_shown *items;
    bool
        shop; /* the shop showed it by itself: `candidates` are what the engine would have
                  shown */
    /* How it was drawn; else only zeros. */
    bool drawn;
    double share, temperature, kappa, epsilon;
    double log_normaliser; /* log sum exp(score / temperature + kappa x uncertainty) over
                              all candidates; NaN with temperature 0 */
    size_t pool;           /* how many candidates there were */
    size_t n_candidates;   /* the best of them, and those that were shown, best first */
    const struct penchant_candidate *candidates;
};

/*
 * A list by its recommendation_id, with what it earned so far. ENOTFOUND for one that was
 * not logged or is no longer among the newest 65,536 lists (or the newest of them with
 * 524,288 places). On success *out is the caller's until penchant_slate_free(), which
 * comes before penchant_close().
 */
PENCHANT_API int penchant_get_slate(struct penchant *p, const char *recommendation_id,
                                    struct penchant_slate **out,
                                    struct penchant_error *err);
PENCHANT_API void penchant_slate_free(struct penchant_slate *slate);

/* Called for one list after the other; what it gets is lost when it returns. A non-zero
   answer ends the reading. It must not call the library. */
typedef int penchant_slate_fn(void *cookie, const struct penchant_slate *slate);

/*
 * Goes through all lists of the log in their order, each with what it earned. A reward
 * that comes when 131,072 further lists (or 2,097,152 places) have been shown is not seen.
 * Returns the first non-zero answer of fn, a status, or 0. The shop writes nothing
 * meanwhile; one that is open for reading only does not hinder its writer.
 */
PENCHANT_API int penchant_read_slates(struct penchant *p, penchant_slate_fn *fn,
                                      void *cookie, struct penchant_error *err);
/* ---- experiments -------------------------------------------------------------------- */

/*
 * Arms that users are assigned to by a hash of the experiment's name and their id: the same
 * user is always in the same arm, and experiments are independent of each other. An arm may
 * change what a request leaves open, or say that the shop shows its own list
 * (docs/ab.md). Requests without a user are in no experiment.
 */
enum {
    PENCHANT_MAX_EXPERIMENTS = 64,
    PENCHANT_MAX_ARMS = 8,
    PENCHANT_EXPERIMENT_NAME = 64 /* bytes of a name: [a-z0-9_.-] */
};

struct penchant_arm {
    const char *name;
    double share; /* of the users, above 0; those of all arms at most 1 */
    bool shop;    /* the shop shows its own list */
    /* What holds where the request leaves it open. */
    const char *sources;                         /* NULL: nothing */
    double explore, temperature, kappa, epsilon; /* NaN: nothing */
};

struct penchant_experiment {
    const char *name;
    bool running;
    int64_t started_us, stopped_us; /* output only; 0: it has not stopped */
    size_t n_arms;                  /* 2..PENCHANT_MAX_ARMS; the first is what the others
                                       are compared with */
    struct penchant_arm arm[PENCHANT_MAX_ARMS];
};

PENCHANT_API void penchant_arm_default(struct penchant_arm *arm);

/* Starts an experiment, durable on return. PENCHANT_EINVALID also for a name that is
   taken: what users were assigned to must not change under them. */
PENCHANT_API int penchant_start_experiment(struct penchant *p,
                                           const struct penchant_experiment *e,
                                           struct penchant_error *err);

/* Ends it: nobody is assigned any more. Its users and lists are still told. Stopping a
   stopped one changes nothing. */
PENCHANT_API int penchant_stop_experiment(struct penchant *p, const char *name,
                                          struct penchant_error *err);

/* Forgets it. */
PENCHANT_API int penchant_delete_experiment(struct penchant *p, const char *name,
                                            struct penchant_error *err);

struct penchant_experiments {
    size_t n;
    const struct penchant_experiment *experiment; /* by name */
};

PENCHANT_API int penchant_get_experiments(struct penchant *p,
                                          struct penchant_experiments **out,
                                          struct penchant_error *err);
PENCHANT_API void penchant_experiments_free(struct penchant_experiments *experiments);

/* A figure that may be looked at at any time: the interval holds the truth at all times at
   once with 95 %. NaN: too little is known yet. */
struct penchant_always {
    double value, low, high;
    double p; /* of no difference, valid whenever it is looked at */
};

/* What became of an arm. */
struct penchant_arm_result {
    uint64_t users;                /* who were shown a list */
    uint64_t lists, clicked;       /* clicked: with an item that was wanted */
    struct penchant_always reward; /* a list, by the shop's rules */
    struct penchant_always gain;   /* over the first arm, by list; NaN for that one */
    /* Lists that the shop showed by itself: places whose item the engine would have shown
       too, and the others; what a place earned. */
    uint64_t agreed_places, other_places;
    struct penchant_always agreed, others;
    struct penchant_always agreed_gain; /* agreed over others */
};

struct penchant_experiment_result {
    struct penchant_arm_result arm[PENCHANT_MAX_ARMS]; /* in the order of the arms */
    uint64_t open;    /* lists whose outcome is not known yet, left out */
    char answer[512]; /* what is known, in plain words */
};

/*
 * What became of an experiment so far: of all lists that its users were given since it
 * started and while it ran. Users whom the shop knows count: a list before a user's first
 * event is nobody's. With several arms intervals of gain are wider, so that all of them
 * hold at once. Reads the whole log of lists, as penchant_read_slates().
 */
PENCHANT_API int penchant_get_experiment_result(struct penchant *p, const char *name,
                                                struct penchant_experiment_result *out,
                                                struct penchant_error *err);

/* ---- the balance ---- */

/* What lists come to, per place that was shown; docs/balance.md. */
enum penchant_balance {
    PENCHANT_BALANCE_ENGAGEMENT, /* rewards of the group engagement */
    PENCHANT_BALANCE_VALUE,      /* rewards of the group purchase */
    PENCHANT_BALANCE_DIVERSITY,  /* 1 - how alike the categories in a list are */
    PENCHANT_BALANCE_NOVELTY,    /* 1 / (1 + events / the mean of all items) */
    PENCHANT_BALANCE_CATEGORIES, /* the share in categories new to their user */
    PENCHANT_BALANCE_COVERAGE,   /* different items of the last 2,000 places, over what
                                    could be */
    PENCHANT_BALANCE_REVENUE,    /* money paid */
    PENCHANT_BALANCE_EXPLORE,    /* the share of lists that are drawn */
    PENCHANT_BALANCES
};

struct penchant_balanced {
    const char *name;  /* "engagement", ..; never freed */
    double target;     /* NaN: none */
    double realised;   /* over about the last 2,000 places; NaN: not measured yet */
    double multiplier; /* 0 to 5: the weight of what raises it */
};

struct penchant_balance_report {
    uint64_t impressions; /* places shown since the shop began */
    uint64_t updates;     /* of the multipliers */
    struct penchant_balanced measure[PENCHANT_BALANCES];
};

/* What the shop's lists come to beside its targets, as of its last event. */
PENCHANT_API int penchant_get_balance(struct penchant *p,
                                      struct penchant_balance_report *out,
                                      struct penchant_error *err);

/*
 * Sets targets: target[m] of every measure m with its bit (1 << m) in `which`, NaN takes
 * one away. All or none; PENCHANT_EINVALID names the measure. Durable on return.
 */
PENCHANT_API int penchant_set_balance(struct penchant *p, uint32_t which,
                                      const double target[PENCHANT_BALANCES],
                                      struct penchant_error *err);

/* The measure of that name, or PENCHANT_BALANCES. */
PENCHANT_API enum penchant_balance penchant_balance_find(const char *name);

/* ---- users -------------------------------------------------------------------------- */

struct penchant_user {
    const char *user_id;
    uint64_t events;  /* all that were logged */
    int64_t first_us; /* 0 when there is none */
    int64_t last_us;
    size_t n_recent;
    struct penchant_event *recent; /* the newest ones, oldest first */
    int32_t segment;               /* see penchant_segments(); -1: in none */
};

PENCHANT_API int penchant_get_user(struct penchant *p, const char *user_id,
                                   struct penchant_user **out,
                                   struct penchant_error *err);
PENCHANT_API void penchant_user_free(struct penchant_user *user);

/* A category or brand of an interest. */
struct penchant_share {
    const char *name;
    double share; /* of the interest's weight, 0 to 1 */
    double lift;  /* the share over the shop's own: 1 is as usual */
};

enum {
    PENCHANT_INTEREST_CATEGORIES = 5,
    PENCHANT_INTEREST_BRANDS = 3,
    PENCHANT_INTEREST_ITEMS = 4
};

/* One thing that a user is interested in. */
struct penchant_interest {
    double weight;             /* of all interests together 1 */
    uint32_t events;           /* how many it was seen in */
    int64_t first_us, last_us; /* of them; 0 without any */
    /* The most telling first. */
    size_t n_categories, n_brands, n_items;
    struct penchant_share categories[PENCHANT_INTEREST_CATEGORIES];
    struct penchant_share brands[PENCHANT_INTEREST_BRANDS];
    const char *items[PENCHANT_INTEREST_ITEMS];  /* ids, the most looked at first */
    const char *titles[PENCHANT_INTEREST_ITEMS]; /* NULL: unknown */
    double price_low, price_high;                /* where 80 % of it lies; NaN: unknown */
};

/* How much of a category a user has had lately, over what is usual for them. */
struct penchant_saturation {
    const char *category;
    double saturation;    /* 0: no more than usual, up to 1 */
    double lately, usual; /* in looks; a purchase counts as 16 */
};

struct penchant_interests {
    const char *user_id;
    int64_t now_us; /* when this was so; without a clock 0 */
    double drift;   /* 0: the present is like the past, up to 1; NaN: cannot be told */
    struct penchant_interest long_term;
    size_t n_short; /* concurrent short-term interests, the heaviest first */
    struct penchant_interest *short_term;
    size_t n_saturated; /* the most saturated first */
    struct penchant_saturation *saturated;
};

/*
 * What a user is interested in, as of now (now_us 0) or of another time. ENOTFOUND for an
 * unknown user. On success *out is the caller's until penchant_interests_free(), which
 * comes before penchant_close(). docs/interests.md tells how it is computed.
 */
PENCHANT_API int penchant_get_interests(struct penchant *p, const char *user_id,
                                        int64_t now_us, struct penchant_interests **out,
                                        struct penchant_error *err);
PENCHANT_API void penchant_interests_free(struct penchant_interests *interests);

/* A probability, or why it cannot be told. */
struct penchant_chance {
    double probability; /* NaN: cannot be told */
    const char *reason; /* then a sentence that is never freed; else NULL */
};

enum penchant_next {
    PENCHANT_NEXT_VIEW,
    PENCHANT_NEXT_CART,
    PENCHANT_NEXT_PURCHASE,
    PENCHANT_NEXT_OTHER, /* any other event that speaks for an item */
    PENCHANT_NEXT_LEAVE, /* none of them within 30 minutes */
    PENCHANT_NEXT_N
};

enum penchant_week {
    PENCHANT_WEEK_VIEW,
    PENCHANT_WEEK_CART,
    PENCHANT_WEEK_PURCHASE,
    PENCHANT_WEEK_NOTHING,
    PENCHANT_WEEK_N
};

struct penchant_outlook {
    bool known; /* false: no event of this user speaks for an item; newcomers' rates */
    int64_t now_us;
    struct penchant_chance next[PENCHANT_NEXT_N]; /* what comes next; sums to 1 */
    struct penchant_chance week[PENCHANT_WEEK_N]; /* what comes within 7 days */
};

/*
 * What a user will do, as of now (now_us 0) or of another time. Never an error for an
 * unknown user. docs/outlook.md tells how it is learned.
 */
PENCHANT_API int penchant_get_outlook(struct penchant *p, const char *user_id,
                                      int64_t now_us, struct penchant_outlook *out,
                                      struct penchant_error *err);

/* Erases a user: events, slates, state and name. Durable on return. */
PENCHANT_API int penchant_delete_user(struct penchant *p, const char *user_id,
                                      struct penchant_error *err);

/* ---- segments ----------------------------------------------------------------------- */

/*
 * Groups of shoppers who want alike things. Training finds them in the model's item space,
 * as many as predict held-out events best; from then on every event moves its user's
 * vector, and the user into another segment once that has fitted clearly better twice in a
 * row. Texts in the answers are the shop's: valid until it is closed.
 */
enum { PENCHANT_MAX_SEGMENTS = 64 };

/* What a segment wants more than the shop as a whole does. */
struct penchant_trait {
    const char *kind;   /* "category", "brand", "price" */
    const char *name;   /* "shoes"; of a price the range, "22.63-32" */
    double share, lift; /* of the segment's wanted events; against the shop's share */
};

struct penchant_segment_item {
    const char *item_id;
    double share, lift; /* as of a trait; recent events count more */
};

struct penchant_segment {
    uint32_t segment; /* its number: 0, 1, .. */
    char name[128];   /* made of its first traits; "segment 3" without any */
    uint64_t users;
    double share; /* of the users who are in a segment */

    /* Medians of its users and, 1 to 5, the fifth of the shop's users they lie in, 5 the
       best. Without a clock recency is NaN, its score 0 and the stage "". */
    double recency_days, frequency, monetary;
    unsigned recency_score, frequency_score, monetary_score;
    const char *stage; /* most of its users are "new", "active", "at risk", "lapsed" */
    double stage_share[4]; /* in this order */

    size_t n_traits;
    struct penchant_trait *traits; /* categories, brands, prices; each strongest first */
    size_t n_items;
    struct penchant_segment_item *items; /* what it wants more than others, best first */
};

/* A number of segments that training tried, and how many nats better than the whole
   shop's popularity that of the segments predicted held-out events. */
struct penchant_segments_choice {
    uint32_t segments;
    double gain, error; /* error: the standard error of gain */
};

struct penchant_segments {
    size_t n;                         /* 0: training found none */
    struct penchant_segment *segment; /* (n) by number */
    uint64_t users, outside; /* in a segment; in none: nothing of what they wanted is
                                known to the model */
    uint64_t changes;        /* moves between segments since the model came in */
    bool purchases; /* frequency counts purchases; false: the shop has none, and it counts
                       wanted events */
    size_t n_choices;
    struct penchant_segments_choice *choice; /* 1 segment first */
};

/*
 * All segments with up to k items each (0..PENCHANT_MAX_K). Reads every user's newest
 * events: some tenths of a second for a million users. PENCHANT_ENOMODEL before the first
 * training.
 */
PENCHANT_API int penchant_segments(struct penchant *p, size_t k,
                                   struct penchant_segments **out,
                                   struct penchant_error *err);
PENCHANT_API void penchant_segments_free(struct penchant_segments *segments);

/* One of them; PENCHANT_ENOTFOUND for a number that is not there. */
PENCHANT_API int penchant_get_segment(struct penchant *p, uint32_t segment, size_t k,
                                      struct penchant_segment **out,
                                      struct penchant_error *err);
PENCHANT_API void penchant_segment_free(struct penchant_segment *segment);

enum { PENCHANT_MAX_SEEDS = 10000, PENCHANT_MAX_AUDIENCE = 100000 };

struct penchant_audience_options {
    const char *const *seeds; /* user ids; repeated and unknown ones are fine */
    size_t n_seeds;           /* 1..PENCHANT_MAX_SEEDS */
    size_t k;                 /* 1..PENCHANT_MAX_AUDIENCE, default 100 */
    double threshold;         /* only users with at least this score, 0..1, default 0 */
};

struct penchant_audience_user {
    const char *user_id;
    double score;    /* 0..1; above 0.5: more like the seeds than like the others */
    int32_t segment; /* -1: in none */
};

struct penchant_audience {
    size_t seeds, unknown, blank; /* given users that served, whom the shop does not know,
                                     of whom the model knows nothing */
    size_t n;
    struct penchant_audience_user *users; /* best first, no seed among them */
};

PENCHANT_API void penchant_audience_options_default(struct penchant_audience_options *o);

/*
 * Users who are like the given ones, in what they want and how much they do. Reads every
 * user: seconds for a million of them. PENCHANT_ENOMODEL before the first training,
 * PENCHANT_EINVALID when nothing is known of any seed or when everybody is one.
 */
PENCHANT_API int penchant_lookalike(struct penchant *p,
                                    const struct penchant_audience_options *o,
                                    struct penchant_audience **out,
                                    struct penchant_error *err);
PENCHANT_API void penchant_audience_free(struct penchant_audience *audience);

/* ---- long work: import, export, train, evaluate ------------------------------------- */

/*
 * Told now and then how far long work is (`total` 0: unknown). A non-zero return stops the
 * work; import then keeps nothing, train keeps the best checkpoint.
 */
typedef int penchant_progress_fn(void *cookie, const char *what, uint64_t done,
                                 uint64_t total, const char *detail);

/* One rejected line, `file:line: field: reason`. */
typedef void penchant_complaint_fn(void *cookie, const char *line);

struct penchant_import_options {
    const char *events;  /* file, or "-" for standard input; NULL: none */
    const char *items;   /* file; NULL: none */
    const char *map;     /* "user_id=visitorid,item_id=sku": ours = theirs */
    uint64_t max_errors; /* default 100 */
    bool check;          /* report as if all were taken, and keep nothing */
    bool drop_bots, drop_double_clicks, drop_price_outliers;
    penchant_progress_fn *progress;
    penchant_complaint_fn *complain;
    void *cookie;
};

struct penchant_import_report {
    uint64_t lines, events, items, users;   /* users and items: how many are new */
    uint64_t errors, duplicates, cancelled; /* cancelled: purchases undone by refunds */
    uint64_t bots, double_clicks, price_outliers,
        dropped;    /* flagged events; dropped ones */
    bool has_clock; /* false: timestamps only mean order */
    double seconds;
};

PENCHANT_API void penchant_import_options_default(struct penchant_import_options *o);

/*
 * Reads files into the shop in one transaction: all of them, or on any failure nothing. It
 * holds the writer until it is done: lists are answered meanwhile as of before, and events
 * that are added wait and are acknowledged after it. docs/import.md tells what is read.
 */
PENCHANT_API int penchant_import(struct penchant *p,
                                 const struct penchant_import_options *o,
                                 struct penchant_import_report *out,
                                 struct penchant_error *err);

/* Writes everything back as CSV ("-": standard output); NULL leaves a file out. */
PENCHANT_API int penchant_export(struct penchant *p, const char *events,
                                 const char *items, struct penchant_error *err);

struct penchant_vectors_options {
    const char *vectors; /* NumPy, safetensors or JSON lines file */
    const char *ids;     /* one item_id a line for each row of a table; NULL: none */
    const char *items;   /* without ids: the item file whose order the rows have */
    const char *name;    /* what they are called: 1-31 characters [a-z0-9_.-] */
    double weight;       /* beside the 1 of the items' own text; default 1, at most 100 */
    bool check;          /* report as if all were taken, and keep nothing */
    penchant_progress_fn *progress;
    void *cookie;
    uint64_t reserved[4];
};

struct penchant_vectors_report {
    uint64_t rows, vectors; /* in the file; kept */
    uint64_t unknown;       /* left out: of items that the shop does not know */
    uint64_t empty;         /* left out: all zero, which says nothing */
    uint32_t dim;
    double seconds;
};

PENCHANT_API void penchant_vectors_options_default(struct penchant_vectors_options *o);

/*
 * Reads one vector per item under a name, which replaces those of that name, in one
 * transaction: all of them, or on any failure nothing. Items without one are fine. Up to 8
 * names, vectors of up to 4096 numbers. docs/import.md tells what is read.
 */
PENCHANT_API int penchant_import_vectors(struct penchant *p,
                                         const struct penchant_vectors_options *o,
                                         struct penchant_vectors_report *out,
                                         struct penchant_error *err);

/* Removes the vectors of a name; PENCHANT_ENOTFOUND when there are none. */
PENCHANT_API int penchant_remove_vectors(struct penchant *p, const char *name,
                                         struct penchant_error *err);

/* Writes the vectors of a name back as JSON lines that import reads ("-": standard
   output). */
PENCHANT_API int penchant_export_vectors(struct penchant *p, const char *name,
                                         const char *path, struct penchant_error *err);

struct penchant_train_options {
    const char *dir;    /* the shop's folder */
    double minutes;     /* bound on training; 0: until validation stops improving */
    const char *preset; /* "auto" (default), "gated", "hstu", "sasrec" */
    const char *loss;   /* NULL: by the preset; "full", "sampled", "gbce" */
    /* Whether item vectors stand on what the items say of themselves: "auto" (default, by
       validation), "on", "off". */
    const char *content;
    /* Whether values are learned beside the model, which they leave as it is: "auto" (default,
       where the log has events of several types or purchases), "on", "off". */
    const char *values;
    uint32_t dim, blocks, heads, negatives, max_length; /* 0: by the preset */
    double dropout, learning_rate, weight_decay;        /* negative: by the preset */
    uint32_t max_epochs, batch_tokens;                  /* 0: by the preset */
    uint64_t seed;                                      /* default 1 */
    uint32_t threads;                                   /* default 2 */
    bool resume; /* go on from the last checkpoint */
    penchant_progress_fn *progress;
    void *cookie;
};

/*
 * One thing that the preset "auto" tried: a recipe, or the winner with one thing changed.
 * A change goes on from the winner's state for as many steps as the winner itself, which
 * is the trial "unchanged"; it is taken when it gains clearly.
 */
struct penchant_trial {
    char what[32];   /* "gated .5", .., "unchanged", "dropout 0.35", .. */
    uint32_t epochs; /* behind it when it was judged last */
    uint64_t steps;  /* that those are */
    double ndcg10;   /* on validation, then */
    double gain,
        error; /* a change's over what it changes, and its standard error; else NaN */
    double seconds; /* that it took */
    bool taken;     /* it is part of what was trained in the end */
};

enum { PENCHANT_TRIALS = 24 };

/* How good the values of one kind are, on users that they were not learned from, in units
   of the rewards. */
struct penchant_value_quality {
    char name[16];      /* "purchase", "engagement", "staying" */
    const char *reason; /* why there are none; then the rest is 0. Else NULL */
    double discount;    /* of a reward, an event later */
    uint64_t n, users;  /* moments, and whose */
    double mean_return; /* discounted rewards that came after them until the log's end */
    double mean_value;  /* as foretold */
    double td_error;    /* root mean square of the temporal differences */
    double rmse;        /* of the value against the return, */
    double mean_rmse;   /* of the mean return of the users learned from, */
    double rate_rmse;   /* of a line through each user's own recent rate of reward */
    double gain, error; /* rate_rmse^2 - rmse^2, and its standard error by user */
    double spearman,
        rate_spearman;    /* rank correlations of value and rate with the return */
    double item_spearman; /* of the value of the item that was chosen */
};

struct penchant_train_report {
    char preset[16], loss[16];
    uint32_t dim, blocks, heads, negatives, max_length, epochs, best_epoch;
    uint64_t seed, steps, tokens;
    double dropout, weight_decay;
    double temperature; /* of scores of normalised vectors; 0: of plain ones */
    double seconds, tokens_per_s, best_ndcg10;
    bool stopped; /* by the callback */
    size_t n_trials;
    struct penchant_trial trial[PENCHANT_TRIALS]; /* in the order in which they began */
    double value_seconds;
    struct penchant_value_quality value[PENCHANT_VALUES];
};

PENCHANT_API void penchant_train_options_default(struct penchant_train_options *o);

/* Trains beside whoever has the shop open; an open shop picks the model up by itself. */
PENCHANT_API int penchant_train(const struct penchant_train_options *o,
                                struct penchant_train_report *out,
                                struct penchant_error *err);

struct penchant_metric {
    double value, low, high; /* 95 % interval */
};

struct penchant_quality {
    char name[32]; /* "model", "popularity", "covisitation", .. */
    struct penchant_metric hr[3], ndcg[3], mrr[3]; /* at 5, 10, 20 */
};

/* How good one probability of penchant_get_outlook() was on a later part of the log. */
struct penchant_outlook_quality {
    char name[24];        /* "next" (all together), "next.view", .., "week.nothing" */
    const char *reason;   /* why it is not given; then the rest is 0. Else NULL */
    uint64_t n;           /* moments */
    double rate;          /* how often it came true; NaN for "next" */
    double log_loss;      /* nats */
    double base_log_loss; /* of the rate of the time before */
    double rf_log_loss;   /* of a table of recency and frequency */
    double gain, error;   /* rf_log_loss - log_loss, and its standard error */
    double auc, ece;      /* NaN for "next" */
};

enum { PENCHANT_OUTLOOK_QUALITIES = 1 + PENCHANT_NEXT_N + PENCHANT_WEEK_N };

struct penchant_evaluation {
    uint64_t cases;
    bool seen_excluded; /* users practically never come back: only new items are ranked */
    size_t n;           /* the model first, then each of the sources alone */
    struct penchant_quality quality[16];
    char best_single[32]; /* the source that is best alone, by NDCG@10 */
    struct penchant_metric over_ndcg10, over_mrr20, over_hr20; /* the model minus it */
    struct penchant_outlook_quality outlook[PENCHANT_OUTLOOK_QUALITIES];
    struct penchant_value_quality value[PENCHANT_VALUES];
};

/*
 * How well a trained shop predicts each user's last event, which training held out for
 * validation (equal scores rank against the model), and how well its outlook and its values
 * did when they were trained. `sources` as in a request; NULL: all.
 */
PENCHANT_API int penchant_evaluate(struct penchant *p, const char *sources,
                                   struct penchant_evaluation *out,
                                   struct penchant_error *err);

enum { PENCHANT_SEGMENT_DAYS = 7, PENCHANT_SEGMENT_AUDIENCES = 5 };

/* One of the last days of the log, against the day before. Rand indices are adjusted for
   chance: 1 is the same grouping, 0 an independent one. */
struct penchant_segment_day {
    int64_t end_us;
    uint64_t active;     /* users with events on it */
    double rand_index;   /* of the segments as they are kept up */
    double moved;        /* the share of all users who changed segment, */
    double moved_active; /* of the active ones, */
    double moved_plain;  /* and of the active ones if the nearest were taken at once */
    double refit_rand;   /* of segments found anew at the end of each day */
};

/* Who has bought of one category (without categories: one item), a fifth of them hidden,
   ranked with all others by a look-alike search that does not see those purchases. */
struct penchant_segment_audience {
    char name[128];
    uint64_t seeds, hidden, ranked;
    double recall;  /* the share of the hidden among as many best as are hidden */
    double lift[3]; /* of the hidden in the best 1, 5, 10 %, against chance */
    double auc;
};

struct penchant_segments_quality {
    uint32_t segments;
    uint64_t users, cases;
    double gain, gain_error; /* nats, see struct penchant_segments_choice */
    /* Popularity among the segment's users, among all, and the paired difference. */
    struct penchant_metric hr20_segment, hr20_shop, hr20_difference;
    /* Segments found among one half of the users and among the other, all users put into
       both: Rand index, normalised mutual information. */
    double halves_rand, halves_information;
    size_t n_days; /* 0 without a clock */
    struct penchant_segment_day day[PENCHANT_SEGMENT_DAYS];
    size_t n_audiences;
    struct penchant_segment_audience audience[PENCHANT_SEGMENT_AUDIENCES];
};

/*
 * How good a trained shop's segments are: as many are found again without the events that
 * training held out, and judged by those of the users who took no part in choosing how
 * many. PENCHANT_ENOMODEL before the first training.
 */
PENCHANT_API int penchant_evaluate_segments(struct penchant *p,
                                            struct penchant_segments_quality *out,
                                            struct penchant_error *err);

/* ---- off-policy evaluation ---------------------------------------------------------- */

/*
 * What another way of choosing would have earned, estimated from what was logged while one
 * with known propensities chose. docs/ope.md tells what each estimator is and when to
 * believe it.
 */
enum { PENCHANT_OPE_ESTIMATES = 10 };

struct penchant_ope_estimate {
    char name[16];           /* "ips", "snips", "dr", .. */
    const char *reason;      /* why it is not given, never freed; then all numbers are
                                      NaN. Else NULL */
    double value, low, high; /* reward per row, or per slate; 95 % */
    double gain, gain_low, gain_high; /* over what was logged, of the same resamples */
    /* Of the weights it uses; NaN without any. Slates: of all slots, as if of slates. */
    double ess; /* (sum w)^2 / sum w^2: as many rows chosen by the target itself */
    double mean_weight; /* 1 is expected */
    double max_weight;
    double clipped;  /* the share of rows whose weight was cut */
    char doubt[512]; /* why the data cannot answer, as sentences; "" when they can */
};

struct penchant_ope {
    uint64_t n;        /* rows, or slates */
    uint64_t slots;    /* of all slates; n without slates */
    uint64_t clusters; /* independent ones: users where they are known, else n */
    uint64_t rewarded; /* rows or slates with a reward that is not 0 */
    double logged, logged_low, logged_high; /* what was earned, 95 % */
    size_t n_estimates;
    struct penchant_ope_estimate estimate[PENCHANT_OPE_ESTIMATES];
    char chosen[16];  /* the estimator that the answer stands on */
    bool answered;    /* its doubt is "" */
    char answer[640]; /* what the data say, in plain words */
};

struct penchant_ope_options {
    /* The target, as in struct penchant_request. Default: explore 0, the ranking. */
    double explore, temperature, kappa, epsilon;
    const char *placement; /* only lists of this one; NULL: of all */
    int64_t since_us;      /* only lists from then on */
    uint32_t draws;        /* resamples of the intervals, default 1,000 */
    uint64_t seed;         /* of the resamples */
    uint64_t reserved[4];
};

PENCHANT_API void penchant_ope_options_default(struct penchant_ope_options *o);

/*
 * What the shop's lists would have earned had they been drawn otherwise, from those that
 * were drawn (`explore` above 0) and whose outcome is known; rewards are those of the
 * shop's rules. Up to 2,097,152 places of lists. As penchant_read_slates() it reads the
 * whole log, and the shop writes nothing meanwhile. PENCHANT_ENOTFOUND when no such list
 * was shown.
 */
PENCHANT_API int penchant_evaluate_policy(struct penchant *p,
                                          const struct penchant_ope_options *o,
                                          struct penchant_ope *out,
                                          struct penchant_error *err);

/* ---- learning while it is open ------------------------------------------------------ */

enum { PENCHANT_DELAYS = 14 };

/* How long something took, how often. */
struct penchant_delays {
    uint64_t n;
    double seconds;                   /* of all together */
    uint64_t bucket[PENCHANT_DELAYS]; /* of them, not cumulative */
};

/* The longest time that counts into bucket i, in seconds; infinity for the last. */
PENCHANT_API double penchant_delay_bound(size_t i);

/*
 * What the background learner of a shop opened with penchant_options.learn has done since
 * then. docs/learning.md tells how it learns and when it takes everything back.
 */
struct penchant_learning {
    bool on;                                      /* the shop has a learner, */
    bool active;                                  /* and that has a model */
    uint64_t events, displaced, unknown, dropped; /* learned as they came; left to later
                                                     steps; not of the model; too many */
    uint64_t steps, publications, rollbacks;
    /* In nats an event before it was learned from, falling averages on the same events: of
       the model that learns and of the one that was trained. NaN: none yet. */
    double loss, champion_loss;
    double rate;                    /* of the next step */
    double publish_seconds;         /* that the last publication took */
    struct penchant_delays to_list; /* from submission to being in the user's next list,
                                          counted without a learner too */
    struct penchant_delays to_network; /* from commit to a model in use that learned it */
};

PENCHANT_API int penchant_get_learning(struct penchant *p, struct penchant_learning *out,
                                       struct penchant_error *err);

/*
 * What a shop with `adapt = on` in its configuration has learned from the feedback to its
 * lists; docs/learning.md tells how.
 */
struct penchant_adaptation {
    bool on;
    uint64_t settled; /* outcomes of places of lists that were learned from, of the log */
    uint64_t changes; /* times that the world was found to have changed */
    double share_fast; /* how much the layer that forgets fast counts, 0 to 1; NaN: off */
    struct penchant_delays to_layer; /* from the submission of an event that settled
                                        something to the changed layer */
};

PENCHANT_API int penchant_get_adaptation(struct penchant *p,
                                         struct penchant_adaptation *out,
                                         struct penchant_error *err);

/* ---- how it is doing ---------------------------------------------------------------- */

struct penchant_status_report {
    uint64_t events, users, items, slates;
    int64_t first_us, last_us;
    bool has_clock, has_model, read_only;
    char preset[16];
    uint32_t dim, blocks;
    uint64_t model_version; /* counts up with every model picked up or learned on */
    int64_t model_trained_us;
    /* Of the lists on held-out events when the sources were weighed, with a part of the items
       taken for new; penchant_evaluate() takes none for new and finds a little more. */
    double model_ndcg10;
    uint64_t requests, commits, states_cached, state_bytes; /* since opening */
    uint64_t disk_bytes;
};

PENCHANT_API int penchant_status(struct penchant *p, struct penchant_status_report *out,
                                 struct penchant_error *err);

#ifdef __cplusplus
}
#endif
#endif

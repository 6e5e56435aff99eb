/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Popularity, of this moment and for this kind of user: a mixture of experts
 *
 *   p(i) = sum over e of w_e p_e(i),   score(i) = log p(i)
 *
 * each of them decayed counts (an event 1, a wish or cart 2, a purchase 3) as shares:
 * four half-lives (with a clock a day, a week, a month and a quarter when the caller's
 * half-life is EVIDENCE_HALF_LIFE_DAYS, in proportion else; without one EVENTS_SHORT
 * observed events and so on, since the order is all that is known), what sessions begin
 * with, with a clock what this part of the day (6 hours, weekdays and weekends apart;
 * UTC) brings, and every item alike.
 *
 * The weights are those under which the events were likeliest, by online expectation
 * maximisation: before an event is counted, w_e moves by RATE towards w_e p_e(i) / p(i)
 * (Cappe and Moulines 2009; by more in the beginning), so old events fade from them too.
 * There is a set for users without history, one for those who come back after a pause,
 * and one for those within a session.
 *
 * The k best are exact: Fagin's threshold algorithm walks the experts' lists of their
 * most popular, and stops when no other item can be better. With q->by_count it is the
 * caller's half-life alone, score(i) = log((n_i + 1/2) / (N + 1)).
 *
 * Memory: 40 bytes an item, 104 with a clock, and 110 KiB of lists.
 */
#include "evidence/popularity.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "behaviour/event.h"
#include "evidence/counter.h"
#include "evidence/sources.h"
#include "evidence/tally.h"
#include "retrieval/best.h"

enum {
    LIVES = POPULARITY_LIVES,
    STARTS = POPULARITY_STARTS,
    PART = POPULARITY_PART,
    UNIFORM = POPULARITY_UNIFORM,
    EXPERTS = POPULARITY_EXPERTS,
    PARTS = POPULARITY_PARTS,
    COUNTERS = LIVES + 1 + PARTS
};

#define RATE     0.0005 /* at which weights follow, in the long run */
#define FLOOR    1e-4   /* no expert is ever given up */
#define EVENTS_0 8192.0
#define EVENTS_1 32768.0
#define EVENTS_2 131072.0
#define EVENTS_S 131072.0 /* of what sessions begin with */

struct popularity {
    pthread_rwlock_t lock;            /* readers: requests; writer: observe */
    struct counter counter[COUNTERS]; /* by half-life, starts, parts of the week */
    double weight[POPULARITY_WHO][EXPERTS];
    uint64_t seen[POPULARITY_WHO]; /* events that the weights have learned from */
    int64_t events;                /* the time of a log without a clock */
    uint32_t n_known;              /* items counted so far */
    uint32_t plain;                /* the counter of the caller's half-life */
    bool has_clock;
};

/* ---- the experts ---- */

static uint32_t part_of(int64_t ts_us)
{
    const int64_t hour = INT64_C(3600000000), week = 7 * 24 * hour;
    /* 1970 began on a Thursday; from Monday on, and before 1970 too */
    const int64_t at = ((ts_us + 3 * 24 * hour) % week + week) % week;
    const bool weekend = at >= 5 * 24 * hour;
    return (uint32_t)(at % (24 * hour) / (6 * hour)) + (weekend ? 4 : 0);
}

static enum popularity_who who(const struct popularity *s, uint32_t n_recent,
                               const int64_t *recent_us, int64_t now_us)
{
    if (n_recent == 0)
        return POPULARITY_NEWCOMER;
    const bool paused = s->has_clock && recent_us &&
                        now_us - recent_us[n_recent - 1] > EVENT_SESSION_GAP_US;
    return paused ? POPULARITY_RETURNING : POPULARITY_PRESENT;
}

/* Experts as they stand for one moment; those that have counted nothing weigh nothing. */
struct panel {
    const struct counter *counter[EXPERTS]; /* NULL: it takes no part */
    double weight[EXPERTS];                 /* of a share; adds up to 1 */
    double uniform; /* what every item has of the expert that knows nothing */
};

static void panel_init(struct panel *p, const struct popularity *s,
                       enum popularity_who asks, int64_t now_us, uint32_t n_items)
{
    double sum = 0.0;
    for (uint32_t e = 0; e < EXPERTS; e++) {
        const struct counter *c = e <= STARTS    ? &s->counter[e]
                                  : e == UNIFORM ? NULL
                                  : s->has_clock ? &s->counter[PART + part_of(now_us)]
                                                 : NULL;
        p->counter[e] = c && c->total > 0 ? c : NULL;
        p->weight[e] = p->counter[e] || e == UNIFORM ? s->weight[asks][e] : 0.0;
        sum += p->weight[e];
    }
    for (uint32_t e = 0; e < EXPERTS; e++)
        p->weight[e] /= sum;
    p->uniform = 1.0 / (n_items ? n_items : 1);
}

static double panel_share(const struct panel *p, uint32_t e, uint32_t item)
{
    if (e == UNIFORM)
        return p->uniform;
    return p->counter[e] ? counter_share(p->counter[e], item) : 0.0;
}

static double panel_says(const struct panel *p, uint32_t item)
{
    double sum = 0.0;
    for (uint32_t e = 0; e < EXPERTS; e++)
        sum += p->weight[e] * panel_share(p, e, item);
    return sum;
}

/* ---- taking events in ---- */

/* One step towards the weights under which this event would have been likelier. */
static void learn(struct popularity *s, const struct evidence_event *e,
                  enum popularity_who asks)
{
    struct panel p;
    double *w = s->weight[asks], part[EXPERTS];
    const double rate = fmax(RATE, 1.0 / (double)(s->seen[asks]++ + 20));
    panel_init(&p, s, asks, e->ts_us, s->n_known + 1);
    const double sum = panel_says(&p, e->item);
    double total = 0.0;
    for (uint32_t i = 0; i < EXPERTS; i++) {
        part[i] = p.weight[i] * panel_share(&p, i, e->item) / sum;
        w[i] = fmax(w[i] + rate * (part[i] - w[i]), FLOOR);
        total += w[i];
    }
    for (uint32_t i = 0; i < EXPERTS; i++)
        w[i] /= total;
}

static int count(struct popularity *s, const struct evidence_event *e,
                 enum popularity_who asks)
{
    const double w = (double)event_type_weight(e->type);
    const int64_t ts_us = s->has_clock ? e->ts_us : s->events;
    int rc = 0;
    const bool new = counter_count(&s->counter[s->plain], e->item) <= 0;
    for (uint32_t i = 0; !rc && i < LIVES; i++)
        rc = counter_add(&s->counter[i], e->item, w, ts_us);
    if (!rc && asks != POPULARITY_PRESENT)
        rc = counter_add(&s->counter[STARTS], e->item, w, ts_us);
    if (!rc && s->has_clock)
        rc = counter_add(&s->counter[PART + part_of(ts_us)], e->item, w, ts_us);
    s->n_known += !rc && new;
    s->events++;
    return rc;
}

static int observe(void *state, const struct evidence_event *e)
{
    struct popularity *s = state;
    pthread_rwlock_wrlock(&s->lock);
    const enum popularity_who asks = who(s, e->n_recent, e->recent_us, e->ts_us);
    learn(s, e, asks);
    const int rc = count(s, e, asks);
    pthread_rwlock_unlock(&s->lock);
    return rc;
}

/* ---- answering ---- */

static void panel_for(struct panel *p, const struct popularity *s,
                      const struct evidence_query *q)
{
    if (!q->by_count) {
        panel_init(p, s, who(s, q->n_recent, q->recent_us, q->now_us), q->now_us,
                   q->n_items);
        return;
    }
    const struct counter *c = &s->counter[s->plain];
    *p = (struct panel){.uniform = 0.0};
    p->counter[0] = c->total > 0 ? c : NULL;
    p->weight[0] = 1.0;
}

static bool asked_for(const struct evidence_query *q, uint32_t item)
{
    return item < q->n_items && !evidence_skips(q, item);
}

/*
 * Walks the lists side by side to `depth`. True when the heap is full of items that
 * nothing below can pass, or when there is nothing below.
 */
static bool walk(const struct panel *p, const struct evidence_query *q, uint32_t depth,
                 struct tally *met, struct best *best)
{
    for (uint32_t d = 0; d < depth; d++) {
        double ceiling = p->weight[UNIFORM] * p->uniform;
        bool more = false;
        for (uint32_t e = 0; e < EXPERTS; e++) {
            const struct counter *c = p->counter[e];
            if (!c || d >= c->n_top)
                continue;
            const uint32_t item = c->top[d];
            more = true;
            ceiling += p->weight[e] * counter_share(c, item);
            if (tally_add(met, item, 0.0F) && asked_for(q, item))
                best_offer(best, panel_says(p, item), item);
        }
        if (!more || (best->n == best->k && best->hit[0].score >= ceiling))
            return true;
    }
    return false;
}

/* Every item that was ever counted, when the lists were not enough. */
static void scan(const struct panel *p, const struct popularity *s,
                 const struct evidence_query *q, struct best *best)
{
    const struct counter *all = &s->counter[s->plain];
    const uint32_t n = q->n_items < all->cap ? q->n_items : all->cap;
    best->n = 0;
    for (uint32_t i = 0; i < n; i++)
        if (all->count[i] > 0 && !evidence_skips(q, i))
            best_offer(best, panel_says(p, i), i);
}

static size_t candidates(void *state, const struct evidence_query *q, size_t k,
                         uint32_t *item)
{
    struct popularity *s = state;
    struct best best = {.k = (uint32_t)(k < q->n_items ? k : q->n_items)};
    struct panel p;
    size_t got = 0;
    best.hit = best.k ? malloc(best.k * sizeof *best.hit) : NULL;
    if (!best.hit)
        return 0;
    pthread_rwlock_rdlock(&s->lock);
    panel_for(&p, s, q);
    const uint32_t first = 4 * best.k + 64;
    bool done = false;
    for (int attempt = 0; !done && attempt < 2; attempt++) {
        const uint32_t depth = attempt || first > COUNTER_TOP ? COUNTER_TOP : first;
        struct tally met;
        best.n = 0;
        if (tally_init(&met, (size_t)depth * EXPERTS))
            break;
        done = walk(&p, q, depth, &met, &best);
        tally_release(&met);
    }
    if (!done)
        scan(&p, s, q, &best);
    pthread_rwlock_unlock(&s->lock);
    got = evidence_take(&best, item);
    free(best.hit);
    return got;
}

static void score(void *state, const struct evidence_query *q, const uint32_t *item,
                  size_t n, float *out)
{
    struct popularity *s = state;
    struct panel p;
    pthread_rwlock_rdlock(&s->lock);
    panel_for(&p, s, q);
    const struct counter *c = &s->counter[s->plain];
    const double total = c->total / decay_present(&c->decay) + 1.0;
    for (size_t i = 0; i < n; i++)
        out[i] = logf((float)(q->by_count ? (counter_count(c, item[i]) + 0.5) / total
                                          : panel_says(&p, item[i])));
    pthread_rwlock_unlock(&s->lock);
}

void popularity_weights(void *state, double out[POPULARITY_WHO][POPULARITY_EXPERTS])
{
    struct popularity *s = state;
    pthread_rwlock_rdlock(&s->lock);
    memcpy(out, s->weight, sizeof s->weight);
    pthread_rwlock_unlock(&s->lock);
}

/* ---- the row of the table ---- */

static void init_decays(struct popularity *s, double half_life_days)
{
    const double lives[LIVES] = {1.0 / 30, 7.0 / 30, 1.0, 3.0};
    const double events[LIVES] = {EVENTS_0, EVENTS_1, EVENTS_2, 0.0};
    for (uint32_t i = 0; i < LIVES && s->has_clock; i++)
        decay_init(&s->counter[i].decay, true, lives[i] * half_life_days);
    for (uint32_t i = STARTS; i < COUNTERS && s->has_clock; i++)
        decay_init(&s->counter[i].decay, true, half_life_days);
    for (uint32_t i = 0; i < LIVES && !s->has_clock; i++)
        decay_init_events(&s->counter[i].decay, events[i]);
    if (!s->has_clock)
        decay_init_events(&s->counter[STARTS].decay, EVENTS_S);
    s->plain = s->has_clock ? 2 : LIVES - 1;
}

static void *create(const struct evidence_options *o)
{
    struct popularity *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    if (evidence_lock_init(&s->lock)) {
        free(s);
        return NULL;
    }
    s->has_clock = o->has_clock;
    init_decays(s, o->half_life_days);
    for (uint32_t i = 0; i < POPULARITY_WHO; i++)
        for (uint32_t e = 0; e < EXPERTS; e++)
            s->weight[i][e] = 1.0 / EXPERTS;
    return s;
}

static void destroy(void *state)
{
    struct popularity *s = state;
    for (uint32_t i = 0; i < COUNTERS; i++)
        counter_release(&s->counter[i]);
    pthread_rwlock_destroy(&s->lock);
    free(s);
}

size_t popularity_bytes(const void *state)
{
    const struct popularity *s = state;
    size_t bytes = sizeof *s;
    for (uint32_t i = 0; i < COUNTERS; i++)
        bytes += s->counter[i].cap * sizeof *s->counter[i].count;
    return bytes;
}

const struct evidence_source evidence_popularity = {
    .name = "popularity",
    .create = create,
    .destroy = destroy,
    .observe = observe,
    .candidates = candidates,
    .score = score,
};

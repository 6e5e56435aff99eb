/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user's own history: does the next event come back to an item they had before, and
 * to which? A discrete hazard, learned online: every event is a trial for each of the
 * user's newest items (REPEAT_ITEMS of them) and a hit for at most one. What is counted
 * for is a bucket, refined level by level,
 *
 *   rank of the item by recency and how often it was had
 *   > how much of this user's past came back to something, and whether the newest did
 *   > the type of its newest event > log2 of the time since (with a clock)
 *   > after a purchase: log2 of that time over the item's usual time between purchases
 *
 * and a level's rate is shrunk to that of the level above: h_l = (hits + LEVEL) /
 * (trials + LEVEL / h_{l-1}), a gamma prior worth LEVEL hits. An item's own propensity
 * multiplies it: g = (hits + OWN) / (expected + OWN), expected being the sum of the
 * hazards at its trials. The usual time between purchases is the geometric mean over all
 * its buyers, shrunk to that of all items.
 *
 *   score(i) = log(h_i g_i) - log((1 - sum of h g) / (number of others))
 *
 * of an item of the history, with the sum scaled down to MOST where it is above, and 0 of
 * any other: exp(score) is in proportion to the probability. 0 stays 0 however large the
 * catalogue grows. Where nothing repeats, the past stands far below the new; in a grocery
 * far above.
 *
 * Memory: 8 bytes for each of some 420,000 buckets, 16 bytes an item. Counts are halved
 * when they get large, so that a shop that changes is followed.
 */
#include "evidence/repeat.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "behaviour/event.h"
#include "evidence/sources.h"
#include "retrieval/best.h"

enum {
    RANKS = 10,
    TIMES = 4,
    HABITS = 12,
    TYPES = 4,
    AGES = 24,
    RATIOS = 8,
    LEVELS = 5,
    SLOTS = 2 * REPEAT_EVENTS, /* of the table that finds distinct items */
    MANY = 1 << 22             /* trials of a bucket, then it is halved */
};

#define LEVEL    REPEAT_LEVEL
#define OWN      REPEAT_OWN
#define GAPS     REPEAT_GAPS
#define MOST     REPEAT_MOST
#define RARELY   REPEAT_RARELY
#define PATIENCE 4096.0F /* hits of an item, seen and expected; then they are halved */

struct rate {
    uint32_t trials, hits;
};

struct habit {
    float hits, expected;
    float log_gaps; /* sum of log2 of the seconds between purchases */
    uint32_t gaps;
};

struct repeat {
    pthread_rwlock_t lock; /* readers: requests; writer: observe */
    struct rate *level[LEVELS];
    struct habit *item; /* (cap) */
    uint32_t cap;
    double log_gaps; /* of all items */
    uint64_t gaps;
    bool has_clock;
};

/* Classes that each level adds. */
static const size_t classes[LEVELS] = {RANKS * TIMES, HABITS, TYPES, AGES, RATIOS};

/* ---- what a user had ---- */

struct had {
    uint32_t item, times;
    int64_t last_us, bought_us; /* INT64_MIN: not bought */
    uint8_t type;               /* of the newest event */
};

struct past {
    struct had had[REPEAT_ITEMS]; /* newest first */
    uint32_t n;
    uint32_t events;     /* that were looked at */
    uint32_t again;      /* of them came back to an older one of them */
    uint8_t slot[SLOTS]; /* a hash table: place in had + 1; 0: free */
};

/* The slot of the item, or the free one where it belongs. */
static uint8_t *past_slot(struct past *p, uint32_t item)
{
    uint32_t i = item * 2654435769U % SLOTS;
    while (p->slot[i] && p->had[p->slot[i] - 1].item != item)
        i = (i + 1) % SLOTS;
    return &p->slot[i];
}

/* The item's place, made when it is new; NULL: there is no room. */
static struct had *past_find(struct past *p, uint32_t item)
{
    uint8_t *slot = past_slot(p, item);
    if (!*slot && p->n == REPEAT_ITEMS)
        return NULL;
    if (!*slot) {
        p->had[p->n] = (struct had){.item = item, .bought_us = INT64_MIN};
        *slot = (uint8_t)++p->n;
    }
    return &p->had[*slot - 1];
}

static void past_init(struct past *p, const uint32_t *item, const int64_t *us,
                      const uint8_t *type, uint32_t n)
{
    const uint32_t end = n > REPEAT_EVENTS ? n - REPEAT_EVENTS : 0;
    p->n = p->again = p->events = 0;
    memset(p->slot, 0, sizeof p->slot);
    for (uint32_t i = n; i-- > end;) {
        struct had *had = past_find(p, item[i]);
        if (!had)
            continue;
        const uint8_t t = type ? type[i] : EVENT_VIEW;
        p->events++;
        p->again += had->times > 0;
        if (had->times++ == 0) {
            had->last_us = us ? us[i] : 0;
            had->type = t;
        }
        if (t == EVENT_PURCHASE && had->bought_us == INT64_MIN)
            had->bought_us = us ? us[i] : 0;
    }
}

/* ---- buckets ---- */

static uint32_t rank_class(uint32_t rank)
{
    static const uint8_t last[RANKS - 1] = {0, 1, 2, 3, 5, 8, 13, 20, 31};
    uint32_t c = 0;
    while (c < RANKS - 1 && rank > last[c])
        c++;
    return c;
}

static uint32_t times_class(uint32_t times)
{
    return times >= 5 ? 3 : times >= 3 ? 2 : times - 1;
}

/* How much of the user's past came back to something, and whether its newest event did.
   A short past tells less than a long one. */
static uint32_t habit_class(const struct past *p)
{
    const uint32_t newest = p->had[0].times > 1 ? HABITS / 2 : 0;
    if (p->again == 0)
        return p->events < 2 ? 0 : p->events < 4 ? 1 : 2;
    const uint32_t eighths = 8 * p->again / p->events;
    return newest + (eighths < 2 ? 3 : eighths < 4 ? 4 : 5);
}

static uint32_t type_class(uint32_t type)
{
    if (type == EVENT_PURCHASE)
        return 1;
    if (type == EVENT_CART || type == EVENT_WISH)
        return 2;
    return type == EVENT_REVIEW ? 3 : 0;
}

static double log2_seconds(int64_t us)
{
    return log2(1.0 + (us > 0 ? (double)us / 1e6 : 0.0));
}

static uint32_t ratio_class(const struct repeat *s, const struct had *had, double since)
{
    if (!s->has_clock || had->type != EVENT_PURCHASE || s->gaps == 0)
        return 0;
    const struct habit *h = had->item < s->cap ? &s->item[had->item] : NULL;
    const double all = s->log_gaps / (double)s->gaps;
    const double gap =
        h ? ((double)h->log_gaps + (double)GAPS * all) / ((double)h->gaps + (double)GAPS)
          : all;
    /* half octaves, the middle one centred where it is due */
    const double half_octave = floor(2 * (since - gap) + 0.5) + 4;
    return 1 + (uint32_t)fmin(fmax(half_octave, 0), RATIOS - 2);
}

/* The bucket of every level. */
static void buckets_of(const struct repeat *s, const struct past *p, uint32_t rank,
                       int64_t now_us, size_t at[LEVELS])
{
    const struct had *had = &p->had[rank];
    const double since = s->has_clock ? log2_seconds(now_us - had->last_us) : 0.0;
    at[0] = rank_class(rank) * TIMES + times_class(had->times);
    at[1] = at[0] * HABITS + habit_class(p);
    at[2] = at[1] * TYPES + type_class(had->type);
    at[3] = at[2] * AGES + (size_t)fmin(since, AGES - 1);
    at[4] = at[3] * RATIOS + ratio_class(s, had, since);
}

static double hazard(const struct repeat *s, const size_t at[LEVELS])
{
    double h = RARELY;
    for (int l = 0; l < LEVELS; l++) {
        const struct rate *r = &s->level[l][at[l]];
        h = (r->hits + LEVEL) / (r->trials + LEVEL / h);
    }
    return h;
}

/* ---- taking events in ---- */

static void count_trial(struct repeat *s, const struct past *p, uint32_t rank,
                        const struct evidence_event *e)
{
    const bool hit = p->had[rank].item == e->item;
    size_t at[LEVELS];
    buckets_of(s, p, rank, e->ts_us, at);
    struct habit *own = &s->item[p->had[rank].item];
    own->expected += (float)hazard(s, at);
    own->hits += (float)hit;
    if (own->expected + own->hits > PATIENCE) {
        own->expected /= 2;
        own->hits /= 2;
    }
    for (int l = 0; l < LEVELS; l++) {
        struct rate *r = &s->level[l][at[l]];
        r->trials++;
        r->hits += hit;
        if (r->trials == MANY) {
            r->trials /= 2;
            r->hits /= 2;
        }
    }
}

/* How long it took until the item was bought again; another one in the same session is
   no new need. */
static void count_gap(struct repeat *s, const struct had *had,
                      const struct evidence_event *e)
{
    if (!s->has_clock || e->type != EVENT_PURCHASE || had->bought_us == INT64_MIN ||
        e->ts_us - had->bought_us < EVENT_SESSION_GAP_US)
        return;
    const double gap = log2_seconds(e->ts_us - had->bought_us);
    s->item[e->item].log_gaps += (float)gap;
    s->item[e->item].gaps++;
    s->log_gaps += gap;
    s->gaps++;
}

static int observe(void *state, const struct evidence_event *e)
{
    struct repeat *s = state;
    struct past p;
    past_init(&p, e->recent, e->recent_us, e->recent_type, e->n_recent);
    uint32_t most = e->item;
    for (uint32_t r = 0; r < p.n; r++)
        most = p.had[r].item > most ? p.had[r].item : most;
    pthread_rwlock_wrlock(&s->lock);
    struct habit *habit = evidence_grow(s->item, &s->cap, sizeof *habit, most);
    s->item = habit ? habit : s->item;
    for (uint32_t r = 0; habit && r < p.n; r++)
        count_trial(s, &p, r, e);
    for (uint32_t r = 0; habit && r < p.n; r++)
        if (p.had[r].item == e->item)
            count_gap(s, &p.had[r], e);
    pthread_rwlock_unlock(&s->lock);
    return habit ? PENCHANT_OK : PENCHANT_ENOMEM;
}

/* ---- answering ---- */

/* What comes next, of the past and of the rest. */
struct forecast {
    struct past past;
    float p[REPEAT_ITEMS]; /* of past.had */
    float other;           /* of every other item */
};

static void foresee(struct repeat *s, const struct evidence_query *q, struct forecast *f)
{
    struct past *p = &f->past;
    float sum = 0.0F;
    past_init(p, q->recent, q->recent_us, q->recent_type, q->n_recent);
    pthread_rwlock_rdlock(&s->lock);
    for (uint32_t r = 0; r < p->n; r++) {
        size_t at[LEVELS];
        buckets_of(s, p, r, q->now_us, at);
        const struct habit *own =
            p->had[r].item < s->cap ? &s->item[p->had[r].item] : NULL;
        f->p[r] = (float)hazard(s, at);
        if (own)
            f->p[r] *= (own->hits + OWN) / (own->expected + OWN);
        sum += f->p[r];
    }
    pthread_rwlock_unlock(&s->lock);
    for (uint32_t r = 0; sum > MOST && r < p->n; r++)
        f->p[r] *= MOST / sum;
    sum = fminf(sum, MOST);
    f->other = (1.0F - sum) / (float)(q->n_items > p->n ? q->n_items - p->n : 1);
}

static size_t candidates(void *state, const struct evidence_query *q, size_t k,
                         uint32_t *item)
{
    struct topk_hit hit[REPEAT_ITEMS];
    struct best best = {.hit = hit, .k = (uint32_t)(k < REPEAT_ITEMS ? k : REPEAT_ITEMS)};
    struct forecast f;
    if (k == 0)
        return 0;
    foresee(state, q, &f);
    for (uint32_t r = 0; r < f.past.n; r++) {
        const uint32_t i = f.past.had[r].item;
        if (i < q->n_items && !evidence_skips(q, i))
            best_offer(&best, (double)f.p[r], i);
    }
    return evidence_take(&best, item);
}

static void score(void *state, const struct evidence_query *q, const uint32_t *item,
                  size_t n, float *out)
{
    struct forecast f;
    float over_other[REPEAT_ITEMS];
    foresee(state, q, &f);
    for (uint32_t r = 0; r < f.past.n; r++)
        over_other[r] = logf(f.p[r] / f.other);
    for (size_t i = 0; i < n; i++) {
        const uint8_t at = *past_slot(&f.past, item[i]);
        out[i] = at ? over_other[at - 1] : 0.0F;
    }
}

/* ---- the row of the table ---- */

static void destroy(void *state)
{
    struct repeat *s = state;
    for (int l = 0; l < LEVELS; l++)
        free(s->level[l]);
    free(s->item);
    pthread_rwlock_destroy(&s->lock);
    free(s);
}

static void *create(const struct evidence_options *o)
{
    struct repeat *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    if (evidence_lock_init(&s->lock)) {
        free(s);
        return NULL;
    }
    s->has_clock = o->has_clock;
    bool ok = true;
    size_t n = 1;
    for (int l = 0; l < LEVELS; l++) {
        n *= classes[l];
        s->level[l] = calloc(n, sizeof **s->level);
        ok = ok && s->level[l];
    }
    if (ok)
        return s;
    destroy(s);
    return NULL;
}

size_t repeat_bytes(const void *state)
{
    const struct repeat *s = state;
    size_t bytes = sizeof *s + s->cap * sizeof *s->item, n = 1;
    for (int l = 0; l < LEVELS; l++) {
        n *= classes[l];
        bytes += n * sizeof **s->level;
    }
    return bytes;
}

const struct evidence_source evidence_repeat = {
    .name = "repeat",
    .create = create,
    .destroy = destroy,
    .observe = observe,
    .candidates = candidates,
    .score = score,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Neighbouring sessions, live: who lately was after the same things, and what else were
 * they after. Vector multiplication session kNN (V-SKNN: Ludewig and Jannach 2018,
 * "Evaluation of session-based recommendation algorithms") with the distance to the
 * matching item of STAN (Garg et al. 2019).
 *
 * A session is a run of one user's distinct items in the order in which they were last
 * seen, cut at EVENT_SESSION_GAP_US with a clock and at NEIGHBOURS_LENGTH items in any
 * case. For the newest QUERY items r_1 (the newest), r_2, .. of the user's present
 * session
 *
 *   sim(s)   = sum over r_i in s of i^-AGE idf(r_i)
 *   v(b)     = sum over the NEAREST most similar of the SAMPLE newest sessions that share
 *              an item, s with b, of sim(s) m(s)^-MATCH f(s, b) idf(b)^RARE
 *   score(b) = log(EPSILON + v(b) / (SHRINK + sum of sim(s)))
 *
 * with idf(x) = log(1 + sessions / (1 + sessions with x)), m(s) the smallest i whose r_i
 * is in s, and f(s, b) what is left at b's distance d from that item in s: 1 / (1 + NEAR
 * (d - 1)), times BACKWARD when b stands before it. The user's own sessions are no
 * neighbours.
 *
 * Memory: at most NEIGHBOURS_SESSIONS of 40 + 4 * NEIGHBOURS_LENGTH bytes, 2 KiB of
 * postings an item, 4 bytes a user. Numbers of sessions may wrap around.
 */
#include "evidence/neighbours.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/names.h"
#include "behaviour/event.h"
#include "evidence/sources.h"
#include "evidence/sums.h"
#include "retrieval/best.h"

enum {
    SESSIONS = NEIGHBOURS_SESSIONS,
    LENGTH = NEIGHBOURS_LENGTH,
    POSTINGS = NEIGHBOURS_POSTINGS,
    QUERY = NEIGHBOURS_QUERY,
    SAMPLE = NEIGHBOURS_SAMPLE,
    NEAREST = NEIGHBOURS_NEAREST
};

#define AGE      NEIGHBOURS_AGE
#define MATCH    NEIGHBOURS_MATCH
#define RARE     NEIGHBOURS_RARE
#define NEAR     NEIGHBOURS_NEAR
#define BACKWARD NEIGHBOURS_BACKWARD
#define SHRINK   NEIGHBOURS_SHRINK
#define EPSILON  NEIGHBOURS_EPSILON

struct session {
    uint32_t *item; /* (cap) distinct, oldest first */
    int64_t last_us;
    uint32_t number, user;
    uint32_t n, cap;
};

/* The newest sessions with one item: a ring once it is full. */
struct postings {
    uint32_t *number; /* (cap) of sessions */
    uint32_t n, cap;
    uint32_t at;    /* the oldest, when n == POSTINGS */
    uint32_t total; /* sessions that ever had the item */
};

struct neighbours {
    pthread_rwlock_t lock;   /* readers: requests; writer: observe */
    struct session *session; /* (cap_sessions) session x is at x % SESSIONS */
    uint32_t cap_sessions;
    uint32_t n;            /* sessions begun: the next one's number, modulo 2^32 */
    struct postings *with; /* (cap_items) */
    uint32_t cap_items;
    uint32_t *open; /* (cap_users) number + 1 of the user's newest session; 0: none */
    uint32_t cap_users;
    bool has_clock;
};

/* ---- taking events in ---- */

static int postings_add(struct postings *p, uint32_t number)
{
    if (p->n == POSTINGS) {
        p->number[p->at] = number;
        p->at = (p->at + 1) % POSTINGS;
    } else {
        if (p->n == p->cap) {
            const uint32_t cap = p->cap ? 2 * p->cap : 2;
            uint32_t *more = reallocarray(p->number, cap, sizeof *more);
            if (!more)
                return PENCHANT_ENOMEM;
            p->number = more;
            p->cap = cap;
        }
        p->number[p->n++] = number;
    }
    p->total += p->total < UINT32_MAX;
    return 0;
}

static struct session *session_of(const struct neighbours *s, uint32_t number)
{
    struct session *found = &s->session[number % SESSIONS];
    return found->number == number && found->n > 0 ? found : NULL;
}

/* The user's session that the event belongs to, or NULL: a new one begins. *late: the
   event is older than a session that has already ended, and belongs to none. */
static struct session *present_session(const struct neighbours *s,
                                       const struct evidence_event *e, bool *late)
{
    struct session *now = s->open[e->user] ? session_of(s, s->open[e->user] - 1) : NULL;
    *late = false;
    if (!now || now->user != e->user)
        return NULL;
    if (s->has_clock && e->ts_us < now->last_us - EVENT_SESSION_GAP_US) {
        *late = true;
        return NULL;
    }
    if (s->has_clock && e->ts_us > now->last_us + EVENT_SESSION_GAP_US)
        return NULL;
    return now;
}

static struct session *begin_session(struct neighbours *s, const struct evidence_event *e)
{
    const uint32_t number = s->n, at = number % SESSIONS;
    struct session *table =
        evidence_grow(s->session, &s->cap_sessions, sizeof *table, at);
    if (!table)
        return NULL;
    s->session = table;
    struct session *new = &table[at];
    new->number = number;
    new->user = e->user;
    new->n = 0;
    new->last_us = e->ts_us;
    s->open[e->user] = number + 1;
    s->n++;
    return new;
}

/* Takes the item to the end of the session; *added: it was not in it. */
static int session_add(struct session *x, uint32_t item, bool *added)
{
    uint32_t i = 0;
    while (i < x->n && x->item[i] != item)
        i++;
    *added = i == x->n;
    if (!*added) {
        memmove(x->item + i, x->item + i + 1, (x->n - 1 - i) * sizeof *x->item);
        x->item[x->n - 1] = item;
        return 0;
    }
    if (x->n == x->cap) {
        const uint32_t cap = x->cap ? 2 * x->cap : 4;
        uint32_t *more = reallocarray(x->item, cap, sizeof *more);
        if (!more)
            return PENCHANT_ENOMEM;
        x->item = more;
        x->cap = cap;
    }
    x->item[x->n++] = item;
    return 0;
}

static bool session_has(const struct session *x, uint32_t item)
{
    uint32_t i = 0;
    while (i < x->n && x->item[i] != item)
        i++;
    return i < x->n;
}

static int observe_locked(struct neighbours *s, const struct evidence_event *e)
{
    struct postings *with = evidence_grow(s->with, &s->cap_items, sizeof *with, e->item);
    s->with = with ? with : s->with;
    uint32_t *open = evidence_grow(s->open, &s->cap_users, sizeof *open, e->user);
    s->open = open ? open : s->open;
    if (!with || !open)
        return PENCHANT_ENOMEM;
    bool late, added;
    struct session *x = present_session(s, e, &late);
    if (late)
        return 0;
    if (!x || (x->n == LENGTH && !session_has(x, e->item)))
        x = begin_session(s, e);
    if (!x || session_add(x, e->item, &added))
        return PENCHANT_ENOMEM;
    if (e->ts_us > x->last_us)
        x->last_us = e->ts_us;
    return added ? postings_add(&s->with[e->item], x->number) : 0;
}

static int observe(void *state, const struct evidence_event *e)
{
    struct neighbours *s = state;
    if (e->user == NAMES_NONE)
        return 0;
    pthread_rwlock_wrlock(&s->lock);
    const int rc = observe_locked(s, e);
    pthread_rwlock_unlock(&s->lock);
    return rc;
}

/* ---- answering ---- */

/* What is asked for: the newest distinct items of the present session. */
struct asked {
    uint32_t item[QUERY], n;
    float weight[QUERY]; /* i^-AGE idf */
};

static float rarity(const struct neighbours *s, uint32_t item)
{
    const uint32_t with = item < s->cap_items ? s->with[item].total : 0;
    return log1pf((float)s->n / (float)(with + 1));
}

static void ask(const struct neighbours *s, const struct evidence_query *q,
                struct asked *a)
{
    a->n = 0;
    for (uint32_t i = q->n_recent; i-- > 0 && a->n < QUERY;) {
        const uint32_t item = q->recent[i];
        if (s->has_clock && i + 1 < q->n_recent &&
            q->recent_us[i] < q->recent_us[i + 1] - EVENT_SESSION_GAP_US)
            break;
        uint32_t j = 0;
        while (j < a->n && a->item[j] != item)
            j++;
        if (j < a->n)
            continue;
        a->item[a->n++] = item;
        a->weight[j] =
            powf((float)a->n, -AGE) * rarity(s, item) * evidence_liking_share(q, i);
    }
}

/* Similarity of every session that shares an item, keyed by its place in the table. */
static int match(const struct neighbours *s, const struct evidence_query *q,
                 const struct asked *a, struct tally *similar)
{
    size_t room = 0;
    for (uint32_t i = 0; i < a->n; i++)
        room += a->item[i] < s->cap_items ? s->with[a->item[i]].n : 0;
    if (tally_init(similar, room))
        return PENCHANT_ENOMEM;
    for (uint32_t i = 0; i < a->n; i++) {
        if (a->item[i] >= s->cap_items)
            continue;
        const struct postings *p = &s->with[a->item[i]];
        for (uint32_t j = 0; j < p->n; j++) {
            const struct session *x = session_of(s, p->number[j]);
            if (x && x->user != q->user)
                tally_add(similar, x->number % SESSIONS, a->weight[i]);
        }
    }
    return 0;
}

/* The NEAREST of the SAMPLE newest matches into hit[]; equal ones by place. */
static uint32_t choose(const struct neighbours *s, const struct tally *similar,
                       struct topk_hit *hit)
{
    struct topk_hit newest[SAMPLE];
    struct best recent = {.hit = newest, .k = SAMPLE}, best = {.hit = hit, .k = NEAREST};
    for (uint32_t i = 0; similar->n > 0 && i <= similar->mask; i++) {
        const uint32_t at = similar->slot[i].item;
        if (at == TALLY_FREE)
            continue;
        if (similar->n <= SAMPLE)
            best_offer(&best, (double)similar->slot[i].sum, at);
        else
            best_offer(&recent, -(double)(s->n - s->session[at].number), at);
    }
    for (uint32_t i = 0; i < recent.n; i++)
        best_offer(&best, (double)tally_sum(similar, newest[i].row), newest[i].row);
    best_sort(&best);
    return best.n;
}

/* Adds what one neighbour says. */
static void listen(const struct session *x, const struct asked *a, float similarity,
                   struct tally *v)
{
    uint32_t first = QUERY, at = 0; /* r_first is the newest item that x has, at `at` */
    for (uint32_t j = 0; j < x->n; j++)
        for (uint32_t i = 0; i < a->n && i < first; i++)
            if (a->item[i] == x->item[j]) {
                first = i;
                at = j;
            }
    const float by = similarity * powf((float)(first + 1), -MATCH);
    for (uint32_t j = 0; j < x->n; j++) {
        const float steps = fabsf((float)j - (float)at) - 1.0F;
        const float left = 1.0F / (1.0F + NEAR * fmaxf(steps, 0.0F));
        tally_add(v, x->item[j], by * (j < at ? BACKWARD * left : left));
    }
}

/* Multiplies by idf(b)^RARE. Most items are in few sessions, so powers are kept. */
static void favour_rare(const struct neighbours *s, struct tally *v)
{
    enum { KEPT = 256 };
    float kept[KEPT];
    for (uint32_t i = 0; i < KEPT; i++)
        kept[i] = -1.0F;
    for (uint32_t i = 0; v->n > 0 && i <= v->mask; i++) {
        const uint32_t item = v->slot[i].item;
        if (item == TALLY_FREE)
            continue;
        const uint32_t total = item < s->cap_items ? s->with[item].total : 0;
        float *power = &kept[total % KEPT], one;
        if (total >= KEPT)
            power = &one;
        if (total >= KEPT || *power < 0)
            *power = powf(rarity(s, item), RARE);
        v->slot[i].sum *= *power;
    }
}

/* v(b) / (SHRINK + sum of similarities) of every item of a neighbour. */
static int associate(void *state, const struct evidence_query *q, struct tally *v)
{
    struct neighbours *s = state;
    struct tally similar = {0};
    struct topk_hit near[NEAREST];
    struct asked a;
    uint32_t n = 0;
    size_t room = 0;
    float sum = SHRINK;
    pthread_rwlock_rdlock(&s->lock);
    ask(s, q, &a);
    int rc = match(s, q, &a, &similar);
    if (!rc)
        n = choose(s, &similar, near);
    for (uint32_t i = 0; i < n; i++) {
        room += s->session[near[i].row].n;
        sum += (float)near[i].score;
    }
    rc = rc ? rc : tally_init(v, room);
    for (uint32_t i = 0; !rc && i < n; i++)
        listen(&s->session[near[i].row], &a, (float)near[i].score / sum, v);
    if (!rc)
        favour_rare(s, v);
    pthread_rwlock_unlock(&s->lock);
    tally_release(&similar);
    return rc;
}

static size_t candidates(void *state, const struct evidence_query *q, size_t k,
                         uint32_t *item)
{
    return evidence_sums_best(EVIDENCE_NEIGHBOURS, state, q, associate, k, item);
}

static void score(void *state, const struct evidence_query *q, const uint32_t *item,
                  size_t n, float *out)
{
    evidence_sums_log(EVIDENCE_NEIGHBOURS, state, q, associate, EPSILON, item, n, out);
}

/* ---- the row of the table ---- */

static void *create(const struct evidence_options *o)
{
    struct neighbours *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    if (evidence_lock_init(&s->lock)) {
        free(s);
        return NULL;
    }
    s->has_clock = o->has_clock;
    return s;
}

static void destroy(void *state)
{
    struct neighbours *s = state;
    for (uint32_t i = 0; i < s->cap_sessions; i++)
        free(s->session[i].item);
    for (uint32_t i = 0; i < s->cap_items; i++)
        free(s->with[i].number);
    free(s->session);
    free(s->with);
    free(s->open);
    pthread_rwlock_destroy(&s->lock);
    free(s);
}

size_t neighbours_bytes(const void *state)
{
    const struct neighbours *s = state;
    size_t bytes = sizeof *s + s->cap_sessions * sizeof *s->session +
                   s->cap_items * sizeof *s->with + s->cap_users * sizeof *s->open;
    for (uint32_t i = 0; i < s->cap_sessions; i++)
        bytes += s->session[i].cap * sizeof(uint32_t);
    for (uint32_t i = 0; i < s->cap_items; i++)
        bytes += s->with[i].cap * sizeof(uint32_t);
    return bytes;
}

const struct evidence_source evidence_neighbours = {
    .name = "neighbours",
    .create = create,
    .destroy = destroy,
    .observe = observe,
    .candidates = candidates,
    .score = score,
};

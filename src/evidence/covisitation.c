/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Live co-visitation: who went from item a to item b lately, and how directly.
 *
 * When b comes d steps after a (d <= WINDOW), the pair gains SPREAD^(d-1), doubled for a
 * cart and tripled for a purchase: in full in a's row (a leads to b) and times BACKWARD
 * in b's. A repeat of a itself is a pair like any other. Counts are decayed
 * (evidence/decay.h), without a clock by numbers of events. For a user with recent items
 * r_1 (the newest), r_2, ..
 *
 *   v(b)     = sum over i <= QUERY of
 *              i^-AGE c(r_i, b) / ((n(r_i) + s)^ROW (n(b) + s)^COLUMN)
 *   score(b) = log(EPSILON + v(b))
 *
 * with n(x) the decayed events of x. The constants were chosen on the validation events
 * of four public logs (two of reviews and ratings, two of anonymous sessions); all of
 * them are flat around their optimum.
 *
 * Memory: at most COVISITATION_NEIGHBOURS of 8 bytes an item and 32 bytes beside them. A
 * row that is full drops its weakest quarter at once, so that a newcomer has time to
 * prove itself.
 */
#include "evidence/covisitation.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "behaviour/event.h"
#include "evidence/decay.h"
#include "evidence/sources.h"
#include "evidence/sums.h"

enum { WINDOW = 10, QUERY = 10, FULL = COVISITATION_NEIGHBOURS, KEEP = FULL / 4 * 3 };

#define SPREAD   0.8F
#define BACKWARD 0.3F
#define AGE      1.3F
#define ROW      0.6F
#define COLUMN   0.2F
#define SHRINK   2.0F
#define EPSILON  0.1F
#define LIFE     0x1p20 /* without a clock: half-life in events */
#define LONGER   4.0    /* associations outlive fashions: times the half-life of counts */

/* The neighbours of one item: item[cap] and then weight[cap] in one block. */
struct row {
    uint32_t *item;
    uint32_t n, cap;
    float events; /* n(x) in the unit of its time */
};

struct covisitation {
    pthread_rwlock_t lock; /* readers: requests; writer: observe */
    struct decay decay;
    struct row *row; /* (cap) */
    float *damp;     /* (cap) (n(x) + s)^-COLUMN as of x's newest event */
    uint32_t cap;
    int64_t events; /* the time of a log without a clock */
    bool has_clock;
};

static float *weights(const struct row *r)
{
    return (float *)(r->item + r->cap);
}

/* ---- taking events in ---- */

static int grow_table(struct covisitation *s, uint32_t item)
{
    const uint32_t old = s->cap;
    uint32_t cap = old;
    struct row *row = evidence_grow(s->row, &cap, sizeof *row, item);
    if (!row)
        return PENCHANT_ENOMEM;
    s->row = row;
    float *damp = evidence_grow(s->damp, &s->cap, sizeof *damp, item);
    if (!damp)
        return PENCHANT_ENOMEM;
    s->damp = damp;
    for (uint32_t i = old; i < s->cap; i++)
        damp[i] = powf(SHRINK, -COLUMN);
    return 0;
}

/* The place of `item` in the row, or n. Whole blocks are compared at once. */
static uint32_t row_find(const struct row *r, uint32_t item)
{
    enum { BLOCK = 16 };
    uint32_t i = 0;
    for (; i + BLOCK <= r->n; i += BLOCK) {
        uint32_t hit = 0;
        for (uint32_t j = 0; j < BLOCK; j++)
            hit |= r->item[i + j] == item;
        if (hit)
            break;
    }
    while (i < r->n && r->item[i] != item)
        i++;
    return i;
}

/* The KEEP-th largest of FULL weights, which are put out of order (Hoare 1961). */
static float row_bar(float *w)
{
    int32_t low = 0, high = FULL - 1;
    while (low < high) {
        const float pivot = w[(low + high) / 2];
        int32_t i = low, j = high;
        while (i <= j) {
            while (w[i] > pivot)
                i++;
            while (w[j] < pivot)
                j--;
            if (i <= j) {
                const float held = w[i];
                w[i++] = w[j];
                w[j--] = held;
            }
        }
        if (KEEP - 1 <= j)
            high = j;
        else if (KEEP - 1 >= i)
            low = i;
        else
            break;
    }
    return w[KEEP - 1];
}

/* Keeps the KEEP heaviest of a full row; of equally heavy ones the newest. */
static void row_prune(struct row *r)
{
    float order[FULL], *w = weights(r);
    memcpy(order, w, sizeof order);
    const float bar = row_bar(order);
    uint32_t reach = 0, kept = 0;
    for (uint32_t i = 0; i < FULL; i++)
        reach += w[i] >= bar;
    uint32_t surplus = reach - KEEP; /* as heavy as the bar, but too many */
    for (uint32_t i = 0; i < FULL; i++) {
        if (w[i] < bar || (w[i] == bar && surplus > 0 && surplus--))
            continue;
        r->item[kept] = r->item[i];
        w[kept++] = w[i];
    }
    r->n = kept;
}

static int row_grow(struct row *r)
{
    uint32_t cap = r->cap ? 2 * r->cap : 4;
    uint32_t *block = realloc(r->item, (size_t)cap * (sizeof *r->item + sizeof(float)));
    if (!block)
        return PENCHANT_ENOMEM;
    memmove(block + cap, block + r->cap, r->n * sizeof(float));
    r->item = block;
    r->cap = cap;
    return 0;
}

static int row_add(struct row *r, uint32_t item, float w)
{
    uint32_t i = row_find(r, item);
    if (i < r->n) {
        weights(r)[i] += w;
        return 0;
    }
    if (r->n == FULL)
        row_prune(r);
    if (r->n == r->cap && row_grow(r))
        return PENCHANT_ENOMEM;
    r->item[r->n] = item;
    weights(r)[r->n++] = w;
    return 0;
}

static void halve_all(struct covisitation *s, int shift)
{
    float by = ldexpf(1.0F, -shift);
    for (uint32_t a = 0; a < s->cap; a++) {
        struct row *r = &s->row[a];
        r->events *= by;
        for (uint32_t i = 0; i < r->n; i++)
            weights(r)[i] *= by;
    }
}

static int observe_locked(struct covisitation *s, const struct evidence_event *e)
{
    uint32_t n = e->n_recent < WINDOW ? e->n_recent : WINDOW;
    const uint32_t *recent = e->recent + (e->n_recent - n);
    int rc = grow_table(s, e->item), shift;
    for (uint32_t i = 0; !rc && i < n; i++)
        rc = grow_table(s, recent[i]);
    if (rc)
        return rc;
    const int64_t ts_us = s->has_clock ? e->ts_us : s->events++;
    float w = (float)decay_unit(&s->decay, ts_us, &shift) * event_type_weight(e->type);
    if (shift)
        halve_all(s, shift);
    struct row *to = &s->row[e->item];
    to->events += w;
    s->damp[e->item] =
        powf(to->events / (float)decay_present(&s->decay) + SHRINK, -COLUMN);
    for (uint32_t i = n; !rc && i-- > 0; w *= SPREAD) {
        rc = row_add(&s->row[recent[i]], e->item, w);
        if (!rc)
            rc = row_add(to, recent[i], w * BACKWARD);
    }
    return rc;
}

static int observe(void *state, const struct evidence_event *e)
{
    struct covisitation *s = state;
    pthread_rwlock_wrlock(&s->lock);
    int rc = observe_locked(s, e);
    pthread_rwlock_unlock(&s->lock);
    return rc;
}

/* ---- answering ---- */

/* v(b) of every item that the query's recent items lead to. */
static int associate(void *state, const struct evidence_query *q, struct tally *v)
{
    struct covisitation *s = state;
    uint32_t n = q->n_recent < QUERY ? q->n_recent : QUERY;
    pthread_rwlock_rdlock(&s->lock);
    float present = (float)decay_present(&s->decay);
    size_t room = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t a = q->recent[q->n_recent - 1 - i];
        room += a < s->cap ? s->row[a].n : 0;
    }
    int rc = tally_init(v, room);
    for (uint32_t i = 0; !rc && i < n; i++) {
        uint32_t a = q->recent[q->n_recent - 1 - i];
        if (a >= s->cap || s->row[a].n == 0)
            continue;
        const struct row *r = &s->row[a];
        const float *w = weights(r);
        float by = powf((float)(i + 1), -AGE) * powf(r->events / present + SHRINK, -ROW);
        by *= evidence_liking_share(q, q->n_recent - 1 - i) / present;
        if (by <= 0)
            continue;
        for (uint32_t j = 0; j < r->n; j++)
            tally_add(v, r->item[j], by * w[j]);
    }
    for (uint32_t i = 0; !rc && v->n > 0 && i <= v->mask; i++)
        if (v->slot[i].item != TALLY_FREE)
            v->slot[i].sum *= s->damp[v->slot[i].item];
    pthread_rwlock_unlock(&s->lock);
    return rc;
}

static size_t candidates(void *state, const struct evidence_query *q, size_t k,
                         uint32_t *item)
{
    return evidence_sums_best(EVIDENCE_COVISITATION, state, q, associate, k, item);
}

static void score(void *state, const struct evidence_query *q, const uint32_t *item,
                  size_t n, float *out)
{
    evidence_sums_log(EVIDENCE_COVISITATION, state, q, associate, EPSILON, item, n, out);
}

/* ---- the row of the table ---- */

static void *create(const struct evidence_options *o)
{
    struct covisitation *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    if (evidence_lock_init(&s->lock)) {
        free(s);
        return NULL;
    }
    s->has_clock = o->has_clock;
    decay_init(&s->decay, o->has_clock, LONGER * o->half_life_days);
    if (!o->has_clock)
        decay_init_events(&s->decay, LIFE);
    return s;
}

static void destroy(void *state)
{
    struct covisitation *s = state;
    for (uint32_t a = 0; a < s->cap; a++)
        free(s->row[a].item);
    free(s->row);
    free(s->damp);
    pthread_rwlock_destroy(&s->lock);
    free(s);
}

size_t covisitation_bytes(const void *state)
{
    const struct covisitation *s = state;
    size_t bytes = sizeof *s + s->cap * (sizeof *s->row + sizeof *s->damp);
    for (uint32_t a = 0; a < s->cap; a++)
        bytes += s->row[a].cap * (sizeof(uint32_t) + sizeof(float));
    return bytes;
}

const struct evidence_source evidence_covisitation = {
    .name = "covisitation",
    .create = create,
    .destroy = destroy,
    .observe = observe,
    .candidates = candidates,
    .score = score,
};

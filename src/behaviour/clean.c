/* SPDX-License-Identifier: Apache-2.0 */
#include "behaviour/clean.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

enum {
    SHORT_BUCKETS = 5, /* of 2 minutes */
    LONG_BUCKETS = 8,  /* of 3 hours */
    SHORT_LIMIT = 300,
    LONG_LIMIT = 5000,
    PRICES = 5,
    CLICKS = 1 << 16
};

#define SECOND       INT64_C(1000000)
#define SHORT_US     (120 * SECOND)
#define LONG_US      (10800 * SECOND)
#define DOUBLE_US    (2 * SECOND)
#define PRICE_FACTOR 20.0

/* Events of a user in the latest buckets of time, by bucket number modulo their count. */
struct activity {
    uint32_t kept;                  /* events */
    uint32_t short_last, long_last; /* numbers of the newest buckets; 0: none yet */
    bool bot;
    uint16_t in_short[SHORT_BUCKETS], in_long[LONG_BUCKETS];
};

/* What an item costs: its first prices, and from then on an estimate in logarithms. */
struct price {
    union {
        float first[PRICES];
        float usual; /* log2 */
    } u;
    uint32_t n;
};

/* The latest time of (user, item, type); a newer click may take its place. */
struct click {
    uint32_t user, item;
    int64_t ts_us;
    uint32_t type;
};

struct cleaner {
    struct activity *user; /* (users) */
    struct price *item;    /* (items) */
    uint32_t users, items;
    struct click *click; /* (CLICKS) */
};

struct cleaner *cleaner_new(void)
{
    struct cleaner *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->click = calloc(CLICKS, sizeof(*c->click));
    if (!c->click) {
        free(c);
        return NULL;
    }
    return c;
}

void cleaner_free(struct cleaner *c)
{
    if (!c)
        return;
    free(c->user);
    free(c->item);
    free(c->click);
    free(c);
}

/* Makes array[i] exist, zeroed. 0 or PENCHANT_ENOMEM. */
static int reach(void *array, uint32_t *n, size_t size, uint32_t i)
{
    if (i < *n)
        return PENCHANT_OK;
    void **p = array;
    const uint64_t wanted = ((uint64_t)i + 1) * 3 / 2 + 64;
    const uint32_t cap = wanted < UINT32_MAX ? (uint32_t)wanted : UINT32_MAX;
    char *grown = realloc(*p, cap * size);
    if (!grown)
        return PENCHANT_ENOMEM;
    memset(grown + *n * size, 0, (cap - *n) * size);
    *p = grown;
    *n = cap;
    return PENCHANT_OK;
}

/*
 * Counts an event in bucket `now` of a ring whose newest bucket is `last`, emptying those
 * that time has passed over; an event from before the ring counts for nothing. Returns
 * the newest bucket.
 */
static uint32_t count(uint16_t *ring, uint32_t buckets, uint32_t last, uint32_t now)
{
    if (now > last) {
        const uint32_t passed = now - last < buckets ? now - last : buckets;
        for (uint32_t i = 0; i < passed; i++)
            ring[(now - i) % buckets] = 0;
        last = now;
    }
    if (last - now < buckets && ring[now % buckets] < UINT16_MAX)
        ring[now % buckets]++;
    return last;
}

static uint32_t sum(const uint16_t *ring, uint32_t buckets)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < buckets; i++)
        n += ring[i];
    return n;
}

static bool check_bot(struct activity *a, int64_t ts_us)
{
    if (a->bot || ts_us < EVENT_CLOCK_MIN_US)
        return a->bot;
    const int64_t since = ts_us - EVENT_CLOCK_MIN_US;
    a->short_last = count(a->in_short, SHORT_BUCKETS, a->short_last,
                          (uint32_t)(since / SHORT_US) + 1);
    a->long_last =
        count(a->in_long, LONG_BUCKETS, a->long_last, (uint32_t)(since / LONG_US) + 1);
    a->bot = sum(a->in_short, SHORT_BUCKETS) > SHORT_LIMIT ||
             sum(a->in_long, LONG_BUCKETS) > LONG_LIMIT;
    return a->bot;
}

static bool check_double_click(struct cleaner *c, const struct event *e)
{
    if (e->ts_us < EVENT_CLOCK_MIN_US || e->item == NAMES_NONE)
        return false;
    const uint64_t key = rng_mix(rng_mix((uint64_t)e->user << 32 | e->item) + e->type);
    struct click *k = &c->click[key % CLICKS];
    const bool again = k->user == e->user && k->item == e->item && k->type == e->type &&
                       llabs(k->ts_us - e->ts_us) <= DOUBLE_US;
    *k = (struct click){e->user, e->item, e->ts_us, e->type};
    return again;
}

static int by_size(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/*
 * The first prices give their median; later ones pull the estimate by a bounded step
 * (Huber's estimator, of a window of about 50), so that outliers hardly move it and a new
 * price does.
 */
static bool check_price(struct price *p, double value)
{
    const float x = (float)log2(value);
    if (p->n < PRICES) {
        p->u.first[p->n++] = x;
        if (p->n == PRICES) {
            qsort(p->u.first, PRICES, sizeof(float), by_size);
            p->u.usual = p->u.first[PRICES / 2];
        }
        return false;
    }
    const float off = x - p->u.usual;
    p->n += p->n < 50;
    p->u.usual += (off > 1 ? 1 : off < -1 ? -1 : off) / (float)p->n;
    return fabs(off) > log2(PRICE_FACTOR);
}

static bool has_price(const struct event *e)
{
    return (e->type == EVENT_PURCHASE || e->type == EVENT_CART ||
            e->type == EVENT_UNCART || e->type == EVENT_REFUND) &&
           !isnan(e->value) && e->item != NAMES_NONE;
}

int cleaner_check(struct cleaner *c, const struct event *e, uint32_t *flags)
{
    *flags = 0;
    if (reach(&c->user, &c->users, sizeof(*c->user), e->user) != 0)
        return PENCHANT_ENOMEM;
    if (check_bot(&c->user[e->user], e->ts_us))
        *flags |= CLEAN_BOT;
    if (check_double_click(c, e))
        *flags |= CLEAN_DOUBLE_CLICK;
    if (!has_price(e))
        return PENCHANT_OK;
    if (e->value <= 0) {
        if (e->type == EVENT_PURCHASE)
            *flags |= CLEAN_PRICE_OUTLIER;
        return PENCHANT_OK;
    }
    if (reach(&c->item, &c->items, sizeof(*c->item), e->item) != 0)
        return PENCHANT_ENOMEM;
    if (check_price(&c->item[e->item], e->value))
        *flags |= CLEAN_PRICE_OUTLIER;
    return PENCHANT_OK;
}

bool cleaner_is_bot(const struct cleaner *c, uint32_t user)
{
    return user < c->users && c->user[user].bot;
}

void cleaner_keep(struct cleaner *c, uint32_t user)
{
    c->user[user].kept += c->user[user].kept < UINT32_MAX;
}

uint64_t cleaner_bot_events(const struct cleaner *c)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < c->users; i++)
        n += c->user[i].bot ? c->user[i].kept : 0;
    return n;
}

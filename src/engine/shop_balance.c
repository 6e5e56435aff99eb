/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/shop_balance.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/dials.h"
#include "engine/feedback.h"
#include "interest/leaning.h"

#define FACT "balance"

enum { PAIRS_OF = 20 }; /* places whose likeness is looked at */

/* A list that waits for an event. */
struct waiting {
    struct waiting *next;
    uint64_t seq, after_event;
    double share;
    uint32_t user, n, item[];
};

struct shop_balance {
    pthread_mutex_t lock; /* of all below but the waiting lists, the writer's */
    struct balance b;
    double fixed[PENCHANT_BALANCES]; /* the configuration's targets */
    uint64_t slate_seq, event_seq;   /* the last ones that are in b */
    uint64_t written;                /* b.updates when it was written last */

    struct waiting *first, **end;
    uint64_t n_waiting, n_places;

    uint32_t ring[BALANCE_HORIZON]; /* items shown last */
    uint64_t shown;                 /* in the ring at shown % BALANCE_HORIZON */
    uint16_t *count;                /* (room) how often each is in the ring */
    uint32_t room, different;
};

static void aim_fixed(struct shop_balance *b)
{
    for (int m = 0; m < PENCHANT_BALANCES; m++)
        if (!isnan(b->fixed[m]))
            b->b.target[m] = b->fixed[m];
}

struct shop_balance *shop_balance_new(const double target[PENCHANT_BALANCES])
{
    struct shop_balance *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    pthread_mutex_init(&b->lock, NULL);
    balance_init(&b->b);
    memcpy(b->fixed, target, sizeof b->fixed);
    aim_fixed(b);
    b->end = &b->first;
    return b;
}

static void drop_first(struct shop_balance *b)
{
    struct waiting *w = b->first;
    b->first = w->next;
    if (!b->first)
        b->end = &b->first;
    b->n_waiting--;
    b->n_places -= w->n;
    free(w);
}

void shop_balance_free(struct shop_balance *b)
{
    if (!b)
        return;
    while (b->first)
        drop_first(b);
    pthread_mutex_destroy(&b->lock);
    free(b->count);
    free(b);
}

int shop_balance_slate(struct shop_balance *b, const struct store_slate *s)
{
    if (s->n == 0 || s->n > PENCHANT_MAX_K)
        return PENCHANT_OK; /* no list of ours */
    struct waiting *w = malloc(sizeof *w + s->n * sizeof *w->item);
    if (!w)
        return PENCHANT_ENOMEM;
    *w = (struct waiting){.seq = s->seq,
                          .after_event = s->after_event,
                          .share = s->choice ? s->choice->share : 0,
                          .user = s->user,
                          .n = s->n};
    memcpy(w->item, s->items, s->n * sizeof *w->item);
    while (b->first &&
           (b->n_waiting >= FEEDBACK_SLATES || b->n_places + s->n > FEEDBACK_SLOTS))
        drop_first(b);
    *b->end = w;
    b->end = &w->next;
    b->n_waiting++;
    b->n_places += w->n;
    return PENCHANT_OK;
}

void shop_balance_erase_user(struct shop_balance *b, uint32_t user)
{
    for (struct waiting *w = b->first; w; w = w->next)
        if (w->user == user)
            w->user = NAMES_NONE;
}

/* ---- measures ---- */

double shop_balance_novelty(const struct catalog *c, uint32_t item)
{
    const double events =
        (double)__atomic_load_n(&c->item[item].events, __ATOMIC_RELAXED);
    const double all = (double)__atomic_load_n(&c->item_events, __ATOMIC_RELAXED);
    return all > 0 ? 1 / (1 + events * (double)c->ids.n / all) : 1;
}

static bool has_category(const struct catalog *c, uint32_t item)
{
    const struct catalog_item *it = &c->item[item];
    for (uint32_t j = 0; j < it->n_attributes; j++)
        if (leaning_is_category(c, it->attribute[j]))
            return true;
    return false;
}

static bool shares_category(const struct catalog *c, uint32_t a, uint32_t b)
{
    const struct catalog_item *it = &c->item[a];
    for (uint32_t j = 0; j < it->n_attributes; j++)
        if (catalog_has_attribute(c, b, it->attribute[j]) &&
            leaning_is_category(c, it->attribute[j]))
            return true;
    return false;
}

double shop_balance_new_category(const struct catalog *c, const uint32_t *wanted,
                                 uint32_t n, uint32_t item)
{
    const uint32_t from = n > SHOP_BALANCE_LOOKED ? n - SHOP_BALANCE_LOOKED : 0;
    bool any = false;
    if (!has_category(c, item))
        return NAN;
    for (uint32_t i = from; i < n; i++) {
        if (wanted[i] >= c->ids.n)
            continue;
        if (shares_category(c, item, wanted[i]))
            return 0;
        any = any || has_category(c, wanted[i]);
    }
    return any ? 1 : (double)NAN;
}

static double diversity(const struct catalog *c, const struct waiting *w)
{
    const uint32_t n = w->n < PAIRS_OF ? w->n : PAIRS_OF;
    double sum = 0, pairs = 0;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < i; j++) {
            const double common = dials_common(c, w->item[i], w->item[j]);
            if (isnan(common))
                continue;
            sum += 1 - common;
            pairs++;
        }
    return pairs > 0 ? sum / pairs : (double)NAN;
}

static double new_categories(const struct penchant *p, const struct waiting *w)
{
    const struct user_state *u =
        w->user == NAMES_NONE ? NULL : user_states_peek(p->states, w->user);
    double sum = 0, told = 0;
    for (uint32_t j = 0; u && j < w->n; j++) {
        const double x =
            shop_balance_new_category(&p->catalog, u->recent, u->n_recent, w->item[j]);
        sum += isnan(x) ? 0 : x;
        told += !isnan(x);
    }
    return told > 0 ? sum / told : (double)NAN;
}

static double novelty(const struct catalog *c, const struct waiting *w)
{
    double sum = 0;
    for (uint32_t j = 0; j < w->n; j++)
        sum += shop_balance_novelty(c, w->item[j]);
    return sum / w->n;
}

/* ---- the ring of what was shown ---- */

static int make_room(struct shop_balance *b, uint32_t items)
{
    if (items <= b->room)
        return PENCHANT_OK;
    const uint32_t room = items + items / 2 + 64;
    uint16_t *count = realloc(b->count, room * sizeof *count);
    if (!count)
        return PENCHANT_ENOMEM;
    memset(count + b->room, 0, (room - b->room) * sizeof *count);
    b->count = count;
    b->room = room;
    return PENCHANT_OK;
}

static void show(struct shop_balance *b, uint32_t item)
{
    uint32_t *at = &b->ring[b->shown % BALANCE_HORIZON];
    if (b->shown >= BALANCE_HORIZON)
        b->different -= --b->count[*at] == 0;
    b->different += b->count[item]++ == 0;
    *at = item;
    b->shown++;
}

static double coverage(const struct shop_balance *b, uint32_t items)
{
    const double places = b->shown < BALANCE_HORIZON ? (double)b->shown : BALANCE_HORIZON;
    return b->different / fmin(places, items);
}

uint32_t shop_balance_shown_lately(struct shop_balance *b, uint32_t item)
{
    pthread_mutex_lock(&b->lock);
    const uint32_t n = item < b->room ? b->count[item] : 0;
    pthread_mutex_unlock(&b->lock);
    return n;
}

/* ---- the log ---- */

static bool is_whole(const struct penchant *p, const struct waiting *w)
{
    for (uint32_t j = 0; j < w->n; j++)
        if (w->item[j] >= p->catalog.ids.n)
            return false;
    return true;
}

static void measure(struct penchant *p, const struct waiting *w)
{
    struct shop_balance *b = p->balance;
    for (uint32_t j = 0; j < w->n; j++)
        show(b, w->item[j]);
    if (w->seq <= b->slate_seq)
        return;
    const double measured[PENCHANT_BALANCES] = {
        [PENCHANT_BALANCE_DIVERSITY] = diversity(&p->catalog, w),
        [PENCHANT_BALANCE_NOVELTY] = novelty(&p->catalog, w),
        [PENCHANT_BALANCE_CATEGORIES] = new_categories(p, w),
        [PENCHANT_BALANCE_COVERAGE] = coverage(b, p->catalog.ids.n),
        [PENCHANT_BALANCE_EXPLORE] = w->share,
    };
    balance_shown(&b->b, measured, w->n);
    b->slate_seq = w->seq;
}

int shop_balance_admit(struct penchant *p, uint64_t seq)
{
    struct shop_balance *b = p->balance;
    int status = PENCHANT_OK;
    pthread_mutex_lock(&b->lock);
    while (status == PENCHANT_OK && b->first && b->first->after_event < seq) {
        status = make_room(b, p->catalog.ids.n);
        if (status == PENCHANT_OK && is_whole(p, b->first))
            measure(p, b->first);
        if (status == PENCHANT_OK)
            drop_first(b);
    }
    pthread_mutex_unlock(&b->lock);
    return status;
}

static double paid(const struct penchant *p, const struct event *e)
{
    const double price = isnan(e->value) && e->item < p->catalog.ids.n
                             ? p->catalog.item[e->item].price
                             : e->value;
    return price > 0 ? price : 0;
}

void shop_balance_event(struct penchant *p, const struct event *e)
{
    struct shop_balance *b = p->balance;
    double earned[REWARD_GROUPS];
    if (e->seq <= b->event_seq)
        return;
    feedback_earned(p->feedback, earned);
    pthread_mutex_lock(&b->lock);
    b->event_seq = e->seq;
    balance_earned(&b->b, PENCHANT_BALANCE_ENGAGEMENT, earned[REWARD_ENGAGEMENT]);
    balance_earned(&b->b, PENCHANT_BALANCE_VALUE, earned[REWARD_PURCHASE]);
    if (e->type == EVENT_PURCHASE && earned[REWARD_PURCHASE] > 0)
        balance_earned(&b->b, PENCHANT_BALANCE_REVENUE, paid(p, e));
    else if (e->type == EVENT_REFUND && earned[REWARD_PURCHASE] < 0)
        balance_earned(&b->b, PENCHANT_BALANCE_REVENUE, -paid(p, e));
    pthread_mutex_unlock(&b->lock);
}

/* ---- kept ---- */

bool shop_balance_is_due(const struct shop_balance *b)
{
    return b->b.updates != b->written;
}

void shop_balance_text(struct shop_balance *b, const struct balance *with,
                       char text[SHOP_BALANCE_TEXT])
{
    char state[BALANCE_TEXT];
    balance_save(with, state);
    snprintf(text, SHOP_BALANCE_TEXT, "%" PRIu64 " %" PRIu64 " %s", b->slate_seq,
             b->event_seq, state);
}

int shop_balance_write(struct penchant *p, struct penchant_error *err)
{
    char text[SHOP_BALANCE_TEXT];
    shop_balance_text(p->balance, &p->balance->b, text);
    const int status = p->store->ops->put_fact(p->store, FACT, text, err);
    if (status == PENCHANT_OK)
        p->balance->written = p->balance->b.updates;
    return status;
}

int shop_balance_read(struct penchant *p, struct penchant_error *err)
{
    struct shop_balance *b = p->balance;
    char text[SHOP_BALANCE_TEXT];
    int at = 0;
    int status = p->store->ops->get_fact(p->store, FACT, text, sizeof text, err);
    if (status != PENCHANT_OK || !text[0])
        return status;
    if (sscanf(text, "%" SCNu64 " %" SCNu64 " %n", &b->slate_seq, &b->event_seq, &at) !=
            2 ||
        at == 0)
        return error_set(err, PENCHANT_ECORRUPT,
                         "the state of the balance cannot be read");
    status = balance_load(&b->b, text + at, err);
    b->written = b->b.updates;
    aim_fixed(b);
    return status;
}

struct balance shop_balance_state(struct shop_balance *b)
{
    pthread_mutex_lock(&b->lock);
    const struct balance state = b->b;
    pthread_mutex_unlock(&b->lock);
    return state;
}

void shop_balance_take(struct shop_balance *b, const struct balance *with)
{
    pthread_mutex_lock(&b->lock);
    b->b = *with;
    pthread_mutex_unlock(&b->lock);
}

bool shop_balance_is_fixed(const struct shop_balance *b, enum penchant_balance m)
{
    return !isnan(b->fixed[m]);
}

void shop_balance_lambda(struct shop_balance *b, double lambda[PENCHANT_BALANCES])
{
    pthread_mutex_lock(&b->lock);
    memcpy(lambda, b->b.lambda, sizeof b->b.lambda);
    pthread_mutex_unlock(&b->lock);
}

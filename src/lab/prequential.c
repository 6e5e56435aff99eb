/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/prequential.h"

#include <stdlib.h>
#include <string.h>

#include "lab/protocol_run.h"

const char *const prequential_names[SHOPS] = {
    [SHOP_LIVE] = "live",
    [SHOP_FROZEN_COUNTS] = "frozen counts",
    [SHOP_FROZEN_STATE] = "frozen state",
};

struct walk {
    const struct protocol *p;
    const struct score_options *o;
    struct prequential_scores *out;
    /* One a shop: its counters and what its model makes of its users. The third has the
       counters of the first. */
    struct run run[SHOPS];
    struct places events;    /* after the split, in time order */
    struct places now, then; /* the cases: where they stand, and where state froze */
    uint64_t *unseen;        /* bitmap of all items: nobody has named it yet */
    uint32_t *unseen_item;   /* (n_unseen) the same as a list */
    uint32_t *unseen_place;  /* (items) where an item stands in it */
    uint32_t n_unseen;
    bool sharing;          /* the third shop's counters are the first one's */
    size_t c;              /* the case being asked */
    uint32_t *rank[SHOPS]; /* (cases) */
};

/* ---- what nobody has named yet ---- */

static int forget_all_new(struct walk *w)
{
    const uint32_t all = w->p->data->history.n_items;
    const uint32_t known = protocol_known(w->p, STAGE_TEST);
    w->unseen = calloc(all / 64 + (size_t)1, sizeof *w->unseen);
    w->unseen_item = malloc((all - known + (size_t)1) * sizeof *w->unseen_item);
    w->unseen_place = malloc((all + (size_t)1) * sizeof *w->unseen_place);
    if (!w->unseen || !w->unseen_item || !w->unseen_place)
        return PENCHANT_ENOMEM;
    for (uint32_t i = known; i < all; i++) {
        w->unseen[i / 64] |= 1ULL << i % 64;
        w->unseen_place[i] = w->n_unseen;
        w->unseen_item[w->n_unseen++] = i;
    }
    return PENCHANT_OK;
}

static bool is_unseen(const struct walk *w, uint32_t item)
{
    return w->unseen[item / 64] >> item % 64 & 1;
}

static void see(struct walk *w, uint32_t item)
{
    if (!is_unseen(w, item))
        return;
    const uint32_t last = w->unseen_item[--w->n_unseen];
    w->unseen_item[w->unseen_place[item]] = last;
    w->unseen_place[last] = w->unseen_place[item];
    w->unseen[item / 64] &= ~(1ULL << item % 64);
}

/* ---- one case, three shops ---- */

static void ask(struct walk *w, enum prequential_shop shop, struct bench *b)
{
    struct run *r = &w->run[shop];
    const struct history *h = &w->p->data->history;
    const uint64_t at = w->now.at[w->c];
    const bool counts = shop != SHOP_FROZEN_COUNTS;
    if (is_unseen(w, h->item[at])) {
        w->rank[shop][w->c] = METRICS_MISS;
        return;
    }
    struct evidence_query q = run_put_case(r, b, w->c);
    q.now_us = h->ts_us[at];
    q.skip = counts ? w->unseen : NULL;
    struct blend_terms terms;
    blend_for(&w->out->blend, &r->evidence, &q, w->o->mask, &terms);
    blend_score(&terms, &r->evidence, &q, r->items, q.n_items, b->sum, b->score);
    w->rank[shop][w->c] = metrics_rank(b->sum, q.n_items, h->item[at], w->unseen_item,
                                       counts ? w->n_unseen : 0);
    run_forget_case(b);
}

static void ask_share(void *arg, uint32_t thread)
{
    struct walk *w = arg;
    const struct run *live = &w->run[SHOP_LIVE];
    for (uint32_t shop = thread; shop < SHOPS; shop += live->threads)
        ask(w, (enum prequential_shop)shop, &live->bench[thread]);
}

/* ---- through time ---- */

static int learn(struct walk *w, size_t i)
{
    struct run *live = &w->run[SHOP_LIVE];
    const struct evidence_event e = run_event(live, w->events.at[i], w->events.user[i]);
    see(w, e.item);
    return evidence_observe(&live->evidence, &e);
}

static int walk_on(struct walk *w, struct penchant_error *err)
{
    const struct run *live = &w->run[SHOP_LIVE];
    for (size_t i = 0; i < w->events.n; i++) {
        if (w->c < w->now.n && w->now.at[w->c] == w->events.at[i]) {
            pool_run(live->pool, ask_share, w, live->threads);
            w->c++;
        }
        if (learn(w, i))
            return error_memory(err);
        if (i % CHUNK == 0 && w->o->progress &&
            w->o->progress(w->o->cookie, "test, then train", i, w->events.n, NULL))
            return error_set(err, PENCHANT_EINTERRUPTED, "stopped while evaluating");
    }
    return PENCHANT_OK;
}

/* ---- the cases ---- */

static int copy_places(struct places *to, const struct places *from)
{
    const size_t n = from->n + 1;
    *to = (struct places){.at = malloc(n * sizeof *to->at),
                          .user = malloc(n * sizeof *to->user)};
    if (!to->at || !to->user)
        return PENCHANT_ENOMEM;
    memcpy(to->at, from->at, from->n * sizeof *to->at);
    memcpy(to->user, from->user, from->n * sizeof *to->user);
    to->n = from->n;
    return PENCHANT_OK;
}

/* Where each case's user stood at the split: before their first event after it. */
static void go_back(const struct protocol *p, struct places *cases)
{
    const struct history *h = &p->data->history;
    for (size_t c = 0; c < cases->n; c++)
        while (cases->at[c] > h->start[cases->user[c]] &&
               p->stage[cases->at[c] - 1] == STAGE_TEST)
            cases->at[c]--;
}

static int take_cases(struct walk *w, struct penchant_error *err)
{
    const int status = protocol_order(w->p, STAGE_TEST, &w->events, err);
    if (status)
        return status;
    if (copy_places(&w->now, &w->events) || copy_places(&w->then, &w->events))
        return error_memory(err);
    places_thin(&w->now, PREQUENTIAL_CASES);
    places_thin(&w->then, PREQUENTIAL_CASES);
    go_back(w->p, &w->then);
    for (int shop = 0; shop < SHOPS; shop++) {
        w->rank[shop] = malloc((w->now.n + 1) * sizeof *w->rank[shop]);
        if (!w->rank[shop])
            return error_memory(err);
    }
    return PENCHANT_OK;
}

/* ---- opening the shops ---- */

/* Both kinds of counters have observed what was before the split; the weights are those
   that its validation events asked for. */
static int open_shops(struct walk *w, struct penchant_error *err)
{
    int status = PENCHANT_OK;
    for (int shop = 0; shop < SHOPS && !status; shop++)
        status = run_init(&w->run[shop], w->p, w->o, err);
    for (int shop = 0; shop < SHOP_FROZEN_STATE && !status; shop++)
        status = run_observe_stage(&w->run[shop], STAGE_FIT, err);
    if (!status)
        status = run_fit_blend(&w->run[SHOP_LIVE], &w->out->blend, &w->out->fitted, err);
    for (int shop = 0; shop < SHOP_FROZEN_STATE && !status; shop++)
        status = run_observe_stage(&w->run[shop], STAGE_VALIDATION, err);
    for (int shop = 0; shop < SHOPS && !status; shop++) {
        status = run_serve(&w->run[shop], err);
        if (!status)
            status = run_begin_cases(&w->run[shop],
                                     shop == SHOP_FROZEN_STATE ? &w->then : &w->now,
                                     STAGE_TEST, err);
    }
    if (status)
        return status;
    evidence_release(&w->run[SHOP_FROZEN_STATE].evidence);
    w->run[SHOP_FROZEN_STATE].evidence = w->run[SHOP_LIVE].evidence;
    w->sharing = true;
    /* Who counts on learns of every item in time. */
    w->run[SHOP_LIVE].known = w->run[SHOP_FROZEN_STATE].known =
        w->p->data->history.n_items;
    return forget_all_new(w) ? error_memory(err) : PENCHANT_OK;
}

static void close_shops(struct walk *w)
{
    if (w->sharing)
        w->run[SHOP_FROZEN_STATE].evidence = (struct evidence){0};
    for (int shop = 0; shop < SHOPS; shop++) {
        run_release(&w->run[shop]);
        free(w->rank[shop]);
    }
    places_release(&w->events);
    places_release(&w->now);
    places_release(&w->then);
    free(w->unseen);
    free(w->unseen_item);
    free(w->unseen_place);
}

/* ---- the report ---- */

/* Cases by user, each user's in time order: intervals take users as a whole. */
struct by_user {
    uint32_t user;
    size_t c;
};

static int compare_users(const void *a, const void *b)
{
    const struct by_user *x = a, *y = b;
    if (x->user != y->user)
        return x->user < y->user ? -1 : 1;
    return (x->c > y->c) - (x->c < y->c);
}

/* The cases [from, to) of the walk, of one shop. */
static int keep(const struct walk *w, struct by_user *order, size_t from, size_t to,
                int shop, struct metrics *m)
{
    int status = PENCHANT_OK;
    for (size_t c = from; c < to; c++)
        order[c - from] = (struct by_user){w->now.user[c], c};
    qsort(order, to - from, sizeof *order, compare_users);
    for (size_t i = 0; i < to - from && !status; i++) {
        const uint32_t rank = w->rank[shop][order[i].c];
        status = i && order[i].user == order[i - 1].user ? metrics_add_again(m, rank)
                                                         : metrics_add(m, rank);
    }
    return status;
}

static void count_cases(const struct walk *w)
{
    const struct history *h = &w->p->data->history;
    struct prequential_scores *out = w->out;
    out->events = w->events.n;
    out->cases = w->now.n;
    for (size_t c = 0; c < w->now.n; c++) {
        out->new_users += w->then.at[c] == h->start[w->then.user[c]];
        out->unknown_targets += w->rank[SHOP_LIVE][c] == METRICS_MISS;
    }
}

static int conclude(const struct walk *w, struct penchant_error *err)
{
    const size_t n = w->now.n;
    struct prequential_scores *out = w->out;
    struct by_user *order = malloc((n + 1) * sizeof *order);
    int status = order ? PENCHANT_OK : PENCHANT_ENOMEM;
    count_cases(w);
    for (int shop = 0; shop < SHOPS; shop++) {
        if (!status)
            status = keep(w, order, 0, n, shop, &out->shop[shop]);
        for (size_t i = 0; i < PREQUENTIAL_PARTS && !status; i++)
            status = keep(w, order, n * i / PREQUENTIAL_PARTS,
                          n * (i + 1) / PREQUENTIAL_PARTS, shop, &out->part[i][shop]);
    }
    free(order);
    return status ? error_memory(err) : PENCHANT_OK;
}

int prequential_score(struct prequential_scores *out, const struct protocol *p,
                      const struct score_options *o, struct penchant_error *err)
{
    struct walk w = {.p = p, .o = o, .out = out};
    *out = (struct prequential_scores){0};
    int status = take_cases(&w, err);
    if (!status)
        status = open_shops(&w, err);
    if (!status)
        status = walk_on(&w, err);
    if (!status)
        status = conclude(&w, err);
    close_shops(&w);
    if (status)
        prequential_scores_release(out);
    return status;
}

void prequential_scores_release(struct prequential_scores *s)
{
    for (int shop = 0; shop < SHOPS; shop++) {
        metrics_release(&s->shop[shop]);
        for (int i = 0; i < PREQUENTIAL_PARTS; i++)
            metrics_release(&s->part[i][shop]);
    }
    *s = (struct prequential_scores){0};
}
